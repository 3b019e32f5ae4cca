#!/usr/bin/env python3
"""Installs a build into an empty prefix and uses it as a stranger would; unpacks the packages made of it.

Usage: package_test.py SOURCE_DIRECTORY BUILD_DIRECTORY COMPILER
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE, BUILD, COMPILER = (sys.argv.pop(1) for _ in range(3))
HERE = pathlib.Path(__file__).resolve().parent
ROOMS = {"consensus", "statemachine", "sim", "transport", "server"}


def run(*command):
    return subprocess.run([str(word) for word in command], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


class InstalledPackage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory(prefix="quorate-package-")
        cls.prefix = pathlib.Path(cls.scratch.name) / "prefix"
        installed = run("cmake", "--install", BUILD, "--prefix", cls.prefix)
        assert installed.returncode == 0, installed.stdout

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def must(self, *command):
        outcome = run(*command)
        self.assertEqual(outcome.returncode, 0, outcome.stdout)
        return outcome.stdout

    def configure(self, source, *options):
        build = pathlib.Path(self.scratch.name) / self.id().rsplit(".", 1)[1] / pathlib.Path(source).name
        return build, ("cmake", "-S", source, "-B", build, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={self.prefix}",
                       f"-DCMAKE_CXX_COMPILER={COMPILER}", "-DCMAKE_CXX_COMPILER_LAUNCHER=ccache", *options)

    def test_a_project_finds_builds_and_runs(self):
        build, command = self.configure(HERE / "consumer")
        self.must(*command)
        self.must("cmake", "--build", build)
        self.assertIn("the installed package works", self.must(build / "consumer"))

    def test_the_example_of_the_guide_runs(self):
        build, command = self.configure(pathlib.Path(SOURCE) / "examples/your_own", "-DCMAKE_CXX_FLAGS=-O1")
        self.must(*command)
        self.must("cmake", "--build", build)
        self.assertIn("3 runs under faults", self.must(build / "simulate", 1, 3))
        lines = "acquire printer alice 60000\nacquire printer bob 1000\nrelease printer 1\n"
        locks = pathlib.Path(self.scratch.name) / "locks"
        port = str(20000 + os.getpid() % 20000)
        served = subprocess.run([build / "serve", locks, port], input=lines, text=True, capture_output=True, timeout=60)
        self.assertEqual((served.returncode, served.stdout), (0, "granted 1\nheld alice\nreleased\n"), served.stderr)

    def test_a_program_with_a_node_inside_runs(self):
        build, command = self.configure(pathlib.Path(SOURCE) / "examples/embedded", "-DCMAKE_CXX_FLAGS=-O1")
        self.must(*command)
        self.must("cmake", "--build", build)
        port = 20000 + os.getpid() % 20000
        for lines, shown in (("first\nsecond\n\n", "1: first\n2: second\n"), ("\n", "1: first\n2: second\n")):
            ran = subprocess.run([build / "notes", build / "data", f"localhost:{port}", f"localhost:{port + 1}"],
                                 input=lines, text=True, capture_output=True, timeout=60)
            self.assertEqual((ran.returncode, ran.stdout), (0, shown), ran.stderr)

    def test_another_version_is_refused(self):
        consumer = pathlib.Path(self.scratch.name) / "future"
        consumer.mkdir()
        (consumer / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.25)\nproject(future LANGUAGES CXX)\n"
                                                 "find_package(quorate 99 REQUIRED)\n")
        _, command = self.configure(consumer)
        outcome = run(*command)
        self.assertNotEqual(outcome.returncode, 0)
        self.assertIn("quorateConfig.cmake, version: 0.1", outcome.stdout)

    def test_nothing_of_the_build_leaks(self):
        for file in self.prefix.rglob("*.cmake"):
            text = file.read_text()
            for leak in (SOURCE, BUILD, "-Werror", "-Wconversion", "fuse-ld", "cereal"):
                self.assertNotIn(leak, text, file)

    def test_headers_are_installed_by_room(self):
        headers = {str(path.relative_to(self.prefix / "include/quorate"))
                   for path in (self.prefix / "include").rglob("*.hpp")}
        self.assertIn("consensus/types.hpp", headers)
        self.assertEqual({header.split("/")[0] for header in headers} - ROOMS, set())


@unittest.skipUnless(shutil.which("dpkg-deb") and shutil.which("dpkg-shlibdeps"), "Debian's packaging tools")
class Packages(unittest.TestCase):
    """What cpack makes, unpacked as dpkg and tar would."""

    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory(prefix="quorate-packages-")
        cls.made = pathlib.Path(cls.scratch.name) / "made"
        cls.made.mkdir()
        packed = run("cpack", "--config", pathlib.Path(BUILD) / "CPackConfig.cmake", "-B", cls.made)
        assert packed.returncode == 0, packed.stdout

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def one(self, pattern):
        found, = self.made.glob(pattern)
        return found

    def must(self, *command):
        outcome = run(*command)
        self.assertEqual(outcome.returncode, 0, outcome.stdout)
        return outcome.stdout

    def test_the_server(self):
        root = self.made / "server"
        self.must("dpkg-deb", "-x", self.one("quorate_*.deb"), root)
        self.assertTrue(self.must(root / "usr/bin/quorate", "--version").startswith("quorate 0.1"))
        self.assertFalse((root / "usr/include").exists(), "a server needs no headers")
        depends = self.must("dpkg-deb", "-f", self.one("quorate_*.deb"), "Depends")
        self.assertIn("libsqlite3-0", depends)
        unit = root / "usr/lib/systemd/system/quorate.service"
        text = unit.read_text()
        self.assertIn("ExecStart=/usr/bin/quorate node $QUORATE_FLAGS /var/lib/quorate", text)
        if shutil.which("systemd-analyze"):
            unit.write_text(text.replace("/usr/bin/quorate", str(root / "usr/bin/quorate")))
            self.must("systemd-analyze", "verify", unit)
        for script in ("postinst", "prerm", "postrm"):
            control = self.made / "control"
            self.must("dpkg-deb", "-e", self.one("quorate_*.deb"), control)
            self.must("sh", "-n", control / script)

    def test_the_libraries(self):
        root = self.made / "development"
        self.must("dpkg-deb", "-x", self.one("libquorate-dev_*.deb"), root)
        self.assertFalse((root / "usr/bin").exists())
        self.assertTrue((root / "usr/include/quorate/server/embedded_node.hpp").exists())
        depends = self.must("dpkg-deb", "-f", self.one("libquorate-dev_*.deb"), "Depends")
        self.assertIn("libspdlog-dev", depends)

    def test_the_tarball(self):
        names = self.must("tar", "-tzf", self.one("quorate-*.tar.gz"))
        for name in ("usr/bin/quorate", "usr/lib/systemd/system/quorate.service",
                     "usr/share/doc/quorate/quorate.default"):
            self.assertIn(name, names)


if __name__ == "__main__":
    unittest.main()
