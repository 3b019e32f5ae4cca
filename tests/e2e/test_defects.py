"""What statement replication gets wrong, asked of a cluster of ours. The numbers are those of the rqlite contract's
list of defects; what needs no cluster is tested where statements are executed (tests/sqlite/batch_test.cpp)."""

import base64
import concurrent.futures
import datetime
import time

import pytest

from cluster import wait_until


@pytest.fixture
def leader(shared_three):
    leader = shared_three.leader()
    leader.execute("DROP TABLE IF EXISTS t", "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, data)")
    return leader


@pytest.fixture
def follower(shared_three):
    return shared_three.followers()[0]


def test_d3_time_is_utc_whatever_the_zone_of_the_server(cluster, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    cluster.form(1)
    node = cluster.nodes[0]
    node.execute("CREATE TABLE t(a, b DEFAULT CURRENT_TIMESTAMP)", "INSERT INTO t(a) VALUES(datetime('now'))")
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    for stored in node.query("SELECT a, b FROM t")[0]:
        assert abs(datetime.datetime.fromisoformat(stored) - now) < datetime.timedelta(minutes=5)


def test_d6_a_mixed_transaction_is_atomic(leader):
    response = leader.post("/db/request?transaction", ["INSERT INTO t(name) VALUES('x')", "INSERT INTO nope VALUES(1)"])
    assert response.json()["results"][1]["error"] == "no such table: nope"
    assert leader.query("SELECT count(*) FROM t") == [[0]]


def test_d7_nobody_hijacks_the_transactions_of_others(leader):
    assert "left a transaction open" in leader.post("/db/execute", ["BEGIN"]).json()["results"][0]["error"]
    leader.execute("INSERT INTO t(name) VALUES('mine')")
    leader.post("/db/execute", ["ROLLBACK"])
    leader.execute("INSERT INTO t(name) VALUES('also mine')", parameters="transaction")
    assert leader.query("SELECT count(*) FROM t") == [[2]]


def test_d14_d15_values_of_every_kind_are_answered(leader):
    leader.execute("INSERT INTO t(name, data) VALUES(x'FF00FE', x'00FF')", "INSERT INTO t(data) VALUES(9e999)")
    response = leader.get("/db/query", params={"q": "SELECT name, data FROM t ORDER BY id"})
    assert response.status_code == 200
    rows = response.json()["results"][0]["values"]
    assert [base64.b64decode(value) for value in rows[0]] == [b"\xff\x00\xfe", b"\x00\xff"]
    assert rows[1][0] is None


def test_d21_reading_is_not_writing_wherever_it_is_asked(leader, follower):
    def written():
        return leader.post("/db/execute?raft_index", ["INSERT INTO t(name) VALUES('x')"]).json()["raft_index"]
    before = written()
    for node in (leader, follower):
        for level in ("none", "weak"):
            assert node.post(f"/db/request?level={level}", ["SELECT count(*) FROM t"]).status_code == 200
            node.post(f"/db/request?level={level}", ["SELECT * FROM a_table_that_is_not_there_yet"])
    assert written() == before + 1, "reads have added to the log"


def test_a_runaway_statement_ends_with_its_leader(cluster):
    """The client learns that it had no effect long before the statement's own time limit."""
    cluster.form(3)
    leader = cluster.leader()
    leader.execute("CREATE TABLE t(n)")
    endless = "INSERT INTO t WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c"
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        begun = time.monotonic()
        answer = pool.submit(leader.post, "/db/execute?timeout=10m", [endless], timeout=600)
        wait_until(lambda: "quorate_" in leader.get("/metrics").text, "the leader to go on serving")
        for node in cluster.nodes:
            if node is not leader:
                node.kill()
        response = answer.result()
    assert response.status_code == 503, (response.status_code, response.text)
    assert time.monotonic() - begun < 120
    for node in cluster.nodes:
        if not node.is_running():
            node.start()
    assert cluster.leader().query("SELECT count(*) FROM t", "level=linearizable") == [[0]]
