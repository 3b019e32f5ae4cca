#!/usr/bin/env python3
"""Backs a large database up while writers are at work, and tells how long it takes, how much memory the node has at
most, and what the writers notice of it. Prints a table: a line without any backup first, then one for each kind.

    cmake --preset release && cmake --build --preset release --target quorate
    bench/backup_bench.py --mebibytes 1024

  http     GET /db/backup, read as fast as it comes
  gzip     the same with compress
  auto     the leader's automatic backup to a file, packed with gzip

The nodes, their disks, the writers and whoever takes the backup share the machine."""

import argparse
import http.client
import json
import os
import pathlib
import shutil
import sys
import tempfile
import threading
import time

from load_bench import ROOT, make_file, resident_mebibytes, send

sys.path.insert(0, str(ROOT / "tests" / "e2e"))
PIECE_BYTES = 1 << 18


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release", help="with the binary")
    parser.add_argument("--directory", type=pathlib.Path, help="for all files (default: the build's)")
    parser.add_argument("--mebibytes", type=int, default=1024, help="of the database")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--writers", type=int, default=8, help="connections that write")
    parser.add_argument("--pause-ms", type=float, default=5, help="between two writes of one of them")
    parser.add_argument("--seconds", type=float, default=15, help="how long the writers are watched without a backup")
    parser.add_argument("--kinds", nargs="+", choices=["http", "gzip", "auto"], default=["http", "gzip", "auto"])
    return parser.parse_args()


class Writer(threading.Thread):
    """One connection that updates a row of its own, and inserts one, over and over."""

    def __init__(self, node, number, pause_seconds):
        super().__init__(daemon=True)
        self.host, self.port = node.http_address.split(":")
        self.body = json.dumps(["INSERT INTO pulse(writer, n) VALUES(?, 1)".replace("?", str(number))])
        self.pause_seconds = pause_seconds
        self.is_done = threading.Event()
        self.times = []  # (when, how long)
        self.failures = []

    def run(self):
        connection = http.client.HTTPConnection(self.host, int(self.port), timeout=60)
        while not self.is_done.wait(self.pause_seconds):
            begun = time.perf_counter()
            try:
                connection.request("POST", "/db/execute", self.body)
                response = connection.getresponse()
                text = response.read()
                if response.status != 200 or b"error" in text:
                    self.failures.append(f"{response.status} {text[:100]}")
                self.times.append((begun, time.perf_counter() - begun))
            except OSError as error:
                self.failures.append(repr(error))
                connection.close()
        connection.close()


class Memory(threading.Thread):
    def __init__(self, node):
        super().__init__(daemon=True)
        self.pid = node.process.pid
        self.is_done = threading.Event()
        self.most = 0.0

    def run(self):
        while not self.is_done.wait(0.02):
            self.most = max(self.most, resident_mebibytes(self.pid, "VmRSS"))


def take_backup(node, query):
    host, port = node.http_address.split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=900)
    connection.request("GET", f"/db/backup{query}")
    response = connection.getresponse()
    total = 0
    while piece := response.read(PIECE_BYTES):
        total += len(piece)
    connection.close()
    if response.status != 200 or total == 0:
        sys.exit(f"backup: {response.status}")
    return total


def wait_for_automatic(node, directory):
    """From the moment at which the unfinished file is there until it is a backup."""
    def count():
        return node.get("/debug/vars?key=uploader").json()["uploader"]["num_uploads_ok"]
    before = count()
    while not any(directory.glob(".*.part")):
        time.sleep(0.005)
    begun = time.perf_counter()
    while count() == before:
        time.sleep(0.05)
    return begun, node.status("auto_backups.last_upload_bytes")


def percentile(times, share):
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000 if ordered else float("nan")


def observe(node, writers, name, act):
    """Calls `act`, which returns when it begun, and how many bytes came out, and prints what happened meanwhile."""
    memory = Memory(node)
    idle = resident_mebibytes(node.process.pid, "VmRSS")
    memory.start()
    begun, size = act()
    ended = time.perf_counter()
    memory.is_done.set()
    memory.join()
    times = [took for writer in writers for when, took in list(writer.times) if begun <= when <= ended]
    failures = sum(len(writer.failures) for writer in writers)
    print(f"{name:5} | {ended - begun:6.1f} | {size / (1 << 20):6.0f} | {idle:6.0f} {memory.most:6.0f} | "
          f"{len(times) / (ended - begun):7.0f} | {percentile(times, 0.5):6.2f} {percentile(times, 0.99):6.2f} "
          f"{max(times, default=0) * 1000:7.1f} | {failures}", flush=True)


def run(cluster, options, kinds, directory, backups):
    path = directory / "load.db"
    make_file(path, options.mebibytes)
    leader = cluster.leader()
    _, status, text = send(leader, path)
    if status != 200 or "error" in text:
        sys.exit(f"load: {status} {text}")
    path.unlink()
    leader.execute("CREATE TABLE pulse(id INTEGER PRIMARY KEY, writer INTEGER, n INTEGER)")
    leader.post("/snapshot", timeout=600)
    writers = [Writer(leader, number, options.pause_ms / 1000) for number in range(options.writers)]
    for writer in writers:
        writer.start()

    def nothing():
        begun = time.perf_counter()
        time.sleep(options.seconds)
        return begun, 0

    def asked(query):
        begun = time.perf_counter()
        return begun, take_backup(leader, query)

    observe(leader, writers, "none", nothing)
    acts = {"http": lambda: asked(""), "gzip": lambda: asked("?compress"),
            "auto": lambda: wait_for_automatic(leader, backups)}
    for kind in kinds:
        observe(leader, writers, kind, acts[kind])
    for writer in writers:
        writer.is_done.set()
    for writer in writers:
        writer.join()


def main():
    options = parse_options()
    os.environ["QUORATE_BUILD_DIR"] = str(options.build)
    from cluster import Cluster  # after its environment is set

    parent = options.directory or options.build
    directory = pathlib.Path(tempfile.mkdtemp(prefix="backup-bench-", dir=parent))
    backups = directory / "backups"
    backups.mkdir()
    settings = directory / "backup.json"
    settings.write_text(json.dumps({"version": 1, "type": "file", "interval": f"{options.seconds + 30}s",
                                    "sub": {"dir": str(backups), "name": "db.gz"}}))
    asked_for = [kind for kind in options.kinds if kind != "auto"]
    by_itself = [kind for kind in options.kinds if kind == "auto"]
    print("      | done s |    MiB | MiB before, most | writes/s | write ms: median, p99, most | failures")
    try:
        for kinds, flags in ((asked_for, []), (by_itself, ["-auto-backup", str(settings)])):
            if not kinds:
                continue
            cluster = Cluster(directory)
            try:
                cluster.form(options.nodes, *flags)
                run(cluster, options, kinds, directory, backups)
            finally:
                cluster.close()
                for node in cluster.nodes:
                    shutil.rmtree(node.data, ignore_errors=True)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
