#!/usr/bin/env python3
"""Measures a real cluster on loopback: what `quorate bench` says of it, the processor time that it takes, for how long
nobody can write when the leader dies or goes, and what being idle costs. Prints a table; --json writes the figures.

    cmake --preset release && cmake --build --preset release --target quorate
    bench/cluster_bench.py --json build/cluster.json

The load generator and the nodes share the machine. Figures of a busy one mean little; the table says how busy it is."""

import argparse
import contextlib
import http.client
import json
import os
import pathlib
import resource
import selectors
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
RETRY_SECONDS = 0.001


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release", help="with the binary")
    parser.add_argument("--directory", type=pathlib.Path, help="for the nodes' data (default: the build's)")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each run of a load")
    parser.add_argument("--runs", type=int, default=3, help="of each load; the medians are reported")
    parser.add_argument("--kills", type=int, default=30, help="of leaders, and stops of leaders")
    parser.add_argument("--idle-connections", type=int, default=10000)
    parser.add_argument("--only", default="", help="parts to run: load, failover, idle (default: all)")
    parser.add_argument("--json", type=pathlib.Path, help="write the figures there")
    return parser.parse_args()


# --- loads ---

def raw_appends_per_second(directory, seconds=1.5):
    """128 bytes appended to a file that is large enough, fdatasync, and so on: what one writer can have at best."""
    path = directory / "raw"
    with open(path, "wb", buffering=0) as file:
        os.posix_fallocate(file.fileno(), 0, 64 << 20)
        os.fsync(file.fileno())
        block, count, begin = b"x" * 128, 0, time.perf_counter()
        while (passed := time.perf_counter() - begin) < seconds:
            file.write(block)
            os.fdatasync(file.fileno())
            count += 1
    path.unlink()
    return count / passed


def cpu_seconds(pid):
    """Of all threads that the process has and had, to the clock tick."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


class Loads:
    def __init__(self, quorate, cluster, options):
        self.quorate = quorate
        self.cluster = cluster
        self.options = options

    def once(self, arguments):
        """What quorate bench measured at the leader, with the nodes' and its own processor time per answer."""
        command = [self.quorate, "bench", "--host", self.cluster.leader().http_address, "--seconds",
                   str(self.options.seconds), "--warm-up", "0", "--skip-prepare", "--json", *arguments]
        before = [cpu_seconds(node.process.pid) for node in self.cluster.nodes]
        own = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        own_after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = [cpu_seconds(node.process.pid) - at for node, at in zip(self.cluster.nodes, before)]
        found = json.loads(done.stdout)
        if done.returncode != 0:
            sys.exit(f"{command} had errors: {found.get('errors')}")
        kind = found["writes"] if found["writes"]["count"] else found["reads"]
        generator = (own_after.ru_utime + own_after.ru_stime) - (own.ru_utime + own.ru_stime)
        return {name: kind[name] for name in ("per_second", "p50_ms", "p99_ms", "p999_ms")} | {
            "cpu_us": 1e6 * sum(spent) / kind["count"], "leader_cpu_us": 1e6 * max(spent) / kind["count"],
            "generator_cpu_us": 1e6 * generator / kind["count"]}

    def medians(self, *arguments):
        runs = [self.once(arguments) for _ in range(self.options.runs)]
        return {name: statistics.median(run[name] for run in runs) for name in runs[0]}

    def run(self):
        subprocess.run([self.quorate, "bench", "--host", self.cluster.leader().http_address, "--seconds", "2",
                        "--warm-up", "0", "--writes", "50", "--json"], stdout=subprocess.DEVNULL, check=True)
        raw = raw_appends_per_second(self.cluster.directory)
        many = ("--connections", "64")
        reads = (*many, "--writes", "0", "--level")
        queued = ("--path", "/db/execute?queue")
        return {
            "raw fdatasync appends": {"per_second": raw},
            "POST that does nothing, 64 connections": self.medians(*many, "--path", "/nothing"),
            "GET that does nothing, 64 connections": self.medians(*many, "--path", "/nothing", "--method", "GET"),
            "INSERT, 1 connection": self.medians("--connections", "1"),
            "INSERT, 64 connections": self.medians(*many),
            "INSERT, 64 connections x 8 pipelined": self.medians(*many, "--pipeline", "8"),
            "queued INSERT, 64 connections": self.medians(*many, *queued),
            "queued INSERT, 64 connections x 8 pipelined": self.medians(*many, *queued, "--pipeline", "8"),
            "point reads, weak, 64 connections": self.medians(*reads, "weak"),
            "point reads, linearizable, 64 connections": self.medians(*reads, "linearizable"),
        }


def judge_loads(found):
    """The aims (issue 3), as ratios within the same minutes of the same machine."""
    rate = {name: figures["per_second"] for name, figures in found.items()}
    post, get = rate["POST that does nothing, 64 connections"], rate["GET that does nothing, 64 connections"]
    many = rate["INSERT, 64 connections"]
    return [
        ("INSERT 1 connection / raw appends", rate["INSERT, 1 connection"] / rate["raw fdatasync appends"], ">=", 0.2),
        ("INSERT 64 / POST that does nothing", many / post, ">=", 0.35),
        ("INSERT 64 x 8 / INSERT 64", rate["INSERT, 64 connections x 8 pipelined"] / many, ">=", 2.0),
        ("weak reads / GET that does nothing", rate["point reads, weak, 64 connections"] / get, ">=", 0.5),
        ("linearizable reads / GET that does nothing", rate["point reads, linearizable, 64 connections"] / get, ">=",
         0.4),
        ("INSERT 64: CPU us per write, all nodes", found["INSERT, 64 connections"]["cpu_us"], "<=", 60.0),
        ("INSERT 64: p99 ms", found["INSERT, 64 connections"]["p99_ms"], "<=", 15.0),
    ]


