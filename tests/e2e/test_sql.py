"""SQL over HTTP on one node: bodies, parameters, results, errors."""

import concurrent.futures
import json
import socket

import pytest


@pytest.fixture(autouse=True)
def table(node):
    node.execute("DROP TABLE IF EXISTS t", "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, score REAL, data BLOB)")


def results(response):
    assert response.status_code == 200, (response.status_code, response.text)
    return response.json()["results"]


def test_write_and_read(node):
    assert node.execute(["INSERT INTO t(name) VALUES(?)", "fiona"]) == [{"last_insert_id": 1, "rows_affected": 1}]
    response = node.get("/db/query", params={"q": "SELECT id, name FROM t"})
    assert response.text == (
        '{"results":[{"columns":["id","name"],"types":["integer","text"],"values":[[1,"fiona"]]}]}')
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert response.headers["X-Rqlite-Served-By"] == node.http_address
    assert response.headers["X-Rqlite-Version"].startswith("v")


def test_parameters_of_every_kind(node):
    node.execute(["INSERT INTO t VALUES(?, ?, ?, ?)", 1, "aoife", 1.5, "x'48656C6C6F'"],
                 ["INSERT INTO t VALUES(:id, $name, @score, :data)",
                  {"id": 2, "name": None, "score": 7, "data": [72, 105]}],
                 ["INSERT INTO t(id, name, score) VALUES(?, ?, ?)", 2**63 - 1, True, False])
    assert node.query("SELECT * FROM t ORDER BY id") == [
        [1, "aoife", 1.5, "SGVsbG8="], [2, None, 7, "SGk="], [2**63 - 1, "1", 0, None]]
    assert node.query("SELECT data FROM t WHERE id = 2", "blob_array") == [[[72, 105]]]


@pytest.mark.parametrize("body, text", [
    ("", "no statements"), ("[]", "no statements"), ("{", "invalid JSON body"), ("hello", "invalid JSON body"),
    ('{"a":1}', "invalid request"), ("[1]", "invalid request"), ("[[]]", "invalid request"),
    ("[[1]]", "invalid request"),
    ('[["SELECT ?", {"a":{"b":1}}]]', "unsupported type"), ('[["SELECT ?", [["x"]]]]', "unsupported type")])
@pytest.mark.parametrize("path", ["/db/execute", "/db/query", "/db/request"])
def test_malformed_bodies(node, path, body, text):
    response = node.request("POST", path, data=body)
    assert response.status_code == 400
    assert text in response.text


@pytest.mark.parametrize("query, text", [
    ("timeout=x", "timeout is not a valid duration"), ("freshness=-", "freshness is not a valid duration"),
    ("db_timeout=1", "db_timeout is not a valid duration"), ("retries=many", "retries is not a valid integer"),
    ("freshness_strict", "freshness_strict requires freshness"), ("q=", "query parameter not set")])
def test_malformed_parameters(node, query, text):
    for path in ("/db/query", "/status", "/no/such/path"):
        response = node.get(f"{path}?{query}")
        assert response.status_code == 400
        assert text in response.text


def test_paths_and_methods(node):
    assert node.get("/no/such/path").status_code == 404
    assert node.get("/db/execute").status_code == 405
    assert node.request("PUT", "/db/query").status_code == 405
    assert node.request("OPTIONS", "/db/execute").status_code == 200
    assert node.get("/db/query").json() == {"results": []}


def test_sql_errors_are_results(node):
    found = results(node.post("/db/execute", ["INSERT INTO t(id) VALUES(1)", "bad", "INSERT INTO t(id) VALUES(1)",
                                              "INSERT INTO t(id) VALUES(2)"]))
    assert found[1]["error"] == 'near "bad": syntax error'
    assert found[2]["error"] == "UNIQUE constraint failed: t.id"
    assert node.query("SELECT id FROM t") == [[1], [2]]
    assert "error" in results(node.post("/db/query", ["INSERT INTO t(id) VALUES(3)"]))[0]
    assert node.query("SELECT count(*) FROM t") == [[2]]


def test_transaction_is_all_or_nothing(node):
    for path in ("/db/execute", "/db/request"):
        found = results(node.post(f"{path}?transaction", ["INSERT INTO t(id) VALUES(1)", "INSERT INTO nope VALUES(1)",
                                                          "INSERT INTO t(id) VALUES(2)"]))
        assert "no such table: nope" in found[1]["error"]
        assert len(found) == 2
        assert node.query("SELECT count(*) FROM t") == [[0]]


