"""The web console in a real browser, clicked through against real clusters."""

import gzip
import sqlite3

import pytest

from browser import Browser
from cluster import wait_until


@pytest.fixture(scope="module")
def one_browser(tmp_path_factory):
    made = Browser(tmp_path_factory.mktemp("browser"))
    yield made
    made.close()


@pytest.fixture
def browser(one_browser):
    one_browser.size(1280, 900)
    one_browser.colours("light")
    yield one_browser
    assert one_browser.complaints() == []


@pytest.fixture
def sql(browser, node):
    """The SQL view of a node that runs alone, with an empty editor."""
    node.execute("DROP TABLE IF EXISTS t", "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, data BLOB)")
    browser.open(f"{node.url}/console/")
    browser.script("localStorage.clear(); sessionStorage.clear()")
    browser.open("about:blank")
    browser.open(f"{node.url}/console/#sql")
    return browser


def run(browser, text, transaction=False):
    """Runs statements; waits for what they come to."""
    area = browser.all("#view-sql textarea")[0]
    area.clear()
    area.send_keys(text)
    box = browser.all("#view-sql .editor input[type=checkbox]")[0]
    if box.is_selected() != transaction:
        box.click()
    browser.script("document.querySelector('#view-sql .results').replaceChildren()")
    browser.press_button("Run")
    browser.until(lambda: browser.all("#view-sql .results > *") and browser.button("Run").is_enabled(), "results")


def rows(browser, result=0):
    """The cells of one result, without the numbers of the rows."""
    return browser.script("""
        const grid = document.querySelectorAll("#view-sql .results .grid")[arguments[0]];
        return [...grid.querySelectorAll(".window .line")].map((line) =>
          [...line.querySelectorAll("[role=gridcell]")].map((cell) => cell.textContent));""", result)


def member(browser, name):
    """One row of the picture: {"Role": ..., "Term": ..., ...}"""
    return browser.script("""
        const row = document.querySelector(`.members tr[data-id="${arguments[0]}"]`);
        if (!row) return null;
        const cells = Object.fromEntries([...row.querySelectorAll("td[data-label]")].map((cell) =>
          [cell.dataset.label, cell.textContent]));
        return {...cells, Role: row.querySelector(".role").textContent,
          Lane: row.querySelector("svg[role=img]").getAttribute("aria-label")};""", name) or {}


# --- the picture of the cluster ---

def test_a_node_dies_and_comes_back(browser, cluster):
    cluster.form(3)
    leader, asked, other = cluster.leader(), *cluster.followers()
    asked.execute("CREATE TABLE t(a)")
    browser.open(f"{asked.url}/console/")
    browser.until_text("#view-cluster header p", f"3 of 3 nodes answer. {leader.name} leads in term")
    assert member(browser, leader.name)["Role"] == "Leader"
    assert member(browser, other.name)["Role"] == "Follower"
    commit = asked.status("store.raft.commit_index")
    browser.until(lambda: member(browser, other.name)["Behind"] == "0", "the followers to be as far as the leader")
    assert int(member(browser, leader.name)["Committed"].replace(",", "")) >= commit
    assert "applied up to" in member(browser, other.name)["Lane"]

    other.kill()
    browser.until(lambda: member(browser, other.name)["Role"] == "Unreachable", "the picture to show who is missing")
    browser.until_text("#view-cluster header p", "2 of 3 nodes answer.")
    browser.until_text(".happenings", f"{other.name} does not answer")
    assert member(browser, other.name)["Lane"] == "unreachable"

    other.start()
    browser.until(lambda: member(browser, other.name)["Role"] == "Follower", "the picture to show who is back")
    browser.until_text(".happenings", f"{other.name} answers again")

    before = int(member(browser, leader.name)["Term"])
    leader.kill()
    browser.until(lambda: member(browser, leader.name)["Role"] == "Unreachable", "the picture without the leader")
    new = cluster.leader()
    browser.until(lambda: member(browser, new.name)["Role"] == "Leader", "the picture of the new leader")
    assert int(member(browser, new.name)["Term"].replace(",", "")) > before
    browser.until_text(".happenings", f"{new.name} leads in term")


