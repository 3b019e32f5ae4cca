"""The real rqlite-js, as npm installs it, against a live cluster. package-lock.json pins it and all that it needs."""

import contextlib
import json
import pathlib
import shutil
import subprocess

import pytest

from cluster import DEADLINE_SECONDS, QUORATE, Cluster, wait_until

SOURCES = pathlib.Path(__file__).resolve().parent / "js"
INSTALL_SECONDS = 120


@pytest.fixture(scope="module")
def installed():
    """The client library below the build directory; installed once, and again when the lock file changes."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.fail(f"{program} is not installed; scripts/setup installs it")
    folder = QUORATE.parent.parent / "rqlite-js"
    folder.mkdir(parents=True, exist_ok=True)
    lock = (SOURCES / "package-lock.json").read_text()
    done = folder / "installed.json"
    for name in ("package.json", "package-lock.json", "driver.mjs"):
        shutil.copy(SOURCES / name, folder / name)
    if not done.exists() or done.read_text() != lock:
        try:
            npm = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                                 timeout=INSTALL_SECONDS)
            said, has_failed = npm.stdout, npm.returncode != 0
        except subprocess.TimeoutExpired as error:
            said, has_failed = f"{error}", True
        if has_failed:
            pytest.fail(f"npm could not install rqlite-js (is its registry within reach?):\n{said}", pytrace=False)
        done.write_text(lock)
    return folder


class RqliteJs:
    """One process of node with the client library in it."""

    def __init__(self, folder, nodes, **options):
        self.process = subprocess.Popen(["node", folder / "driver.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        self.ask("connect", hosts=[node.url for node in nodes], options=options)

    def attempt(self, command, **parameters):
        self.process.stdin.write(json.dumps({"command": command, **parameters}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the driver has ended"
        return json.loads(line)

    def ask(self, command, **parameters):
        answer = self.attempt(command, **parameters)
        assert "value" in answer, answer
        return answer["value"]

    def execute(self, sql, **options):
        return self.ask("execute", sql=sql, options=options)

    def query(self, sql, **options):
        return self.ask("query", sql=sql, options=options)

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=DEADLINE_SECONDS)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    made = Cluster(tmp_path_factory.mktemp("js"))
    yield made.form(3)
    made.close()


@pytest.fixture
def client(installed, three):
    three.write("DROP TABLE IF EXISTS t")
    three.write("CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT UNIQUE)")
    with contextlib.closing(RqliteJs(installed, three.nodes)) as made:
        yield made


def test_execute_and_query(client):
    inserted = client.execute("INSERT INTO t(name) VALUES('fiona')")
    assert (inserted["results"][0]["lastInsertId"], inserted["results"][0]["rowsAffected"]) == (1, 1)
    assert client.query("SELECT * FROM t")["rows"] == [{"id": 1, "name": "fiona"}]
    assert client.query("SELECT * FROM t WHERE id = 7")["error"] is None


@pytest.mark.parametrize("level", ["none", "weak", "linearizable", "strong"])
def test_levels(client, three, level):
    client.execute("INSERT INTO t(name) VALUES('fiona')")
    for _ in three.nodes:  # with level none, each query goes to the next node
        wait_until(lambda: client.query("SELECT name FROM t", level=level)["rows"] == [{"name": "fiona"}], "the row")


def test_parameters(client):
    client.execute([["INSERT INTO t(id, name) VALUES(?, ?)", 7, "declan"],
                    ["INSERT INTO t(id, name) VALUES(:id, :name)", {"id": 8, "name": "it's \u00fc; -- 'quoted'"}],
                    ["INSERT INTO t(id, name) VALUES(?, ?)", 9, None]])
    assert client.query([["SELECT name FROM t WHERE id = ?", 7]])["rows"] == [{"name": "declan"}]
    assert client.query([["SELECT name FROM t WHERE id = :id", {"id": 8}]])["rows"] == [
        {"name": "it's \u00fc; -- 'quoted'"}]
    assert client.query("SELECT name FROM t WHERE id = 9")["rows"] == [{"name": None}]


def test_a_query_in_the_address_is_taken_as_it_is(client):
    assert client.query("SELECT 'a+b & c=d%20?#' AS text, 1.5 AS number")["rows"] == [
        {"text": "a+b & c=d%20?#", "number": 1.5}]


def test_errors_are_results(client):
    client.execute("INSERT INTO t(name) VALUES('fiona')")
    assert client.execute("INSERT INTO t(name) VALUES('fiona')")["error"] == "UNIQUE constraint failed: t.name"
    assert client.query("SELECT * FROM nowhere")["error"] == "no such table: nowhere"
    assert 'near "nonsense": syntax error' in client.execute("nonsense")["error"]


def test_transactions_are_all_or_nothing(client):
    statements = ["INSERT INTO t(name) VALUES('fiona')", "INSERT INTO t(name) VALUES('fiona')"]
    assert client.execute(statements, transaction=True)["error"] == "UNIQUE constraint failed: t.name"
    assert client.query("SELECT count(*) AS n FROM t")["rows"] == [{"n": 0}]
    assert client.execute(statements)["results"][0]["rowsAffected"] == 1
    assert client.query("SELECT count(*) AS n FROM t")["rows"] == [{"n": 1}]


def test_timings(client):
    assert client.query("SELECT 1", timings=True)["results"][0]["time"] >= 0


def test_status(client, three):
    status = client.ask("status")["body"]
    assert {"build", "http", "node", "runtime", "store"} <= set(status)
    assert status["store"]["ready"] is True
    everybody = client.ask("statusAllHosts")
    assert [host["host"] for host in everybody] == [node.url for node in three.nodes]


def test_redirects_are_followed(installed, three):
    follower = three.followers()[0]
    three.write("CREATE TABLE IF NOT EXISTS redirected(id)")
    insert = {"uri": "/db/execute", "query": {"redirect": True}, "body": ["INSERT INTO redirected VALUES(1)"]}
    assert follower.post("/db/execute?redirect", insert["body"]).status_code == 301
    with contextlib.closing(RqliteJs(installed, [follower])) as client:
        answer = client.ask("post", request=insert)
        assert answer["status"] == 200 and answer["body"]["results"][0]["rows_affected"] == 1


def test_refused_requests_are_thrown(client):
    answer = client.attempt("post", request={"uri": "/db/execute", "body": {"not": "an array"}})
    assert answer["status"] == 400
    assert client.attempt("post", request={"uri": "/nowhere", "body": []})["status"] == 404


def test_failover(installed, cluster):
    """The client is told of all nodes and repeats what failed: a dead leader costs time and nothing else."""
    cluster.form(3)
    cluster.write("CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT)")
    leader = cluster.leader()
    with contextlib.closing(RqliteJs(installed, [leader, *cluster.followers()])) as client:
        client.execute("INSERT INTO t(name) VALUES('before')")
        leader.kill()
        client.execute("INSERT INTO t(name) VALUES('after')")
        rows = client.query("SELECT name FROM t ORDER BY id", level="strong")["rows"]
        assert rows == [{"name": "before"}, {"name": "after"}]
        leader.start().wait_until_ready()
        assert client.query("SELECT count(*) AS n FROM t", level="linearizable")["rows"] == [{"n": 2}]
