"""The shell's commands that read and write files, and its ways with large results and several hosts."""

import contextlib
import os
import sqlite3
import subprocess
import sys

import pytest

from cluster import QUORATE
from test_shell import Terminal, output_of, shell


@pytest.fixture(autouse=True)
def table(request):
    if "cluster" not in request.fixturenames:
        request.getfixturevalue("node").execute(
            "DROP TABLE IF EXISTS t", "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT)")


def csv(tmp_path, text, name="rows.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# A process of its own, because what a process needs at most includes what its parent had when it was forked.
MEASURE = """
import os, sys
_, status, usage = os.wait4(os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ), 0)
with open(sys.argv[1], "w") as report: report.write(str(usage.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status))
"""


def memory_kib(tmp_path, node, *arguments, text=None):
    """What the shell needs at most."""
    command = [sys.executable, "-c", MEASURE, tmp_path / "memory", QUORATE, "sql", "-p",
               node.http_address.split(":")[1], *arguments]
    subprocess.run(command, input=text, text=True, timeout=120, check=True)
    return int((tmp_path / "memory").read_text())


# --- whole databases ---

def test_backup_and_dump(node, tmp_path):
    node.execute("INSERT INTO t VALUES(1, 'fiona')", "DROP TABLE IF EXISTS other", "CREATE TABLE other(a)")
    assert f"bytes written to {tmp_path}/copy.db" in output_of(node, f".backup {tmp_path}/copy.db")
    copy = sqlite3.connect(tmp_path / "copy.db")
    assert copy.execute("SELECT * FROM t").fetchall() == [(1, "fiona")]
    output_of(node, f".dump {tmp_path}/all.sql")
    text = (tmp_path / "all.sql").read_text()
    assert "CREATE TABLE other" in text and "fiona" in text
    output_of(node, f".dump '{tmp_path}/one table.sql' t")
    text = (tmp_path / "one table.sql").read_text()
    assert "CREATE TABLE other" not in text and "fiona" in text
    assert sorted(path.name for path in tmp_path.glob("*.part")) == []
    node.execute("DROP TABLE other")


def test_a_backup_that_fails_leaves_what_was_there(node, tmp_path):
    (tmp_path / "copy.db").write_text("precious")
    outcome = subprocess.run([QUORATE, "sql", "-p", "1", f".backup {tmp_path}/copy.db"], text=True, capture_output=True,
                             timeout=60, check=False)
    assert outcome.returncode == 1
    assert (tmp_path / "copy.db").read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["copy.db"]
    assert "cannot write" in shell(node, ".backup /nowhere/at/all").stderr


def test_restore(node, tmp_path):
    new = sqlite3.connect(tmp_path / "new.db")
    new.executescript("CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO t VALUES(7, 'new')")
    new.close()
    output_of(node, f".restore {tmp_path}/new.db")
    assert node.query("SELECT * FROM t") == [[7, "new"]]
    (tmp_path / "more.sql").write_text("INSERT INTO t VALUES(8, 'more');")
    output_of(node, f".restore {tmp_path}/more.sql")
    assert output_of(node, f".boot {tmp_path}/new.db") == ""
    assert node.query("SELECT * FROM t") == [[7, "new"]]
    (tmp_path / "broken.db").write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    for mistake in (f".restore {tmp_path}/broken.db", f".boot {tmp_path}/more.sql", ".restore /nowhere/at/all",
                    ".restore"):
        outcome = shell(node, mistake)
        assert outcome.returncode == 1 and outcome.stderr.startswith("Error: "), mistake
    assert node.query("SELECT * FROM t") == [[7, "new"]]


def test_a_large_file_needs_no_memory(node, tmp_path):
    new = sqlite3.connect(tmp_path / "large.db")
    new.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT)")
    new.execute("CREATE TABLE large(data)")
    new.executemany("INSERT INTO large VALUES(?)", [(os.urandom(1 << 20),) for _ in range(64)])
    new.commit()
    new.close()
    assert memory_kib(tmp_path, node, f".restore {tmp_path}/large.db", f".backup {tmp_path}/back.db") < 40 * 1024
    assert node.query("SELECT count(*) FROM large") == [[64]]
    assert (tmp_path / "back.db").stat().st_size > 64 << 20
    node.execute("DROP TABLE large")


def test_everything_of_all_nodes(cluster, tmp_path):
    cluster.form(2)
    output_of(cluster.nodes[0], f".sysdump {tmp_path}/all")
    text = (tmp_path / "all").read_text()
    for node in cluster.nodes:
        for page in ("/status", "/nodes", "/debug/vars"):
            assert f"=== {node.http_address}{page}" in text
        assert f'"node_id": "{node.name}"' in text