def test_the_picture_stands_still_while_paused(browser, cluster):
    cluster.form(3)
    asked, other = cluster.followers()
    browser.open(f"{asked.url}/console/")
    browser.until(lambda: member(browser, other.name).get("Role") == "Follower", "the picture")
    browser.press_button("Pause")
    assert browser.button("Paused").get_attribute("aria-pressed") == "true"
    other.kill()
    asked.execute("CREATE TABLE t(a)")
    assert member(browser, other.name)["Role"] == "Follower"
    browser.press_button("Paused")
    browser.until(lambda: member(browser, other.name)["Role"] == "Unreachable", "the picture to go on")


def test_the_node_itself_is_gone(browser, cluster):
    cluster.form(2)
    asked, other = cluster.nodes
    browser.open(f"{asked.url}/console/")
    browser.until(lambda: member(browser, other.name).get("Role"), "the picture")
    asked.kill()
    browser.until_text("#trouble", f"{asked.http_address} does not answer")
    assert browser.button(other.name, "#trouble").get_attribute("href") == f"{other.url}/console/"
    asked.start()
    browser.until(lambda: browser.text("#trouble") == "", "the complaint to go away")
    browser.until_text(".happenings", "this node answers the console again")


def test_read_replicas(browser, cluster):
    cluster.form(1)
    replica = cluster.add("replica", "-raft-non-voter").wait_until_ready()
    browser.open(f"{replica.url}/console/")
    browser.until(lambda: member(browser, "replica").get("Role") == "Read replica", "the replica")
    browser.until_text("#view-cluster header p", "2 of 2 nodes answer. n1 leads in term")


def test_the_figures_of_the_node(browser, node):
    browser.open(f"{node.url}/console/")
    browser.until_text(".facts", node.name)
    facts = browser.text(".facts")
    for words in (node.raft_address, node.http_address, str(node.data)):
        assert words in facts


# --- SQL ---

def test_statements_and_their_results(sql):
    run(sql, "INSERT INTO t VALUES(1, 'fiona', x'0001ff'), (2, NULL, NULL); SELECT * FROM t; -- that is; all\n"
             "SELECT 9223372036854775807 AS large, 1.5 AS real, '<b>&amp;' AS text")
    assert rows(sql, 0) == [["1", "fiona", "x'0001ff' 3 bytes"], ["2", "NULL", "NULL"]]
    assert rows(sql, 1) == [["9223372036854775807", "1.5", "<b>&amp;"]]
    assert "2 rows affected" in sql.texts("#view-sql .result")[0]
    assert "2 rows" in sql.texts("#view-sql .result")[1]
    assert sql.text("#view-sql .outcome").startswith("3 statements in ")
    assert sql.texts("#view-sql .grid .head div")[1] == "idinteger"


def test_errors_stand_where_they_belong(sql, node):
    run(sql, "INSERT INTO t(id) VALUES(1); SELECT * FROM absent; INSERT INTO t(id) VALUES(2)")
    texts = sql.texts("#view-sql .result")
    assert "no such table: absent" in texts[1] and "1 row affected" in texts[2]
    assert "1 failed" in sql.text("#view-sql .outcome")
    run(sql, "INSERT INTO t(id) VALUES(3); nonsense; INSERT INTO t(id) VALUES(4)", transaction=True)
    texts = sql.texts("#view-sql .result")
    assert 'near "nonsense": syntax error' in texts[1] and "Not run" in texts[2]
    assert "nothing has changed" in sql.text("#view-sql .outcome")
    assert node.query("SELECT id FROM t") == [[1], [2]]


