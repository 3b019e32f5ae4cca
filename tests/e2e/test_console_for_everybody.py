"""The console on small screens, without a mouse, in the dark, on a machine without a network, and in a hurry."""

import base64
import json

import pytest
import requests

from test_console import browser, one_browser, rows, run, sql  # noqa: F401 (fixtures)

VIEWS = ("cluster", "sql", "data", "metrics")


def open_view(browser, node, view):
    browser.open("about:blank")
    browser.open(f"{node.url}/console/#{view}")
    browser.until_text("main h1" if view == "cluster" else f"#view-{view} h1", "")
    browser.until(lambda: browser.text(f"#view-{view} h1"), "the view")


def test_the_files(node):
    page = node.get("/console/")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert node.get("/console/", headers={"If-None-Match": page.headers["ETag"]}).status_code == 304
    assert node.get("/").headers["Location"] == "/console/"
    head = node.request("HEAD", "/console/js/main.js")
    assert head.status_code == 200 and head.content == b"" and int(head.headers["Content-Length"]) > 1000
    assert "http://" not in page.text and "https://" not in page.text


def test_nothing_comes_from_outside(browser, node):
    for view in VIEWS:
        open_view(browser, node, view)
        loaded = browser.script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
        assert loaded and all(name.startswith(node.url + "/") for name in loaded)


def test_first_paint_of_a_cold_node(browser, cluster):
    """Less than 300 ms; whatever else the machine is doing can only make it more, so the best of several counts."""
    node = cluster.form(1).nodes[0]
    times = []
    while len(times) < 8 and not (times and min(times) < 300):
        node.stop()
        node.start()
        node.wait_until_ready()
        browser.open("about:blank")
        browser.driver.execute_cdp_cmd("Network.clearBrowserCache", {})
        browser.open(f"{node.url}/console/")
        times.append(browser.until(lambda: browser.script(
            "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime"), "something to be painted"))
    assert min(times) < 300, times


@pytest.mark.parametrize("view", VIEWS)
def test_on_a_small_screen(browser, shared_three, view):
    node = shared_three.leader()
    node.execute("CREATE TABLE IF NOT EXISTS a_table_with_quite_a_long_name(a, b)")
    browser.size(360, 740)
    open_view(browser, node, view)
    browser.until(lambda: len(browser.all(".members tbody tr")) == 3, "the members")
    if view == "sql":
        run(browser, f"SELECT {', '.join(f'{i} AS column_{i}' for i in range(30))}; SELECT '{'long' * 100}'; nonsense")
        browser.until_text(".schema", "a_table_with_quite_a_long_name")
    wide = browser.script("""
        const screen = document.documentElement.clientWidth;
        return [document.documentElement.scrollWidth, screen, [...document.querySelectorAll("body *")]
          .filter((e) => !e.closest(".grid, svg, .unseen, thead") && e.getBoundingClientRect().right > screen + 0.5)
          .map((e) => `${e.tagName}.${e.className} ${e.getBoundingClientRect().right}`)];""")
    assert wide[0] == wide[1] == 360, wide
    assert wide[2] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_text_can_be_read(browser, node, scheme):
    """WCAG: a contrast of 4.5 between text and what is behind it."""
    browser.colours(scheme)
    for view in VIEWS:
        open_view(browser, node, view)
        browser.until_text(".asked", node.http_address)
        faint = browser.script("""
            const channels = (text) => text.match(/[0-9.]+/g).map(Number);
            const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
              .map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
              .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
            const behind = (e) => {
              for (; e; e = e.parentElement) {
                const colour = channels(getComputedStyle(e).backgroundColor);
                if (colour.length < 4 || colour[3] > 0.99) return colour;
              }
              return [255, 255, 255];
            };
            const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
            const faint = [];
            for (let node = walker.nextNode(); node; node = walker.nextNode()) {
              const e = node.parentElement;
              if (!node.textContent.trim() || !e.checkVisibility() || e.closest(":disabled, option, .unseen")) continue;
              const [a, b] = [light(channels(getComputedStyle(e).color)), light(behind(e))];
              const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
              if (contrast < 4.5) faint.push(`${node.textContent.trim()}: ${contrast.toFixed(2)}`);
            }
            return faint;""")
        assert faint == [], view


def test_a_chosen_colour_stays(browser, node):
    open_view(browser, node, "cluster")
    paper = "return getComputedStyle(document.body).backgroundColor"
    light = browser.script(paper)
    browser.click("#theme option[value=dark]")
    dark = browser.script(paper)
    assert light != dark
    open_view(browser, node, "cluster")
    assert browser.script(paper) == dark
    browser.click("#theme option[value=auto]")
    assert browser.script(paper) == light


