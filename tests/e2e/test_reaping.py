"""Members that are gone for good are removed by the leader, if it was told to; and never so many that it costs the
majority."""

import pytest

from cluster import Node, free_port, wait_until
from test_introspection import counters
from test_membership import voters

REAPING = ("-raft-reap-node-timeout", "1s")


def members(node):
    return set(node.get("/nodes?nonvoters").json())


def reaped(node):
    return counters(node, "store")["nodes_reaped_ok"]


def test_a_voter_that_is_gone_is_removed(cluster):
    cluster.form(3, *REAPING)
    dead = cluster.followers()[0]
    dead.kill()
    leader = cluster.leader()
    wait_until(lambda: dead.name not in members(leader), "its removal")
    wait_until(lambda: reaped(leader) == 1, "it to be counted")
    assert f"nothing was heard of node {dead.name} for 1s" in leader.log_text()
    assert leader.status("store.reap_timeout") == "1s" and leader.status("store.reap_read_only_timeout") == "0s"
    cluster.write("CREATE TABLE t(id)")
    # It is no member any more, and becomes one when it is started to join.
    dead.arguments = [*REAPING, "-join", leader.raft_address]
    dead.start().wait_until_ready()
    cluster.wait_for_voters(3, asked=leader)


def test_who_is_there_stays(cluster):
    cluster.form(3, *REAPING)
    follower = cluster.followers()[0]
    for _ in range(3):
        follower.stop()
        follower.start().wait_until_ready()
    with follower.paused():
        cluster.write("CREATE TABLE t(id)")
    follower.wait_until_ready()
    assert voters(cluster.leader()) == {"n1", "n2", "n3"}
    assert all(reaped(node) == 0 for node in cluster.nodes)


def test_read_replicas_have_a_limit_of_their_own(cluster):
    cluster.form(3, "-raft-reap-read-only-node-timeout", "1s")
    replica = cluster.add("replica", "-raft-non-voter", "-raft-reap-read-only-node-timeout", "1s").wait_until_ready()
    voter = cluster.followers()[0]
    replica.kill()
    voter.kill()
    leader = cluster.leader()
    wait_until(lambda: "replica" not in members(leader), "its removal")
    assert voters(leader) == {"n1", "n2", "n3"}, "voters have no limit"
    assert "nothing was heard of read replica replica" in leader.log_text()


def test_a_minority_removes_nobody(cluster):
    """Two of three are gone: whoever is left does not lead, and waits for them."""
    cluster.form(3, *REAPING)
    alone = cluster.leader()
    others = [node for node in cluster.nodes if node is not alone]
    for node in others:
        node.kill()
    wait_until(lambda: alone.get("/leader").status_code == 503, "the leader to step down")
    others[0].start().wait_until_ready()
    # Now there is a leader again, which counts anew and removes the one that is still missing.
    leader = cluster.leader()
    wait_until(lambda: others[1].name not in members(leader), "the removal")
    assert members(leader) == {alone.name, others[0].name}
    others[0].kill()
    last = cluster.running()[0]
    wait_until(lambda: last.get("/leader").status_code == 503, "no majority")
    assert len(last.status("store.nodes")) == 2


def test_two_that_are_gone_are_removed_one_after_the_other(cluster):
    cluster.form(5, *REAPING)
    gone = cluster.followers()[:2]
    for node in gone:
        node.kill()
    wait_until(lambda: len(members(cluster.leader())) == 3, "both removals")
    wait_until(lambda: sum(reaped(node) for node in cluster.running()) == 2, "both to be counted")
    cluster.write("CREATE TABLE t(id)")


@pytest.mark.parametrize("flag", ["-raft-reap-node-timeout", "-raft-reap-read-only-node-timeout"])
def test_timeouts_that_are_too_short(tmp_path, flag):
    node = Node(tmp_path, "n1", [flag, "100ms"]).start()
    assert node.wait_for_exit() == 2
    assert f"{flag} must be 0s (never) or at least 3 election timeouts" in node.log_text()


def test_a_leader_that_is_alone_joins_nobody(cluster):
    """As in rqlite: a single-node leader that is started again with -join ends."""
    node = cluster.form(1).nodes[0]
    node.execute("CREATE TABLE t(id)")
    node.stop()
    node.start("-join", f"127.0.0.1:{free_port()}")
    assert node.wait_for_exit() == 1
    assert "this node is a cluster of its own already, which cannot join another one" in node.log_text()
