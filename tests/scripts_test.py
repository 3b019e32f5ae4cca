#!/usr/bin/env python3
"""The scripts' own command lines: help, and mistakes that are refused before anything is done."""

import pathlib
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
SCRIPTS = sorted(path for path in (ROOT / "scripts").iterdir() if path.read_bytes().startswith(b"#!/usr/bin/env bash"))


def run(*command):
    return subprocess.run([str(word) for word in command], text=True, capture_output=True, timeout=60)


class Scripts(unittest.TestCase):
    def test_are_there(self):
        self.assertLessEqual({"setup", "test"}, {path.name for path in SCRIPTS})

    def test_parse(self):
        for script in [*SCRIPTS, ROOT / ".ci/run"]:
            with self.subTest(script.name):
                outcome = run("bash", "-n", script)
                self.assertEqual(outcome.returncode, 0, outcome.stderr)

    def test_help_teaches(self):
        for script in SCRIPTS:
            with self.subTest(script.name):
                outcome = run(script, "--help")
                self.assertEqual(outcome.returncode, 0, outcome.stderr)
                self.assertIn(f"Usage: scripts/{script.name}", outcome.stdout)

    def test_unknown_options_are_refused(self):
        for script in SCRIPTS:
            with self.subTest(script.name):
                outcome = run(script, "--frobnicate")
                self.assertNotEqual(outcome.returncode, 0)
                self.assertEqual(outcome.stdout, "")
                self.assertIn("unknown option --frobnicate (try --help)", outcome.stderr)

    def test_values_are_checked(self):
        for arguments in (["--jobs", "many"], ["--jobs"], ["--fuzz", "long"], ["--label"]):
            with self.subTest(arguments):
                outcome = run(ROOT / "scripts/test", *arguments)
                self.assertEqual(outcome.returncode, 2, outcome.stdout)
                self.assertIn("(try --help)", outcome.stderr)

    def test_setup_lists_what_it_installs(self):
        outcome = run(ROOT / "scripts/setup", "--list", "--clang")
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        self.assertLessEqual({"cmake", "libsqlite3-dev", "clang-19"}, set(outcome.stdout.split()))


if __name__ == "__main__":
    unittest.main()
