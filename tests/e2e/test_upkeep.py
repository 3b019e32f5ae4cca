"""What the leader does for the database from time to time."""

from cluster import wait_until


def counters(node):
    return node.get("/debug/vars").json()["store"]


def test_vacuum_and_optimize(cluster):
    cluster.form(3, "-auto-vacuum-int", "300ms", "-auto-optimize-int", "400ms")
    leader = cluster.leader()
    leader.execute("CREATE TABLE t(n INTEGER PRIMARY KEY, v)",
                   "INSERT INTO t(v) WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 2000) "
                   "SELECT randomblob(1000) FROM c")
    leader.execute("DELETE FROM t WHERE n > 10")
    for node in cluster.nodes:
        wait_until(lambda: node.query("SELECT page_count FROM pragma_page_count", "level=none")[0][0] < 50,
                   "the database to shrink on every node")
    wait_until(lambda: counters(leader)["num_auto_optimizes"] > 1, "PRAGMA optimize")
    assert counters(leader)["num_auto_vacuums"] > 0
    assert counters(leader)["num_auto_vacuums_failed"] == counters(leader)["num_auto_optimizes_failed"] == 0
    for node in cluster.followers():
        assert counters(node)["num_auto_vacuums"] == 0, "the leader's business"


def test_once_a_day_or_never(node):
    assert counters(node)["num_auto_vacuums"] == counters(node)["num_auto_optimizes"] == 0
