"""The commands for a node that does not run: what they say of real directories, and that a survivor of a lost majority
goes on."""

import hashlib
import json
import shutil
import struct
import subprocess

import pytest

from cluster import QUORATE, Cluster, Node, wait_until


def run(*arguments):
    return subprocess.run([QUORATE, *map(str, arguments)], capture_output=True, text=True, timeout=120)


def inspected(node):
    done = run("inspect", "--json", node.data)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def verified(node, code):
    done = run("verify", node.data)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def fingerprint(directory):
    """Of every file below it."""
    return {str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(directory.rglob("*")) if path.is_file()}


def flip(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x10]))


def fill(cluster, rows=30):
    cluster.write("CREATE TABLE t(id INTEGER PRIMARY KEY, a)")
    for _ in range(rows):
        cluster.write("INSERT INTO t(a) VALUES(hex(randomblob(200)))")


@pytest.fixture
def stopped(cluster):
    """Three nodes with data, all killed; checkpoints are frequent."""
    cluster.form(3, "-raft-snap", "20")
    fill(cluster)
    for node in cluster.nodes:
        wait_until(lambda: node.query("SELECT count(*) FROM t", "level=none") == [[30]], f"{node.name} to apply")
        wait_until(lambda: (node.data / "pages" / "1.pages").exists(), f"a checkpoint of {node.name}")
    for node in cluster.nodes:
        node.kill()
    return cluster


# --- Looking ---

def test_looking_changes_nothing_and_finds_everything(stopped):
    node = stopped.nodes[0]
    before = fingerprint(node.data)
    seen = inspected(node)
    assert seen["node"] == "n1"
    assert seen["boot"] == 1
    assert seen["problem"] is None
    assert sorted((one["name"], one["kind"]) for one in seen["configuration"]["members"]) == [
        ("n1", "voter"), ("n2", "voter"), ("n3", "voter")]
    assert [(one["name"], one["page_bytes"]) for one in seen["checkpoint"]["databases"]] == [("main", 4096)]
    assert seen["checkpoint"]["last"]["index"] > 0
    assert seen["log"]["damaged_entries"] == []
    assert not seen["log"]["promises_lost"]
    assert seen["last"]["index"] >= 31

    text = run("inspect", node.data)
    assert text.returncode == 0
    assert "database 'main'" in text.stdout
    listed = json.loads(run("inspect", "--json", "--entries", f"{seen['last']['index']}..", node.data).stdout)
    assert [one["index"] for one in listed] == [seen["last"]["index"]]
    assert "pages changed" in run("inspect", "--entries", "..", node.data).stdout

    assert "whole" in verified(node, 0)
    planned = run("recover", node.data)
    assert planned.returncode == 1
    assert "Nothing has been changed" in planned.stdout
    assert fingerprint(node.data) == before


def test_killed_nodes_are_whole(cluster):
    """With everything still in the log, and with torn ends of it."""
    cluster.form(3)
    fill(cluster)
    for node in cluster.nodes:
        node.kill()
        assert "whole" in verified(node, 0)
    lasts = [inspected(node)["last"]["index"] for node in cluster.nodes]
    assert sorted(lasts)[1] >= 31, "a majority has what was acknowledged"


def test_what_is_not_a_stopped_node_is_refused(cluster, tmp_path):
    node = cluster.form(1).nodes[0]
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "letter.txt").write_text("dear reader")
    empty = tmp_path / "empty"
    empty.mkdir()
    for command in (["inspect"], ["verify"], ["recover"], ["recover", "--accept-data-loss"]):
        running = run(*command, node.data)
        assert running.returncode == 2
        assert "stop the node first" in running.stderr
        for directory in (foreign, empty, tmp_path / "missing"):
            refused = run(*command, directory)
            assert refused.returncode == 2, refused.stdout
            assert str(directory) in refused.stderr
    assert sorted(path.name for path in foreign.iterdir()) == ["letter.txt"]
    assert list(empty.iterdir()) == []
    assert not (tmp_path / "missing").exists()
    assert node.is_ready()

    assert run("inspect", "--entries", "9..3", node.data).returncode == 2
    assert run("verify").returncode == 2


# --- Damage ---

def commands_in_log(node):
    """Where the bodies of commands begin (docs/formats/wal.md): path, offset, index of the entry."""
    found = []
    for path in sorted((node.data / "log").glob("log-*")):
        content = path.read_bytes()
        for group in range(4096, len(content), 4096):
            if content[group:group + 4] != b"QGRP":
                continue
            items, = struct.unpack_from("<I", content, group + 60)
            body = group + 152 + 40 * items
            for item in range(group + 152, body, 40):
                kind, length = struct.unpack_from("<HxxI", content, item)
                index, = struct.unpack_from("<Q", content, item + 24)
                if kind == 0x0101:
                    found.append((path, body, index))
                body += length
    return found


def test_a_damaged_entry_is_named_and_comes_back_from_the_others(cluster):
    cluster.form(3)
    fill(cluster)
    victim = cluster.followers()[0]
    victim.kill()
    path, offset, index = commands_in_log(victim)[5]
    flip(path, offset)

    said = verified(victim, 1)
    assert f"log/{path.name}, offset {offset}" in said
    assert f"entry {index} " in said
    assert "fetches the entry" in said
    assert inspected(victim)["log"]["damaged_entries"] == [index]

    victim.start().wait_until_ready()
    cluster.write("INSERT INTO t(a) VALUES('later')")
    wait_until(lambda: victim.query("SELECT count(*) FROM t", "level=none") == [[31]], "the repair")
    victim.stop()
    said = verified(victim, 0)
    assert f"log/{path.name}, offset {offset}" in said, "the damaged bytes are still there"
    assert "not needed" in said
    assert inspected(victim)["log"]["damaged_entries"] == []


