"""Further databases of a cluster: attached by name, changed together, and carried wherever the first one goes."""

import threading

import pytest

from cluster import wait_until

ATTACH = "ATTACH 'archive' AS x"


@pytest.fixture
def three(cluster):
    cluster.form(3)
    cluster.leader().execute("CREATE TABLE t(id INTEGER PRIMARY KEY)")
    cluster.leader().execute(ATTACH, "CREATE TABLE x.u(id INTEGER PRIMARY KEY)")
    return cluster


def both(node, level):
    """The rows of both databases, as of one moment."""
    body = [ATTACH, "SELECT (SELECT group_concat(id) FROM t), (SELECT group_concat(id) FROM x.u)"]
    return node.post(f"/db/query?level={level}", body).json()["results"][1]["values"][0]


def test_what_is_committed_together_stays_together(three):
    stop = threading.Event()
    failures = []

    def transfer():
        """Every row is in one of the databases."""
        number = 0
        while not stop.is_set():
            number += 1
            three.write(f"{ATTACH}; BEGIN; INSERT INTO t VALUES({number}); INSERT INTO x.u VALUES({number}); COMMIT",
                        key=f"row {number}")

    def compare():
        while not stop.is_set():
            for node in three.running():
                try:
                    left, right = both(node, "none")
                except Exception:  # the node is down, or just coming up
                    continue
                if left != right:
                    failures.append((node.name, left, right))
    threads = [threading.Thread(target=work) for work in (transfer, compare)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        victim = three.leader()
        victim.kill()
        victim.start().wait_until_ready()
    for node in three.nodes:
        node.kill()
    for node in three.nodes:
        node.start()
    three.leader()
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures
    left, right = both(three.leader(), "linearizable")
    assert left == right != "null"
    for node in three.nodes:
        wait_until(lambda one=node: both(one, "none") == [left, right], f"{node.name} to have both")


def test_all_or_nothing(three):
    leader = three.leader()
    response = leader.post("/db/execute?transaction",
                           [ATTACH, "INSERT INTO t VALUES(1)", "INSERT INTO x.u VALUES('no')"])
    assert response.json()["results"][-1]["error"] == "datatype mismatch"
    assert both(leader, "linearizable") == [None, None]
    token = leader.post("/db/begin").json()["transaction"]
    for sql in ("INSERT INTO t VALUES(1)", ATTACH, "INSERT INTO x.u VALUES(2)"):
        assert "error" not in leader.post(f"/db/execute?tx={token}", [sql]).json()["results"][0]
    assert both(leader, "linearizable") == [None, None]
    assert leader.post(f"/db/commit?tx={token}").status_code == 200
    assert both(leader, "linearizable") == ["1", "2"]


def test_a_newcomer_gets_all_of_them(three):
    three.leader().execute(ATTACH, "INSERT INTO t VALUES(7)", "INSERT INTO x.u VALUES(8)", parameters="transaction")
    newcomer = three.add("n4").wait_until_ready()
    wait_until(lambda: both(newcomer, "none") == ["7", "8"], "the newcomer to have both")


@pytest.mark.parametrize("sql", ["ATTACH '../archive' AS x", "ATTACH '/etc/passwd' AS x", "ATTACH 'file:x' AS x"])
def test_names_are_no_paths(three, sql):
    assert "no paths" in three.leader().post("/db/execute", [sql]).json()["results"][0]["error"]
