"""raft/peers.json: rqlite's way to say that a majority is gone for good, and who goes on."""

import json
import shutil

import pytest

from cluster import wait_until
from test_offline_tools import fill, fingerprint, inspected


def ask_for(node, peers):
    (node.data / "raft").mkdir(exist_ok=True)
    (node.data / "raft" / "peers.json").write_text(peers if isinstance(peers, str) else json.dumps(peers))


def peer(node, **options):
    return {"id": node.name, "address": node.raft_address, **options}


def count(node):
    return node.query("SELECT count(*) FROM t", "level=linearizable")


@pytest.fixture
def stopped(cluster):
    """Three nodes with 20 rows, all killed."""
    cluster.form(3, "-raft-snap", "20")
    fill(cluster, 20)
    for node in cluster.nodes:
        wait_until(lambda n=node: n.query("SELECT count(*) FROM t", "level=none") == [[20]], f"{node.name} to apply")
    for node in cluster.nodes:
        node.kill()
        node.arguments = ["-raft-snap", "20"]
    return cluster


def is_refused(node, *expected, arguments=()):
    """It ends with an error that says so, and nothing in its directory has changed."""
    before = fingerprint(node.data)
    said = len(node.log_text())
    node.start(*arguments)
    assert node.wait_for_exit() == 1
    text = node.log_text()[said:]
    for part in (*expected, "peers.json", "Nothing has been changed"):
        assert part in text, text
    assert fingerprint(node.data) == before


def test_the_survivor_goes_on_and_others_join_it(stopped):
    first, second, survivor = stopped.nodes
    generation = inspected(survivor)["configuration"]["generation"]
    ask_for(survivor, [peer(survivor, non_voter=False), {"id": "r", "address": "127.0.0.1:9", "non_voter": True}])
    survivor.start().wait_until_ready()
    assert count(survivor) == [[20]]
    assert set(survivor.get("/nodes").json()) == {survivor.name}
    assert not (survivor.data / "raft" / "peers.json").exists()
    assert json.loads((survivor.data / "raft" / "peers.info").read_text())[0] == peer(survivor, non_voter=False)
    account = (survivor.data / "recoveries.log").read_text()
    assert "recovery begun" in account and "recovery carried out" in account
    assert "writes that only the other members had are lost" in survivor.log_text()
    assert "is left behind: wipe its directory" in survivor.log_text()

    # It is used once.
    survivor.stop()
    survivor.start().wait_until_ready()
    assert inspected_generation(survivor) == generation + 1
    survivor.start().wait_until_ready()

    shutil.rmtree(second.data)
    second.arguments = ["-join", survivor.raft_address]
    second.start().wait_until_ready()
    stopped.wait_for_voters(2, asked=survivor)
    stopped.write("INSERT INTO t(a) VALUES('after')", nodes=[second])
    assert count(survivor) == count(second) == [[21]]


def inspected_generation(node):
    node.stop()
    return inspected(node)["configuration"]["generation"]


def test_the_survivor_may_have_moved(stopped):
    survivor = stopped.nodes[0]
    survivor.raft_address = stopped.nodes[1].raft_address
    ask_for(survivor, [peer(survivor)])
    survivor.start().wait_until_ready()
    assert count(survivor) == [[20]]
    assert survivor.get("/nodes").json()["n1"]["addr"] == survivor.raft_address


def test_several_survivors_have_to_be_compared(stopped):
    first, second, _ = stopped.nodes
    for node, other in ((first, second), (second, first)):
        ask_for(node, [peer(first), peer(second)])
        last = inspected(node)["last"]
        is_refused(node, "only one survivor can go on", other.name,
                   f"ends with entry {last['index']} of term {last['term']}")
    # As it says: one of them alone.
    ask_for(first, [peer(first)])
    first.start().wait_until_ready()
    assert count(first) == [[20]]


def test_what_is_refused(stopped):
    first, second, third = stopped.nodes
    for text, why in (("nonsense", "no JSON"), ("[]", "expected is"), ('[{"id":"n1"}]', '"address" is missing'),
                      ('[{"id":"n1","address":"nowhere"}]', "host:port"), ("[" + " " * 300_000 + "]", "larger than")):
        ask_for(first, text)
        is_refused(first, why)
    ask_for(first, [peer(second)])
    is_refused(first, "does not name this node", "start the node with -join")
    ask_for(first, [peer(first, non_voter=True), peer(second)])
    is_refused(first, "non-voter", "-raft-non-voter")
    ask_for(first, [{"id": "n1", "address": third.raft_address}])
    is_refused(first, third.raft_address, "-raft-adv-addr")
    ask_for(first, [peer(first)])
    is_refused(first, "start it without -join", arguments=("-join", second.raft_address))
    is_refused(first, "makes no survivor", arguments=("-raft-non-voter",))
    # After all that it is as good as before.
    (first.data / "raft" / "peers.json").unlink()
    for node in stopped.nodes:
        node.start()
    for node in stopped.nodes:
        node.wait_until_ready()
    assert count(first) == [[20]]


def test_a_directory_without_a_node(cluster):
    node = cluster.add()
    node.wait_until_ready()
    node.kill()
    shutil.rmtree(node.data)
    node.data.mkdir()
    ask_for(node, [peer(node)])
    is_refused(node, "is not the directory of a node")


def test_who_is_alone_needs_no_recovery(cluster):
    """As after a recovery that was interrupted just before its end."""
    node = cluster.form(1).nodes[0]
    fill(cluster, 3)
    generation = inspected_generation(node)
    ask_for(node, [peer(node)])
    node.start().wait_until_ready()
    assert count(node) == [[3]]
    assert "there is nothing to recover" in node.log_text()
    assert (node.data / "raft" / "peers.info").exists() and not (node.data / "recoveries.log").exists()
    assert inspected_generation(node) == generation