def test_counters_snapshots_and_names(node):
    assert '"http"' in output_of(node, ".expvar")
    node.execute("INSERT INTO t VALUES(1, 'x')", "CREATE INDEX by_name ON t(name)",
                 "CREATE TABLE IF NOT EXISTS other(a)")
    output_of(node, ".snapshot")
    output_of(node, ".snapshot 10")
    assert '"snapshots_reaped":0' in output_of(node, ".reap")
    assert output_of(node, ".tables t%") == "t\n"
    assert output_of(node, ".indexes t") == "by_name\n"
    assert "CREATE INDEX" in output_of(node, ".schema T") and "other" not in output_of(node, ".schema t")
    output_of(node, ".extensions")
    node.execute("DROP TABLE other")


# --- CSV ---

def test_import_into_a_table(node, tmp_path):
    rows = csv(tmp_path, 'id,name\n1,fiona\n2,"a ""b"", c\r\nd"\n3,\n')
    assert output_of(node, f".import --skip 1 {rows} t") == "3 rows imported\n"
    assert node.query("SELECT * FROM t") == [[1, "fiona"], [2, 'a "b", c\r\nd'], [3, ""]]
    node.execute("DELETE FROM t")
    rows = csv(tmp_path, "NAME;ID\nx'00';1\nNULL;2\n\"NULL\";3\n")
    output_of(node, f".import --header --separator ; --null NULL {rows} t")
    assert node.query("SELECT * FROM t") == [[1, "x'00'"], [2, None], [3, "NULL"]]
    assert node.query("SELECT typeof(name) FROM t WHERE id = 1") == [["text"]]


def test_import_makes_the_table(node, tmp_path):
    node.execute('DROP TABLE IF EXISTS "new one"')
    rows = csv(tmp_path, "\ufeffa,b c\n1,ä\n")
    output_of(node, f".import {rows} 'new one'")
    assert node.query('SELECT a, "b c" FROM "new one"') == [["1", "ä"]]
    node.execute('DROP TABLE "new one"')


@pytest.mark.parametrize("text, complaint", [
    ("1,a\n2,b,c\n", "line 2: there are 3 fields where there should be 2; nothing was imported"),
    ("1,a\n\n1,b\n", "line 3: UNIQUE constraint failed: t.id; nothing was imported"),
    ("1,a\n2,\"open\n", "line 2: the quotes that begin here have no end; nothing was imported"),
    ("1,a\n2,\xff\n".encode("latin-1"), "line 2: it is not UTF-8; nothing was imported"),
    ("x,a\n", "line 1: datatype mismatch; nothing was imported"),
])
def test_import_names_the_line(node, tmp_path, text, complaint):
    rows = csv(tmp_path, text)
    outcome = shell(node, f".import {rows} t")
    assert outcome.returncode == 1
    assert f"{rows}, {complaint}" in outcome.stderr
    assert node.query("SELECT * FROM t") == []


def test_import_goes_on_where_it_failed(node, tmp_path):
    lines = [f"{i},name {i}" for i in range(1, 5001)]
    lines[3500] = "7,twice"
    rows = csv(tmp_path, "id,name\n" + "\n".join(lines) + "\n")
    outcome = shell(node, f".import --header {rows} t")
    assert f"{rows}, line 3502: UNIQUE constraint failed: t.id; 3000 rows are in the table already" in outcome.stderr
    assert "--skip 3000" in outcome.stderr
    assert node.query("SELECT count(*) FROM t") == [[3000]]
    lines[3500] = "3501,once"
    csv(tmp_path, "id,name\n" + "\n".join(lines) + "\n")
    assert output_of(node, f".import --header --skip 3000 {rows} t") == "2000 rows imported\n"
    assert node.query("SELECT count(*), max(id) FROM t") == [[5000, 5000]]


def test_import_within_a_transaction(node, tmp_path):
    rows = csv(tmp_path, "1,a\n2,b\n")
    output_of(node, text=f"BEGIN;\n.import {rows} t\nROLLBACK;\n")
    assert node.query("SELECT count(*) FROM t") == [[0]]
    output_of(node, text=f"BEGIN;\n.import {rows} t\nCOMMIT;\n")
    assert node.query("SELECT count(*) FROM t") == [[2]]