def test_mixed_requests(node):
    body = ["INSERT INTO t(name) VALUES('a')", "SELECT name FROM t", "INSERT INTO t(name) VALUES('b') RETURNING id",
            "SELECT count(*) FROM t"]
    found = results(node.post("/db/request", body))
    assert found[0] == {"last_insert_id": 1, "rows_affected": 1}
    assert [found[i]["values"] for i in (1, 2, 3)] == [[["a"]], [[2]], [[2]]]


def test_forms_of_results(node):
    node.execute(["INSERT INTO t(name) VALUES(?)", "<&>"])
    response = node.get("/db/query?associative", params={"q": "SELECT name, id FROM t"})
    assert response.text == ('{"results":[{"types":{"id":"integer","name":"text"},'
                             '"rows":[{"id":1,"name":"\\u003c\\u0026\\u003e"}]}]}')
    assert node.get("/db/query?pretty", params={"q": "SELECT 1"}).text.startswith('{\n    "results": [')
    timed = node.post("/db/execute?timings&raft_index", ["INSERT INTO t(name) VALUES('x')"]).json()
    assert timed["time"] > 0 and timed["results"][0]["time"] > 0 and timed["raft_index"] > 0
    assert node.get("/db/query?associative", params={"q": "SELECT id FROM t WHERE 0"}).json() == {
        "results": [{"types": {"id": "integer"}, "rows": []}]}


def test_text_plain(node):
    text = "INSERT INTO t(name) VALUES('x'); INSERT INTO t(name) VALUES('y')"
    response = node.request("POST", "/db/execute", data=text, headers={"Content-Type": "text/plain"})
    assert results(response) == [{"last_insert_id": 2, "rows_affected": 1}]


def test_random_and_time_are_what_they_should_be(node):
    node.execute("INSERT INTO t(name, score) SELECT CURRENT_TIMESTAMP, random() FROM (SELECT 1 UNION SELECT 2)")
    rows = node.query("SELECT name, score FROM t")
    assert rows[0][1] != rows[1][1]
    assert rows[0][0].startswith("20")


@pytest.mark.parametrize("sql", ["PRAGMA journal_mode=WAL", "pragma  main.Synchronous = OFF", "PRAGMA wal_checkpoint",
                                 "\n\tPRAGMA wal_autocheckpoint=1", "PRAGMA query_only=1"])
def test_disallowed_pragmas(node, sql):
    for path in ("/db/execute", "/db/query", "/db/request"):
        response = node.post(path, ["INSERT INTO t(name) VALUES('not run')", sql])
        assert (response.status_code, response.text) == (200, '{"results":[],"error":"disallowed pragma"}')
    assert node.query("SELECT count(*) FROM t") == [[0]]


@pytest.mark.parametrize("sql", ["/* c */ PRAGMA wal_checkpoint(TRUNCATE)", "SELECT 1; PRAGMA synchronous=FULL",
                                 "PRAGMA journal_mode(WAL)"])
def test_disallowed_pragmas_in_disguise(node, sql):
    assert "is not allowed" in node.post("/db/execute", [sql]).json()["results"][0]["error"]
    node.execute("INSERT INTO t(name) VALUES('still well')")


def test_questions_about_the_schema(node):
    node.execute("CREATE INDEX t_name ON t(name)")
    for sql in ("PRAGMA table_info(t)", "PRAGMA main.table_xinfo('t')", "SELECT * FROM pragma_table_info('t')"):
        assert [row[1] for row in node.query(sql)][:2] == ["id", "name"]
    assert [row[1] for row in node.query("PRAGMA index_list(t)")] == ["t_name"]
    assert [row[2] for row in node.query("PRAGMA index_info(t_name)")] == ["name"]
    assert node.query("PRAGMA foreign_key_list(t)") == []
    assert node.query("PRAGMA quick_check(3)") == [["ok"]]
    assert "main" in [row[1] for row in node.query("PRAGMA database_list")]
    node.execute("DROP INDEX t_name")


@pytest.mark.parametrize("level", ["none", "weak", "linearizable", "strong", "auto"])
def test_levels(node, level):
    node.execute("INSERT INTO t(name) VALUES('x')")
    assert node.query("SELECT name FROM t", f"level={level}") == [["x"]]


def test_queued_writes(node):
    numbers = [node.post("/db/execute?queue", [f"INSERT INTO t(id) VALUES({i})"]).json()["sequence_number"]
               for i in range(3)]
    assert numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2]
    response = node.post("/db/execute?queue&wait", ["INSERT INTO t(id) VALUES(9)"])
    assert response.headers["X-Rqlite-Served-By"] == node.http_address
    assert node.query("SELECT count(*) FROM t") == [[4]], "what came before was executed before"


