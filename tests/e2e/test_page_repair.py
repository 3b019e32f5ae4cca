"""Rot on a node's disk: found by the scrubber, and healed with what the other nodes have."""

import sqlite3

from cluster import wait_until

PAGE_BYTES = 4096


def metric(node, name):
    for line in node.get("/metrics").text.splitlines():
        if line.startswith(name + " "):
            return int(line.split()[1])
    raise AssertionError(f"no metric {name}")


def has_folded(node):
    pages = node.data / "pages" / "1.pages"
    return pages.exists() and pages.stat().st_size > 100 * PAGE_BYTES


def test_a_page_that_rots_is_fetched_from_another_node(cluster, tmp_path):
    cluster.form(3, "-raft-snap", "50")
    leader = cluster.leader()
    leader.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, text TEXT)")
    leader.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) "
                   "INSERT INTO t SELECT i, hex(randomblob(100)) FROM n")
    for number in range(60):
        leader.execute(f"UPDATE t SET text = 'changed' WHERE id = {number + 1}")
    victim = cluster.followers()[0]
    wait_until(lambda: has_folded(victim), "a checkpoint")
    expected = leader.query("SELECT count(*), sum(length(text)) FROM t", "level=linearizable")
    assert victim.stop() == 0

    pages = victim.data / "pages" / "1.pages"
    sound = pages.read_bytes()
    rotten = [40, 77, 110]
    with open(pages, "r+b") as file:
        for page in rotten:
            file.seek(page * PAGE_BYTES + 123)
            byte = file.read(1)[0]
            file.seek(page * PAGE_BYTES + 123)
            file.write(bytes([byte ^ 4]))
    victim.start()
    wait_until(lambda: metric(victim, "quorate_pages_repaired_total") == len(rotten), "the repair")
    assert metric(victim, "quorate_pages_damaged") == 0
    assert metric(victim, "quorate_pages_scrubbed_total") > 100
    for page in rotten:
        assert f"page {page + 1} of database 1 is damaged on disk" in victim.log_text()
        assert f"page {page + 1} of database 1 was repaired" in victim.log_text()
    healed = pages.read_bytes()
    assert all(healed[at:at + PAGE_BYTES] == sound[at:at + PAGE_BYTES] for at in (page * PAGE_BYTES for page in rotten))
    victim.wait_until_ready()
    assert victim.query("SELECT count(*), sum(length(text)) FROM t", "level=none") == expected
    copy = tmp_path / "copy.db"
    copy.write_bytes(victim.get("/db/backup?noleader").content)
    assert sqlite3.connect(copy).execute("PRAGMA integrity_check").fetchone()[0] == "ok"