def test_a_damaged_page_is_named(stopped):
    node = stopped.nodes[0]
    flip(node.data / "pages" / "1.pages", 4096 + 100)
    said = verified(node, 1)
    assert "pages/1.pages, offset 4096" in said
    assert "page 2 of database 'main'" in said
    refused = run("recover", "--accept-data-loss", node.data)
    assert refused.returncode == 2
    assert "page 2 of database 'main'" in refused.stderr
    assert not (node.data / "recoveries.log").exists()


def test_a_damaged_table_and_damaged_superblocks_are_told_apart(stopped):
    node = stopped.nodes[0]
    flip(node.data / "pages" / "1.table", 16 + 3)
    said = verified(node, 1)
    assert "page 2 of database 'main', or the hash that the table has for it, is damaged" in said
    assert "would not start" in said

    node = stopped.nodes[1]
    superblocks = sorted((node.data / "pages").glob("superblock.*"))
    assert len(superblocks) == 2
    for path in superblocks:
        flip(path, 20)
    assert "both superblocks" in verified(node, 1)


def test_a_damaged_identity_is_named(stopped):
    node = stopped.nodes[0]
    flip(node.data / "log" / "identity", 4096 + 40)
    assert "log/identity, offset 4096" in verified(node, 1)
    flip(node.data / "log" / "identity", 40)
    assert "both copies are damaged" in verified(node, 1)
    assert run("inspect", node.data).returncode == 2


# --- Recovery ---

def rows_of(node, level="level=linearizable"):
    return node.query("SELECT id, a FROM t ORDER BY id", level)


def test_a_survivor_goes_on_and_others_join_it(stopped, tmp_path):
    first, second, third = stopped.nodes
    generation = inspected(third)["configuration"]["generation"]
    done = run("recover", "--accept-data-loss", third.data)
    assert done.returncode == 0, done.stderr
    assert "-join " + third.raft_address in done.stdout
    account = (third.data / "recoveries.log").read_text()
    assert "recovery begun" in account
    assert "recovery carried out" in account
    assert "n1@" in account
    after = inspected(third)
    assert after["configuration"]["generation"] == generation + 1
    assert [one["name"] for one in after["configuration"]["members"]] == ["n3"]
    assert "whole" in verified(third, 0)
    again = run("recover", third.data)
    assert again.returncode == 2
    assert "nothing to recover" in again.stderr

    # It serves, with all the data, and writes.
    third.arguments = ["-raft-snap", "20"]
    third.start().wait_until_ready()
    assert len(rows_of(third)) == 30
    stopped.write("INSERT INTO t(a) VALUES('after')", nodes=[third])

    # One of the others comes back empty under its old name, and one is new.
    shutil.rmtree(second.data)
    second.arguments = ["-join", third.raft_address]
    second.start()
    fourth = stopped.add("n4", join=third)
    stopped.wait_for_voters(3, asked=third)
    for node in (second, fourth):
        node.wait_until_ready()
        assert rows_of(node) == rows_of(third)

    # A node of the old generation that wakes up is not listened to, and the cluster is not disturbed.
    ghost = Node(tmp_path / "ghost", "n1")
    (tmp_path / "ghost").mkdir()
    shutil.copytree(first.data, ghost.data)
    ghost.raft_address = first.raft_address
    term = third.status("store.raft.term")
    ghost.start()
    stopped.nodes.append(ghost)
    wait_until(lambda: ghost.get("/status").status_code == 200, "the ghost to be up")
    for number in range(20):
        stopped.write("INSERT INTO t(a) VALUES(?)", number, nodes=[third])
    assert not ghost.is_ready()
    assert third.status("store.raft.term") == term
    assert len(rows_of(fourth)) == 51


def test_a_survivor_may_move_to_another_address(stopped):
    third = stopped.nodes[2]
    moved = Node(stopped.directory, "n3")
    assert run("recover", "--new-address", "nonsense", third.data).returncode == 2
    done = run("recover", "--accept-data-loss", "--new-address", moved.raft_address, third.data)
    assert done.returncode == 0, done.stderr
    assert inspected(third)["configuration"]["members"][0]["address"] == moved.raft_address
    stopped.nodes = [moved]
    moved.start().wait_until_ready()
    assert len(rows_of(moved)) == 30
    joined = stopped.add("n5", join=moved)
    stopped.wait_for_voters(2, asked=moved)
    joined.wait_until_ready()
    assert len(rows_of(joined)) == 30


def test_who_cannot_go_on_alone(tmp_path):
    cluster = Cluster(tmp_path)
    try:
        cluster.form(1)
        cluster.write("CREATE TABLE t(a)")
        replica = cluster.add("replica", "-raft-non-voter").wait_until_ready()
        for node in cluster.nodes:
            node.kill()
        before = fingerprint(replica.data)
        refused = run("recover", "--accept-data-loss", replica.data)
        assert refused.returncode == 2
        assert "was not a voter" in refused.stderr
        assert fingerprint(replica.data) == before
    finally:
        cluster.close()
