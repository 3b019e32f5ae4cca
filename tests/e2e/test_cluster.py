"""Three nodes: whoever is asked, the cluster answers."""

import pytest

from cluster import wait_until


@pytest.fixture
def leader(shared_three):
    return shared_three.leader()


@pytest.fixture
def follower(shared_three):
    return shared_three.followers()[0]


@pytest.fixture(autouse=True)
def table(leader):
    leader.execute("DROP TABLE IF EXISTS t", "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT)")


def test_everybody_knows_everybody(shared_three, leader):
    for node in shared_three.nodes:
        members = node.get("/nodes").json()
        assert sorted(members) == ["n1", "n2", "n3"]
        for one in shared_three.nodes:
            assert members[one.name]["addr"] == one.raft_address
            assert members[one.name]["api_addr"] == one.url
            assert members[one.name]["voter"] and members[one.name]["reachable"]
            assert members[one.name]["leader"] == (one is leader)
        assert [one["id"] for one in node.get("/nodes?ver=2").json()["nodes"]] == ["n1", "n2", "n3"]
        assert node.get("/leader").json()["id"] == leader.name
        assert node.status("store.leader") == {"addr": leader.raft_address, "node_id": leader.name}
        assert node.get("/readyz?sync").text.splitlines() == [
            "[+]node ok", "[+]leader ok", "[+]store ok", "[+]sync ok", "[+]db ok"]


def test_status_and_metrics(shared_three, leader):
    for node in shared_three.nodes:
        status = node.get("/status").json()
        assert {"build", "cluster", "http", "node", "os", "runtime", "store"} <= set(status)
        assert status["store"]["ready"] and status["store"]["node_id"] == node.name
        assert status["store"]["raft"]["state"] == ("Leader" if node is leader else "Follower")
        assert status["store"]["raft"]["voter"] is True
        assert node.status("no.such.thing") == {}
        metrics = node.get("/metrics").text
        assert f"quorate_raft_is_leader {int(node is leader)}" in metrics
        assert "quorate_http_requests_total" in metrics


def test_writes_through_a_follower(follower, leader):
    response = follower.post("/db/execute?raft_index", ["INSERT INTO t(name) VALUES('x')"])
    assert response.json()["results"] == [{"last_insert_id": 1, "rows_affected": 1}]
    assert response.headers["X-Rqlite-Served-By"] == leader.raft_address
    assert leader.query("SELECT name FROM t") == [["x"]]


def test_mixed_requests_through_a_follower(follower):
    found = follower.post("/db/request", ["INSERT INTO t(name) VALUES('x')", "SELECT name FROM t"]).json()["results"]
    assert found[1]["values"] == [["x"]]
    for level in ("none", "linearizable"):
        body = ["INSERT INTO t(name) VALUES('y')"]
        assert follower.post(f"/db/request?level={level}", body).json()["results"][0]["rows_affected"] == 1


@pytest.mark.parametrize("level", ["weak", "linearizable", "strong", "auto"])
def test_current_reads_anywhere(shared_three, level):
    for i in range(20):
        writer, reader = shared_three.nodes[i % 3], shared_three.nodes[(i + 1) % 3]
        writer.execute(["INSERT INTO t(name) VALUES(?)", f"{level} {i}"])
        assert reader.query("SELECT count(*) FROM t", f"level={level}") == [[i + 1]]


def test_linearizable_reads_are_served_where_they_are_asked(follower):
    response = follower.get("/db/query?level=linearizable", params={"q": "SELECT 1"})
    assert response.headers["X-Rqlite-Served-By"] == follower.http_address


def test_reading_ones_own_writes(leader, follower):
    for i in range(20):
        index = leader.post("/db/execute", [f"INSERT INTO t(id) VALUES({i})"]).headers["Quorate-Index"]
        assert follower.query("SELECT count(*) FROM t", f"level=none&min_index={index}") == [[i + 1]]
    response = follower.get("/db/query?level=none&min_index=1000000&timeout=100ms", params={"q": "SELECT 1"})
    assert response.status_code == 503 and response.json()["outcome"] == "refused"


def test_freshness(follower):
    assert follower.query("SELECT 1", "level=none&freshness=10s") == [[1]]
    assert follower.query("SELECT 1", "level=none&freshness=10s&freshness_strict") == [[1]]
    response = follower.get("/db/query?level=none&freshness=1ns", params={"q": "SELECT 1"})
    assert response.status_code == 503 and response.json()["error"] == "stale read"


def test_redirection(follower, leader):
    response = follower.post("/db/execute?redirect&timings", ["nonsense"])
    assert response.status_code == 301
    assert response.headers["Location"] == f"{leader.url}/db/execute?redirect&timings"
    assert follower.get("/db/query?level=none&redirect", params={"q": "SELECT 1"}).status_code == 200


def test_interactive_transaction_through_a_follower(follower, leader):
    token = follower.post("/db/begin").json()["transaction"]
    follower.execute("INSERT INTO t(id) VALUES(1)", parameters=f"tx={token}")
    assert leader.query("SELECT count(*) FROM t") == [[0]]
    assert follower.post(f"/db/commit?tx={token}").status_code == 200
    assert leader.query("SELECT count(*) FROM t") == [[1]]


def test_leadership_moves_on_request(shared_three):
    for _ in range(2):
        leader, target = shared_three.leader(), shared_three.followers()[1]
        response = target.request("POST", "/leader?wait", json={"id": target.name})
        assert response.status_code == 200, response.text
        assert shared_three.leader() is target
        leader.execute("INSERT INTO t(name) VALUES('on')")
    assert shared_three.leader().post("/leader?wait", {"id": "nobody"}).status_code == 400
    assert shared_three.nodes[0].request("POST", "/leader", data="{", headers={
        "Content-Type": "application/json"}).status_code == 400


def test_an_interactive_transaction_ends_with_its_leader(shared_three):
    leader = shared_three.leader()
    token = leader.post("/db/begin").json()["transaction"]
    leader.execute("INSERT INTO t(id) VALUES(1)", parameters=f"tx={token}")
    assert leader.post("/leader?wait").status_code == 200
    assert leader.post(f"/db/commit?tx={token}").status_code >= 400
    assert shared_three.leader().query("SELECT count(*) FROM t", "level=linearizable") == [[0]]


def test_replicas_stay_equal(shared_three, leader):
    leader.execute("INSERT INTO t(name) SELECT random() FROM (WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 "
                   "FROM c LIMIT 1000) SELECT n FROM c)")
    rows = leader.query("SELECT * FROM t ORDER BY id", "level=linearizable")
    for node in shared_three.nodes:
        wait_until(lambda one=node: one.query("SELECT * FROM t ORDER BY id", "level=none") == rows, "equal rows")
