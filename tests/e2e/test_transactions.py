"""Interactive transactions over HTTP."""

import pytest

from cluster import wait_until


@pytest.fixture(autouse=True)
def table(node):
    node.execute("DROP TABLE IF EXISTS t", "CREATE TABLE t(id INTEGER PRIMARY KEY)")


def begin(node):
    response = node.post("/db/begin")
    assert response.status_code == 200, response.text
    return response.json()["transaction"]


def count(node, parameters=""):
    return node.query("SELECT count(*) FROM t", parameters)[0][0]


def test_commit(node):
    token = begin(node)
    node.execute("INSERT INTO t VALUES(1)", parameters=f"tx={token}")
    assert count(node, f"tx={token}") == 1
    assert count(node) == 0, "nobody else sees it yet"
    assert node.post(f"/db/commit?tx={token}").status_code == 200
    assert count(node) == 1


def test_rollback(node):
    token = begin(node)
    node.execute("INSERT INTO t VALUES(1)", parameters=f"tx={token}")
    assert node.post(f"/db/rollback?tx={token}").status_code == 200
    assert count(node) == 0


def test_a_token_is_good_for_one_transaction(node):
    token = begin(node)
    assert node.post(f"/db/commit?tx={token}").status_code == 200
    for path in ("/db/commit", "/db/rollback", "/db/execute", "/db/query"):
        assert node.post(f"{path}?tx={token}", ["SELECT 1"]).status_code >= 400, path
    assert node.post("/db/commit?tx=guessed").status_code >= 400
    assert node.post("/db/commit").status_code == 400


def test_others_wait_for_a_writing_transaction(node):
    token = begin(node)
    node.execute("INSERT INTO t VALUES(1)", parameters=f"tx={token}")
    response = node.post("/db/execute?timeout=200ms", ["INSERT INTO t VALUES(2)"])
    assert response.status_code == 503 and response.json()["outcome"] == "refused"
    node.post(f"/db/commit?tx={token}")
    node.execute("INSERT INTO t VALUES(2)")
    assert count(node) == 2


def test_a_silent_client_loses_its_transaction(cluster):
    node = cluster.add("n1", "-transaction-idle-max", "1500ms").wait_until_ready()
    node.execute("CREATE TABLE t(id INTEGER PRIMARY KEY)")
    token = begin(node)
    node.execute("INSERT INTO t VALUES(1)", parameters=f"tx={token}")
    wait_until(lambda: node.post("/db/execute?timeout=1s", ["INSERT INTO t VALUES(2)"]).status_code == 200,
               "the transaction to be rolled back")
    assert node.post(f"/db/commit?tx={token}").status_code >= 400
    assert node.query("SELECT id FROM t") == [[2]]
