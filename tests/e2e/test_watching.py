"""What an operator sees of a node: is it ready, what does it log."""

import json
import threading

from cluster import wait_until

ENDLESS = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c"


def test_ready_is_who_can_read(cluster):
    node = cluster.add(None, "-reader-threads", "1").wait_until_ready()
    stopped = threading.Event()

    def read_for_ever():
        while not stopped.is_set():
            node.get("/db/query?level=none&timeout=5s", params={"q": ENDLESS})
    reading = threading.Thread(target=read_for_ever)
    reading.start()
    try:
        def is_not():
            response = node.get("/readyz?timeout=200ms")
            return response.status_code == 503 and response.text
        text = wait_until(is_not, "the only reader to be taken")
        assert text.splitlines() == ["[+]node ok", "[+]leader ok", "[+]store ok", "[+]db not ok: (no reader was free "
                                     "in time)"]
        assert node.get("/readyz?noleader").text == "[+]node ok"
    finally:
        stopped.set()
        reading.join()
    node.wait_until_ready()


def test_slow_statements_are_logged(cluster):
    node = cluster.add(None, "-slow-statement", "20ms", "-log-json").wait_until_ready()
    node.execute("CREATE TABLE t(id INTEGER)")
    node.execute("INSERT INTO t SELECT value FROM (WITH RECURSIVE c(value) AS (SELECT 1 UNION ALL SELECT value + 1 "
                 "FROM c LIMIT 100000) SELECT value FROM c)")
    node.query("SELECT count(*), 'x\ny' FROM t a, t b WHERE a.id < 200 AND b.id > a.id")
    node.get("/db/query?level=none&timeout=50ms", params={"q": ENDLESS})

    def lines():
        parsed = [json.loads(line) for line in node.log_text().splitlines()]
        assert all({"time", "level", "message"} <= set(line) for line in parsed)
        return [line for line in parsed if line["message"] == "slow statement"]

    wait_until(lambda: len(lines()) >= 3, "three slow statements")
    write, read, cut = (next(line for line in lines() if part in line["sql"])
                        for part in ("INSERT", "FROM t a", "count(*) FROM c"))
    assert write["level"] == "warning" and write["rows"] == 100000 and write["seconds"] >= 0.02
    assert read["rows"] == 1 and read["sql"].count("\n") == 1
    assert cut["error"] == "query timeout"


def test_levels_of_the_log(cluster):
    node = cluster.add(None, "-slow-statement", "1ms", "-log-level", "WARN").wait_until_ready()
    node.execute("CREATE TABLE t(id INTEGER)", "INSERT INTO t VALUES(1)")
    node.get("/db/query?level=none&timeout=50ms", params={"q": ENDLESS})
    assert " info " not in node.log_text()
    assert " warn" in node.log_text() and "slow statement seconds=" in node.log_text()
    node.stop()
    node.log.unlink()
    node.arguments = ["-slow-statement", "1ms"]
    node.start("-log-level", "off").wait_until_ready()
    node.get("/db/query?level=none&timeout=50ms", params={"q": ENDLESS})
    assert node.log_text() == ""
