#!/usr/bin/env python3
"""Loads a large SQLite file, in WAL mode, into three nodes on loopback, and tells how long it takes, how much memory
each node has at most, and what readers and the leadership notice of it. Prints a table.

    cmake --preset release && cmake --build --preset release --target quorate
    bench/load_bench.py --mebibytes 300 1024

The nodes, their disks and the client share the machine."""

import argparse
import http.client
import os
import pathlib
import shutil
import sqlite3
import statistics
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
ROW_BYTES = 1000
PIECE_BYTES = 1 << 18


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release", help="with the binary")
    parser.add_argument("--directory", type=pathlib.Path, help="for all files (default: the build's)")
    parser.add_argument("--mebibytes", type=int, nargs="+", default=[300], help="of the files, one load for each")
    parser.add_argument("--through", choices=["leader", "follower"], default="leader", help="whom to send it to")
    return parser.parse_args()


def make_file(path, mebibytes):
    """Text that compresses to about half, and an index. Left in WAL mode, the log taken in."""
    rows = (mebibytes << 20) // (ROW_BYTES + 70)
    with sqlite3.connect(path, isolation_level=None) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=OFF")
        database.execute("CREATE TABLE big(id INTEGER PRIMARY KEY, k INTEGER, v TEXT)")
        database.execute("BEGIN")
        database.execute(f"WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n WHERE x<{rows}) "
                         f"INSERT INTO big SELECT x, random(), hex(randomblob({ROW_BYTES // 2})) FROM n")
        database.execute("CREATE INDEX by_k ON big(k)")
        database.execute("COMMIT")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return rows


def resident_mebibytes(pid, field):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise LookupError(field)


class Witness(threading.Thread):
    """Reads and writes all the time, and looks at how much memory there is."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.nodes = list(cluster.nodes)
        self.leader = cluster.leader()
        self.is_done = threading.Event()
        self.reads, self.writes, self.failures = [], [], []
        self.peak = {node.name: 0.0 for node in self.nodes}

    def timed(self, kind, call):
        begun = time.perf_counter()
        try:
            call()
            kind.append(time.perf_counter() - begun)
        except Exception as error:  # whatever it was is the finding
            self.failures.append(repr(error))

    def run(self):
        others = [node for node in self.nodes if node is not self.leader]
        while not self.is_done.wait(0.05):
            self.timed(self.reads, lambda: others[0].query("SELECT count(*) FROM pulse", "level=linearizable"))
            self.timed(self.writes, lambda: self.leader.execute("UPDATE pulse SET n = n + 1"))
            for node in self.nodes:
                peak = resident_mebibytes(node.process.pid, "VmRSS")
                self.peak[node.name] = max(self.peak[node.name], peak)


def send(node, path):
    host, port = node.http_address.split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=900)
    connection.putrequest("POST", "/db/load")
    connection.putheader("Content-Type", "application/octet-stream")
    connection.putheader("Content-Length", str(path.stat().st_size))
    connection.endheaders()
    with open(path, "rb") as file:
        while piece := file.read(PIECE_BYTES):
            connection.send(piece)
    sent = time.perf_counter()
    response = connection.getresponse()
    return sent, response.status, response.read().decode()


def run(cluster, options, directory, mebibytes):
    path = directory / "load.db"
    rows = make_file(path, mebibytes)
    leader = cluster.leader()
    cluster.write("CREATE TABLE IF NOT EXISTS pulse(n)")
    cluster.write("INSERT INTO pulse VALUES(0)")
    term = leader.status("store.raft")["term"]
    witness = Witness(cluster)
    witness.start()
    begun = time.perf_counter()
    target = leader if options.through == "leader" else cluster.followers()[0]
    sent, status, text = send(target, path)
    ended = time.perf_counter()
    witness.is_done.set()
    witness.join()
    # After the load there is no pulse any more, which the last of the witness' requests may have seen.
    failures = [failure for failure in witness.failures if "no such table" not in failure]
    if status != 200 or "error" in text:
        sys.exit(f"{mebibytes} MiB: {status} {text}; also: {failures[:3]}")
    for node in cluster.nodes:
        found = node.query("SELECT count(*) FROM big", "level=linearizable")
        if found != [[rows]]:
            sys.exit(f"{node.name} has {found} rows instead of {rows}")
    kept = cluster.leader() is leader and leader.status("store.raft")["term"] == term
    size = path.stat().st_size / (1 << 20)
    peaks = " ".join(f"{witness.peak[node.name]:5.0f}" for node in cluster.nodes)
    print(f"{size:7.0f} | {sent - begun:6.1f} | {ended - begun:6.1f} | {peaks} | "
          f"{statistics.median(witness.reads) * 1000:5.0f} {max(witness.reads) * 1000:6.0f} | "
          f"{statistics.median(witness.writes) * 1000:5.0f} {max(witness.writes) * 1000:6.0f} | "
          f"{'kept' if kept else 'LOST'} | {len(failures)} {failures[:1] if failures else ''}", flush=True)
    path.unlink()


def main():
    options = parse_options()
    os.environ["QUORATE_BUILD_DIR"] = str(options.build)
    from cluster import Cluster  # after its environment is set

    parent = options.directory or options.build
    directory = pathlib.Path(tempfile.mkdtemp(prefix="load-bench-", dir=parent))
    print("    MiB |  sent s | done s | most MiB resident | read ms: median, most | write ms | leader | failures")
    try:
        for mebibytes in options.mebibytes:
            cluster = Cluster(directory)
            try:
                cluster.form(3)
                run(cluster, options, directory, mebibytes)
            finally:
                cluster.close()
                for node in cluster.nodes:
                    shutil.rmtree(node.data, ignore_errors=True)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