def test_everything_has_a_name(browser, node):
    """For those who hear the page: whatever can be reached with the keyboard says what it is."""
    for view in VIEWS:
        open_view(browser, node, view)
        browser.until_text(".asked", node.http_address)
        tree = browser.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        for item in tree:
            properties = {entry["name"]: entry["value"].get("value") for entry in item.get("properties", [])}
            role = item.get("role", {}).get("value")
            if item.get("ignored") or not properties.get("focusable") or role in ("RootWebArea", "main", "heading"):
                continue
            assert item.get("name", {}).get("value"), (view, role, item)
        levels = browser.script("""return [...document.querySelectorAll("h1, h2, h3")]
            .filter((e) => e.checkVisibility()).map((e) => e.tagName)""")
        assert levels[0] == "H1" and levels.count("H1") == 1


def test_without_a_mouse(sql, node):
    from selenium.webdriver.common.keys import Keys
    node.execute("INSERT INTO t(id, name) VALUES(1, 'one'), (2, 'two')")
    sql.open("about:blank")
    sql.open(f"{node.url}/console/")
    sql.until(lambda: sql.all(".members tbody tr"), "the members")

    def tab_to(name, limit=40):
        for _ in range(limit):
            sql.keys(Keys.TAB)
            if name in sql.focus_name():
                outline = sql.script("return getComputedStyle(document.activeElement).outlineStyle")
                assert outline != "none", f"one cannot see that {name} has the focus"
                return
        raise AssertionError(f"Tab does not lead to {name}")

    tab_to("Skip to the content", limit=1)
    sql.keys(Keys.ENTER)
    assert sql.focused().get_attribute("id") == "content"
    assert sql.text("#view-cluster h1") == "Cluster", "the address has not changed"
    sql.script("document.activeElement.blur(); window.getSelection().removeAllRanges()")
    sql.open("about:blank")
    sql.open(f"{node.url}/console/")
    tab_to("SQL", limit=4)
    sql.keys(Keys.ENTER)
    sql.until(lambda: sql.focused().text == "SQL", "the focus on the title of the view")
    tab_to("Statements")
    sql.keys("SELECT id, name FROM t")
    sql.chord(Keys.CONTROL, Keys.ENTER)
    sql.until(lambda: sql.all(".results .grid") and len(rows(sql)) == 2, "the rows")
    tab_to("2 rows of statement 1")
    sql.keys(Keys.ARROW_DOWN, Keys.ARROW_RIGHT)
    active = sql.focused().get_attribute("aria-activedescendant")
    assert sql.text(f"#{active}") == "two"
    sql.keys(Keys.ENTER)
    sql.until_text("dialog pre", "two")
    sql.keys(Keys.ESCAPE)
    sql.until(lambda: sql.all("dialog") == [], "the value to go away")
    assert "2 rows of statement 1" in sql.focus_name(), "and the focus is where it was"


def test_users(browser, cluster, tmp_path):
    """Whoever may see the page may see of the rest what they may."""
    (tmp_path / "users").write_text(json.dumps([
        {"username": "boss", "password": "b", "perms": ["all"]},
        {"username": "reader", "password": "r", "perms": ["ui", "query", "execute"]},
        {"username": "*", "perms": ["status", "ready"]}]))
    node = cluster.form(1, "-auth", str(tmp_path / "users")).nodes[0]
    node.session.auth = ("boss", "b")
    node.execute("CREATE TABLE t(a)")

    def log_in(words):
        header = {"Authorization": "Basic " + base64.b64encode(words.encode()).decode()}
        browser.driver.execute_cdp_cmd("Network.enable", {})
        browser.driver.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": header})

    try:
        for words in ("boss:b", "reader:r"):
            log_in(words)
            open_view(browser, node, "cluster")
            browser.until_text("#view-cluster header p", "1 of 1 node answers")
            open_view(browser, node, "sql")
            run(browser, "SELECT count(*) FROM t")
            assert rows(browser) == [["0"]]
    finally:
        browser.driver.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": {}})


def test_who_may_not_see_the_status(browser, node):
    """The refusals are made up: a real one makes the browser ask a person for a password first."""
    node.execute("CREATE TABLE IF NOT EXISTS t(a)", "DELETE FROM t")
    script = browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": """
        const ask = window.fetch;
        window.asked = 0;
        window.fetch = (url, options) => {
          if (!/[/](status|nodes|metrics)/.test(url)) return ask(url, options);
          window.asked += 1;
          return Promise.resolve(new Response("", {status: 401}));
        };"""})
    try:
        open_view(browser, node, "sql")
        browser.until_text("#trouble", "You may not see")
        assert browser.button("Paused").get_attribute("aria-pressed") == "true"
        run(browser, "SELECT count(*) FROM t")
        assert rows(browser) == [["0"]]
        assert browser.script("return window.asked") == 3, "it asks once"
    finally:
        browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", {"identifier": script["identifier"]})


def test_old_addresses(node):
    """rqlite's console is at the same place."""
    assert requests.get(node.url, timeout=30).url == f"{node.url}/console/"