def test_a_large_result_stays_small_on_the_page(sql, node):
    node.execute("INSERT INTO t(id, name) WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n "
                 "WHERE i < 20000) SELECT i, 'row ' || i FROM n")
    run(sql, "SELECT id, name FROM t")
    assert "20,000 rows" in sql.text("#view-sql .result header")
    assert len(rows(sql)) < 60
    sql.script("const g = document.querySelector('.results .grid'); g.scrollTop = g.scrollHeight")
    sql.until(lambda: rows(sql)[-1] == ["20000", "row 20000"], "the last row")
    assert len(rows(sql)) < 60
    assert sql.all(".results .grid")[0].get_attribute("aria-rowcount") == "20001"
    sql.press_button("CSV", "#view-sql .result")
    saved = wait_until(lambda: next(sql.downloads.glob("result.csv"), None), "the file")
    lines = wait_until(lambda: (read := saved.read_text().splitlines()) and len(read) == 20001 and read, "all of it")
    assert lines[:2] == ["id,name", "1,row 1"] and lines[-1] == "20000,row 20000"


def test_a_value_is_text_whatever_it_says(sql, node):
    evil = "<img src=x onerror=\"document.title='evil'\"><script>document.title='evil'</script>"
    node.execute(["INSERT INTO t(id, name) VALUES(1, ?)", evil])
    node.execute('CREATE TABLE IF NOT EXISTS "<i>evil</i>"(a)')
    run(sql, "SELECT name FROM t")
    assert rows(sql) == [[evil]]
    sql.press_button("Refresh", ".schema")
    sql.until_text(".schema", "<i>evil</i>")
    assert "evil" not in sql.driver.title
    assert sql.all("#view-sql .results img, #view-sql .schema i") == []
    node.execute('DROP TABLE "<i>evil</i>"')


def test_history(sql, node):
    run(sql, "SELECT 1 AS first")
    run(sql, "SELECT 2 AS second; nonsense")
    sql.open("about:blank")
    sql.open(f"{node.url}/console/#sql")
    sql.press_button("History…")
    texts = sql.texts("dialog .past li")
    assert "SELECT 2 AS second" in texts[0] and "failed" in texts[0] and "SELECT 1 AS first" in texts[1]
    sql.all("dialog .past button")[1].click()
    assert sql.all("#view-sql textarea")[0].get_attribute("value") == "SELECT 1 AS first"


def test_levels(browser, cluster):
    cluster.form(2)
    alone = cluster.followers()[0]
    alone.execute("CREATE TABLE t(a)")
    wait_until(lambda: "values" in alone.get("/db/query?level=none&q=SELECT count(*) FROM t").text, "the table")
    cluster.leader().kill()
    browser.open(f"{alone.url}/console/#sql")
    browser.until(lambda: browser.all("#view-sql select option"), "the view")
    run(browser, "SELECT count(*) FROM t")
    assert "leader" in browser.text("#view-sql .results .message.bad")
    browser.click("#view-sql select option[value=none]")
    run(browser, "SELECT count(*) FROM t")
    assert browser.all(".results .grid"), browser.text(".results")
    assert rows(browser) == [["0"]]


def test_the_schema(sql, node):
    node.execute("CREATE TABLE IF NOT EXISTS \"odd one\"(\"a b\" TEXT NOT NULL)", "CREATE INDEX by_name ON t(name)",
                 "INSERT INTO t(id, name) VALUES(7, 'seven')")
    sql.press_button("Refresh", ".schema")
    sql.until_text(".schema", "odd one")
    sql.click(".schema details[data-name=t] summary")
    listed = sql.text(".schema details[data-name=t]")
    for words in ("id", "integer, primary key", "name", "text", "data", "blob", "by_name", "index"):
        assert words in listed
    sql.press_button("name", ".schema details[data-name=t]")
    assert sql.all("#view-sql textarea")[0].get_attribute("value") == "name"
    sql.press_button("Show the first rows of t", ".schema")
    sql.until(lambda: sql.all(".results .grid") and rows(sql) == [["7", "seven", "NULL"]], "the rows of the table")
    sql.all("#view-sql textarea")[0].clear()
    sql.press_button("Write an INSERT into t into the editor", ".schema")
    assert sql.all("#view-sql textarea")[0].get_attribute("value") == (
        "INSERT INTO t(id, name, data) VALUES(?, ?, ?);")
    run(sql, "CREATE TABLE appears_by_itself(a)")
    sql.until_text(".schema", "appears_by_itself")
    node.execute('DROP TABLE "odd one"', "DROP TABLE appears_by_itself")


