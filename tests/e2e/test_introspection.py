"""What a node tells of itself: /status, /debug/vars, and what else rqlite's users and their tools ask for."""

import datetime
import json
import shutil

import pytest
import requests

from cluster import QUORATE, wait_until


def counters(node, name):
    text = node.get(f"/debug/vars?key={name}").text
    assert text.startswith("{\n") and text.endswith("\n}\n")
    return json.loads(text)[name]


def grown(node, name, act):
    """By how much the counters of a map grow."""
    before = counters(node, name)
    act()
    after = counters(node, name)
    return {key: after[key] - before[key] for key in after if after[key] != before[key]}


# Where it stands in rqlite's layout, and what kind of value it is.
STATUS = {
    "build": {"build_time": str, "commit": str, "compiler_command": str, "compiler_toolchain": str, "version": str},
    "cluster": {"addr": str, "api_addr": str, "https": str},
    "http": {"auth": str, "bind_addr": str, "cluster.local_node_addr": str, "cluster.timeout": str, "tls.enabled": str,
             "queue._default.sequence_number": int, "queue._default.max_size": int, "queue._default.batch_size": int,
             "queue._default.timeout": str},
    "mux": {"addr": str, "tls.enabled": str},
    "node": {"start_time": str, "current_time": str, "uptime": str},
    "os": {"executable": str, "hostname": str, "page_size": int, "pid": int, "ppid": int},
    "runtime": {"GOARCH": str, "GOOS": str, "GOMAXPROCS": int, "num_cpu": int, "num_goroutine": int, "version": str},
    "store": {
        "addr": str, "db_applied_index": int, "db_conf.fk_constraints": bool, "dir": str, "dir_size": int,
        "dir_size_friendly": str, "election_timeout": str, "fsm_index": int, "fsm_term": int, "heartbeat_timeout": str,
        "leader.addr": str, "leader.node_id": str, "node_id": str, "nodes": list, "open": bool, "ready": bool,
        "raft.state": str, "raft.voter": bool, "raft.commit_index": int, "raft.applied_index": int,
        "raft.fsm_pending": int, "raft.last_contact": str, "raft.last_log_index": int, "raft.last_log_term": int,
        "raft.last_snapshot_index": int, "raft.last_snapshot_term": int, "raft.latest_configuration": str,
        "raft.latest_configuration_index": int, "raft.log_size": int, "raft.num_peers": int, "raft.term": int,
        "snapshot_store.dir": str, "snapshot_store.dir_size": int, "snapshot_threshold": int,
        "sqlite3.version": str, "sqlite3.db_size": int, "sqlite3.compile_options": list,
        "sqlite3.mem_stats.memory_used": int, "sqlite3.pragmas.rw.foreign_keys": str,
    },
}


def test_status_has_rqlites_layout(shared_three):
    for node in shared_three.nodes:
        status = node.get("/status").json()
        for top, fields in STATUS.items():
            for path, kind in fields.items():
                value = status[top]
                for name in path.split("."):
                    value = value[name]
                assert type(value) is kind, (top, path, value)


def test_status_is_true(shared_three):
    leader = shared_three.leader()
    for node in shared_three.nodes:
        store = node.status("store")
        assert store["node_id"] == node.name and store["addr"] == node.raft_address
        assert store["leader"] == {"addr": leader.raft_address, "node_id": leader.name}
        assert store["raft"]["state"] == ("Leader" if node is leader else "Follower")
        assert store["raft"]["num_peers"] == 2
        assert {(one["id"], one["addr"], one["suffrage"]) for one in store["nodes"]} == {
            (other.name, other.raft_address, "Voter") for other in shared_three.nodes}
        assert f"ID:{leader.name} Address:{leader.raft_address}" in store["raft"]["latest_configuration"]
        on_disk = sum(file.stat().st_size for folder in ("log", "pages") for file in (node.data / folder).rglob("*"))
        assert 0.5 < store["dir_size"] / on_disk < 2
        assert node.status("os.pid") == node.process.pid
        assert node.status("os.executable") == str(QUORATE)
    leader.execute("CREATE TABLE IF NOT EXISTS big(a)", "INSERT INTO big VALUES(zeroblob(1000000))")
    assert leader.status("store.sqlite3.db_size") > 1_000_000
    assert leader.status("store.raft.last_contact") == "0s"


