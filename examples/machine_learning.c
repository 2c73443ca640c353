/* SPDX-License-Identifier: MIT */

/* A machine learning pipeline: Python makes a data set, trains a model and judges it; its output is
 * shown while it comes; the results are read back as JSON. Straight-line code, like data_science.c.
 */

#include <stdio.h>

#include "support.h"

static char code[] = "import numpy as np\n"
                     "import pandas as pd\n"
                     "from sklearn.model_selection import train_test_split\n"
                     "from sklearn.linear_model import LinearRegression\n"
                     "from sklearn.metrics import mean_squared_error, r2_score\n"
                     "import joblib\n"
                     "\n"
                     "# Generate sample dataset\n"
                     "np.random.seed(42)\n"
                     "X = np.random.randn(1000, 5)\n"
                     "y = X.sum(axis=1) + np.random.randn(1000) * 0.1\n"
                     "\n"
                     "# Create DataFrame\n"
                     "feature_names = [f'feature_{i}' for i in range(5)]\n"
                     "df = pd.DataFrame(X, columns=feature_names)\n"
                     "df['target'] = y\n"
                     "\n"
                     "print(f\"Dataset shape: {df.shape}\")\n"
                     "print(\"\\nDataset info:\")\n"
                     "print(df.describe())\n"
                     "\n"
                     "# Save dataset\n"
                     "df.to_csv('/ml-project/data/dataset.csv', index=False)\n"
                     "print(\"\\nDataset saved to /ml-project/data/dataset.csv\")\n"
                     "\n"
                     "# Split data\n"
                     "X_train, X_test, y_train, y_test = train_test_split(\n"
                     "    df[feature_names], df['target'], test_size=0.2, random_state=42\n"
                     ")\n"
                     "\n"
                     "# Train model\n"
                     "model = LinearRegression()\n"
                     "model.fit(X_train, y_train)\n"
                     "\n"
                     "# Make predictions\n"
                     "y_pred = model.predict(X_test)\n"
                     "\n"
                     "# Evaluate\n"
                     "mse = mean_squared_error(y_test, y_pred)\n"
                     "r2 = r2_score(y_test, y_pred)\n"
                     "\n"
                     "print(f\"\\nModel Performance:\")\n"
                     "print(f\"MSE: {mse:.4f}\")\n"
                     "print(f\"R²: {r2:.4f}\")\n"
                     "\n"
                     "# Save model\n"
                     "joblib.dump(model, '/ml-project/models/linear_model.pkl')\n"
                     "print(\"\\nModel saved to /ml-project/models/linear_model.pkl\")\n"
                     "\n"
                     "# Save results\n"
                     "results = {\n"
                     "    'mse': mse,\n"
                     "    'r2': r2,\n"
                     "    'feature_importance': dict(zip(feature_names, model.coef_)),\n"
                     "    'intercept': model.intercept_\n"
                     "}\n"
                     "\n"
                     "import json\n"
                     "with open('/ml-project/results.json', 'w') as f:\n"
                     "    json.dump(results, f, indent=2)\n"
                     "\n"
                     "print(\"Results saved!\")\n";

static int make_directories(demo_t *demo, e2b_sandbox_t *sandbox) {
  static const char *const directories[] = {"/ml-project", "/ml-project/data",
                                            "/ml-project/models"};
  for (size_t i = 0; i < 3; i++) {
    e2b_future_t *made =
        demo_await(e2b_files_mkdir(sandbox, demo_path(demo, directories[i]), NULL));
    if (made == NULL) return 0;
    e2b_future_release(made);
  }
  return 1;
}

static void on_output(e2b_command_t *command, const char *data, size_t len, void *user_data) {
  (void)command;
  fwrite(data, 1, len, user_data);
}

static int train(demo_t *demo, e2b_sandbox_t *sandbox) {
  e2b_run_options run;
  e2b_code_options options;

  E2B_INIT(&run);
  run.on_stdout = on_output; /* output as it comes, instead of all of it in the result */
  run.user_data = stdout;
  E2B_INIT(&options);
  options.runtime = E2B_RUNTIME_PYTHON;
  options.run = &run;
  demo_relocate(demo, code, "/ml-project");
  e2b_future_t *ran = demo_await(e2b_run_code(sandbox, code, &options));
  if (ran == NULL) return 0;
  const e2b_execution_t *result = e2b_future_execution(ran);
  int ok = result->exit_code == 0;
  if (ok)
    printf("\nIt took %.1f s\n", (double)result->duration_us / 1e6);
  else
    fprintf(stderr, "%s", result->stderr_data.ptr);
  e2b_future_release(ran);
  return ok;
}

static int read_results(demo_t *demo, e2b_sandbox_t *sandbox) {
  const char *path = demo_path(demo, "/ml-project/results.json");
  e2b_future_t *read = demo_await(e2b_files_read(sandbox, path, NULL));
  if (read == NULL) return 0;
  printf("\nML Results: %s\n", e2b_future_bytes(read)->ptr);
  e2b_future_release(read);
  return 1;
}

static int check_model(demo_t *demo, e2b_sandbox_t *sandbox) {
  const char *path = demo_path(demo, "/ml-project/models/linear_model.pkl");
  e2b_future_t *asked = demo_await(e2b_files_exists(sandbox, path, NULL));
  if (asked == NULL) return 0;
  int exists = e2b_future_bool(asked);
  printf("Model saved: %s\n", exists ? "true" : "false");
  e2b_future_release(asked);
  return exists;
}

int main(void) {
  demo_t demo;
  e2b_create_options options;
  int ok = 0;

  if (demo_start(&demo, uv_default_loop()) != 0) return demo_finish(&demo, 0);
  E2B_INIT(&options);
  options.timeout_ms = 600000; /* ten minutes */
  e2b_future_t *created = demo_await(e2b_sandbox_create(demo.client, &options));
  if (created != NULL) {
    e2b_sandbox_t *sandbox = e2b_future_sandbox(created);
    e2b_future_release(created);
    ok = make_directories(&demo, sandbox) && train(&demo, sandbox) &&
         read_results(&demo, sandbox) && check_model(&demo, sandbox);
    demo_destroy(&demo, sandbox);
  }
  return demo_finish(&demo, ok);
}
