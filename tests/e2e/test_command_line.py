"""The command line of a node: what it takes, what it refuses and how it says so."""

import subprocess

import pytest

from cluster import QUORATE, Node, free_port

USAGE, FAILURE = 2, 1


def node(*arguments):
    return subprocess.run([QUORATE, "node", *arguments], text=True, capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize("arguments, words", [
    ((), "DATA_DIRECTORY is required"),
    (("-frobnicate", "data"), "unknown option --frobnicate"),
    (("-node-idd", "a", "data"), "did you mean --node-id?"),
    (("-http-addr", "nonsense", "data"), "-http-addr: address \"nonsense\""),
    (("-http-addr", "http://localhost:4001", "data"), "-http-addr"),
    (("-raft-addr", "localhost:99999", "data"), "-raft-addr"),
    (("-raft-addr", "localhost:0", "data"), "port 0"),
    (("-http-addr", "localhost:1", "-raft-addr", "localhost:1", "data"), "must differ"),
    (("-http-addr", "0.0.0.0:4001", "data"), "-http-adv-addr"),
    (("-join", "localhost", "data"), "-join"),
    (("-join", "localhost:4002", "data"), "this node itself"),
    (("-bootstrap-expect", "3", "-join", "localhost:4004", "data"), "names only 2 nodes"),
    (("-bootstrap-expect", "1", "-raft-non-voter", "data"), "for voters"),
    (("-join-interval", "soon", "data"), "is no duration"),
    (("-raft-election-timeout", "-1s", "data"), "is no duration"),
    (("-raft-election-timeout", "100ms", "-raft-heartbeat-interval", "200ms", "data"), "-raft-election-timeout"),
    (("-log-level", "loud", "data"), "none of debug"),
])
def test_mistakes(tmp_path, arguments, words):
    arguments = [str(tmp_path / word) if word == "data" else word for word in arguments]
    outcome = node(*arguments)
    assert outcome.returncode == USAGE, outcome
    assert words in outcome.stderr
    assert outcome.stdout == ""
    assert not (tmp_path / "data").exists(), "nothing is made before the command line is understood"


@pytest.mark.parametrize("flag", ["-otlp-endpoint", "-cpu-profile", "-on-disk"])
@pytest.mark.parametrize("form", ["{0} x", "{0}=x", "-{0}=x"])
def test_what_does_not_exist_is_refused_by_name(tmp_path, flag, form):
    outcome = node(*form.format(flag).split(), str(tmp_path / "data"))
    assert outcome.returncode == USAGE, outcome
    assert f"-{flag}" in outcome.stderr and "no support" in outcome.stderr
    assert not (tmp_path / "data").exists()


def test_version_and_help():
    for form in ("-version", "--version"):
        assert node(form).stdout.startswith("quorate ")
    text = node("-help").stdout
    for flag in ("--node-id", "--http-addr", "--http-adv-addr", "--raft-addr", "--raft-adv-addr", "--join",
                 "--join-attempts", "--join-interval", "--bootstrap-expect", "--raft-non-voter",
                 "--raft-shutdown-stepdown",
                 "--raft-cluster-remove-shutdown", "--raft-election-timeout", "--fk", "--log-level",
                 "--auth", "--join-as", "--http-cert", "--http-key", "--http-ca-cert", "--http-verify-client",
                 "--http-verify-common-name", "--node-cert", "--node-key", "--node-ca-cert", "--node-verify-client",
                 "--node-verify-common-name", "--node-no-verify", "--node-verify-server-name",
                 "--disco-mode", "--disco-key", "--disco-config", "--extensions-path", "--cdc-config", "--auto-backup",
                 "--auto-restore", "--raft-reap-node-timeout", "--raft-reap-read-only-node-timeout"):
        assert f"{flag}" in text
    assert "--otlp-endpoint" not in text


def test_flags_of_rqlite_without_effect_are_said_to_have_none(cluster):
    started = cluster.add("n1", "-raft-commit-timeout", "50ms", "-raft-snap-int=10s")
    started.wait_until_ready()
    for name in ("-raft-commit-timeout", "-raft-snap-int"):
        assert f"{name} has no effect here" in started.log_text()


def test_foreign_keys(cluster):
    started = cluster.add("n1", "-fk").wait_until_ready()
    started.execute("CREATE TABLE a(id INTEGER PRIMARY KEY)", "CREATE TABLE b(a REFERENCES a(id))")
    assert "FOREIGN KEY" in started.post("/db/execute", ["INSERT INTO b VALUES(1)"]).text


def test_advertised_addresses(cluster):
    http, raft = free_port(), free_port()
    first = cluster.add("n1", "-http-adv-addr", "localhost:1001", "-raft-adv-addr", f"localhost:{raft}")
    first.raft_address = f"localhost:{raft}"
    first.kill()
    first.arguments += ["-raft-addr", f"127.0.0.1:{raft}", "-http-addr", f"127.0.0.1:{http}"]
    first.raft_address, first.http_address = f"0.0.0.0:{raft}", f"0.0.0.0:{http}"
    first.arguments = ["-http-adv-addr", f"localhost:{http}", "-raft-adv-addr", f"localhost:{raft}"]
    first.data = cluster.directory / "again"
    first.start()
    first.http_address = f"127.0.0.1:{http}"
    first.wait_until_ready()
    member = first.get("/nodes").json()["n1"]
    assert member["api_addr"] == f"http://localhost:{http}" and member["addr"] == f"localhost:{raft}"


def test_the_directory_of_another_node(cluster):
    started = cluster.add("n1").wait_until_ready()
    locked = Node(cluster.directory, "n1")
    cluster.nodes.append(locked)
    assert locked.start().wait_for_exit() == FAILURE
    assert "another process uses the data directory" in locked.log_text()
    started.stop()
    other = Node(cluster.directory, "n2")
    other.data = started.data
    cluster.nodes.append(other)
    assert other.start().wait_for_exit() == FAILURE
    assert "is the directory of node n1, not of n2" in other.log_text()
    assert started.start().wait_until_ready()


def test_a_directory_of_something_else(cluster):
    mistaken = Node(cluster.directory, "n1")
    cluster.nodes.append(mistaken)
    mistaken.data.mkdir()
    (mistaken.data / "letter.txt").write_text("Dear John")
    assert mistaken.start().wait_for_exit() == FAILURE
    assert "letter.txt" in mistaken.log_text()


def test_a_port_that_is_taken(cluster):
    started = cluster.add("n1").wait_until_ready()
    for field in ("http_address", "raft_address"):
        second = Node(cluster.directory, "n2")
        setattr(second, field, getattr(started, field))
        cluster.nodes.append(second)
        assert second.start().wait_for_exit() == FAILURE
        assert getattr(started, field) in second.log_text()


def test_a_body_beyond_the_limit(cluster):
    started = cluster.add("n1", "-http-body-bytes-max", "2000").wait_until_ready()
    assert started.post("/db/execute", ["SELECT '" + "x" * 3000 + "'"]).status_code == 413
    started.execute("SELECT 1")