def test_status_shows_the_network(node):
    loopback = node.status("network.interfaces.lo")
    assert "loopback" in loopback["flags"].split("|")
    assert {"address": "127.0.0.1/8"} in loopback["addresses"]


def test_status_shows_the_origin(cluster):
    node = cluster.form(1, "-http-allow-origin", "https://example.com").nodes[0]
    assert node.status("http.allow_origin") == "https://example.com"


def test_status_before_there_is_a_leader(cluster):
    node = cluster.add(None, "-bootstrap-expect", "3", "-join", "127.0.0.1:1,127.0.0.1:2")
    wait_until(lambda: node.get("/status").status_code == 200, "HTTP, which comes first")
    store = node.status("store")
    assert store["open"] is False and store["ready"] is False
    assert store["leader"] == {"addr": "", "node_id": ""}
    assert "memstats" in node.get("/debug/vars").json()


# --- counters ---

def test_the_layout_of_counters(node):
    text = node.get("/debug/vars").text
    names = [line.split('"')[1] for line in text.splitlines()[1:-1]]
    assert names == sorted(names)
    assert {"cluster", "cmdline", "db", "downloader", "http", "memstats", "mux", "proto", "proxy", "queue", "snapshot",
            "store", "uploader"} <= set(names)
    everything = json.loads(text)
    assert everything["cmdline"][0] == str(QUORATE)
    assert everything["memstats"]["Alloc"] > 100_000 and everything["memstats"]["Sys"] > 1_000_000


def test_counters_of_requests(node):
    node.execute("CREATE TABLE IF NOT EXISTS t(a)")
    assert grown(node, "http", lambda: node.execute("INSERT INTO t VALUES(1)", "INSERT INTO t VALUES(2)")) == {
        "executions": 1, "execute_stmts_rx": 2}
    assert grown(node, "http", lambda: node.query("SELECT 1")) == {"queries": 1, "query_stmts_rx": 1}
    assert grown(node, "http", lambda: node.post("/db/request", ["SELECT 1", "SELECT 2", "SELECT 3"])) == {
        "requests": 1, "request_stmts_rx": 3}
    assert grown(node, "http", lambda: node.post("/db/execute?queue&wait", ["INSERT INTO t VALUES(3)"])).items() >= {
        "queued_executions": 1, "executions": 1}.items()
    assert grown(node, "http", lambda: node.post("/db/execute", "nonsense")) == {"executions": 1}
    for method, path, counter in (("GET", "/db/backup", "backups"), ("GET", "/status", "num_status"),
                                  ("GET", "/readyz", "num_readyz"), ("GET", "/console/", "ui"),
                                  ("POST", "/snapshot", "user_snapshots"), ("POST", "/reap", "user_reaps"),
                                  ("GET", "/db/sql?q=SELECT 1", "sql_analyze")):
        assert grown(node, "http", lambda m=method, p=path: node.request(m, p)) == {counter: 1}, path
    assert grown(node, "db", lambda: node.execute("INSERT INTO t VALUES(4)")).items() >= {
        "requests": 1, "batches": 1, "entries": 1}.items()


def test_counters_of_the_cluster(cluster):
    first = cluster.form(1).nodes[0]
    assert counters(first, "cluster")["num_join_req"] == 0
    cluster.add()
    lost = cluster.add()
    cluster.wait_for_voters(3)
    lost.wait_until_ready()
    leader = cluster.leader()
    joins = counters(leader, "cluster")["num_join_req"]
    assert joins >= 2 and counters(leader, "store")["num_removed_before_joins"] == 0
    lost.kill()
    shutil.rmtree(lost.data)
    lost.start()
    wait_until(lambda: counters(leader, "store")["num_removed_before_joins"] > 0, "its former self to be removed")
    assert counters(leader, "cluster")["num_join_req"] > joins


def test_counting_what_found_no_leader(cluster):
    cluster.form(2)
    leader, other = cluster.leader(), cluster.followers()[0]
    leader.kill()
    wait_until(lambda: other.get("/leader").status_code == 503, "the leader to be missed")
    assert grown(other, "http", lambda: other.post("/db/execute", ["SELECT 1"])).items() >= {
        "leader_not_found": 1}.items()


