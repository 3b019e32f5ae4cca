"""SQLite extensions: loaded everywhere, from files, directories and archives; virtual tables that are replicated; and
nodes that do not start without what they were told to load."""

import os
import pathlib
import shutil
import tarfile
import zipfile

import pytest

from cluster import Node, wait_until

BUILT = pathlib.Path(os.environ.get("QUORATE_BUILD_DIR", "build/debug")).resolve() / "tests" / "extensions"


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """The same extension in every form."""
    directory = tmp_path_factory.mktemp("kept")
    forms = {"file": BUILT / "kept.so", "directory": directory / "directory", "zip": directory / "kept.zip",
             "tar.gz": directory / "kept.tar.gz"}
    forms["directory"].mkdir()
    shutil.copy(forms["file"], forms["directory"])
    with zipfile.ZipFile(forms["zip"], "w", zipfile.ZIP_DEFLATED) as packed:
        packed.write(forms["file"], "kept.so")
    with tarfile.open(forms["tar.gz"], "w:gz") as packed:
        packed.add(forms["directory"], ".")
    return forms


def test_three_nodes_with_a_virtual_table(cluster, kept):
    for form in ("file", "zip", "tar.gz"):
        cluster.add(None, "-extensions-path", str(kept[form]))
    cluster.wait_for_voters(3)
    for node in cluster.nodes:
        node.wait_until_ready()
        assert node.status("extensions") == {"dir": str(node.data / "extensions"), "names": ["kept.so"]}
        assert node.status("store.sqlite3.extensions") == ["kept.so"]
    cluster.write("CREATE VIRTUAL TABLE k USING kept")
    for number in range(3):
        cluster.write("INSERT INTO k VALUES(twice(?))", number)
    for node in cluster.nodes:
        assert node.query("SELECT value FROM k", "level=linearizable") == [[0], [2], [4]]
        wait_until(lambda: node.query("SELECT twice(value) FROM k", "level=none") == [[0], [4], [8]], "the rows")
    # Who leads next has it, and so does an interactive transaction.
    cluster.leader().kill()
    cluster.write("INSERT INTO k VALUES(6)")
    leader = cluster.leader()
    assert leader.query("SELECT value FROM k") == [[0], [2], [4], [6]]
    results = leader.post("/db/request?transaction", ["INSERT INTO k VALUES(8)", "SELECT count(*) FROM k"]).json()
    assert results["results"][1]["values"] == [[5]]
    dump = leader.get("/db/backup?fmt=sql").text
    assert "kept" in dump
    # And again after a restart of all.
    for node in cluster.nodes:
        node.kill()
    for node in cluster.nodes:
        node.start()
    cluster.write("INSERT INTO k VALUES(10)")
    for node in cluster.nodes:
        assert node.query("SELECT count(*) FROM k", "level=linearizable") == [[6]]


def test_a_follower_without_the_extension_keeps_the_data_all_the_same(cluster, kept):
    first = cluster.add(None, "-extensions-path", str(kept["directory"])).wait_until_ready()
    second = cluster.add()
    cluster.wait_for_voters(2)
    first.execute("CREATE VIRTUAL TABLE k USING kept", "INSERT INTO k VALUES(twice(7))")
    assert second.wait_until_ready().query("SELECT value FROM k_store", "level=linearizable") == [[14]]
    missing = second.get("/db/query?level=none", params={"q": "SELECT value FROM k"}).json()["results"][0]
    assert "no such module: kept" in missing["error"]


def test_sql_cannot_load_any(shared_one):
    answer = shared_one.nodes[0].get("/db/query", params={"q": f"SELECT load_extension('{BUILT / 'kept.so'}')"}).json()
    assert "not authorized" in answer["results"][0]["error"]


def test_sql_cannot_load_more(cluster, kept):
    node = cluster.add(None, "-extensions-path", str(kept["file"])).wait_until_ready()
    answer = node.post("/db/request", [f"SELECT load_extension('{BUILT / 'broken.so'}')"]).json()
    assert "not authorized" in answer["results"][0]["error"]
    assert node.query("SELECT twice(4)") == [[8]]


def test_what_was_installed_goes_with_the_flag(cluster, kept):
    node = cluster.add(None, "-extensions-path", str(kept["zip"])).wait_until_ready()
    node.stop()
    node.arguments = []
    node.start().wait_until_ready()
    assert node.status("extensions") == {"names": []}
    assert not (node.data / "extensions").exists()


@pytest.mark.parametrize("source, says", [
    ("nowhere.so", "there is no such file"),
    (str(BUILT / "broken.so"), "broken.so cannot be loaded: "),
    (f"{BUILT / 'kept.so'},{BUILT / 'kept.so'}", "another extension has the same name"),
    ("/etc/passwd", "is no extension"),
])
def test_a_node_does_not_start_without_what_it_was_told_to_load(tmp_path, source, says):
    node = Node(tmp_path, "n1", ["-extensions-path", source])
    assert node.start().wait_for_exit() == 1
    assert f"-extensions-path: " in node.log_text() and says in node.log_text()
    # A new node can be started there again.
    node.arguments = []
    node.start().wait_until_ready()
    node.kill()


def test_hostile_archives(tmp_path, kept):
    for name, entry in (("up", "../kept.so"), ("in", "a/kept.so")):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as packed:
            packed.write(kept["file"], entry)
        node = Node(tmp_path, name, ["-extensions-path", str(tmp_path / f"{name}.zip")])
        assert node.start().wait_for_exit() == 1
        assert "is in a directory" in node.log_text()
    with tarfile.open(tmp_path / "link.tar.gz", "w:gz") as packed:
        link = tarfile.TarInfo("kept.so")
        link.type, link.linkname = tarfile.SYMTYPE, str(kept["file"])
        packed.addfile(link)
    node = Node(tmp_path, "link", ["-extensions-path", str(tmp_path / "link.tar.gz")])
    assert node.start().wait_for_exit() == 1
    assert "is a link" in node.log_text()
