"""Fixtures: clusters of real processes, one for each test or one for a whole file."""

import pytest

from cluster import Cluster


def show_logs(cluster):
    for node in cluster.nodes:
        print(f"--- the last lines of {node.name} ---\n" + "\n".join(node.log_text().splitlines()[-25:]))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call" and report.failed:
        for value in item.funcargs.values():
            if isinstance(value, Cluster):
                show_logs(value)


@pytest.fixture
def cluster(tmp_path):
    made = Cluster(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared_one(tmp_path_factory):
    """One node. Tests use tables of their own, and leave it running."""
    made = Cluster(tmp_path_factory.mktemp("one"))
    yield made.form(1)
    made.close()


@pytest.fixture(scope="module")
def shared_three(tmp_path_factory):
    """Three nodes. Tests use tables of their own, and leave them running."""
    made = Cluster(tmp_path_factory.mktemp("three"))
    yield made.form(3)
    made.close()


@pytest.fixture
def node(shared_one):
    return shared_one.nodes[0]
