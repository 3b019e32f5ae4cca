"""Whole databases out of a cluster and into it, through any node, with clients at work."""

import contextlib
import gzip
import sqlite3
import threading

import pytest
import requests

from cluster import wait_until

ROWS = 2000


@pytest.fixture
def leader(shared_three):
    return shared_three.leader()


@pytest.fixture
def follower(shared_three):
    return shared_three.followers()[0]


@pytest.fixture(autouse=True)
def table(leader):
    leader.execute("DROP TABLE IF EXISTS t", "DROP TABLE IF EXISTS other", "DROP TABLE IF EXISTS loaded",
                   "CREATE TABLE other(x)",
                   "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT)", "INSERT INTO other VALUES(1)",
                   f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS}) "
                   "INSERT INTO t SELECT i, printf('%.100c', 'x') FROM n")


def opened(tmp_path, data, name="copy.db"):
    (tmp_path / name).write_bytes(data)
    return contextlib.closing(sqlite3.connect(tmp_path / name))


def count_in(database, table="t"):
    return database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def is_sound(database):
    return database.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def make_file(path, rows, journal_mode="delete", page_size=4096):
    """A SQLite file with the table `loaded`, and its bytes."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA page_size={page_size}")
        database.execute(f"PRAGMA journal_mode={journal_mode}")
        database.execute("CREATE TABLE loaded(id INTEGER PRIMARY KEY, text TEXT)")
        database.executemany("INSERT INTO loaded VALUES(?, ?)", ((i, "y" * 200) for i in range(rows)))
        database.commit()
    return path.read_bytes()


def load(node, data, path="/db/load"):
    return node.post(path, data=data, timeout=120, headers={"Content-Type": "application/octet-stream"})


# --- Out ---

@pytest.mark.parametrize("parameters", ["", "fmt=delete", "vacuum", "noleader"])
def test_a_backup_of_any_node_is_a_sqlite_file(shared_three, tmp_path, parameters):
    for number, node in enumerate(shared_three.nodes):
        answer = node.get(f"/db/backup?{parameters}")
        assert answer.status_code == 200 and answer.headers["Content-Type"] == "application/octet-stream"
        with opened(tmp_path, answer.content, f"{number}.db") as database:
            assert is_sound(database)
            if parameters != "noleader":
                assert count_in(database) == ROWS


def test_a_vacuumed_backup_has_no_room_of_deleted_rows(leader, tmp_path):
    leader.execute("DELETE FROM t WHERE id % 10 != 0")
    whole, compact = (leader.get(f"/db/backup{query}").content for query in ("", "?vacuum"))
    assert len(compact) < len(whole) / 2
    with opened(tmp_path, compact) as database:
        assert is_sound(database) and count_in(database) == ROWS / 10


@pytest.mark.parametrize("parameters", ["compress", "compress&fmt=sql", "compress&vacuum"])
def test_a_compressed_backup_is_a_gzip_stream(follower, tmp_path, parameters):
    answer = follower.get(f"/db/backup?{parameters}")
    assert "Content-Encoding" not in answer.headers
    data = gzip.decompress(answer.content)
    assert len(answer.content) < len(data) / 2
    if "sql" in parameters:
        assert b"CREATE TABLE t(" in data
    else:
        with opened(tmp_path, data) as database:
            assert is_sound(database) and count_in(database) == ROWS


def test_a_backup_as_sql_text(follower):
    text = follower.get("/db/backup?fmt=sql").text
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.executescript(text)
        assert count_in(database) == ROWS and count_in(database, "other") == 1
    text = follower.get("/db/backup?fmt=sql&tables=other").text
    assert "CREATE TABLE other" in text and "CREATE TABLE t" not in text


def test_a_backup_is_of_one_moment_while_writes_go_on(shared_three, leader, tmp_path):
    leader.execute("DROP TABLE IF EXISTS a", "DROP TABLE IF EXISTS b", "CREATE TABLE a(x)", "CREATE TABLE b(x)")
    is_over = threading.Event()

    def write():
        while not is_over.is_set():
            shared_three.write("INSERT INTO a VALUES(1); INSERT INTO b VALUES(1)")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(10):
            data = shared_three.nodes[number % 3].get("/db/backup").content
            with opened(tmp_path, data, f"{number}.db") as database:
                assert is_sound(database) and count_in(database, "a") >= count_in(database, "b")
    finally:
        is_over.set()
        writer.join()


# --- In ---

@pytest.mark.parametrize("journal_mode", ["delete", "wal"])
def test_a_file_loaded_through_any_node_is_the_database_everywhere(shared_three, tmp_path, journal_mode):
    for number, node in enumerate(shared_three.nodes):
        rows = 5000 + number
        data = make_file(tmp_path / f"{number}.db", rows, journal_mode)
        answer = load(node, data)
        assert (answer.status_code, answer.json()) == (200, {"results": []})
        for asked in shared_three.nodes:
            assert asked.query("SELECT count(*) FROM loaded", "level=linearizable") == [[rows]]
            found = asked.query("SELECT count(*) FROM sqlite_master WHERE name='t'", "level=linearizable")
            assert found == [[0]]
        node.execute("INSERT INTO loaded(text) VALUES('more')")


def test_a_file_with_pages_of_another_size(leader, tmp_path):
    assert load(leader, make_file(tmp_path / "large.db", 3000, page_size=16384)).status_code == 200
    assert leader.query("SELECT count(*) FROM loaded") == [[3000]]


def test_what_was_backed_up_can_be_loaded(shared_three, leader, follower):
    data = leader.get("/db/backup").content
    leader.execute("DELETE FROM t", "DROP TABLE other")
    assert load(follower, data).status_code == 200
    assert follower.query("SELECT count(*) FROM t", "level=linearizable") == [[ROWS]]
    text = leader.get("/db/backup?fmt=sql").content
    leader.execute("DROP TABLE t", "DROP TABLE other")
    assert load(follower, text).json() == {"results": []}
    assert follower.query("SELECT count(*), sum(id) FROM t", "level=linearizable") == [[ROWS, ROWS * (ROWS + 1) // 2]]
    assert follower.query("SELECT x FROM other", "level=linearizable") == [[1]]


def test_sql_text_is_all_or_nothing(leader, follower):
    text = "".join(f"INSERT INTO t VALUES({ROWS + i}, 'a;\nb');\n" for i in range(1, 20_001))
    answer = load(follower, (text + "INSERT INTO missing VALUES(1);\n").encode())
    assert answer.status_code == 200 and "no such table" in answer.json()["results"][0]["error"]
    assert leader.query("SELECT count(*) FROM t") == [[ROWS]]
    assert load(follower, text.encode()).json() == {"results": []}
    assert leader.query("SELECT count(*) FROM t") == [[ROWS + 20_000]]
    assert leader.query("SELECT name FROM t WHERE id = ?".replace("?", str(ROWS + 1))) == [["a;\nb"]]


@pytest.mark.parametrize("spoil", ["cut", "flip", "version"])
def test_a_damaged_file_is_refused_and_nothing_changes(shared_three, follower, tmp_path, spoil):
    data = bytearray(make_file(tmp_path / "bad.db", 3000))
    if spoil == "cut":
        del data[len(data) // 2:]
    elif spoil == "flip":
        data[4096 * 3:4096 * 3 + 8] = b"\xff" * 8
    else:
        data[18] = data[19] = 9
    answer = load(follower, bytes(data))
    assert answer.status_code == 200 and "nothing was loaded" in answer.json()["results"][0]["error"]
    assert follower.query("SELECT count(*) FROM t", "level=linearizable") == [[ROWS]]


def test_nothing_and_nonsense_are_refused(leader):
    assert load(leader, b"").status_code == 400
    assert "error" in load(leader, b"this is no SQL").json()["results"][0]
    assert load(leader, b"SELECT 1;", "/boot").status_code == 400  # there are other nodes


def test_a_client_that_breaks_off_leaves_nothing(leader, tmp_path):
    data = make_file(tmp_path / "half.db", 20_000)
    with pytest.raises(Exception):
        def pieces():
            yield data[:len(data) // 2]
            raise RuntimeError("the client dies")
        load(leader, pieces())
    wait_until(lambda: not any((leader.data / "bulk").rglob("database")), "the half file to be removed")
    assert leader.query("SELECT count(*) FROM t") == [[ROWS]]


def test_others_go_on_while_a_file_is_loaded(shared_three, leader, follower, tmp_path):
    data = make_file(tmp_path / "large.db", 60_000, "wal")
    writes, is_over = [], threading.Event()

    def write():
        while not is_over.is_set():
            response = follower.post("/db/execute", ["INSERT INTO other VALUES(2)"])
            writes.append(response.status_code == 200 and "error" not in response.json()["results"][0])

    writer = threading.Thread(target=write)
    writer.start()
    answer = load(leader, data)
    is_over.set()
    writer.join()
    assert answer.json() == {"results": []}
    assert sum(writes) > 3 and not any(writes[writes.index(False):] if False in writes else [])
    for node in shared_three.nodes:
        assert node.query("SELECT count(*) FROM loaded", "level=linearizable") == [[60_000]]


def test_a_leader_that_dies_while_it_loads_leaves_all_or_nothing(cluster, tmp_path):
    cluster.form(3)
    cluster.write("CREATE TABLE t(id)")
    data = make_file(tmp_path / "large.db", 60_000)
    leader = cluster.leader()
    before = leader.status("store.raft")["applied_index"]

    def load_in_vain():
        with contextlib.suppress(requests.RequestException):
            load(leader, data)
    loading = threading.Thread(target=load_in_vain)
    loading.start()
    survivors = cluster.followers()
    wait_until(lambda: survivors[0].status("store.raft")["applied_index"] > before + 3, "some of the file to arrive")
    leader.kill()
    loading.join()
    cluster.write("CREATE TABLE IF NOT EXISTS later(id)", nodes=survivors)
    tables = survivors[0].query("SELECT name FROM sqlite_schema ORDER BY 1", "level=linearizable")
    assert tables in ([["later"], ["t"]], [["later"], ["loaded"]])
    leader.start().wait_until_ready()
    assert leader.query("SELECT name FROM sqlite_schema ORDER BY 1", "level=linearizable") == tables
    assert load(leader, data).json() == {"results": []}
    for node in cluster.nodes:
        assert node.query("SELECT count(*) FROM loaded", "level=linearizable") == [[60_000]]


def test_booting_a_node_that_is_alone(cluster, tmp_path):
    node = cluster.form(1).nodes[0]
    data = make_file(tmp_path / "boot.db", 4000, "wal")
    refused = load(node, b"SELECT 1;", "/boot")
    assert refused.status_code == 400 and refused.text.startswith("invalid SQLite data: ")
    assert load(node, data, "/boot").status_code == 200
    cluster.add()
    cluster.wait_for_voters(2)
    joined = cluster.nodes[1].wait_until_ready()
    assert joined.query("SELECT count(*) FROM loaded", "level=linearizable") == [[4000]]
    assert node.stop() == 0
