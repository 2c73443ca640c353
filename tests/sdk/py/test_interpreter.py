# SPDX-License-Identifier: MIT
"""The code interpreter's own package, on the template that it takes by itself."""

import base64
import unittest

from e2b_code_interpreter import AsyncSandbox, Sandbox


class Interpreter(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sandbox = Sandbox.create(timeout=120, envs={"EVERYWHERE": "yes"})
        cls.run_code = cls.sandbox.run_code

    @classmethod
    def tearDownClass(cls):
        cls.sandbox.kill()

    def test_a_cell_has_output_a_result_and_what_came_before_it(self):
        self.run_code("x = 40")
        run = self.run_code("print('printed'); x + 2")
        self.assertEqual((run.logs.stdout, run.logs.stderr), (["printed\n"], []))
        self.assertEqual((run.text, run.error), ("42", None))
        self.assertTrue(run.results[0].is_main_result)

    def test_output_results_and_errors_are_heard_as_they_come(self):
        out, results, errors = [], [], []
        self.run_code(
            "print('out')\ndisplay('shown')\n1/0",
            on_stdout=lambda message: out.append(message.line),
            on_result=lambda result: results.append(result.text),
            on_error=lambda error: errors.append((error.name, error.value)),
        )
        self.assertEqual("".join(out), "out\n")
        self.assertEqual(results, ["shown"])
        self.assertEqual(errors, [("ZeroDivisionError", "division by zero")])

    def test_figures_and_tables_come_in_their_forms(self):
        plot = self.run_code("import matplotlib.pyplot as plt\nplt.plot([1, 2, 3])\nplt.show()")
        self.assertTrue(base64.b64decode(plot.results[0].png).startswith(b"\x89PNG"))
        table = self.run_code("import pandas as pd\npd.DataFrame({'a': [1, 2]})")
        self.assertIn("<table", table.results[0].html)

    def test_a_chart_has_its_data(self):
        if self.run_code("import e2b_charts").error:
            self.skipTest("the environment has no e2b_charts")
        run = self.run_code(
            "import matplotlib.pyplot as plt\nplt.bar(['a', 'b'], [1, 2])\nplt.title('T')\nplt.show()"
        )
        chart = run.results[0].chart
        self.assertEqual((chart.type.value, chart.title), ("bar", "T"))
        self.assertEqual([(one.label, one.value) for one in chart.elements], [("a", 1), ("b", 2)])

    def test_contexts_keep_to_themselves(self):
        context = self.sandbox.create_code_context(cwd="/tmp")
        self.run_code("own = 1", context=context)
        self.assertEqual(self.run_code("own", context=context).text, "1")
        self.assertEqual(self.run_code("own").error.name, "NameError")
        self.assertIn(context.id, [one.id for one in self.sandbox.list_code_contexts()])
        self.sandbox.restart_code_context(context)
        self.assertEqual(self.run_code("own", context=context).error.name, "NameError")
        self.sandbox.remove_code_context(context)
        self.assertNotIn(context.id, [one.id for one in self.sandbox.list_code_contexts()])

    def test_variables_are_the_sandboxs_and_the_cells(self):
        read = "import os; os.environ['EVERYWHERE']"
        self.assertEqual(self.run_code(read).text, "yes")
        self.assertEqual(self.run_code(read, envs={"EVERYWHERE": "here"}).text, "here")
        self.assertEqual(self.run_code(read).text, "yes")

    def test_javascript_and_bash_run_too(self):
        script = self.run_code("console.log('from node'); 1 + 1", language="js")
        self.assertEqual((script.logs.stdout, script.text), (["from node\n"], "2"))
        self.assertEqual(self.run_code("echo from bash", language="bash").logs.stdout, ["from bash\n"])

    def test_a_timeout_ends_the_wait_and_the_context_goes_on(self):
        with self.assertRaises(Exception) as caught:
            self.run_code("while True: pass", timeout=0.5)
        self.assertIn("time", str(caught.exception).lower())
        self.assertEqual(self.run_code("1 + 1").text, "2")


class AsyncInterpreter(unittest.IsolatedAsyncioTestCase):
    async def test_cells_run_for_an_asynchronous_client(self):
        sandbox = await AsyncSandbox.create(timeout=60)
        heard = []
        run = await sandbox.run_code("print('out'); 6 * 7", on_stdout=lambda m: heard.append(m.line))
        self.assertEqual((run.text, heard), ("42", ["out\n"]))
        self.assertEqual((await sandbox.run_code("1/0")).error.name, "ZeroDivisionError")
        await sandbox.kill()
