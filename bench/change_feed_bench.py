#!/usr/bin/env python3
"""What a change feed costs writers, and how fast a queue is delivered. Two clusters on loopback, one with a change feed
into a file, are written to in turns; then a node with a long queue finds its endpoint. Prints both.

    cmake --preset release && cmake --build --preset release --target quorate
    bench/change_feed_bench.py --nodes 3 --connections 64

The nodes and the client share the machine."""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
GROUPS = 100_000


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release", help="with the binary")
    parser.add_argument("--nodes", type=int, default=1)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5, help="of each turn")
    parser.add_argument("--turns", type=int, default=4)
    return parser.parse_args()


def feed_into(directory, path, batch):
    config = directory / "cdc.json"
    config.write_text(json.dumps({"endpoint": f"file://{path}", "max_batch_size": batch,
                                  "transmit_min_backoff": "20ms", "transmit_max_backoff": "20ms"}))
    return ["-cdc-config", str(config)]


def processor_seconds(cluster):
    ticks = 0
    for node in cluster.nodes:
        fields = pathlib.Path(f"/proc/{node.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def write(binary, cluster, options):
    """Writes a second, and microseconds of all nodes' processors for each."""
    before = processor_seconds(cluster)
    done = subprocess.run([binary, "bench", "--host", cluster.leader().http_address, "-c", str(options.connections),
                           "-w", "100", "-d", str(options.seconds), "--warm-up", "0", "--json"], check=True,
                          capture_output=True, text=True)
    writes = json.loads(done.stdout)["writes"]
    return writes["per_second"], (processor_seconds(cluster) - before) / writes["count"] * 1e6


def compare(clusters, directory, options, binary):
    for name in ("without", "with"):
        (directory / name).mkdir()
    without = clusters(directory / "without").form(options.nodes)
    told = clusters(directory / "with").form(options.nodes, *feed_into(directory, directory / "changes", 1000))
    pairs = [(write(binary, without, options), write(binary, told, options)) for _ in range(options.turns)]
    for name, cost in (("writes a second", 0), ("us of processors each", 1)):
        plain, fed = (statistics.median(pair[side][cost] for pair in pairs) for side in (0, 1))
        ratio = statistics.median(pair[1][cost] / pair[0][cost] for pair in pairs)
        print(f"{name}: {plain:.0f} without, {fed:.0f} with a change feed, ratio {ratio:.2f}")
    without.close()
    told.close()


def deliver(clusters, directory, batch, wait_until):
    directory.mkdir()
    cluster = clusters(directory).form(1, *feed_into(directory, directory / "later" / "changes", batch))
    node = cluster.nodes[0]
    node.execute("CREATE TABLE t(a INTEGER PRIMARY KEY, b)")
    statement = "INSERT INTO t(b) VALUES('" + "x" * 100 + "')"
    for _ in range(GROUPS // 2000):
        node.execute(*[statement] * 2000)
    size = node.status("cdc.fifo")["size"]
    (directory / "later").mkdir()
    begin = time.monotonic()
    wait_until(lambda: node.get("/debug/vars").json()["cdc.service"]["sent_groups"] >= GROUPS, "all of it", 300)
    seconds = time.monotonic() - begin
    print(f"{GROUPS} groups ({size >> 20} MiB) in documents of {batch}: {GROUPS / seconds:.0f} a second")
    cluster.close()


def main():
    options = parse_options()
    os.environ["QUORATE_BUILD_DIR"] = str(options.build.resolve())
    from cluster import QUORATE, Cluster, wait_until  # which look for the binary as they are imported
    with tempfile.TemporaryDirectory() as scratch:
        directory = pathlib.Path(scratch)
        compare(Cluster, directory, options, QUORATE)
        for batch in (10, 1000):
            deliver(Cluster, directory / str(batch), batch, wait_until)


if __name__ == "__main__":
    main()
