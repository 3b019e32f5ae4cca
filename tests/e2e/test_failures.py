"""Nodes that die, stop, hang and come back: nothing acknowledged is lost, and nothing is said that is not so."""

import threading
import time
import uuid

import pytest
import requests

from cluster import wait_until


def make_table(cluster):
    cluster.write("CREATE TABLE IF NOT EXISTS t(id INTEGER)")


class Writer(threading.Thread):
    """Inserts 1, 2, 3, ..., each with a key of its own until it is acknowledged."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.cluster = cluster
        self.acknowledged = 0
        self.stopping = threading.Event()
        self.sessions = [(node.url, requests.Session()) for node in cluster.nodes]

    def run(self):
        while not self.stopping.is_set():
            key = str(uuid.uuid4())
            while not self.stopping.is_set() and not self.attempt(self.acknowledged + 1, key):
                time.sleep(0.005)

    def attempt(self, number, key):
        for url, session in self.sessions:
            try:
                response = session.post(f"{url}/db/execute?timeout=2s", json=[["INSERT INTO t VALUES(?)", number]],
                                        headers={"Idempotency-Key": key}, timeout=5)
            except requests.RequestException:
                continue
            if response.status_code == 200 and "error" not in response.json()["results"][0]:
                self.acknowledged = number
                return True
        return False

    def get_on(self):
        """Until some more are acknowledged."""
        wanted = self.acknowledged + 20
        wait_until(lambda: self.acknowledged >= wanted, "writes to go on")

    def finish(self):
        self.stopping.set()
        self.join()


@pytest.fixture
def three(cluster):
    cluster.form(3)
    make_table(cluster)
    return cluster


def assert_complete(cluster, acknowledged):
    """Every node has every row once; the last, unacknowledged one may be there or not."""
    for node in cluster.nodes:
        rows = [row[0] for row in node.query("SELECT id FROM t ORDER BY id", "level=linearizable")]
        assert rows in (list(range(1, acknowledged + 1)), list(range(1, acknowledged + 2))), node.name


def test_killing_leaders_loses_nothing_and_repeats_nothing(three):
    writer = Writer(three)
    writer.start()
    for _ in range(4):
        writer.get_on()
        victim = three.leader()
        victim.kill()
        writer.get_on()
        victim.start().wait_until_ready()
    writer.finish()
    assert_complete(three, writer.acknowledged)


def test_killing_everybody_loses_nothing(three):
    writer = Writer(three)
    writer.start()
    for _ in range(2):
        writer.get_on()
        for node in three.nodes:
            node.kill()
        for node in three.nodes:
            node.start()
        writer.get_on()
    writer.finish()
    assert_complete(three, writer.acknowledged)


def test_stopping_the_leader_hands_over(three):
    writer = Writer(three)
    writer.start()
    for _ in range(2):
        writer.get_on()
        leader = three.leader()
        assert leader.stop() == 0
        assert "not handed over" not in leader.log_text()
        writer.get_on()
        leader.start().wait_until_ready()
    writer.finish()
    assert_complete(three, writer.acknowledged)


def test_a_leader_that_hangs_is_replaced_and_serves_nothing_stale(three):
    old = three.leader()
    others = [node for node in three.nodes if node is not old]
    with old.paused():
        assert three.write("INSERT INTO t VALUES(1)", nodes=others)
    for level in ("linearizable", "strong"):
        response = old.get(f"/db/query?level={level}", params={"q": "SELECT count(*) FROM t"})
        if response.status_code == 200:
            assert response.json()["results"][0]["values"] == [[1]], level
    wait_until(lambda: old.query("SELECT count(*) FROM t", "level=linearizable") == [[1]], "the old leader to follow")


def test_a_minority_refuses_writes_and_still_reads(three):
    three.write("INSERT INTO t VALUES(1)")
    survivor = three.followers()[0]
    wait_until(lambda: survivor.query("SELECT count(*) FROM t", "level=none") == [[1]], "the row everywhere")
    for node in three.nodes:
        if node is not survivor:
            node.kill()

    def is_refused():
        response = survivor.post("/db/execute?timeout=1s", ["INSERT INTO t VALUES(2)"])
        assert response.status_code in (503, 504), response.text
        return response.status_code == 503 and response.text == "leader not found\n"
    wait_until(is_refused, "the lack of a leader to be noticed")
    assert survivor.query("SELECT count(*) FROM t", "level=none") == [[1]]
    response = survivor.get("/db/query?level=linearizable&linearizable_timeout=300ms", params={"q": "SELECT 1"})
    assert response.status_code == 503
    ready = survivor.get("/readyz")
    assert ready.status_code == 503 and "[+]leader does not exist" in ready.text
    assert survivor.get("/readyz?noleader").status_code == 200
    assert survivor.get("/leader").status_code == 503
    fresh = "/db/query?level=none&freshness=100ms"
    wait_until(lambda: survivor.get(fresh, params={"q": "SELECT 1"}).status_code == 503, "the state to become stale")
    assert sum(member["reachable"] for member in survivor.get("/nodes?timeout=1s").json().values()) == 1

    three.nodes[0 if survivor is not three.nodes[0] else 1].start()
    three.write("INSERT INTO t VALUES(3)")
    assert survivor.query("SELECT id FROM t ORDER BY id", "level=linearizable") in ([[1], [3]], [[1], [2], [3]])


def test_a_key_holds_across_a_failover(three):
    first = three.write("INSERT INTO t VALUES(7)", key="across")
    three.leader().kill()
    again = three.write("INSERT INTO t VALUES(7)", key="across")
    assert again.json()["results"] == first.json()["results"]
    assert three.leader().query("SELECT count(*) FROM t", "level=linearizable") == [[1]]


def test_a_node_alone_comes_back_with_its_data(cluster):
    node = cluster.add().wait_until_ready()
    node.execute("CREATE TABLE t(id)")
    for i in range(3):
        node.execute(f"INSERT INTO t VALUES({i})")
        node.kill()
        node.start().wait_until_ready()
        assert node.query("SELECT count(*) FROM t") == [[i + 1]]


def test_a_checkpoint_makes_the_log_short_and_loses_nothing(cluster):
    cluster.form(3, "-raft-snap", "100")
    make_table(cluster)
    for i in range(400):
        cluster.nodes[0].execute(f"INSERT INTO t VALUES({i})")
    for node in cluster.nodes:
        wait_until(lambda one=node: one.status("store.raft")["last_snapshot_index"] >= 100, "a checkpoint")
    for node in cluster.nodes:
        node.kill()
    for node in cluster.nodes:
        node.start()
    for node in cluster.nodes:
        node.wait_until_ready()
        assert node.query("SELECT count(*) FROM t", "level=linearizable") == [[400]]


def test_a_second_signal_ends_the_process_at_once(cluster):
    node = cluster.add().wait_until_ready()
    endless = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c"
    reader = threading.Thread(target=lambda: pytest.raises(requests.RequestException, node.get, "/db/query",
                                                           params={"q": endless}))
    reader.start()
    wait_until(lambda: "quorate_http_connections 2" in requests.get(f"{node.url}/metrics", timeout=5).text,
               "the query to arrive")
    node.process.terminate()
    wait_until(lambda: "stopping" in node.log_text(), "the node to stop")
    node.process.terminate()
    node.wait_for_exit()
    reader.join()
