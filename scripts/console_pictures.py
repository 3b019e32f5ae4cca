#!/usr/bin/env python3
"""Takes the pictures of the web console that the documentation shows: three nodes, a little data, a headless Chromium.

    scripts/console_pictures.py [DIRECTORY]     (default: docs/images)
"""

import pathlib
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from browser import Browser  # noqa: E402 (found through the path above)
from cluster import Cluster  # noqa: E402

NAMES = ("Fiona", "Declan", "Aoife", "Ciarán", "Niamh", "Oisín")
STATEMENTS = """-- what everybody has spent
SELECT name, email, count(*) AS orders, sum(price) AS total, max(photo) AS photo
  FROM users JOIN orders ON orders.user = users.id GROUP BY users.id ORDER BY total DESC;
UPDATE users SET email = NULL WHERE id = 3;
SELECT * FROM nowhere;"""


def fill(node):
    node.execute("CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT, photo BLOB)",
                 "CREATE TABLE orders(id INTEGER PRIMARY KEY, user INTEGER REFERENCES users, item TEXT, price REAL)",
                 "CREATE INDEX orders_by_user ON orders(user)",
                 "CREATE VIEW spending AS SELECT user, sum(price) AS total FROM orders GROUP BY user")
    node.execute(*[["INSERT INTO users(name, email, photo) VALUES(?, ?, ?)", NAMES[i % 6],
                    None if i % 3 == 2 else f"{NAMES[i % 6].lower()}{i}@example.com",
                    None if i % 2 else [137, 80, 78, 71, 13, 10, 26, 10] + [i] * 20] for i in range(240)])
    node.execute(*[["INSERT INTO orders(user, item, price) VALUES(?, ?, ?)", i * i % 240 + 1, f"item {i}", i * 1.25]
                   for i in range(2000)])


def load(node, seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for i in range(20):
            node.execute(["INSERT INTO orders(user, item, price) VALUES(?, ?, ?)", i, "another", 1.5])
            node.query("SELECT count(*) FROM users")
        time.sleep(0.05)


def take(cluster, browser, directory):
    leader, asked, other = cluster.leader(), *cluster.followers()
    fill(leader)

    def shoot(view, name, scheme, width, height, prepare=lambda: None):
        browser.colours(scheme)
        browser.size(width, height)
        browser.open("about:blank")
        browser.open(f"{asked.url}/console/#{view}")
        browser.until(lambda: browser.text(f"#view-{view} h1"), "the view")
        prepare()
        browser.picture(directory / f"console-{name}.png")

    def run():
        browser.click(".schema summary")
        browser.all("#view-sql textarea")[0].clear()
        browser.all("#view-sql textarea")[0].send_keys(STATEMENTS)
        browser.press_button("Run")
        browser.until(lambda: browser.all(".results .failed"), "results")

    def lose_a_node():
        browser.until(lambda: len(browser.all(".members tbody tr")) == 3, "the members")
        other.kill()
        browser.until_text(".happenings", "does not answer")
        load(asked, 1)
        time.sleep(1.5)

    shoot("metrics", "metrics", "light", 1200, 900, lambda: load(asked, 60))
    shoot("sql", "sql", "light", 1200, 900, run)
    shoot("sql", "sql-dark", "dark", 1200, 900, run)
    shoot("sql", "sql-small", "light", 360, 740, run)
    shoot("data", "data", "light", 1200, 520)
    shoot("cluster", "cluster", "light", 1200, 700, lose_a_node)
    other.start().wait_until_ready()
    shoot("cluster", "cluster-small", "dark", 360, 740, lose_a_node)


def main():
    directory = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images"
    with tempfile.TemporaryDirectory() as scratch:
        cluster = Cluster(pathlib.Path(scratch))
        browser = Browser(scratch)
        try:
            take(cluster.form(3), browser, directory)
        finally:
            browser.close()
            cluster.close()


if __name__ == "__main__":
    main()
