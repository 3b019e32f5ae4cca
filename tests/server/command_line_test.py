#!/usr/bin/env python3
"""The command line of the binary: help that helps, and mistakes that are refused with a way on.

Usage: command_line_test.py QUORATE_BINARY
"""

import re
import subprocess
import sys
import unittest

QUORATE = sys.argv.pop(1)

SUCCESS, USAGE = 0, 2


def quorate(*arguments):
    return subprocess.run([QUORATE, *arguments], text=True, capture_output=True, timeout=30)


class CommandLine(unittest.TestCase):
    def refuses(self, arguments, *expected):
        outcome = quorate(*arguments)
        self.assertEqual(outcome.returncode, USAGE, outcome)
        self.assertEqual(outcome.stdout, "")
        for text in expected:
            self.assertIn(text, outcome.stderr)

    def test_version(self):
        outcome = quorate("--version")
        self.assertEqual(outcome.returncode, SUCCESS)
        self.assertRegex(outcome.stdout, r"\Aquorate \d+\.\d+\.\d+ \(\S+, .+\)\n\Z")

    def test_help(self):
        outcome = quorate("--help")
        self.assertEqual(outcome.returncode, SUCCESS)
        self.assertIn("Usage: quorate", outcome.stdout)
        self.assertEqual(outcome.stderr, "")

    def test_every_command_explains_itself(self):
        listed = quorate("--help").stdout.split("Subcommands:\n")[1]
        commands = re.findall(r"^  (\w+) +\S", listed, re.MULTILINE)
        self.assertLessEqual({"bench", "check", "sql"}, set(commands))
        for command in commands:
            with self.subTest(command):
                outcome = quorate(command, "--help")
                self.assertEqual(outcome.returncode, SUCCESS, outcome)
                self.assertIn(f"Usage: quorate {command}", outcome.stdout)
                self.refuses([command, "--hlep"], f"quorate {command}: unknown option --hlep; did you mean --help?",
                             f"Try: quorate {command} --help")

    def test_no_command(self):
        self.refuses([], "subcommand is required", "Try: quorate --help")

    def test_unknown_option(self):
        self.refuses(["--versoin"], "unknown option --versoin; did you mean --version?", "Try: quorate --help")

    def test_unknown_command(self):
        self.refuses(["frobnicate"], "unexpected argument frobnicate", "Try: quorate --help")


if __name__ == "__main__":
    unittest.main()