def test_counters_of_queued_writes(cluster):
    cluster.form(1)
    node = cluster.nodes[0]
    node.execute("CREATE TABLE t(a INTEGER PRIMARY KEY)")
    path = "/db/execute?queue&wait"
    assert grown(node, "http", lambda: node.post(path, ["INSERT INTO t VALUES(1)", "INSERT INTO t VALUES(2)"])) == {
        "executions": 1, "execute_stmts_rx": 2, "queued_executions": 1, "queued_executions_wait": 1,
        "queued_executions_num_stmts_rx": 2, "queued_executions_num_stmts_tx": 2, "queued_executions_ok": 1}
    assert grown(node, "http", lambda: node.post(path, ["INSERT INTO t VALUES(1)"])).items() >= {
        "queued_executions_failed": 1}.items()
    queue = counters(node, "queue")
    assert (queue["requests_rx"], queue["requests_tx"], queue["statements_tx"], queue["waiting"]) == (2, 2, 3, 0)
    before = node.status("http.queue._default.sequence_number")
    assert node.post(path, ["INSERT INTO t VALUES(3)"]).json()["sequence_number"] == before
    assert node.status("http.queue._default.sequence_number") == before + 1


def test_a_queued_write_that_is_not_waited_for_long_enough(cluster):
    cluster.form(2)
    leader, other = cluster.leader(), cluster.followers()[0]
    leader.execute("CREATE TABLE t(a)")
    leader.kill()
    write = "/db/execute?queue&wait&noleader&timeout=200ms"
    assert grown(other, "http", lambda: other.post(write, ["INSERT INTO t VALUES(1)"])).items() >= {
        "queued_executions_wait_timeout": 1}.items()
    leader.start().wait_until_ready()
    wait_until(lambda: counters(other, "http")["queued_executions_ok"] == 1, "the write")


def test_counters_of_what_is_passed_on(cluster):
    cluster.form(2)
    leader, other = cluster.leader(), cluster.followers()[0]
    assert grown(other, "proxy", lambda: other.execute("CREATE TABLE t(a)")) == {"num_forwarded": 1}
    assert grown(leader, "proxy", lambda: leader.execute("INSERT INTO t VALUES(1)")) == {}
    assert counters(leader, "mux")["num_connections"] >= 1
    leader.kill()
    wait_until(lambda: other.get("/leader").status_code == 503, "the leader to be missed")
    assert grown(other, "proxy", lambda: other.post("/db/execute", ["SELECT 1"])) == {
        "num_forwarded": 1, "num_forwards_failed": 1}


def test_counters_of_snapshots(cluster):
    first = cluster.form(1).nodes[0]
    first.execute("CREATE TABLE t(a)")
    for _ in range(25):  # more than is kept of the log for those who are not far behind
        first.execute("INSERT INTO t VALUES(randomblob(1000000))")
    assert first.post("/snapshot").status_code == 200
    assert counters(first, "snapshot")["num_taken"] > 0
    assert counters(first, "store")["num_restores"] == 0
    newcomer = cluster.add().wait_until_ready()
    assert counters(newcomer, "store")["num_restores"] == counters(newcomer, "snapshot")["num_installed"] == 1
    assert counters(newcomer, "store")["num_restores_start_skipped"] == 0
    newcomer.stop()
    newcomer.start().wait_until_ready()
    assert counters(newcomer, "store")["num_restores"] == 0
    assert counters(newcomer, "store")["num_restores_start_skipped"] == 1


def test_when_the_last_backup_was_made(cluster):
    node = cluster.form(1).nodes[0]
    node.execute("CREATE TABLE t(a)")
    assert "last_backup_time" not in node.get("/status").json()
    begun = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    assert node.get("/db/backup").status_code == 200
    made = datetime.datetime.fromisoformat(node.status("last_backup_time").replace("Z", "+00:00"))
    assert begun <= made <= datetime.datetime.now(datetime.timezone.utc)


# --- snapshots ---

