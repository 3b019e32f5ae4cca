"""Nodes that come, go, move and lose their disks."""

import shutil

import pytest

from cluster import Cluster, Node, free_port, wait_until


def voters(node):
    return {name for name, member in node.get("/nodes").json().items() if member["voter"]}


def remove(node, name, parameters=""):
    return node.request("DELETE", f"/remove?{parameters}", json={"id": name})


def has_rows(node, count):
    """On the node itself, sooner or later; before, it may not even know the table."""
    def has_them():
        response = node.get("/db/query?level=none", params={"q": "SELECT count(*) FROM t"})
        return response.json()["results"][0].get("values") == [[count]]
    return wait_until(has_them, f"{count} rows")


@pytest.fixture
def three(cluster):
    cluster.form(3)
    cluster.write("CREATE TABLE t(id INTEGER)")
    return cluster


def test_joining_through_a_follower(three):
    three.write("INSERT INTO t VALUES(1)")
    newcomer = three.add("n4", join=three.followers()[0])
    three.wait_for_voters(4)
    has_rows(newcomer.wait_until_ready(), 1)


def test_a_read_replica_has_everything_and_never_votes(three):
    replica = three.add("replica", "-raft-non-voter")
    replica.wait_until_ready()
    three.write("INSERT INTO t VALUES(1)", nodes=[replica])
    has_rows(replica, 1)
    assert replica.query("SELECT count(*) FROM t", "level=linearizable") == [[1]]
    assert voters(replica) == {"n1", "n2", "n3"}
    assert replica.get("/nodes?nonvoters").json()["replica"]["voter"] is False
    assert replica.get("/db/query?level=auto", params={"q": "SELECT 1"}).headers["X-Rqlite-Served-By"] == (
        replica.http_address)
    # It does not count: with one of three voters left there is no majority.
    for node in three.nodes[:2]:
        node.kill()
    wait_until(lambda: replica.post("/db/execute?timeout=1s", ["INSERT INTO t VALUES(2)"]).status_code == 503,
               "writes to be refused")
    has_rows(replica, 1)


def test_a_voter_becomes_a_read_replica_and_a_voter_again(three):
    node = three.followers()[0]
    node.stop()
    node.start("-raft-non-voter").wait_until_ready()
    wait_until(lambda: node.name not in voters(three.leader()), "the voter to become a replica")
    node.stop()
    node.start().wait_until_ready()
    three.wait_for_voters(3)


def test_removing_and_joining_again(three):
    victim = three.followers()[0]
    assert remove(three.nodes[0], victim.name).status_code == 200
    three.wait_for_voters(2, asked=three.leader())
    assert remove(three.leader(), victim.name).status_code == 200, "what is removed already is removed"
    assert remove(three.leader(), "nobody").status_code == 200
    victim.kill()
    victim.arguments = ["-join", three.leader().raft_address]
    victim.start()
    three.wait_for_voters(3, asked=three.leader())
    victim.wait_until_ready()


@pytest.mark.parametrize("body", ["", "{}", '{"id":1}', '{"id":"n2","more":1}', '["n2"]'])
def test_malformed_removals(shared_three, body):
    assert shared_three.nodes[0].request("DELETE", "/remove", data=body).status_code == 400
    assert shared_three.nodes[0].request("GET", "/remove").status_code == 405


def knows_of_its_removal(node):
    wait_until(lambda: node.status("store.removed") is True, f"{node.name} to learn that it was removed")
    ready = node.get("/readyz")
    assert ready.status_code == 503 and "was removed from the cluster" in ready.text
    assert "was removed from the cluster" in node.log_text()
    assert "quorate_removed 1" in node.get("/metrics").text


def test_who_is_removed_learns_of_it(three):
    victim = three.followers()[0]
    assert victim.status("store.removed") is False
    assert remove(three.nodes[0], victim.name).status_code == 200
    knows_of_its_removal(victim)
    # Also one that was away, and comes back without -join.
    victim.kill()
    arguments, victim.arguments = victim.arguments, []
    victim.start()
    knows_of_its_removal(victim)
    victim.kill()
    victim.arguments = ["-join", three.leader().raft_address] if not arguments else arguments
    victim.start().wait_until_ready()
    assert victim.status("store.removed") is False


def test_who_is_alone_does_not_take_itself_for_removed(three):
    alone = three.followers()[0]
    others = [node for node in three.nodes if node is not alone]
    for node in others:
        node.kill()
    wait_until(lambda: "does not exist" in alone.get("/readyz?timeout=1s").text, "it to be alone")
    for node in others[:1]:
        node.start()
    alone.wait_until_ready()
    assert "was removed" not in alone.log_text()


def test_stopping_when_removed(three):
    victim = three.followers()[0]
    victim.stop()
    victim.start("-raft-remove-shutdown").wait_until_ready()
    assert remove(three.leader(), victim.name).status_code == 200
    assert victim.wait_for_exit() == 0


def test_removing_the_leader(three):
    leader = three.leader()
    assert remove(leader, leader.name).status_code == 200
    knows_of_its_removal(leader)
    leader.kill()
    wait_until(lambda: voters(three.running()[0]) == {node.name for node in three.running()}, "it to be gone")
    three.write("INSERT INTO t VALUES(1)")


