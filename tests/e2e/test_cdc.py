"""The change feed: what is told, in which order, to whom, and what happens when nobody listens."""

import json
import socket
import threading
import time

import pytest
import requests

from certificates import Authority
from cluster import Node, free_port, wait_until
from webhook import Webhook, once, replay

QUICKLY = {"max_batch_delay": "5ms", "high_watermark_interval": "50ms", "transmit_min_backoff": "20ms",
           "transmit_max_backoff": "40ms"}


@pytest.fixture
def webhook():
    made = Webhook()
    yield made
    made.close()


def config_file(directory, endpoint, **options):
    path = directory / "cdc.json"
    path.write_text(json.dumps({"endpoint": endpoint, **QUICKLY, **options}))
    return path


def one(cluster, directory, endpoint, **options):
    return cluster.form(1, "-cdc-config", str(config_file(directory, endpoint, **options))).nodes[0]


def wait_for_groups(webhook, count):
    return wait_until(lambda: len(once(webhook.groups())) >= count and once(webhook.groups()), f"{count} groups")


def counters(node):
    return node.get("/debug/vars").json()["cdc.service"]


def test_the_envelope(cluster, tmp_path, webhook):
    node = one(cluster, tmp_path, webhook.url + "?x=1", service_id="orders")
    begin = time.time() * 1000
    node.execute("CREATE TABLE foo(id INTEGER PRIMARY KEY, n TEXT, f REAL, b BLOB, big INTEGER)")
    node.execute("INSERT INTO foo VALUES(1, 'a<&', 1.5, x'00ff', 9223372036854775807)")
    node.execute("UPDATE foo SET id = 2, b = NULL")
    node.execute("DELETE FROM foo")
    groups = wait_for_groups(webhook, 3)
    first = {"id": 1, "n": "a<&", "f": 1.5, "b": "AP8=", "big": 9223372036854775807}
    second = {**first, "id": 2, "b": None}
    assert [group["events"] for group in groups] == [
        [{"op": "INSERT", "table": "foo", "new_row_id": 1, "after": first}],
        [{"op": "UPDATE", "table": "foo", "old_row_id": 1, "new_row_id": 2, "before": first, "after": second}],
        [{"op": "DELETE", "table": "foo", "old_row_id": 2, "before": second}]]
    assert [group["index"] for group in groups] == [1, 2, 3]
    assert all(begin - 1 <= group["commit_timestamp"] <= time.time() * 1000 + 1 for group in groups), "milliseconds"
    assert {(document["service_id"], document["node_id"]) for document in webhook.documents} == {("orders", "n1")}
    path, headers, _ = webhook.requests[0]
    assert path == "/changes?x=1" and headers["Content-Type"] == "application/json"


def test_every_group_has_an_index_of_its_own(cluster, tmp_path, webhook):
    """rqlite numbers all but the first statement of a request with 0, which consumers take for repetitions."""
    node = one(cluster, tmp_path, webhook.url)
    node.execute("CREATE TABLE t(a INTEGER PRIMARY KEY)")
    node.execute("INSERT INTO t VALUES(1)", "INSERT INTO t VALUES(2)", "INSERT INTO t VALUES(3)")
    node.post("/db/execute?transaction", ["INSERT INTO t VALUES(4)", "INSERT INTO t VALUES(5)"])
    node.post("/db/execute?transaction", ["INSERT INTO t VALUES(6)", "INSERT INTO t VALUES(5)"])
    node.post("/db/execute?queue&wait", ["INSERT INTO t VALUES(7)", "INSERT INTO t VALUES(8)"])
    token = node.post("/db/begin").json()["transaction"]
    node.execute("INSERT INTO t VALUES(9)", parameters=f"tx={token}")
    node.execute("DELETE FROM t WHERE a > 7", parameters=f"tx={token}")
    node.post(f"/db/commit?tx={token}")
    groups = wait_for_groups(webhook, 7)
    told = [[(event["op"][0], event.get("new_row_id", event.get("old_row_id"))) for event in group["events"]]
            for group in groups]
    assert told == [[("I", 1)], [("I", 2)], [("I", 3)], [("I", 4), ("I", 5)], [("I", 7)], [("I", 8)],
                    [("I", 9), ("D", 8), ("D", 9)]]


