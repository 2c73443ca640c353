# SPDX-License-Identifier: MIT
"""What the tests share: a sandbox for all tests of a class, and waiting without sleeping."""

import time
import unittest

from e2b import Sandbox


def create(**options):
    return Sandbox.create("base", **{"timeout": 60, **options})


def until(ask, good=bool):
    """Asks again, one question after the other, until the answer is a good one; gives it."""
    end = time.monotonic() + 30
    while True:
        answer = ask()
        if good(answer):
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"still {answer!r}")


class WithSandbox(unittest.TestCase):
    options = {}

    @classmethod
    def setUpClass(cls):
        cls.sandbox = create(timeout=120, **cls.options)
        cls.files = cls.sandbox.files
        cls.commands = cls.sandbox.commands

    @classmethod
    def tearDownClass(cls):
        cls.sandbox.kill()