def test_snapshot(node):
    node.execute("CREATE TABLE IF NOT EXISTS t(a)", "INSERT INTO t VALUES(1)")
    before = counters(node, "store")["num_snapshots"]
    applied = node.status("store.raft.applied_index")
    assert node.post("/snapshot").status_code == 200
    assert node.status("store.raft.last_snapshot_index") >= applied
    assert counters(node, "store")["num_snapshots"] > before
    nothing = node.post("/snapshot?trailing_logs=10")
    assert nothing.status_code == 204 and nothing.text == ""
    assert node.post("/snapshot?trailing_logs=many").status_code == 400
    reaped = node.post("/reap")
    assert reaped.json() == {"snapshots_reaped": 0, "wals_checkpointed": 0} and reaped.text.endswith("}\n")


# --- the rest ---

def test_sql_is_not_rewritten(node):
    answer = node.post("/db/sql", ["INSERT INTO t VALUES(random(), CURRENT_TIMESTAMP)"])
    assert answer.json() == {"results": [{"original": "INSERT INTO t VALUES(random(), CURRENT_TIMESTAMP)",
                                          "rewritten": "INSERT INTO t VALUES(random(), CURRENT_TIMESTAMP)"}]}
    assert node.get("/db/sql").status_code == 400
    assert "time" in node.get("/db/sql?timings&q=SELECT 1").json()


def test_licenses(node):
    text = node.get("/licenses")
    assert text.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "MIT License" in text.text and "OpenSSL" in text.text


@pytest.mark.parametrize("path, status", [("/status", 200), ("/nowhere", 404), ("/db/execute", 405),
                                          ("/status?timeout=x", 400)])
def test_headers_of_every_answer(node, path, status):
    answer = node.get(path)
    assert answer.status_code == status
    assert answer.headers["X-RQLITE-VERSION"].startswith("v")
    assert answer.headers["Access-Control-Allow-Methods"] == "OPTIONS, GET, POST"
    assert "Content-Type" in answer.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Origin" not in answer.headers
    if status in (404, 405):
        assert answer.content == b""


def test_who_has_served_it(shared_three):
    leader, follower = shared_three.leader(), shared_three.followers()[0]
    leader.execute("CREATE TABLE IF NOT EXISTS t(a)")
    served = [node.post("/db/execute", ["INSERT INTO t VALUES(1)"]).headers["X-RQLITE-SERVED-BY"]
              for node in (leader, follower)]
    assert served == [leader.http_address, leader.raft_address]
    assert "X-RQLITE-SERVED-BY" not in follower.post("/db/execute", "nonsense").headers


def test_pages_of_other_origins(cluster):
    node = cluster.form(1, "-http-allow-origin", "https://example.com").nodes[0]
    for path in ("/status", "/nowhere", "/db/query?q=SELECT 1"):
        assert node.get(path).headers["Access-Control-Allow-Origin"] == "https://example.com"
    before = node.request("OPTIONS", "/db/execute", headers={
        "Origin": "https://example.com", "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "Content-Type"})
    assert before.status_code == 200 and before.content == b""
    assert before.headers["Access-Control-Allow-Origin"] == "https://example.com"
    assert "POST" in before.headers["Access-Control-Allow-Methods"]
    assert "Content-Type" in before.headers["Access-Control-Allow-Headers"]


def test_how_far_the_members_are(shared_three):
    leader = shared_three.leader()
    listed = {node["id"]: node for node in leader.get("/nodes?ver=2").json()["nodes"]}
    assert {node["state"] for node in listed.values()} == {"Leader", "Follower"}
    assert {node["term"] for node in listed.values()} == {leader.status("store.raft.term")}
    assert all(node["applied_index"] > 0 and node["commit_index"] > 0 for node in listed.values())
    assert all("state" not in node for node in leader.get("/nodes").json().values()), "as old clients know it"


def test_the_figures_of_the_process(node):
    lines = dict(line.rsplit(" ", 1) for line in node.get("/metrics").text.splitlines() if not line.startswith("#"))
    assert float(lines["process_resident_memory_bytes"]) > 1_000_000
    assert float(lines["process_cpu_seconds_total"]) > 0
    assert float(lines["process_open_fds"]) > 5
    assert requests.get(f"{node.url}/metrics", timeout=30).headers["Content-Type"].startswith("text/plain")
