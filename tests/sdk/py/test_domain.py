# SPDX-License-Identifier: MIT
"""Against a host with TLS, whose clients know a domain and a key and nothing else."""

import os
import unittest

from e2b import AsyncSandbox, Sandbox


class Domain(unittest.IsolatedAsyncioTestCase):
    def test_a_domain_and_a_key_are_enough(self):
        self.assertNotIn("E2B_API_URL", os.environ)
        with Sandbox.create("base", timeout=60) as sandbox:
            self.assertEqual(sandbox.commands.run("echo hello").stdout, "hello\n")
            sandbox.files.write("note", "over TLS")
            self.assertEqual(sandbox.files.read("note"), "over TLS")
            self.assertTrue(sandbox.is_running())
        self.assertFalse(sandbox.is_running())

    async def test_they_are_for_an_asynchronous_client(self):
        sandbox = await AsyncSandbox.create("base", timeout=60)
        self.assertEqual((await sandbox.commands.run("echo hello")).stdout, "hello\n")
        await sandbox.files.write("note", "over TLS")
        self.assertEqual(await sandbox.files.read("note"), "over TLS")
        self.assertTrue(await sandbox.kill())