def test_removals_that_would_cost_the_majority_are_refused(three):
    dead, alive = three.followers()
    dead.kill()
    leader = three.leader()
    wait_until(lambda: not leader.status("store.peers")[dead.name]["connected"], "the death to be noticed")
    assert remove(leader, alive.name).status_code == 400
    three.write("INSERT INTO t VALUES(1)")
    assert remove(leader, dead.name).status_code == 200
    three.wait_for_voters(2, asked=leader)
    assert remove(leader, alive.name, "force").status_code == 200
    assert remove(leader, leader.name, "force").status_code == 400, "the last voter stays"
    leader.execute("INSERT INTO t VALUES(2)")


def test_a_node_that_lost_its_disk_comes_back_by_itself(three):
    three.write("INSERT INTO t VALUES(1)")
    victim = three.followers()[0]
    victim.kill()
    shutil.rmtree(victim.data)
    victim.arguments = ["-join", three.leader().raft_address]
    victim.start().wait_until_ready()
    has_rows(victim, 1)
    three.wait_for_voters(3, asked=three.leader())
    three.write("INSERT INTO t VALUES(2)", nodes=[victim])


def test_a_node_that_moved_is_found_at_its_new_address(three):
    victim = three.followers()[0]
    victim.stop()
    victim.raft_address = f"127.0.0.1:{free_port()}"
    victim.http_address = f"127.0.0.1:{free_port()}"
    victim.start().wait_until_ready()
    three.write("INSERT INTO t VALUES(1)", nodes=[victim])
    wait_until(lambda: three.leader().get("/nodes").json()[victim.name]["addr"] == victim.raft_address, "its address")


def test_a_newcomer_catches_up_with_a_snapshot(cluster):
    cluster.add(None, "-raft-snap", "50").wait_until_ready()
    first = cluster.nodes[0]
    first.execute("CREATE TABLE t(id INTEGER, text TEXT)")
    for i in range(300):
        first.execute(["INSERT INTO t VALUES(?, ?)", i, "x" * 500])
    wait_until(lambda: first.status("store.raft")["last_snapshot_index"] > 50, "a checkpoint")
    newcomer = cluster.add()
    cluster.wait_for_voters(2)
    has_rows(newcomer, 300)


def test_nodes_that_expect_each_other(tmp_path):
    cluster = Cluster(tmp_path)
    try:
        cluster.nodes = [Node(tmp_path, f"n{i}") for i in range(1, 4)]
        join = ",".join(node.raft_address for node in cluster.nodes)
        for node in cluster.nodes:
            node.arguments = ["-bootstrap-expect", "3", "-join", join]
        cluster.nodes[0].start()
        cluster.nodes[1].start()
        wait_until(lambda: cluster.nodes[1].get("/status").status_code == 200, "the second node")
        assert cluster.nodes[0].get("/leader").status_code == 503
        cluster.nodes[2].start()
        for node in cluster.nodes:
            node.wait_until_ready()
        cluster.wait_for_voters(3)
        cluster.write("CREATE TABLE t(id)")
        # The same command line starts it again, and one more node joins with it.
        for node in cluster.nodes:
            node.kill()
        for node in cluster.nodes:
            node.start()
        cluster.write("INSERT INTO t VALUES(1)")
        late = cluster.add("n4", "-bootstrap-expect", "3", "-join", join)
        late.arguments = late.arguments[:4]
        cluster.wait_for_voters(4)
    finally:
        cluster.close()


def test_a_name_that_is_in_use(three):
    impostor = Node(three.directory, "impostor", ["-join", three.nodes[0].raft_address, "-join-attempts", "2",
                                                  "-join-interval", "200ms"])
    three.nodes.append(impostor)
    impostor.name = three.followers()[0].name
    impostor.start()
    assert impostor.wait_for_exit() == 1
    assert "choose another -node-id" in impostor.log_text()
    three.write("INSERT INTO t VALUES(1)", nodes=three.nodes[:3])


def test_nobody_to_join(cluster):
    cluster.nodes.append(Node(cluster.directory, "lonely", ["-join", f"127.0.0.1:{free_port()}", "-join-attempts", "2",
                                                            "-join-interval", "50ms"]))
    lonely = cluster.nodes[0].start()
    assert lonely.wait_for_exit() == 1
    assert "found no cluster to join" in lonely.log_text()


def test_a_cluster_of_its_own_joins_no_other(cluster, shared_one):
    node = cluster.add().wait_until_ready()
    node.execute("CREATE TABLE t(id)")
    node.stop()
    node.start("-join", shared_one.nodes[0].raft_address)
    assert node.wait_for_exit() == 1
    assert "cannot join another one" in node.log_text()
    node.start().wait_until_ready()


def test_leaving_on_shutdown(three):
    for leaver in (three.followers()[0], three.leader()):
        leaver.stop()
        leaver.start("-raft-cluster-remove-shutdown").wait_until_ready()
        assert leaver.stop() == 0
        wait_until(lambda gone=leaver: gone.name not in voters(three.leader()), f"{leaver.name} to be gone")
        leaver.arguments = ["-join", three.leader().raft_address]
        leaver.start().wait_until_ready()
        wait_until(lambda back=leaver: back.name in voters(three.leader()), f"{leaver.name} to be back")
