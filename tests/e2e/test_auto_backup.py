"""Backups that are made, and a database that is restored, without anybody asking."""

import contextlib
import gzip
import json
import os
import re
import sqlite3

import pytest

from cluster import Cluster, Node, free_port, wait_until
from test_introspection import counters


def settings(path, **changes):
    """A file of settings; what is None is left out."""
    content = {"version": 1, "type": "file", **changes}
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
    return path


@pytest.fixture
def place(tmp_path):
    made = tmp_path / "backups"
    made.mkdir()
    return made


def backing_up(tmp_path, place, name="db.gz", **changes):
    changes = {"interval": "100ms", "sub": {"dir": str(place), "name": name}, **changes}
    return "-auto-backup", str(settings(tmp_path / "backup.json", **changes))


def restoring(tmp_path, path, **changes):
    changes = {"sub": {"path": str(path)}, **changes}
    return "-auto-restore", str(settings(tmp_path / "restore.json", **changes))


def content(tmp_path, data, sql):
    (tmp_path / "copy.db").write_bytes(data)
    with contextlib.closing(sqlite3.connect(tmp_path / "copy.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        return database.execute(sql).fetchall()


def uploads(node):
    return {key.removeprefix("num_uploads_"): value for key, value in counters(node, "uploader").items()
            if key.startswith("num_")}


def made(node, at_least):
    wait_until(lambda: uploads(node)["ok"] >= at_least, f"{at_least} backups")
    return uploads(node)


def is_of(tmp_path, path, rows):
    """The file is a backup with so many rows, sooner or later."""
    def has_them():
        if not path.exists():
            return False
        with contextlib.suppress(sqlite3.OperationalError):  # the table is not there yet
            return content(tmp_path, gzip.decompress(path.read_bytes()), "SELECT count(*) FROM t") == [(rows,)]
    wait_until(has_them, f"a backup with {rows} rows")


def make_database(path, rows):
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT)")
        database.executemany("INSERT INTO t VALUES(?, ?)", ((i, "x" * 500) for i in range(rows)))
        database.commit()
    return path


# --- backup ---

def test_what_changes_is_backed_up(cluster, tmp_path, place):
    node = cluster.form(1, *backing_up(tmp_path, place)).nodes[0]
    assert list(place.iterdir()) == [], "an empty database is nothing to back up"
    assert "last_backup_time" not in node.get("/status").json()
    node.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT)", "INSERT INTO t(v) VALUES('one')")
    is_of(tmp_path, place / "db.gz", 1)
    node.execute("INSERT INTO t(v) VALUES('two')")
    is_of(tmp_path, place / "db.gz", 2)
    done = made(node, 2)
    assert done["fail"] == 0
    wait_until(lambda: uploads(node)["skipped"] > done["skipped"] + 2, "nothing to be done")
    assert uploads(node)["ok"] == done["ok"]
    assert {path.name for path in place.iterdir()} == {"db.gz", "METADATA.json"}

    record = json.loads((place / "METADATA.json").read_text())
    status = node.status("auto_backups")
    assert record["name"] == "db.gz" and record["bytes"] == (place / "db.gz").stat().st_size
    assert status["upload_destination"] == str(place / "db.gz") and status["upload_interval"] == "100ms"
    assert (status["last_upload_id"], status["last_upload_name"]) == (record["id"], "db.gz")
    assert status["last_error"] == "" and status["compress"] is True and status["vacuum"] is False
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", node.get("/status").json()["last_backup_time"])
    assert counters(node, "uploader")["total_upload_bytes"] >= record["bytes"]

    # After a restart it is known that there is nothing to do.
    node.stop()
    node.start().wait_until_ready()
    wait_until(lambda: uploads(node)["skipped"] > 0, "it to look twice")
    assert uploads(node) == {"ok": 0, "fail": 0, "skipped": uploads(node)["skipped"], "skipped_id": 1}


def test_only_the_leader_backs_up(cluster, tmp_path, place):
    cluster.form(3, *backing_up(tmp_path, place))
    leader = cluster.leader()
    cluster.write("CREATE TABLE t(id INTEGER PRIMARY KEY)")
    is_of(tmp_path, place / "db.gz", 0)
    assert all(sum(uploads(node).values()) == 0 for node in cluster.followers())
    leader.kill()
    cluster.write("INSERT INTO t VALUES(1)")
    is_of(tmp_path, place / "db.gz", 1)
    # Who comes next takes what is there for what it is, also on another node.
    next_leader = cluster.leader()
    target = next(node for node in cluster.running() if node is not next_leader)
    wait_until(lambda: next_leader.post("/leader?wait", {"id": target.name}).status_code == 200, "the transfer")
    wait_until(lambda: uploads(target)["skipped_id"] == 1, "it to look")
    assert uploads(target)["ok"] == 0


