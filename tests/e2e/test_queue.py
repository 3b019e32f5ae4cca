"""Queued writes on real nodes: acknowledged at once, never lost, and nobody suffers from what others have sent."""

import json
import time
import uuid

import pytest
import requests

from cluster import wait_until


@pytest.fixture
def three(cluster):
    cluster.form(3)
    cluster.write("CREATE TABLE t(n INTEGER PRIMARY KEY, v TEXT)")
    return cluster


def queue(node, *statements, parameters="", **options):
    return node.post(f"/db/execute?queue&{parameters}", list(statements), **options)


def count(node):
    return node.query("SELECT count(*) FROM t")[0][0]


def test_through_every_node(three):
    for i in range(300):
        node = three.nodes[i % 3]
        response = queue(node, ["INSERT INTO t VALUES(?, ?)", i, node.name])
        assert response.status_code == 200, response.text
        assert response.json()["results"] == [] and response.json()["sequence_number"] > 0
    for i, node in enumerate(three.nodes):
        done = queue(node, f"INSERT INTO t VALUES({1000 + i}, '')", parameters="wait")
        assert done.status_code == 200 and "error" not in done.json()
    assert count(three.nodes[0]) == 303
    # In the order in which each node took them.
    assert three.leader().query("SELECT count(DISTINCT v) FROM t") == [[4]]


def test_a_failure_is_told_to_whoever_waits_and_keeps_nobody(three):
    node = three.followers()[0]
    queue(node, "INSERT INTO t VALUES(1, 'first')")
    queue(node, "INSERT INTO nowhere VALUES(1)")
    failed = queue(node, "INSERT INTO t VALUES(1, 'again')", parameters="wait")
    assert failed.json()["error"] == "UNIQUE constraint failed: t.n"
    assert "error" not in queue(node, "INSERT INTO t VALUES(2, 'second')", parameters="wait").json()
    assert three.leader().query("SELECT v FROM t ORDER BY n") == [["first"], ["second"]]
    wait_until(lambda: "nobody waits for it: no such table: nowhere" in node.log_text(), "the complaint")


def test_what_is_wrong_is_refused_at_the_door(three):
    node = three.followers()[0]
    for body in ("nonsense", "[]", "{}", '[["INSERT INTO t VALUES(?)", {"a": {}}]]'):
        for parameters in ("", "&wait"):
            assert node.request("POST", f"/db/execute?queue{parameters}", data=body).status_code == 400, body
    response = queue(node, "PRAGMA journal_mode=WAL")
    assert response.json() == {"results": [], "error": "disallowed pragma"}
    # Where only SQLite finds it, it fails alone.
    assert "error" in queue(node, "/* c */ PRAGMA journal_mode=OFF", parameters="wait").json()
    text = node.request("POST", "/db/execute?queue&wait", data="INSERT INTO t VALUES(7, 'text')",
                        headers={"Content-Type": "text/plain"})
    assert text.status_code == 200 and count(three.leader()) == 1


def test_transactions(three):
    node = three.followers()[0]
    whole = queue(node, "INSERT INTO t VALUES(1, '')", "INSERT INTO t VALUES(1, '')", parameters="wait&transaction")
    assert "UNIQUE" in whole.json()["error"]
    each = queue(node, "INSERT INTO t VALUES(2, '')", "INSERT INTO t VALUES(2, '')", parameters="wait")
    assert "UNIQUE" in each.json()["error"]
    assert three.leader().query("SELECT n FROM t") == [[2]]


def test_batches_in_transactions(cluster):
    node = cluster.form(1, "-write-queue-tx", "-write-queue-timeout", "300ms").nodes[0]
    node.execute("CREATE TABLE t(n INTEGER PRIMARY KEY)")
    for number in (1, 2, 1, 3):
        queue(node, f"INSERT INTO t VALUES({number})")
    failed = queue(node, "INSERT INTO t VALUES(2)", parameters="wait")
    assert "UNIQUE" in failed.json()["error"]
    assert count(node) == 3, "one that fails undoes nobody else's"


def test_nothing_that_was_acknowledged_is_lost_with_the_leader(three):
    node = three.followers()[0]
    leader = three.leader()
    acknowledged = []
    session = requests.Session()
    session.trust_env = False
    deadline = time.monotonic() + 30
    number = 0
    while len(acknowledged) < 400 and time.monotonic() < deadline:
        if number == 150:
            leader.kill()
        number += 1
        response = session.post(f"{node.url}/db/execute?queue&noleader", timeout=30,
                                data=json.dumps([["INSERT INTO t VALUES(?, '')", number]]))
        if response.status_code == 200:
            acknowledged.append(number)
    assert len(acknowledged) == 400
    done = queue(node, ["INSERT INTO t VALUES(?, 'last')", 100_000], parameters="wait&noleader")
    assert done.status_code == 200 and "error" not in done.json(), done.text
    found = {row[0] for row in three.leader().query("SELECT n FROM t")}
    assert set(acknowledged) <= found
    assert len(found) == len(acknowledged) + 1, "and nothing twice"


def test_what_stands_behind_a_statement_without_end(cluster):
    node = cluster.form(1, "-write-queue-timeout", "300ms", "-raft-apply-timeout", "2s").nodes[0]
    node.execute("CREATE TABLE t(n INTEGER PRIMARY KEY)")
    endless = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) INSERT INTO t SELECT max(n) FROM c"
    queue(node, "INSERT INTO t VALUES(1)")
    queue(node, endless)
    done = queue(node, "INSERT INTO t VALUES(2)", parameters="wait&timeout=60s")
    assert done.status_code == 200 and "error" not in done.json(), done.text
    assert node.query("SELECT n FROM t ORDER BY n") == [[1], [2]]
    assert "nobody waits for it: execute timeout" in node.log_text()


def test_without_a_leader(three):
    node, *others = three.followers() + [three.leader()]
    for other in others:
        other.kill()
    wait_until(lambda: queue(node, "SELECT 1").status_code == 503, "the leader to be missed")
    assert queue(node, "SELECT 1").text == "leader not found\n"
    assert queue(node, "INSERT INTO t VALUES(1, '')", parameters="noleader").status_code == 200
    late = queue(node, "INSERT INTO t VALUES(2, '')", parameters="noleader&wait&timeout=300ms")
    assert (late.status_code, late.text) == (408, "queue wait timeout\n")
    for other in others:
        other.start()
    wait_until(lambda: count(node) == 2, "what was queued to be executed")


def test_stopping_empties_the_queue(cluster):
    cluster.form(3, "-write-queue-timeout", "1h", "-write-queue-batch-size", "10000")
    cluster.write("CREATE TABLE t(n INTEGER PRIMARY KEY)")
    node = cluster.followers()[0]
    for number in range(100):
        assert queue(node, f"INSERT INTO t VALUES({number})").status_code == 200
    assert count(cluster.leader()) == 0
    assert node.stop() == 0
    assert count(cluster.leader()) == 100


def test_with_a_key_of_its_own(three):
    node = three.followers()[0]
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    for _ in range(3):
        assert queue(node, "INSERT INTO t(v) VALUES('once')", headers=headers).status_code == 200
    assert count(three.leader()) == 1
