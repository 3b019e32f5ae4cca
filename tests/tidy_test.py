#!/usr/bin/env python3
"""The house rules that a machine can check. Run by CTest, or directly: python3 tests/tidy_test.py

Every rule looks at the files that git tracks, and at new ones that it does not ignore, and reports each violation as
`file:line: what is wrong`. A rule that is in the way of better code is changed here, with its reason, never worked
around.
"""

import functools
import os
import pathlib
import re
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Which rooms a room may include from and link to. An arrow never points up.
MAY_KNOW = {
    "consensus": {"consensus"},
    "statemachine": {"statemachine", "consensus"},
    "transport": {"transport", "consensus"},
    "sim": {"sim", "statemachine", "consensus"},
    "server": {"server", "sim", "transport", "statemachine", "consensus"},
}
# Outside of the rooms everything may be used, but the rooms may use nothing of it.
OUTSIDE = ("bench", "examples", "tests")

MAX_LINES = 600
MAX_COLUMNS = 120

# Where headers may show a third-party type: the seams that exist to hide it.
SEAMS = ("consensus/wire/", "/detail/")
ALLOWED_IN_HEADERS = {"tl/expected.hpp"}

# Where the same seed must always give the same run, and the parts of those rooms that only ever meet the real world.
DETERMINISTIC = ("consensus/", "statemachine/", "sim/")
REAL_WORLD = ("consensus/storage/posix_files",)


@functools.cache
def repository_files():
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "--cached", "--others", "--exclude-standard"]
    if (ROOT / ".git").exists():
        names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    else:  # a source archive
        names = [os.path.relpath(os.path.join(folder, name), ROOT)
                 for folder, _, files in os.walk(ROOT) if "/build" not in folder for name in files]
    return sorted({name for name in names if (ROOT / name).is_file()})


@functools.cache
def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8", errors="replace")


