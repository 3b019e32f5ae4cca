"""scripts/run with a binary that is there already: a cluster that starts, is found again, survives, and goes."""

import os
import pathlib
import subprocess

import pytest

from cluster import QUORATE

RUN = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "run"


@pytest.fixture
def run(tmp_path):
    environment = {**os.environ, "QUORATE_BINARY": str(QUORATE), "QUORATE_DATA": str(tmp_path / "data")}

    def call(*arguments, text=""):
        return subprocess.run([RUN, *arguments], input=text, text=True, capture_output=True, timeout=120,
                              env=environment, check=False)
    yield call
    call("--wipe")


def test_from_nothing_to_nothing(run, tmp_path):
    outcome = run(text="CREATE TABLE t(id); INSERT INTO t VALUES(1); SELECT count(*) + 41 FROM t;")
    assert outcome.returncode == 0, outcome
    assert "42" in outcome.stdout
    assert "A cluster of 3 nodes is running" in outcome.stderr
    assert "42" in run(text="SELECT count(*) + 41 FROM t;").stdout, "the same cluster is found again"
    assert run(text="nonsense;").returncode == 1
    assert run("--stop").returncode == 0
    assert "42" in run(text="SELECT count(*) + 41 FROM t;").stdout, "it comes back with its data"
    outcome = run("--demo")
    assert outcome.returncode == 0, outcome
    assert outcome.stdout.count(" 0 lost, 0 repeated") == 3
    assert run("--wipe").returncode == 0
    assert not (tmp_path / "data").exists()
    assert run("--stop").returncode == 1


def test_mistakes(run):
    assert run("--nodes", "many").returncode == 2
    assert run("--frobnicate").returncode == 2
    assert "Usage:" in run("--help").stdout
