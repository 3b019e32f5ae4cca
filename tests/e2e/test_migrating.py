"""What docs/migrating-from-rqlite.md claims: every flag of its table, and the way of the data."""

import gzip
import pathlib
import re
import sqlite3
import subprocess

import pytest

from cluster import QUORATE, free_port

PAGE = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "migrating-from-rqlite.md").read_text()
FLAGS = [(flag, claim) for flags, claim in re.findall(r"^\| (`-.*?) \| (.*?) \|$", PAGE, re.MULTILINE)
         for flag in re.findall(r"`(-[\w-]+)`", flags)]

# What a flag that takes a value can be given; the others take none.
FILES = {"-auth", "-http-cert", "-http-key", "-http-ca-cert", "-node-cert", "-node-key", "-node-ca-cert",
         "-auto-backup", "-auto-restore"}
VALUES = {
    "-node-id": "n1", "-http-addr": "127.0.0.1:4001", "-http-adv-addr": "127.0.0.1:4001",
    "-raft-addr": "127.0.0.1:4002", "-raft-adv-addr": "127.0.0.1:4002", "-http-allow-origin": "*",
    "-join": "127.0.0.1:9", "-join-attempts": "5", "-join-interval": "3s", "-join-as": "user", "-bootstrap-expect": "3",
    "-bootstrap-expect-timeout": "120s", "-raft-election-timeout": "1s", "-raft-heartbeat-timeout": "1s",
    "-raft-snap": "8192", "-raft-snap-wal-size": "4194304", "-raft-log-level": "WARN", "-db-max-ro-conns": "256",
    "-http-verify-common-name": "client", "-node-verify-common-name": "node", "-node-verify-server-name": "node",
    "-raft-snap-int": "10s", "-raft-commit-timeout": "50ms", "-raft-apply-timeout": "10s",
    "-raft-leader-lease-timeout": "500ms", "-cluster-connect-timeout": "30s", "-write-queue-capacity": "1024",
    "-write-queue-batch-size": "128", "-write-queue-timeout": "50ms", "-disco-mode": "etcd-kv", "-disco-key": "k",
    "-disco-config": "{}", "-extensions-path": "nowhere",
    "-cdc-config": "stdout", "-auto-vacuum-int": "24h", "-auto-optimize-int": "0h",
    "-raft-reap-node-timeout": "72h", "-raft-reap-read-only-node-timeout": "0h",
}


def test_the_table_is_there():
    assert len(FLAGS) > 60
    assert {"same", "no", "refused"} == {claim.split()[0].strip(";,:") for _, claim in FLAGS}


@pytest.mark.parametrize("flag, claim", FLAGS)
def test_flags(tmp_path, flag, claim):
    """A directory that cannot be made ends the process before it does anything, but behind all flags."""
    (tmp_path / "file").write_text("[]")
    value = str(tmp_path / "file") if flag in FILES else VALUES.get(flag)
    words = [flag] if value is None else [flag, value]
    outcome = subprocess.run([QUORATE, "node", *words, tmp_path / "file" / "data"], text=True, capture_output=True,
                             timeout=60, check=False)
    assert outcome.returncode != 0
    said = outcome.stdout + outcome.stderr
    if claim.startswith("refused"):
        assert flag.lstrip("-") in said and "there is no support for" in said
    else:
        assert "there is no support for" not in said and "not expected" not in said, said
        assert (f"{flag} has no effect" in said) == claim.startswith("no effect"), said


@pytest.mark.parametrize("journal_mode", ["WAL", "DELETE"])
def test_the_data_of_a_backup(node, tmp_path, journal_mode):
    """As rqlite's /db/backup gives it: by default a file whose header says WAL."""
    backup = tmp_path / "backup.db"
    made = sqlite3.connect(backup, isolation_level=None)
    made.execute(f"PRAGMA journal_mode = {journal_mode}")
    made.executescript("CREATE TABLE foo(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO foo(name) VALUES('fiona');"
                       "CREATE INDEX by_name ON foo(name); CREATE TRIGGER t AFTER INSERT ON foo BEGIN SELECT 1; END")
    made.close()
    assert backup.read_bytes()[18] == (2 if journal_mode == "WAL" else 1)
    loaded = node.post("/db/load", data=backup.read_bytes())
    assert loaded.json() == {"results": []}
    node.execute("INSERT INTO foo(name) VALUES('declan')")
    assert node.query("SELECT name FROM foo") == [["fiona"], ["declan"]]
    back = tmp_path / "back.db"
    back.write_bytes(node.get("/db/backup").content)
    copy = sqlite3.connect(back)
    assert copy.execute("SELECT name FROM foo ORDER BY id").fetchall() == [("fiona",), ("declan",)]
    assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    copy.close()
    assert not back.with_name("back.db-wal").exists()


def test_the_data_of_a_dump(node):
    text = ("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE dumped(id INTEGER PRIMARY KEY, name TEXT);\n"
            "INSERT INTO \"dumped\" VALUES(1,'fi;ona');\nCOMMIT;\n")
    assert "error" not in node.post("/db/load", data=text.encode()).text
    assert node.query("SELECT * FROM dumped") == [[1, "fi;ona"]]


def test_a_directory_of_rqlites(tmp_path):
    """It is not taken for a new one."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "raft.db").write_bytes(bytes(100))
    (tmp_path / "data" / "db.sqlite").write_bytes(b"SQLite format 3\0")
    outcome = subprocess.run([QUORATE, "node", "-http-addr", f"127.0.0.1:{free_port()}", "-raft-addr",
                              f"127.0.0.1:{free_port()}", tmp_path / "data"], text=True,
                             capture_output=True, timeout=60, check=False)
    assert outcome.returncode != 0
    assert "and no node: name an empty directory" in outcome.stderr
    assert (tmp_path / "data" / "db.sqlite").exists()


def test_what_differs(node):
    node.execute("CREATE TABLE IF NOT EXISTS q(a)", "DELETE FROM q")
    failed = node.post("/db/execute?queue&wait", ["INSERT INTO nowhere VALUES(1)", "INSERT INTO q VALUES(1)"])
    assert failed.json()["error"] == "no such table: nowhere"
    assert node.query("SELECT count(*) FROM q") == [[1]]
    results = node.post("/db/execute", ["INSERT INTO q VALUES(random()); INSERT INTO q VALUES(random())"]).json()
    assert "error" not in results["results"][0] and node.query("SELECT count(*) FROM q") == [[3]]
    assert node.get("/debug/pprof/").status_code == 404
    assert node.post("/db/execute", ["PRAGMA journal_mode = WAL"]).json()["error"] == "disallowed pragma"
    hidden = node.post("/db/execute", ["/* */ PRAGMA journal_mode = WAL"]).json()
    assert "error" in hidden["results"][0]


def test_a_compressed_backup_has_to_be_unpacked(node):
    node.execute("CREATE TABLE IF NOT EXISTS kept(a)", "DELETE FROM kept", "INSERT INTO kept VALUES(1)")
    packed = node.get("/db/backup?compress").content
    assert packed[:2] == b"\x1f\x8b"
    assert "error" in node.post("/db/load", data=packed).text
    assert node.query("SELECT a FROM kept") == [[1]]
    assert node.post("/db/load", data=gzip.decompress(packed)).json() == {"results": []}
