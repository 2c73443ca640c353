/* SPDX-License-Identifier: MIT */

/* A data science workflow: input goes in as a file, Python makes statistics and a chart of it,
 * results come back as JSON. Straight-line code: e2b_future_await() turns the loop until a future
 * is decided. */

#include <stdio.h>
#include <string.h>

#include "support.h"

static const char people[] = "name,age,city\n"
                             "Alice,25,New York\n"
                             "Bob,30,San Francisco\n"
                             "Charlie,35,Chicago";

static char code[] = "import pandas as pd\n"
                     "import matplotlib.pyplot as plt\n"
                     "\n"
                     "# Read data\n"
                     "df = pd.read_csv('/analysis/data/people.csv')\n"
                     "print(\"Data loaded:\")\n"
                     "print(df)\n"
                     "\n"
                     "# Calculate statistics\n"
                     "avg_age = df['age'].mean()\n"
                     "print(f\"\\nAverage age: {avg_age}\")\n"
                     "\n"
                     "# Create visualization\n"
                     "plt.figure(figsize=(8, 6))\n"
                     "plt.bar(df['name'], df['age'])\n"
                     "plt.title('Age by Person')\n"
                     "plt.xlabel('Name')\n"
                     "plt.ylabel('Age')\n"
                     "plt.savefig('/analysis/output/age_chart.png')\n"
                     "print(\"\\nChart saved to /analysis/output/age_chart.png\")\n"
                     "\n"
                     "# Save results\n"
                     "results = {\n"
                     "    'total_people': len(df),\n"
                     "    'average_age': avg_age,\n"
                     "    'cities': df['city'].unique().tolist()\n"
                     "}\n"
                     "\n"
                     "import json\n"
                     "with open('/analysis/output/results.json', 'w') as f:\n"
                     "    json.dump(results, f, indent=2)\n"
                     "\n"
                     "print(\"Results saved!\")\n";

static int make_directories(demo_t *demo, e2b_sandbox_t *sandbox) {
  static const char *const directories[] = {"/analysis", "/analysis/data", "/analysis/output"};
  for (size_t i = 0; i < 3; i++) {
    e2b_future_t *made =
        demo_await(e2b_files_mkdir(sandbox, demo_path(demo, directories[i]), NULL));
    if (made == NULL) return 0;
    e2b_future_release(made);
  }
  return 1;
}

static int write_input(demo_t *demo, e2b_sandbox_t *sandbox) {
  const char *path = demo_path(demo, "/analysis/data/people.csv");
  e2b_future_t *written = demo_await(e2b_files_write(sandbox, path, people, strlen(people), NULL));
  if (written == NULL) return 0;
  printf("wrote %s\n\n", e2b_future_file_info(written)->path);
  e2b_future_release(written);
  return 1;
}

static int run(demo_t *demo, e2b_sandbox_t *sandbox) {
  demo_relocate(demo, code, "/analysis");
  e2b_future_t *ran = demo_await(e2b_run_code(sandbox, code, NULL));
  if (ran == NULL) return 0;
  const e2b_execution_t *result = e2b_future_execution(ran);
  int ok = result->exit_code == 0;
  printf("%s", result->stdout_data.ptr);
  if (!ok) fprintf(stderr, "%s", result->stderr_data.ptr);
  e2b_future_release(ran);
  return ok;
}

static int read_results(demo_t *demo, e2b_sandbox_t *sandbox) {
  const char *path = demo_path(demo, "/analysis/output/results.json");
  e2b_future_t *read = demo_await(e2b_files_read(sandbox, path, NULL));
  if (read == NULL) return 0;
  printf("\nAnalysis results: %s\n", e2b_future_bytes(read)->ptr);
  e2b_future_release(read);
  return 1;
}

static int check_chart(demo_t *demo, e2b_sandbox_t *sandbox) {
  const char *path = demo_path(demo, "/analysis/output/age_chart.png");
  e2b_future_t *asked = demo_await(e2b_files_exists(sandbox, path, NULL));
  if (asked == NULL) return 0;
  int exists = e2b_future_bool(asked);
  printf("Chart created: %s\n", exists ? "true" : "false");
  e2b_future_release(asked);
  return exists;
}

int main(void) {
  demo_t demo;
  int ok = 0;
  if (demo_start(&demo, uv_default_loop()) != 0) return demo_finish(&demo, 0);
  e2b_future_t *created = demo_await(e2b_sandbox_create(demo.client, NULL));
  if (created != NULL) {
    e2b_sandbox_t *sandbox = e2b_future_sandbox(created);
    e2b_future_release(created);
    ok = make_directories(&demo, sandbox) && write_input(&demo, sandbox) && run(&demo, sandbox) &&
         read_results(&demo, sandbox) && check_chart(&demo, sandbox);
    demo_destroy(&demo, sandbox);
  }
  return demo_finish(&demo, ok);
}