# --- data ---

def test_backup(browser, node):
    node.execute("DROP TABLE IF EXISTS kept", "CREATE TABLE kept(a)", "INSERT INTO kept VALUES('yes')")
    browser.open(f"{node.url}/console/#data")
    browser.press_button("Download", "#view-data")
    file = wait_until(lambda: next(browser.downloads.glob("quorate-*.db"), None), "the copy")
    copy = sqlite3.connect(file)
    assert copy.execute("SELECT a FROM kept").fetchall() == [("yes",)]
    copy.close()
    browser.click("input[name=form][value=sql]")
    browser.click("input[name=compress]")
    browser.press_button("Download", "#view-data")
    file = wait_until(lambda: next(browser.downloads.glob("quorate-*.sql.gz"), None), "the text")
    assert "INSERT INTO" in wait_until(lambda: gzip.decompress(file.read_bytes()).decode(), "all of it")


def test_restore(browser, node, tmp_path):
    node.execute("DROP TABLE IF EXISTS kept", "CREATE TABLE kept(a)", "INSERT INTO kept VALUES('old')")
    new = sqlite3.connect(tmp_path / "new.db")
    new.executescript("CREATE TABLE kept(a); INSERT INTO kept VALUES('new')")
    new.close()
    (tmp_path / "broken.db").write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    (tmp_path / "more.sql").write_text("INSERT INTO kept VALUES('more');\n")

    def choose(name):
        browser.all("#view-data input[type=file]")[0].send_keys(str(tmp_path / name))
        browser.press_button("Restore…")
        return browser.until(lambda: browser.text("dialog"), "the question")

    browser.open(f"{node.url}/console/#data")
    browser.until(lambda: browser.all("#view-data input[type=file]"), "the view")
    assert not browser.button("Restore…").is_enabled()
    assert "new.db" in choose("new.db")
    assert browser.focus_name() == "Cancel", "what happens by mistake does no harm"
    browser.press_button("Cancel", "dialog")
    assert node.query("SELECT a FROM kept") == [["old"]]
    choose("broken.db")
    browser.press_button("Replace it", "dialog")
    browser.until(lambda: browser.all("#view-data .message.bad"), "the complaint")
    assert node.query("SELECT a FROM kept") == [["old"]]
    choose("new.db")
    browser.press_button("Replace it", "dialog")
    browser.until_text("#view-data .message", "Done.")
    assert node.query("SELECT a FROM kept") == [["new"]]
    assert "will be executed" in choose("more.sql")
    browser.press_button("Execute it", "dialog")
    browser.until(lambda: node.query("SELECT a FROM kept") == [["new"], ["more"]], "the text to be executed")


# --- metrics ---

def test_metrics(browser, node):
    node.execute("CREATE TABLE IF NOT EXISTS counted(a)")
    browser.open(f"{node.url}/console/#metrics")
    browser.until(lambda: len(browser.all(".chart")) == 11, "the plots")

    def curve(title):
        return browser.script("""
            const card = [...document.querySelectorAll(".chart")].find((c) =>
              c.querySelector("h2").textContent === arguments[0]);
            return [card.querySelector(".curve").getAttribute("d"), card.querySelector(".value").textContent];""",
                              title)

    for _ in range(20):
        node.execute("INSERT INTO counted VALUES(1)")
        node.query("SELECT 1")
    browser.until(lambda: "L" in (curve("Writes")[0] or "") and "L" in curve("Reads")[0], "two samples")
    browser.until(lambda: curve("Memory")[1].endswith("MiB"), "the memory")
    browser.until(lambda: "L" in curve("Latency of writes")[0] or node.execute("INSERT INTO counted VALUES(1)") and 0,
                  "latencies")
    assert curve("Log")[1] != "–"