STRING_OR_COMMENT = re.compile(
    r'R"(?P<mark>[^\s()\\]{0,16})\(.*?\)(?P=mark)"|//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.DOTALL)


@functools.cache
def code_of(name):
    """C++ text with comments and string literals blanked; line numbers stay."""
    return STRING_OR_COMMENT.sub(lambda match: '""' + "\n" * match.group().count("\n"), text_of(name))


def cmake_of(name):
    return re.sub(r"#[^\n]*", "", text_of(name))


def room_of(name):
    return name.split("/", 1)[0]


def cpp_files(*rooms):
    return [name for name in repository_files()
            if name.endswith((".cpp", ".hpp")) and (not rooms or room_of(name) in rooms)]


def headers(*rooms):
    return [name for name in cpp_files(*rooms) if name.endswith(".hpp")]


def source_files():
    return [name for name in repository_files()
            if name.endswith((".cpp", ".hpp", ".py", ".cmake", ".txt")) or name.startswith(("scripts/", ".ci/"))]


def deterministic_files():
    return [name for name in cpp_files() if name.startswith(DETERMINISTIC) and not name.startswith(REAL_WORLD)]


def matches(names, pattern, text=code_of):
    """Yields (`file:line`, match) for each match of the pattern."""
    expression = re.compile(pattern, re.MULTILINE)
    for name in names:
        for match in expression.finditer(text(name)):
            yield f"{name}:{text(name).count(chr(10), 0, match.start()) + 1}", match


def includes(names):
    """Yields (`file:line`, file, delimiter, included path)."""
    for place, match in matches(names, r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', text_of):
        yield place, place.rsplit(":", 1)[0], match.group(1), match.group(2)


class HouseRules(unittest.TestCase):
    def expect_none(self, violations):
        violations = list(violations)
        if violations:
            self.fail("\n" + "\n".join(violations))

    def expect_no_match(self, names, pattern, why, text=code_of):
        self.expect_none(f"{place}: {match.group().strip()}: {why}" for place, match in matches(names, pattern, text))

    def test_there_is_something_to_check(self):
        self.assertGreater(len(headers("consensus")), 5)
        for room in MAY_KNOW:
            self.assertTrue((ROOT / room).is_dir(), room)

    # --- size and form ---

    def test_files_are_short_enough_to_read(self):
        self.expect_none(f"{name}: {count} lines; more than {MAX_LINES}: split it by concern"
                         for name in source_files() if (count := text_of(name).count("\n")) > MAX_LINES)

    def test_lines_fit_the_screen(self):
        code = [name for name in source_files() if not name.endswith(".txt") or name.endswith("CMakeLists.txt")]
        self.expect_none(f"{name}:{number}: {len(line)} columns; more than {MAX_COLUMNS}" for name in code
                         for number, line in enumerate(text_of(name).split("\n"), 1) if len(line) > MAX_COLUMNS)

    def test_text_is_clean(self):
        self.expect_no_match(source_files(), r"\t|\r|[ ]+$", "no tabs, carriage returns or trailing blanks", text_of)
        self.expect_none(f"{name}: no newline at the end" for name in source_files()
                         if text_of(name) and not text_of(name).endswith("\n"))

    def test_headers_are_included_once(self):
        self.expect_none(f"{name}: no #pragma once" for name in headers() if "\n#pragma once\n" not in text_of(name))

    def test_headers_open_with_what_they_are(self):
        self.expect_none(f"{name}:1: a header opens with a comment: what it is, and what it promises"
                         for name in headers() if not re.match(r"// \S", text_of(name)))

    def test_headers_leave_namespaces_alone(self):
        self.expect_no_match(headers(), r"\busing\s+namespace\b", "not in a header")

    def test_names_of_files(self):
        self.expect_none(f"{name}: files are named snake_case.cpp, snake_case.hpp"
                         for name in cpp_files() if not re.fullmatch(r"[a-z0-9_/]+\.[ch]pp", name))

    # --- direction between the rooms ---

    def test_includes_follow_the_rooms(self):
        violations = []
        for place, name, delimiter, path in includes(cpp_files()):
            room = room_of(name)
            if delimiter == "<" or room == "examples":  # an example is a project of its own
                continue
            if not (ROOT / path).is_file():
                violations.append(f'{place}: "{path}" is no file of this repository (paths start at its root)')
            elif room not in OUTSIDE and room_of(path) not in MAY_KNOW[room]:
                violations.append(f'{place}: {room}/ may not know {room_of(path)}/ ("{path}")')
        self.expect_none(violations)

    def test_angle_brackets_are_for_others(self):
        self.expect_none(f'{place}: write "{path}"' for place, name, delimiter, path in includes(cpp_files())
                         if delimiter == "<" and room_of(name) != "examples" and (ROOT / path).is_file())

    def test_links_follow_the_rooms(self):
        lists = [name for name in repository_files() if name.endswith("CMakeLists.txt") and room_of(name) in MAY_KNOW]
        home = {match.group(1): room_of(place)
                for place, match in matches(lists, r"\bquorate_library\(\s*(\w+)", cmake_of)}
        self.assertEqual(home.get("consensus"), "consensus")
        violations = []
        for place, match in matches(lists, r"\bquorate(?:::|_)(\w+)", cmake_of):
            room, used = room_of(place), home.get(match.group(1))
            if used is not None and used not in MAY_KNOW[room]:
                violations.append(f"{place}: {room}/ may not link to {match.group()}")
        self.expect_none(violations)

    def test_every_file_is_built(self):
        def is_listed(path):
            folders = [folder for folder in path.parents if (ROOT / folder / "CMakeLists.txt").is_file()]
            return any(re.search(rf"(?<![\w.]){re.escape(str(path.relative_to(folder)))}(?![\w/])",
                                 cmake_of(str(folder / "CMakeLists.txt"))) for folder in folders)
        public = [name for name in headers(*MAY_KNOW) if "/detail/" not in name]
        sources = [name for name in cpp_files(*MAY_KNOW, "tests") if name.endswith(".cpp")]
        self.expect_none(f"{name}: in no CMakeLists.txt (a header that is not listed is not installed)"
                         for name in public + sources if not is_listed(pathlib.PurePosixPath(name)))

    # --- what headers and deterministic code may use ---

    def test_headers_hide_third_parties(self):
        def is_system(path):
            return "." not in path or path.startswith(("sys/", "netinet/", "arpa/")) or path in {"fcntl.h", "unistd.h"}
        self.expect_none(f"{place}: third-party <{path}> in a header (hide it in a .cpp file or in detail/)"
                         for place, name, delimiter, path in includes(headers(*MAY_KNOW))
                         if delimiter == "<" and not is_system(path) and path not in ALLOWED_IN_HEADERS
                         and not any(seam in name for seam in SEAMS))

    def test_chance_time_and_environment_come_in_from_the_server(self):
        self.expect_no_match(cpp_files("consensus", "statemachine", "sim", "transport"),
                             r"\b(?:random_device|system_clock|s?rand\s*\(|getenv|gettimeofday|"
                             r"time\s*\(\s*(?:nullptr|NULL|0))",
                             "belongs to server/, which passes its result in")

    def test_deterministic_code_has_no_clock_of_its_own(self):
        self.expect_no_match(deterministic_files(),
                             r"\b(?:steady_clock|high_resolution_clock|sleep_for|sleep_until)\b",
                             "time comes in with events")

    def test_deterministic_code_starts_no_threads(self):
        self.expect_no_match(deterministic_files(), r"\bstd::(?:j?thread\b(?!::id)|async\b)|\bthread_local\b",
                             "threads belong to transport/ and server/")

    def test_deterministic_code_draws_its_own_numbers(self):
        self.expect_no_match(deterministic_files(), r"\bstd::(?:\w+_distribution|(?:ranges::)?(?:shuffle|sample))\b",
                             "differs between standard libraries")

    def test_deterministic_code_never_iterates_in_hash_order(self):
        declared = r"\bunordered_(?:flat_|node_)?(?:map|set)\s*<[^;{}()]*>\s+(\w+)\s*[;{=]"
        violations = []
        for name in deterministic_files():
            pair = [file for file in (name, name.replace(".cpp", ".hpp")) if (ROOT / file).is_file()]
            for container in sorted({match.group(1) for _, match in matches(pair, declared)}):
                iteration = rf"\bfor\s*\([^;)]*:\s*(?:this->)?{container}\s*\)|\b{container}\.c?begin\s*\("
                violations += [f"{place}: iterates over unordered {container}"
                               for place, _ in matches([name], iteration)]
        self.expect_none(violations)

    def test_there_are_no_coroutines(self):
        self.expect_no_match(cpp_files(), r"\bco_(?:await|return|yield)\b",
                             "g++ 12 miscompiles many of them (double frees at run time); use completion handlers")

    def test_assertions_stay_in_every_build(self):
        self.expect_no_match(cpp_files(*MAY_KNOW), r"\bassert\s*\(", "vanishes in release builds; use QUORATE_ASSERT")

    # --- what is left behind ---

    def test_nothing_is_left_for_later(self):
        marks = "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"))
        self.expect_no_match(source_files(), rf"\b(?:{marks})\b", "do it now or leave it out", text_of)

    def test_no_machine_is_mentioned(self):
        homes = "|".join(("wo" + "rk", "fa" + "rm", "ro" + "ot", "tm" + "p", "ho" + r"me/\w+"))
        self.expect_no_match([name for name in repository_files() if not name.endswith((".gitignore", ".svg"))],
                             rf"(?:^|[^\w.}}])/(?:{homes})/\w*", "a path of one machine", text_of)

    def test_links_in_the_documentation_lead_somewhere(self):
        pages = [name for name in repository_files() if name.endswith(".md")]
        self.expect_none(f"{place}: there is no {match.group(1)}"
                         for place, match in matches(pages, r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text_of)
                         if "://" not in match.group(1)
                         and not (ROOT / place.rsplit(":", 1)[0]).parent.joinpath(match.group(1)).exists())

    def test_scripts_can_be_run(self):
        self.expect_none(f"{name}: not executable" for name in repository_files()
                         if name.startswith(("scripts/", ".ci/")) and text_of(name).startswith("#!")
                         and not (ROOT / name).stat().st_mode & 0o100)


if __name__ == "__main__":
    unittest.main()
