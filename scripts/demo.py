#!/usr/bin/env python3
"""Writes to the cluster of scripts/run without a pause, kills its leader with SIGKILL in the middle, and shows for how
long nothing could be written and that nothing acknowledged was lost. Run by scripts/run --demo."""

import argparse
import http.client
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import uuid

SECONDS_BEFORE = 2.0
SECONDS_AFTER = 2.0
DEADLINE_SECONDS = 60.0


class Node:
    def __init__(self, data, line):
        self.name, http_port, raft_port = line.split()
        self.port, self.raft_port = int(http_port), int(raft_port)
        self.pid_file = data / f"{self.name}.pid"

    def ask(self, method, path, body=None, headers=None, timeout=5.0):
        """The status and the decoded answer. Raises OSError or HTTPException if there is none."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body and json.dumps(body), headers or {})
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        try:
            return response.status, json.loads(text)
        except ValueError:
            return response.status, text


class Writer(threading.Thread):
    """Inserts numbers one after the other, each until it is acknowledged, whichever node takes it. As a client does, it
    stays with the node that has answered, and goes to the next one when that fails."""

    def __init__(self, nodes):
        super().__init__(daemon=True)
        self.nodes = nodes
        self.asked = 0  # position of the node that answered last
        self.acknowledged = []  # (number, time of the acknowledgement)
        self.retries = 0
        self.stopping = threading.Event()

    def run(self):
        number = 0
        while not self.stopping.is_set():
            number += 1
            self.write(number)

    def write(self, number):
        # The same key for every attempt: the row is inserted once, however often the insertion is repeated.
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        while True:
            try:
                status, answer = self.nodes[self.asked].ask("POST", "/db/execute?timeout=2s",
                                                            [["INSERT INTO demo(number) VALUES(?)", number]], headers)
                if status == 200 and "error" not in answer["results"][0]:
                    self.acknowledged.append((number, time.monotonic()))
                    return
            except (OSError, http.client.HTTPException):
                pass
            self.retries += 1
            self.asked = (self.asked + 1) % len(self.nodes)
            time.sleep(0.002)


def wait_for(what, condition):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        try:
            found = condition()
            if found:
                return found
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(0.02)
    sys.exit(f"scripts/run --demo: waited in vain for {what}")


def leader_of(nodes):
    for node in nodes:
        try:
            status, answer = node.ask("GET", "/leader", timeout=1.0)
            if status == 200:
                return next(one for one in nodes if one.name == answer["id"])
        except (OSError, http.client.HTTPException):
            pass
    return None


def restart(quorate, data, node, nodes):
    join = [] if node is nodes[0] else ["-join", f"127.0.0.1:{nodes[0].raft_port}"]
    with open(data / f"{node.name}.log", "ab") as log:
        process = subprocess.Popen([quorate, "node", "-node-id", node.name, "-http-addr", f"127.0.0.1:{node.port}",
                                    "-raft-addr", f"127.0.0.1:{node.raft_port}", *join, str(data / node.name)],
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    node.pid_file.write_text(f"{process.pid}\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quorate", required=True)
    parser.add_argument("--data", required=True, type=pathlib.Path)
    options = parser.parse_args()
    nodes = [Node(options.data, line) for line in (options.data / "nodes").read_text().splitlines()]
    if len(nodes) < 3:
        sys.exit("scripts/run --demo: a cluster of fewer than three nodes does not survive the loss of one; "
                 "scripts/run --wipe, then scripts/run --nodes 3 --demo")

    wait_for("a leader", lambda: leader_of(nodes))
    nodes[0].ask("POST", "/db/execute?transaction", ["DROP TABLE IF EXISTS demo",
                                                     "CREATE TABLE demo(number INTEGER NOT NULL)"])
    print("Writing rows, one after the other, each until it is acknowledged ...")
    writer = Writer(nodes)
    writer.start()
    time.sleep(SECONDS_BEFORE)

    victim = wait_for("a leader", lambda: leader_of(nodes))
    print(f"{len(writer.acknowledged)} rows are acknowledged. Killing the leader, {victim.name}, with SIGKILL ...")
    killed_at = time.monotonic()
    os.kill(int(victim.pid_file.read_text()), signal.SIGKILL)
    back_at = wait_for("a write after the kill",
                       lambda: next((at for _, at in writer.acknowledged[-1000:] if at > killed_at + 0.001), None))
    successor = wait_for("another leader", lambda: (found := leader_of(nodes)) and found is not victim and found)
    pause_ms = 1000 * (back_at - killed_at)
    print(f"{successor.name} leads now. The next write was acknowledged {pause_ms:.0f} ms after the kill.")

    time.sleep(SECONDS_AFTER)
    print(f"Starting {victim.name} again ...")
    restart(options.quorate, options.data, victim, nodes)
    wait_for(f"{victim.name}", lambda: victim.ask("GET", "/readyz?sync")[0] == 200)
    writer.stopping.set()
    writer.join()

    failed = False
    acknowledged = [number for number, _ in writer.acknowledged]
    print(f"{len(acknowledged)} rows were acknowledged, {writer.retries} attempts had to be repeated. "
          f"Reading them from every node:")
    for node in nodes:
        _, answer = node.ask("GET", "/db/query?level=linearizable&q=SELECT+number+FROM+demo", timeout=30.0)
        stored = [row[0] for row in answer["results"][0]["values"]]
        lost, repeated = set(acknowledged) - set(stored), len(stored) - len(set(stored))
        failed = failed or bool(lost) or repeated > 0
        print(f"  {node.name}: {len(stored)} rows, {len(lost)} lost, {repeated} repeated")
    sys.exit("scripts/run --demo: this must not happen" if failed else 0)


if __name__ == "__main__":
    main()
