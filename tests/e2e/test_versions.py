"""The released version beside the next one: processes that claim to know a feature level of their own."""

import pytest

from cluster import wait_until


def level(node):
    return node.status("store.feature_level")


def in_force(node, expected):
    wait_until(lambda: level(node)["in_force"] == expected, f"level {expected} to be in force at {node.name}")


def restart(node, *arguments):
    node.stop()
    node.start(*arguments).wait_until_ready()


@pytest.fixture
def three(cluster):
    cluster.form(3)
    cluster.write("CREATE TABLE t(id INTEGER)")
    return cluster


NEXT = ["-test-feature-level", "2"]


def test_an_upgrade_one_node_at_a_time(three):
    for count, node in enumerate(three.nodes):
        for asked in three.nodes:
            assert level(asked)["in_force"] == 1, "not before everybody knows it"
        restart(node, *NEXT)
        three.write(f"INSERT INTO t VALUES({count})", nodes=[node])
    for node in three.nodes:
        in_force(node, 2)
        assert level(node)["known"] == 2
        wait_until(lambda one=node: "feature level 2 is in force" in one.log_text(), "it to be told")
        assert node.query("SELECT count(*) FROM t", "level=linearizable") == [[3]]
    # It is remembered.
    for node in three.nodes:
        node.kill()
    for node in three.nodes:
        node.start(*NEXT)
    for node in three.nodes:
        node.wait_until_ready()
        assert level(node)["in_force"] == 2


def test_going_back_as_long_as_not_everybody_went(three):
    upgraded = three.nodes[:2]
    for node in upgraded:
        restart(node, *NEXT)
    for node in upgraded:
        restart(node)
    three.write("INSERT INTO t VALUES(1)", nodes=upgraded)
    restart(three.nodes[2], *NEXT)
    three.write("INSERT INTO t VALUES(2)", nodes=[three.nodes[2]])
    for node in three.nodes:
        assert level(node)["in_force"] == 1


def test_whoever_knows_less_than_what_is_in_force(three):
    for node in three.nodes:
        restart(node, *NEXT)
    for node in three.nodes:
        in_force(node, 2)
    # An older build does not start on what the newer one has written.
    victim = three.followers()[0]
    victim.stop()
    victim.start()
    assert victim.wait_for_exit() == 1
    assert "feature level 2" in victim.log_text() and "a newer one" in victim.log_text()
    victim.start(*NEXT).wait_until_ready()
    # Nor is it taken in as a newcomer.
    newcomer = three.add("n4")
    assert newcomer.wait_for_exit() == 1
    assert "start a newer version" in newcomer.log_text()
    newcomer.start(*NEXT).wait_until_ready()
    three.wait_for_voters(4)


def test_the_last_one_who_does_not_know_it_leaves(three):
    old = three.nodes[0]
    for node in three.nodes[1:]:
        restart(node, *NEXT)
    assert level(three.nodes[1])["in_force"] == 1
    assert three.leader().request("DELETE", "/remove", json={"id": old.name}).status_code == 200
    for node in three.nodes[1:]:
        in_force(node, 2)