def test_import_mistakes(node, tmp_path):
    rows = csv(tmp_path, "nothing,name\n1,a\n")
    assert 'line 1: table t has no column "nothing"' in shell(node, f".import --header {rows} t").stderr
    for mistake in (".import", f".import {rows}", ".import /nowhere t", f".import {tmp_path} t",
                    f".import --skip x {rows} t"):
        assert shell(node, mistake).returncode == 1, mistake
    assert "there is nothing" in shell(node, f".import --header {csv(tmp_path, '')} t").stderr


# --- large results ---

MANY = ("WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < {}) "
        "SELECT i, hex(zeroblob(100)) FROM n")


@pytest.mark.parametrize("mode", ["csv", "column", "json", "line", "table"])
def test_a_large_result(node, mode):
    text = output_of(node, "-m", mode, MANY.format(5000))
    assert text.count("0" * 200) == 5000
    assert "5000" in text[-500:]


def test_a_large_result_needs_no_memory(node, tmp_path):
    """100 MB of text: a shell that keeps it needs several times as much."""
    script = f".mode csv\n.output {tmp_path}/large\n{MANY.format(500000)};\n"
    assert memory_kib(tmp_path, node, text=script) < 40 * 1024
    assert (tmp_path / "large").stat().st_size > 100_000_000


def test_numbers_are_shown_as_they_are(node):
    assert "9223372036854775807" in output_of(node, "SELECT 9223372036854775807")
    assert output_of(node, "-m", "csv", "SELECT 1.5 AS a, 1e300 AS b").splitlines()[1] == "1.5,1e+300"
    assert "[1,255]" in output_of(node, text=".blobarray on\nSELECT x'01ff';\n")


def test_an_output_that_cannot_be_written(node):
    outcome = shell(node, text=f".output /dev/full\n{MANY.format(20000)};\n")
    assert outcome.returncode == 1 and "cannot be written" in outcome.stderr


# --- scripts ---

def test_exit_codes(node, tmp_path):
    assert shell(node, text="SELECT 1;\n.exit\nnonsense;\n").returncode == 0
    assert shell(node, text="SELECT 1;\n.frobnicate\n").returncode == 1
    assert shell(node, text="SELECT 'no end").returncode == 1
    (tmp_path / "bad").write_text("SELECT 1;\nnonsense;\n")
    assert shell(node, text=f".read {tmp_path}/bad\nSELECT 2;\n").returncode == 1
    (tmp_path / "itself").write_text(f".read {tmp_path}/itself\n")
    outcome = shell(node, f".read {tmp_path}/itself")
    assert outcome.returncode == 1 and "reads itself" in outcome.stderr


def test_hosts_from_the_environment(cluster):
    cluster.form(2)
    first, second = cluster.nodes
    hosts = f"http://127.0.0.1:1,{first.http_address},{second.http_address}"
    outcome = subprocess.run([QUORATE, "sql", "SELECT 42"], env=dict(os.environ, RQLITE_HOST=hosts), text=True,
                             capture_output=True, timeout=60, check=False)
    assert "42" in outcome.stdout and outcome.returncode == 0, outcome


# --- completion ---

def test_completion(node, tmp_path):
    node.execute("INSERT INTO t VALUES(1, 'fiona')")
    (tmp_path / "a_script_with_a_long_name").write_text("SELECT 6 * 7;")
    terminal = Terminal([QUORATE, "sql", "-p", node.http_address.split(":")[1]], tmp_path)
    try:
        terminal.expect("> ")
        os.write(terminal.descriptor, b".consis\t\n")
        terminal.expect("consistency: weak")
        os.write(terminal.descriptor, b".mode js\t\n")
        terminal.expect("> ")
        os.write(terminal.descriptor, b"SELECT na\t FROM t;\n")
        terminal.expect('[{"name":"fiona"}]')
        os.write(terminal.descriptor, f".read {tmp_path}/a_scr\t\n".encode())
        terminal.expect("42")
        terminal.type(".quit")
    finally:
        terminal.close()


def test_history_is_kept_as_wanted(node, tmp_path):
    for lines, kept in (("1000", True), ("0", False)):
        os.environ["RQLITE_HISTFILESIZE"] = lines
        (tmp_path / lines).mkdir()
        terminal = Terminal([QUORATE, "sql", "-p", node.http_address.split(":")[1]], tmp_path / lines)
        try:
            terminal.expect("> ")
            terminal.type("SELECT 6 * 7;")
            terminal.expect("42")
            terminal.type(".quit")
            with contextlib.suppress(OSError):  # it has closed its side
                while os.read(terminal.descriptor, 65536):
                    pass
        finally:
            terminal.close()
            del os.environ["RQLITE_HISTFILESIZE"]
        assert (tmp_path / lines / ".quorate_history").exists() == kept