def test_time_limit_of_statements(node):
    endless = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c"
    response = node.get("/db/query?db_timeout=50ms", params={"q": endless})
    assert response.json()["results"] == [{"error": "query timeout"}]
    response = node.post("/db/execute?db_timeout=50ms", [f"INSERT INTO t(id) {endless}"])
    assert response.json()["results"] == [{"error": "execute timeout"}]
    node.execute("INSERT INTO t(name) VALUES('still well')")


def test_large_results_are_streamed(node):
    rows = 200_000
    numbers = f"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT {rows}) SELECT n, 'text' FROM c"
    with node.get("/db/query", params={"q": numbers}, stream=True) as response:
        assert response.headers["Transfer-Encoding"] == "chunked"
        assert len(json.loads(response.content)["results"][0]["values"]) == rows


def test_client_that_goes_away_from_a_large_result(node):
    numbers = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 5000000) SELECT n FROM c"
    for _ in range(4):
        with node.get("/db/query", params={"q": numbers}, stream=True) as response:
            next(response.iter_content(1024))
    node.session.close()
    assert node.query("SELECT 1") == [[1]]


def test_large_bodies(node):
    text = "x" * (4 << 20)
    node.execute(["INSERT INTO t(name) VALUES(?)", text])
    assert node.query("SELECT length(name) FROM t") == [[len(text)]]


def test_idempotency_key(node):
    for _ in range(3):
        response = node.post("/db/execute", ["INSERT INTO t(name) VALUES('once')"], headers={"Idempotency-Key": "k-1"})
        assert results(response) == [{"last_insert_id": 1, "rows_affected": 1}]
    assert node.query("SELECT count(*) FROM t") == [[1]]
    node.post("/db/execute", ["INSERT INTO t(name) VALUES('other')"], headers={"Idempotency-Key": "k-2"})
    assert node.query("SELECT count(*) FROM t") == [[2]]
    assert node.post("/db/execute", ["SELECT 1"], headers={"Idempotency-Key": "k" * 300}).status_code == 400


def test_concurrent_writers(node):
    def insert(i):
        return node.post("/db/execute", [f"INSERT INTO t(id) VALUES({i})"]).json()["results"][0]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all("error" not in result for result in pool.map(insert, range(1, 201)))
    assert node.query("SELECT count(*), max(id) FROM t") == [[200, 200]]


def test_pipelined_requests_are_answered_in_order(node):
    requests = b"".join(b"GET /db/query?q=SELECT+%d HTTP/1.1\r\nHost: x\r\n\r\n" % i for i in range(20))
    host, port = node.http_address.split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(requests)
        received = b""
        while received.count(b'"values"') < 20:
            received += connection.recv(65536)
    places = [received.index(b"[[%d]]" % i) for i in range(20)]
    assert places == sorted(places)


@pytest.mark.parametrize("bytes_sent", [b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x00" * 100 + b"\r\n\r\n",
                                        b"POST /db/execute HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                                        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n"])
def test_what_is_no_http(node, bytes_sent):
    host, port = node.http_address.split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(bytes_sent)
        assert connection.recv(65536).split(b" ")[1][:1] in (b"4", b"5")
    assert node.query("SELECT 1") == [[1]]


ENDLESS = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT sum(n) FROM c"


def ask(node, method, path, body="", headers=""):
    """A request of which the answer is not awaited, on a connection of its own."""
    host, port = node.http_address.split(":")
    connection = socket.create_connection((host, int(port)), timeout=40)
    connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}"
                       f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
    return connection


@pytest.mark.parametrize("headers", ["", "Connection: close\r\n"])
@pytest.mark.parametrize("method, path, body", [
    ("POST", "/db/execute?timeout=10m", json.dumps([f"INSERT INTO t(id) {ENDLESS}"])),
    ("POST", "/db/query?timeout=10m", json.dumps([ENDLESS])),
    ("POST", "/db/query?timeout=10m", json.dumps([ENDLESS, "SELECT 1"]))])
def test_a_statement_ends_when_its_client_goes(node, method, path, body, headers):
    for _ in range(5):  # more than there are threads
        with ask(node, method, path, body, headers):
            pass
    node.execute("INSERT INTO t VALUES(1, 'later', 0, NULL)")
    assert node.query("SELECT name FROM t") == [["later"]]


def test_who_has_said_all_is_still_answered(node):
    with ask(node, "POST", "/db/execute", json.dumps(["INSERT INTO t(id) VALUES(7)"])) as connection:
        connection.shutdown(socket.SHUT_WR)
        assert b'"last_insert_id":7' in connection.recv(4096)