def test_options(cluster, tmp_path, place):
    node = cluster.form(1, *backing_up(tmp_path, place, name="db", vacuum=True, no_compress=True, timestamp=True,
                                       interval=200_000_000)).nodes[0]
    node.execute("CREATE TABLE t(v)", "INSERT INTO t VALUES(zeroblob(1000000))", "DELETE FROM t",
                 "INSERT INTO t VALUES(1)")
    made(node, 1)
    names = sorted(path.name for path in place.iterdir() if path.name != "METADATA.json")
    assert names and all(re.fullmatch(r"20\d{12}_db", name) for name in names)
    data = (place / names[-1]).read_bytes()
    assert len(data) < 100_000, "room that deleted rows have left"
    assert content(tmp_path, data, "SELECT v FROM t") == [(1,)]
    assert node.status("auto_backups.upload_interval") == "200ms"


def test_variables_of_the_environment(cluster, tmp_path, place, monkeypatch):
    monkeypatch.setenv("PLACE_OF_BACKUPS", str(place))
    monkeypatch.setenv("NAME_OF_BACKUPS", "named")
    flags = backing_up(tmp_path, "$PLACE_OF_BACKUPS", name="${NAME_OF_BACKUPS}.gz")
    node = cluster.form(1, *flags).nodes[0]
    node.execute("CREATE TABLE t(v)")
    is_of(tmp_path, place / "named.gz", 0)


def test_a_directory_that_is_away_and_comes_back(cluster, tmp_path, place):
    node = cluster.form(1, *backing_up(tmp_path, place / "mount")).nodes[0]
    node.execute("CREATE TABLE t(v)")
    wait_until(lambda: uploads(node)["fail"] >= 2, "failures")
    assert str(place / "mount") in node.status("auto_backups.last_error")
    assert node.log_text().count("automatic backup to") == 1, "told once"
    node.execute("INSERT INTO t VALUES(1)")
    (place / "mount").mkdir()
    is_of(tmp_path, place / "mount" / "db.gz", 1)
    wait_until(lambda: node.status("auto_backups.last_error") == "", "the error to be over")
    assert "succeed again" in node.log_text()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device without room")
def test_a_full_disk(cluster, tmp_path, place):
    """The unfinished file is where there is no room; the last backup stays, and the next one is made when there is."""
    node = cluster.form(1, *backing_up(tmp_path, place)).nodes[0]
    node.execute("CREATE TABLE t(v)", "INSERT INTO t VALUES(1)")
    is_of(tmp_path, place / "db.gz", 1)
    made(node, 1)
    (place / f".db.gz.{draft_owner(node)}.part").symlink_to("/dev/full")
    node.execute("INSERT INTO t VALUES(randomblob(300000))")
    wait_until(lambda: uploads(node)["fail"] >= 1, "a failure")
    is_of(tmp_path, place / "db.gz", 2)
    assert "No space left on device" in node.log_text()
    assert node.is_ready()


def draft_owner(node):
    """As the node names its unfinished files (data_directory.cpp: id_of)."""
    mask = (1 << 64) - 1
    value = 0xcbf29ce484222325
    for byte in node.name.encode():
        value = ((value ^ byte) * 0x100000001b3) & mask
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9 & mask
    value = (value ^ (value >> 27)) * 0x94d049bb133111eb & mask
    return f"{value ^ (value >> 31):016x}"


@pytest.mark.parametrize("changes, why", [
    ({"type": "s3"}, "rclone mount"), ({"type": "gcs"}, "not supported"), ({"version": 2}, '"version" must be 1'),
    ({"interval": "soon"}, '"interval" must be a duration'), ({"interval": None}, '"interval" is missing'),
    ({"sub": {"dir": "x"}}, '"name" is missing'), ({"compress": True}, 'unknown key "compress"'),
    ({"sub": {"dir": "$NO_SUCH_VARIABLE_HERE", "name": "n"}}, "NO_SUCH_VARIABLE_HERE")])
def test_settings_that_cannot_be_meant_so(cluster, tmp_path, place, changes, why):
    node = cluster.add(None, *backing_up(tmp_path, place, **changes))
    assert node.wait_for_exit() == 1
    assert "-auto-backup: " in node.log_text() and "backup.json" in node.log_text() and why in node.log_text()


# --- restore ---

@pytest.mark.parametrize("packing", ["file", "gzip", "sql"])
def test_a_new_cluster_begins_with_a_backup(cluster, tmp_path, packing):
    path = make_database(tmp_path / "old.db", 3000)
    if packing == "gzip":
        (tmp_path / "old.db.gz").write_bytes(gzip.compress(path.read_bytes()))
        path = tmp_path / "old.db.gz"
    if packing == "sql":
        path = tmp_path / "old.sql"
        path.write_text("CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT);\n" +
                        "".join(f"INSERT INTO t VALUES({i}, 'x');\n" for i in range(3000)))
    node = cluster.add(None, *restoring(tmp_path, path)).wait_until_ready()
    assert node.query("SELECT count(*) FROM t") == [[3000]]
    assert "restored the database from" in node.log_text()
    assert counters(node, "downloader")["num_downloads_ok"] == 1
    follower = cluster.add()
    cluster.wait_for_voters(2)
    assert follower.wait_until_ready().query("SELECT count(*) FROM t", "level=linearizable") == [[3000]]