def test_across_the_death_of_leaders(cluster, tmp_path, webhook):
    cluster.form(3, "-cdc-config", str(config_file(tmp_path, webhook.url)))
    cluster.write("CREATE TABLE t(a INTEGER PRIMARY KEY, n)")
    stopped = threading.Event()
    written = []

    def write():
        for number in range(1, 1_000_000):
            if stopped.is_set():
                return
            cluster.write("INSERT INTO t VALUES(?, 0) ON CONFLICT DO UPDATE SET n = n + 1", number % 50,
                          key=f"k{number}")
            written.append(number)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(3):
            seen, told = len(written), len(webhook.documents)
            wait_until(lambda: len(written) > seen + 30 and len(webhook.documents) > told + 3, "some traffic")
            leader = cluster.leader()
            leader.kill()
            wait_until(lambda: cluster.leader() is not leader, "another leader")
            leader.start()
            leader.wait_until_ready()
    finally:
        stopped.set()
        writer.join()
    leader = cluster.leader()
    wait_until(lambda: counters(leader)["fifo_size"] == 0, "everything to be delivered")
    rows = leader.query("SELECT a, n FROM t", "level=strong")
    assert replay(webhook.groups())["t"] == {a: {"a": a, "n": n} for a, n in rows}
    assert sum(n + 1 for _, n in rows) == len(written)
    assert {document["node_id"] for document in webhook.documents} > {leader.name}, "several have told of it"


def test_across_a_restart(cluster, tmp_path):
    """Nobody listens when it is written, nor when the process ends."""
    port = free_port()
    node = one(cluster, tmp_path, f"http://127.0.0.1:{port}/changes")
    node.execute("CREATE TABLE t(a INTEGER PRIMARY KEY)")
    for number in range(20):
        node.execute(f"INSERT INTO t VALUES({number})")
    node.kill()
    webhook = Webhook(port=port)
    try:
        node.start()
        wait_for_groups(webhook, 20)
        assert [event["new_row_id"] for event in webhook.events()] == list(range(20))
        wait_until(lambda: counters(node)["fifo_size"] == 0, "it to be forgotten")
        assert node.status("cdc.fifo")["size"] == 4096, "with its pages"
        assert node.status("cdc.highwater_mark") == 20
        assert node.stop() == 0
        told = len(webhook.documents)
        node.start()
        node.wait_until_ready()
        node.execute("INSERT INTO t VALUES(20)")
        wait_for_groups(webhook, 21)
        assert len(webhook.documents) == told + 1, "what is forgotten is not told again"
    finally:
        webhook.close()


@pytest.mark.parametrize("policy", ["linear", "exponential", 0, 1])
def test_what_fails_is_repeated(cluster, tmp_path, webhook, policy):
    answers = iter([500, 404, 302, 503])
    webhook.answer = lambda: next(answers, 202)
    node = one(cluster, tmp_path, webhook.url, transmit_retry_policy=policy)
    node.execute("CREATE TABLE t(a INTEGER PRIMARY KEY)")
    node.execute("INSERT INTO t VALUES(1)")
    wait_for_groups(webhook, 1)
    assert [status for *_, status in webhook.requests] == [500, 404, 302, 503, 202]
    wait_until(lambda: counters(node)["sent_events"] == 1, "the count")
    counted = counters(node)
    assert (counted["failures"], counted["retries"], counted["sent_groups"], counted["sent_documents"]) == (4, 4, 1, 1)
    assert node.status("cdc.last_error") == ""
    log = node.log_text()
    assert log.count("the change feed is not delivered") == 1 and "status 500" in log
    assert log.count("the change feed is delivered again") == 1


def test_what_is_given_up_when_that_is_asked_for(cluster, tmp_path, webhook):
    webhook.answer = lambda: 500
    node = one(cluster, tmp_path, webhook.url, transmit_max_retries=2, max_batch_size=1)
    node.execute("CREATE TABLE t(a INTEGER PRIMARY KEY)")
    node.execute("INSERT INTO t VALUES(1),(2)")
    wait_until(lambda: counters(node)["dropped_failed_to_send"] == 2, "it to be given up")
    counted = counters(node)
    assert (counted["failures"], counted["retries"], counted["dropped_groups"]) == (3, 2, 1)
    webhook.answer = lambda: 200
    node.execute("INSERT INTO t VALUES(3)")
    wait_until(webhook.groups, "what comes next")
    assert [group["index"] for group in webhook.groups()] == [2]