# --- leaders that die or go ---

class Writer:
    """One write after the other, on one connection; elsewhere at once if that fails."""

    def __init__(self, nodes):
        self.nodes = nodes
        self.connection = None
        self.at = 0

    def write(self):
        """One attempt at the node at hand; whether it was acknowledged."""
        try:
            if self.connection is None:
                host, port = self.nodes[self.at].http_address.split(":")
                self.connection = http.client.HTTPConnection(host, int(port), timeout=5)
                self.connection.connect()
                self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connection.request("POST", "/db/execute?timeout=1s", b'["INSERT INTO failover(v) VALUES(1)"]')
            response = self.connection.getresponse()
            return response.status == 200 and b'"error"' not in response.read()
        except (OSError, http.client.HTTPException):
            self.close()
            return False

    def write_until(self, deadline):
        while time.perf_counter() < deadline:
            assert self.write()

    def write_or_go_on(self):
        """Until a write is acknowledged, wherever; when it was."""
        while not self.write():
            self.close()
            self.at = (self.at + 1) % len(self.nodes)
            time.sleep(RETRY_SECONDS)
        return time.perf_counter()

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None


def settle(cluster):
    for node in cluster.nodes:
        node.wait_until_ready()
    return cluster.leader()


def outages(cluster, count, end_leader):
    """Milliseconds from the end of a leader to the next write that another one acknowledges."""
    found = []
    for number in range(count):
        leader = settle(cluster)
        writer = Writer([node for node in cluster.nodes if node is not leader])
        writer.at = number % len(writer.nodes)
        writer.write_until(time.perf_counter() + 0.1 + 0.01 * (number % 7))
        begin = time.perf_counter()
        end_leader(leader)
        found.append(1000 * (writer.write_or_go_on() - begin))
        writer.close()
        leader.process.wait()
        leader.start()
    return found


def spread(values):
    ordered = sorted(values)
    return {"median_ms": statistics.median(ordered), "p90_ms": ordered[int(0.9 * (len(ordered) - 1))],
            "max_ms": ordered[-1], "all_ms": [round(value, 1) for value in values]}


def failover(cluster, options):
    settle(cluster)
    cluster.write("CREATE TABLE IF NOT EXISTS failover(v)")
    return {"kill -9 of the leader": spread(outages(cluster, options.kills, lambda node: node.process.kill())),
            "SIGTERM to the leader": spread(outages(cluster, options.kills, lambda node: node.process.terminate()))}


# --- idleness ---

def resident_mib(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def idle(cluster, options, seconds=10.0):
    settle(cluster)
    nodes = cluster.nodes
    before = [cpu_seconds(node.process.pid) for node in nodes]
    time.sleep(seconds)
    percent = [100 * (cpu_seconds(node.process.pid) - at) / seconds for node, at in zip(nodes, before)]
    found = {"resident MiB, most of all nodes": max(resident_mib(node.process.pid) for node in nodes),
             "CPU %, most of all nodes": max(percent)}
    if options.idle_connections == 0:
        return found

    node, count = nodes[0], options.idle_connections
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if limit < count + 100:
        print(f"only {limit} descriptors are allowed here: fewer connections are opened", file=sys.stderr)
        count = limit - 100
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    resident = resident_mib(node.process.pid)
    host, port = node.http_address.split(":")
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.create_connection((host, int(port)))) for _ in range(count)]
        for connection in held[:: max(1, count // 100)]:  # some are used once: they are kept alive
            connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: node\r\n\r\n")
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        assert node.query("SELECT 1", "level=linearizable") == [[1]]
        selector = stack.enter_context(contextlib.closing(selectors.DefaultSelector()))
        for connection in held:
            selector.register(connection, selectors.EVENT_READ)
        closed = len(selector.select(timeout=0.5))
        more = resident_mib(node.process.pid) - resident
    return found | {"idle connections held": count - closed, "KiB per idle connection": 1024 * more / count}


# --- the table ---

def show(what, figures):
    print(f"\n{what}", flush=True)
    for name, value in figures.items():
        if isinstance(value, dict):
            parts = [f"{key.replace('_', ' ')} {figure:,.{2 if figure < 100 else 0}f}"
                     for key, figure in value.items() if not isinstance(figure, list)]
            print(f"  {name:<44}" + "   ".join(parts))
        else:
            print(f"  {name:<44}{value:,.2f}")


def main():
    options = parse_options()
    os.environ["QUORATE_BUILD_DIR"] = str(options.build)
    from cluster import Cluster, QUORATE  # pylint: disable=import-outside-toplevel
    directory = options.directory or options.build
    parts = {part for part in options.only.split(",") if part} or {"idle", "load", "failover"}
    found = {}

    def measured(what, figures):
        found[what] = figures
        show(what, figures)

    measured("before", {"processors": os.cpu_count(), "load average": os.getloadavg()[0]})
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cluster-bench-", dir=directory))
    cluster = Cluster(folder)
    try:
        cluster.form(options.nodes)
        if "idle" in parts:
            measured("idle", idle(cluster, options))
        if "load" in parts:
            measured("load", Loads(QUORATE, cluster, options).run())
        if "failover" in parts:
            measured("failover", failover(cluster, options))
    finally:
        cluster.close()
        shutil.rmtree(folder)
    measured("after", {"load average": os.getloadavg()[0]})
    if "load" in found:
        print("\naims")
        for what, value, sign, aim in judge_loads(found["load"]):
            is_met = value >= aim if sign == ">=" else value <= aim
            print(f"  {what:<44}{value:,.2f}   {sign} {aim:g}: {'met' if is_met else 'missed'}")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
