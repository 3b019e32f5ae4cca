"""The shell against a real cluster: piped, with arguments, and on a terminal."""

import os
import pty
import select
import subprocess
import time

import pytest

from cluster import DEADLINE_SECONDS, QUORATE, wait_until


def shell(node, *arguments, text=None, others=()):
    alternatives = ["-a", ",".join(other.http_address for other in others)] if others else []
    return subprocess.run([QUORATE, "sql", "-p", node.http_address.split(":")[1], *alternatives, *arguments],
                          input=text, text=True, capture_output=True, timeout=60, check=False)


def output_of(*arguments, **options):
    outcome = shell(*arguments, **options)
    assert outcome.returncode == 0, outcome
    assert outcome.stderr == ""
    return outcome.stdout


@pytest.fixture(autouse=True)
def table(node):
    node.execute("DROP TABLE IF EXISTS t", "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT)")


def test_a_script(node):
    text = """INSERT INTO t(name) VALUES('fiona'); INSERT INTO t(name)
                VALUES('declan');
              -- a comment; with a semicolon
              SELECT * FROM t;
              SELECT count(*) FROM t"""
    assert output_of(node, text=text).split() == (
        "1 row affected 1 row affected id name -- ------ 1 fiona 2 declan count(*) -------- 2".split())


def test_a_script_stops_at_the_first_error(node):
    outcome = shell(node, text="INSERT INTO t(id) VALUES(1);\nnonsense;\nINSERT INTO t(id) VALUES(2);")
    assert outcome.returncode == 1
    assert 'near "nonsense": syntax error' in outcome.stderr
    assert node.query("SELECT id FROM t") == [[1]]


@pytest.mark.parametrize("mode, printed", [
    ("csv", "id,name\n1,\"a,b\"\n"), ("json", '[{"id":1,"name":"a,b"}]'), ("line", "id = 1"),
    ("table", "|  1 | a,b  |")])
def test_modes(node, mode, printed):
    node.execute("INSERT INTO t VALUES(1, 'a,b')")
    assert printed in output_of(node, "-m", mode, "SELECT * FROM t").replace("\r", "")


def test_transactions(node):
    output_of(node, text="BEGIN; INSERT INTO t(id) VALUES(1); ROLLBACK;")
    assert node.query("SELECT count(*) FROM t") == [[0]]
    assert "1" in output_of(node, text="BEGIN;\nINSERT INTO t(id) VALUES(1);\nSELECT count(*) FROM t;\nCOMMIT;")
    assert node.query("SELECT count(*) FROM t") == [[1]]
    output_of(node, text="BEGIN; INSERT INTO t(id) VALUES(2);")
    wait_until(lambda: node.post("/db/execute?timeout=1s", ["INSERT INTO t(id) VALUES(3)"]).status_code == 200,
               "the transaction of the shell that has ended to be rolled back")
    assert node.query("SELECT id FROM t") == [[1], [3]]
    outcome = shell(node, "COMMIT")
    assert outcome.returncode == 1 and "no transaction is open" in outcome.stderr


def test_commands(node, tmp_path):
    node.execute("CREATE INDEX IF NOT EXISTS by_name ON t(name)")
    assert "t\n" in output_of(node, ".tables")
    assert "by_name\n" in output_of(node, ".indexes")
    assert "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT);" in output_of(node, ".schema")
    assert '"id": "n1"' in output_of(node, ".nodes")
    assert '"id": "n1"' in output_of(node, ".leader")
    assert "[+]store ok" in output_of(node, ".ready")
    assert '"node_id": "n1"' in output_of(node, ".status")
    output_of(node, text=f".output {tmp_path}/result\nSELECT 42;\n")
    assert "42" in (tmp_path / "result").read_text()
    (tmp_path / "script").write_text("INSERT INTO t(name) VALUES('read');")
    output_of(node, f".read {tmp_path}/script")
    assert node.query("SELECT name FROM t") == [["read"]]
    for command in (".help", ".show", ".timer on", ".consistency strong", ".mode csv", ".headers off", ".blobarray on"):
        output_of(node, command)
    for mistake in (".frobnicate", ".mode loud", ".read", ".read /nowhere/at/all", ".timer maybe"):
        assert shell(node, mistake).returncode == 1


def test_nobody_there():
    outcome = subprocess.run([QUORATE, "sql", "-p", "1", "SELECT 1"], text=True, capture_output=True, timeout=60,
                             check=False)
    assert outcome.returncode == 1
    assert "127.0.0.1:1" in outcome.stderr


def test_stepping_down(cluster):
    cluster.form(3)
    before = cluster.leader()
    output_of(before, ".stepdown")
    assert cluster.leader() is not before
    output_of(before, f".stepdown {before.name}")
    assert cluster.leader() is before


class Terminal:
    """The shell as a person meets it."""

    def __init__(self, command, home):
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.environ.update(HOME=str(home), TERM="dumb")
            os.execv(command[0], [str(word) for word in command])
        self.text = ""

    def expect(self, words):
        deadline = time.monotonic() + DEADLINE_SECONDS
        while words not in self.text:
            assert time.monotonic() < deadline, f"waited in vain for {words!r} in {self.text!r}"
            if select.select([self.descriptor], [], [], 0.1)[0]:
                self.text += os.read(self.descriptor, 65536).decode(errors="replace")
        self.text = self.text[self.text.index(words) + len(words):]

    def type(self, line):
        os.write(self.descriptor, line.encode() + b"\n")

    def close(self):
        os.close(self.descriptor)
        os.waitpid(self.pid, 0)


def test_on_a_terminal_through_a_failover(cluster, tmp_path):
    cluster.form(3)
    first = cluster.leader()
    others = ",".join(node.http_address for node in cluster.nodes if node is not first)
    terminal = Terminal([QUORATE, "sql", "-p", first.http_address.split(":")[1], "-a", others], tmp_path)
    try:
        terminal.expect(f"{first.http_address}> ")
        terminal.type("CREATE TABLE t(id INTEGER,")
        terminal.expect("...> ")
        terminal.type("name TEXT);")
        terminal.expect(f"{first.http_address}> ")
        terminal.type("BEGIN;")
        terminal.expect(f"{first.http_address}*> ")
        terminal.type("INSERT INTO t VALUES(1, 'x');")
        terminal.expect("1 row affected")
        terminal.type("COMMIT;")
        terminal.expect(f"{first.http_address}> ")
        first.kill()
        terminal.type("INSERT INTO t VALUES(2, 'y');")
        terminal.expect("1 row affected")
        terminal.type("SELECT count(*) AS rows_now, 40 + 2 FROM t;")
        terminal.expect("42")
        terminal.type(".quit")
    finally:
        terminal.close()
    assert cluster.leader().query("SELECT count(*) FROM t") == [[2]]