def test_a_dead_endpoint_is_in_nobodys_way(cluster, tmp_path):
    """One that takes connections and never answers; then one that does."""
    silent = socket.create_server(("127.0.0.1", 0))
    port = silent.getsockname()[1]
    node = one(cluster, tmp_path, f"http://127.0.0.1:{port}/", transmit_timeout="300ms", max_batch_size=500)
    node.execute("CREATE TABLE t(a INTEGER PRIMARY KEY, b)")
    node.execute("INSERT INTO t VALUES(0, 0)")
    wait_until(lambda: counters(node)["failures"] > 0, "it to fail")
    sql = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 50) INSERT INTO t(b) " \
          "SELECT hex(randomblob(500)) FROM n"
    slowest = 0.0
    before = resident_kib(node)
    for _ in range(400):
        begin = time.monotonic()
        node.execute(sql)
        slowest = max(slowest, time.monotonic() - begin)
    assert slowest < 5, "writes do not wait for it"
    status = node.status("cdc")
    assert status["fifo"]["length"] == 401 and status["fifo"]["size"] > 20_000_000
    assert resident_kib(node) - before < 200_000, "nor does memory hold what it does not take"
    assert "timed out" in status["last_error"] or "imeout" in status["last_error"], status
    silent.close()
    webhook = Webhook(port=port)
    try:
        wait_for_groups(webhook, 401)
        assert len(webhook.events()) == 400 * 50 + 1
    finally:
        webhook.close()


