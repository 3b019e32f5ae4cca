"""Options of the fault tests, and what is kept of those that fail."""

import pathlib
import random
import shutil
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests" / "e2e")]

from cluster import QUORATE  # noqa: E402  pylint: disable=wrong-import-position
from harness.nemesis import FAULTS  # noqa: E402  pylint: disable=wrong-import-position


def pytest_addoption(parser):
    parser.addoption("--seconds", type=float, default=6.0, help="how long the faults of each trial go on")
    parser.addoption("--seed", type=int, default=None, help="of the schedule of faults and operations; default: random")
    parser.addoption("--faults", default=",".join(FAULTS), help=f"which to draw from: {', '.join(FAULTS)}")


def pytest_configure(config):
    if config.getoption("--seed") is None:
        config.option.seed = random.SystemRandom().randrange(1 << 32)
    unknown = set(config.getoption("--faults").split(",")) - set(FAULTS) - {""}
    if unknown:
        raise pytest.UsageError(f"no such faults: {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}")


def pytest_report_header(config):
    return f"fault tests: --seconds {config.getoption('--seconds'):g} --seed {config.getoption('--seed')}"


@pytest.fixture
def seconds(request):
    return request.config.getoption("--seconds")


@pytest.fixture
def seed(request):
    return request.config.getoption("--seed")


@pytest.fixture
def faults(request):
    return [fault for fault in request.config.getoption("--faults").split(",") if fault]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call":
        item.has_failed = report.failed


@pytest.fixture
def directory(request, seed, seconds):
    """Where a trial keeps its data, logs and history: below the build directory, and only if it fails for good."""
    name = f"{request.node.name}-{seed}".replace("[", "-").replace("]", "")
    made = QUORATE.parent.parent / "jepsen" / name
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    yield made
    if getattr(request.node, "has_failed", True):
        build = QUORATE.parent.parent
        print(f"\nkept: {made} (history.jsonl, nemesis.log, the nodes' logs and data)\nonce more: "
              f"QUORATE_BUILD_DIR={build} /usr/bin/python3 -m pytest {HERE} -k '{request.node.originalname}"
              f"{' and ' + request.node.callspec.id if hasattr(request.node, 'callspec') else ''}' "
              f"--seconds {seconds:g} --seed {seed} --faults {request.config.getoption('--faults')}")
    else:
        shutil.rmtree(made, ignore_errors=True)