def test_data_that_is_there_stays(cluster, tmp_path):
    path = make_database(tmp_path / "old.db", 10)
    node = cluster.form(1).nodes[0]
    node.execute("CREATE TABLE mine(v)")
    node.stop()
    node.start(*restoring(tmp_path, path)).wait_until_ready()
    assert node.query("SELECT count(*) FROM mine") == [[0]]
    assert "nothing is restored" in node.log_text()
    assert counters(node, "downloader")["num_downloads_skipped"] == 1


def test_nobody_is_let_in_before(cluster, tmp_path):
    """What is written to a node while it is restored would be lost: it is refused until then."""
    pipe = tmp_path / "slow"
    os.mkfifo(pipe)
    data = make_database(tmp_path / "old.db", 500).read_bytes()
    node = cluster.add(None, *restoring(tmp_path, pipe))
    wait_until(lambda: "restoring the database from" in node.log_text(), "it to begin")
    with open(pipe, "wb") as file:
        file.write(data[:100_000])
        for answer in (node.post("/db/execute", ["CREATE TABLE t(mine)"]), node.get("/db/query?q=SELECT 1&level=none"),
                       node.post("/db/load", data=data, headers={"Content-Type": "application/octet-stream"})):
            assert answer.status_code == 503 and "is being restored" in answer.text, answer.text
        assert node.get("/readyz").status_code == 503
        file.write(data[100_000:])
    node.wait_until_ready()
    assert node.query("SELECT count(*) FROM t") == [[500]]
    node.execute("INSERT INTO t(v) VALUES('more')")


def test_a_backup_that_was_made_by_itself_is_restored(cluster, tmp_path, place):
    node = cluster.form(1, *backing_up(tmp_path, place)).nodes[0]
    node.execute("CREATE TABLE t(v)", "INSERT INTO t VALUES(1), (2)")
    is_of(tmp_path, place / "db.gz", 2)
    node.kill()
    other = Cluster(tmp_path)
    try:
        sub = {"dir": str(place), "name": "db.gz"}
        restored = other.add("other", *restoring(tmp_path, "", sub=sub)).wait_until_ready()
        assert restored.query("SELECT count(*) FROM t") == [[2]]
    finally:
        other.close()


def damaged(tmp_path):
    data = bytearray(gzip.compress(make_database(tmp_path / "old.db", 100).read_bytes()))
    data[-6] ^= 1
    (tmp_path / "damaged.gz").write_bytes(data)
    return tmp_path / "damaged.gz"


@pytest.mark.parametrize("what, why", [("missing", "cannot open"), ("damaged", "checksum differs"),
                                       ("no database", "syntax error"), ("malformed", "nothing was loaded")])
def test_what_cannot_be_restored(cluster, tmp_path, what, why):
    path = tmp_path / "nowhere"
    if what == "damaged":
        path = damaged(tmp_path)
    elif what == "no database":
        path.write_text("dear reader; this is no SQL")
    elif what == "malformed":
        data = bytearray(make_database(path, 3000).read_bytes())
        data[8192:40960] = os.urandom(32768)
        path.write_bytes(data)
    node = cluster.add(None, *restoring(tmp_path, path))
    assert node.wait_for_exit() == 1
    assert "could not be restored" in node.log_text() and str(path) in node.log_text()
    assert why in node.log_text()
    # Nothing was begun with: made good, it is restored.
    node.arguments = restoring(tmp_path, make_database(tmp_path / "good.db", 7))
    node.start()
    assert node.wait_until_ready().query("SELECT count(*) FROM t") == [[7]]


def test_going_on_without(cluster, tmp_path):
    node = cluster.add(None, *restoring(tmp_path, tmp_path / "nowhere", continue_on_failure=True)).wait_until_ready()
    node.execute("CREATE TABLE t(v)")
    assert "could not be restored" in node.log_text() and "going on without" in node.log_text()
    assert counters(node, "downloader")["num_downloads_fail"] == 1


def test_restoring_is_not_for_who_joins(tmp_path):
    node = Node(tmp_path, "n1", [*restoring(tmp_path, tmp_path / "nowhere"), "-join", f"127.0.0.1:{free_port()}"])
    node.start()
    assert node.wait_for_exit() == 2
    assert "-auto-restore is for a node that begins a cluster" in node.log_text()