def test_a_node_stops_while_an_endpoint_keeps_it_waiting(cluster, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        node = one(cluster, tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}/", transmit_timeout="10m")
        node.execute("CREATE TABLE t(a INTEGER PRIMARY KEY)", "INSERT INTO t VALUES(1)")
        connection, _ = silent.accept()
        assert connection.recv(4) == b"POST"
        begin = time.monotonic()
        assert node.stop() == 0
        assert time.monotonic() - begin < 20
        connection.close()


def resident_kib(node):
    with open(f"/proc/{node.process.pid}/status", encoding="ascii") as status:
        return int(next(line for line in status if line.startswith("VmRSS")).split()[1])


def test_a_file(cluster, tmp_path):
    path = tmp_path / "changes.jsonl"
    node = cluster.form(1, "-cdc-config", f"file://{path}").nodes[0]

    def lines():
        told = []
        for line in path.read_text().splitlines() if path.exists() else []:
            try:
                told += json.loads(line)["payload"]
            except json.JSONDecodeError:
                pass  # what a crash has left
        return told

    node.execute("CREATE TABLE t(a INTEGER PRIMARY KEY)")
    node.execute("INSERT INTO t VALUES(1)")
    wait_until(lambda: len(lines()) == 1, "the first line")
    node.kill()
    with open(path, "a", encoding="ascii") as file:
        file.write('{"node_id":"n1","payl')
    node.start()
    node.wait_until_ready()
    node.execute("INSERT INTO t VALUES(2)")
    wait_until(lambda: len(once(lines())) == 2, "the next line")
    assert replay(lines())["t"] == {1: {"a": 1}, 2: {"a": 2}}
    path.rename(tmp_path / "rotated")
    node.execute("INSERT INTO t VALUES(3)")
    wait_until(lambda: [group["index"] for group in lines()] == [3], "a file anew")


def test_standard_output(cluster):
    node = cluster.form(1, "-cdc-config", "stdout").nodes[0]
    node.execute("CREATE TABLE t(a INTEGER PRIMARY KEY)")
    node.execute("INSERT INTO t VALUES(1)")
    wait_until(lambda: '{"node_id":"n1","payload":[{"index":1,' in node.log_text(), "the line")
    assert node.status("cdc.endpoint") == "stdout"
    assert node.stop() == 0


def test_tls(cluster, tmp_path):
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    server = authority.issue("server", of="DNS:changes.example")
    certificate, key = authority.issue("client")
    webhook = Webhook(*server, client_authority=authority.certificate)
    good = {"ca_cert_file": str(authority.certificate), "cert_file": str(certificate), "key_file": str(key),
            "server_name": "changes.example"}
    cases = [({**good, "server_name": "elsewhere.example"}, "name"), ({**good, "cert_file": "", "key_file": ""}, ""),
             ({**good, "ca_cert_file": str(stranger.certificate)}, "accepted"), ({}, "accepted")]
    try:
        node = one(cluster, tmp_path, webhook.url, tls=good)
        node.execute("CREATE TABLE t(a INTEGER PRIMARY KEY)")
        node.execute("INSERT INTO t VALUES(1)")
        wait_for_groups(webhook, 1)
        for number, (tls, reason) in enumerate(cases, 2):
            node.stop()
            config_file(tmp_path, webhook.url, tls=tls)
            node.start()
            node.wait_until_ready()
            node.execute(f"INSERT INTO t VALUES({number})")
            wait_until(lambda: counters(node)["failures"] > 1, "it to be refused")
            assert reason in node.status("cdc.last_error"), (tls, node.status("cdc.last_error"))
            assert not [group for group in webhook.groups() if group["index"] >= 2]
        node.stop()
        config_file(tmp_path, webhook.url, tls={"insecure_skip_verify": True, "cert_file": str(certificate),
                                                "key_file": str(key)})
        node.start()
        wait_for_groups(webhook, 1 + len(cases))
    finally:
        webhook.close()


def test_filters(cluster, tmp_path, webhook):
    node = one(cluster, tmp_path, webhook.url, table_filter="^(t|archive\\.t)$", row_ids_only=True)
    node.execute("CREATE TABLE t(a)", "CREATE TABLE tt(a)", "INSERT INTO tt VALUES(1)", "INSERT INTO t VALUES(1)")
    node.execute("ATTACH 'archive' AS x; CREATE TABLE x.t(a); INSERT INTO x.t VALUES(1)")
    wait_for_groups(webhook, 2)
    assert webhook.events() == [{"op": "INSERT", "table": "t", "new_row_id": 1},
                                {"op": "INSERT", "database": "archive", "table": "t", "new_row_id": 1}]


def test_a_file_that_takes_the_place_of_the_database(cluster, tmp_path, webhook):
    node = one(cluster, tmp_path, webhook.url)
    node.execute("CREATE TABLE t(a INTEGER PRIMARY KEY)", "INSERT INTO t VALUES(1)")
    copy = node.get("/db/backup").content
    assert node.post("/db/load", data=copy).status_code == 200
    node.execute("INSERT INTO t VALUES(2)")
    groups = wait_for_groups(webhook, 3)
    assert groups[1]["events"] == [] and groups[1]["database_replaced"] == "main"
    assert [event["new_row_id"] for event in groups[2]["events"]] == [2]


def test_batches(cluster, tmp_path, webhook):
    gate = threading.Event()
    webhook.answer = lambda: gate.wait(30) and 200
    node = one(cluster, tmp_path, webhook.url, max_batch_size=7, transmit_timeout="20s")
    node.execute("CREATE TABLE t(a INTEGER PRIMARY KEY)")
    for number in range(30):
        node.execute(f"INSERT INTO t VALUES({number})")
    gate.set()
    wait_for_groups(webhook, 30)
    sizes = [len(document["payload"]) for document in webhook.documents]
    assert max(sizes) == 7 and len(sizes) <= 6, sizes


def test_the_configuration_of_rqlite(cluster, tmp_path, webhook, monkeypatch):
    monkeypatch.setenv("HOOK_USER", "bob")
    monkeypatch.setenv("HOOK_PASSWORD", "s%23cret")
    path = tmp_path / "cdc.json"
    path.write_text(json.dumps({
        "endpoint": webhook.url.replace("http://", "http://${HOOK_USER}:$HOOK_PASSWORD@"), "service_id": "$HOOK_USER",
        "max_batch_delay": 1_000_000, "high_watermark_interval": 100_000_000, "transmit_timeout": 5_000_000_000,
        "transmit_max_retries": None, "transmit_retry_policy": 1, "transmit_min_backoff": "1.5s",
        "transmit_max_backoff": "1m30s", "table_filter": "^t$"}))
    node = cluster.form(1, "-cdc-config", str(path)).nodes[0]
    node.execute("CREATE TABLE t(a INTEGER PRIMARY KEY)", "INSERT INTO t VALUES(1)")
    wait_for_groups(webhook, 1)
    assert webhook.requests[0][1]["Authorization"] == requests.auth._basic_auth_str("bob", "s#cret")
    assert webhook.documents[0]["service_id"] == "bob"
    status = node.status("cdc")
    assert status["endpoint"] == webhook.url, "passwords are not shown"
    assert status["max_batch_delay"] == "1ms" and status["is_leader"] is True
    assert node.status("store.cdc") == {"enabled": True, "registered": True}
    assert "cret" not in node.log_text()


@pytest.mark.parametrize("text, said", [
    ('{"endpoint": "http://a/", "max_batch_sizes": 3}', 'unknown key "max_batch_sizes"'),
    ('{"endpoint": "http://a/", "tls": {"ca": "x"}}', 'tls: unknown key "ca"'),
    ('{"endpoint": "ftp://a/"}', "is no endpoint"),
    ('{"endpoint": "http://a:b/"}', "no valid port"),
    ('{"endpoint": "https://a/", "tls": {"ca_cert_file": "/nowhere"}}', "/nowhere"),
    ('{"endpoint": "https://a/", "tls": {"cert_file": "x"}}', "cert_file and key_file"),
    ('{"endpoint": "http://a/", "tls": {}}', "https://"),
    ('{"endpoint": "http://a/", "transmit_timeout": "5"}', "transmit_timeout"),
    ('{"endpoint": "http://a/", "transmit_timeout": "-1s"}', "transmit_timeout"),
    ('{"endpoint": "http://a/", "max_batch_size": 0}', "max_batch_size"),
    ('{"endpoint": "http://a/", "max_batch_size": 1e9}', "max_batch_size"),
    ('{"endpoint": "http://a/", "transmit_retry_policy": "square"}', "transmit_retry_policy"),
    ('{"endpoint": "http://a/", "transmit_min_backoff": "2m", "transmit_max_backoff": "1m"}', "transmit_min_backoff"),
    ('{"endpoint": "http://a/", "table_filter": "("}', "table_filter"),
    ('{"endpoint": "http://a/$NOT_SET_ANYWHERE"}', "NOT_SET_ANYWHERE"),
    ('{"max_batch_size": 3}', "there is no endpoint"),
    ('[]', "no object"), ('{', "no JSON"), (None, "cannot open"),
])
def test_configurations_that_are_refused(tmp_path, text, said):
    path = tmp_path / "cdc.json"
    if text is not None:
        path.write_text(text)
    node = Node(tmp_path, "n1", ["-cdc-config", str(path)]).start()
    assert node.wait_for_exit() != 0
    assert "-cdc-config" in node.log_text() and said in node.log_text(), node.log_text()


def test_read_replicas_have_none(tmp_path):
    node = Node(tmp_path, "n1", ["-cdc-config", "stdout", "-raft-non-voter", "-join", "127.0.0.1:1"]).start()
    assert node.wait_for_exit() != 0
    assert "-cdc-config is for nodes that may lead" in node.log_text()


def test_nobody_sees_the_queue(cluster, tmp_path, webhook):
    webhook.answer = lambda: 500
    node = one(cluster, tmp_path, webhook.url)
    node.execute("CREATE TABLE t(a)", "INSERT INTO t VALUES(1)")
    assert node.query("SELECT name FROM sqlite_master") == [["t"]]
    assert node.query("SELECT name FROM pragma_database_list") == [["main"]]
    refused = node.post("/db/execute", ["ATTACH 'quorate.changes' AS q"]).json()["results"][0]["error"]
    assert "queue of the change feed" in refused
    assert b"Quorate changes" not in node.get("/db/backup").content


def test_a_node_without_the_flag_says_what_is_left(cluster, tmp_path, webhook):
    webhook.answer = lambda: 500
    node = one(cluster, tmp_path, webhook.url)
    node.execute("CREATE TABLE t(a)", "INSERT INTO t VALUES(1)")
    flags, node.arguments = node.arguments, []
    node.stop()
    node.start()
    node.wait_until_ready()
    wait_until(lambda: "1 groups of changes are not delivered" in node.log_text(), "the warning")
    node.execute("INSERT INTO t VALUES(2)")
    assert counters(node)["fifo_size"] == 1
    node.stop()
    node.arguments = flags
    webhook.answer = lambda: 200
    node.start()
    wait_for_groups(webhook, 1)
