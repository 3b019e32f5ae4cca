"""Rows that are read, written, and compared and set. Reads are linearizable on any node; some are local ones at an
index that the client was told before, and must see the state at the index that their answer names."""

import bisect
import collections

from .base import Keys, Workload


class Register(Workload):
    name = "register"
    model = "cas-register"
    schema = ("CREATE TABLE registers(k INTEGER PRIMARY KEY, v INTEGER)",)
    contents = ("SELECT k, v FROM registers ORDER BY k",)

    def __init__(self, random):
        super().__init__(random)
        self.keys = Keys(4, 120)
        self.seen = {}  # key: a value that it held at some time, for compare and set to have a chance
        self.written_at = collections.defaultdict(list)  # key: (index, value) of acknowledged writes
        self.local_reads = []  # (key, value, index, asked for, where)

    def step(self, worker):
        key = self.keys.pick(worker.random)
        draw = worker.random.random()
        if draw < 0.35:
            self.read(worker, key, worker.random.choice(("linearizable", "linearizable", "strong")))
        elif draw < 0.5:
            self.read_at_index(worker, key)
        elif draw < 0.8:
            self.write(worker, key)
        else:
            self.compare_and_set(worker, key)

    def read(self, worker, key, level="linearizable"):
        operation = worker.history.invoke(worker.number, "get", key=key)
        answer = worker.client.query(worker.somewhere(), "SELECT v FROM registers WHERE k = ?", key,
                                     parameters=f"level={level}")
        if not worker.take_read(operation, answer):
            return
        value = answer.rows()[0][0] if answer.rows() else None
        self.seen[key] = value
        worker.history.complete(operation, answer, result=value)

    def read_at_index(self, worker, key):
        """Not part of the history: it may be old, but not older than the index, and no other than the log made it."""
        at_least = worker.latest_index
        node = worker.somewhere()
        answer = worker.client.query(node, "SELECT v FROM registers WHERE k = ?", key,
                                     parameters=f"level=none&min_index={at_least}")
        if answer.is_ok and not answer.error():
            value = answer.rows()[0][0] if answer.rows() else None
            self.local_reads.append((key, value, answer.index, at_least, node))

    def write(self, worker, key):
        value = self.fresh_value()
        operation = worker.history.invoke(worker.number, "put", key=key, value=value)
        answer = worker.client.execute(
            worker.somewhere(),
            ["INSERT INTO registers VALUES(?, ?) ON CONFLICT(k) DO UPDATE SET v = excluded.v", key, value])
        if worker.take_write(operation, answer):
            self.note_write(worker, key, value, answer)
            worker.history.complete(operation, answer)

    def compare_and_set(self, worker, key):
        expected, value = self.seen.get(key), self.fresh_value()
        operation = worker.history.invoke(worker.number, "cas", key=key, expected=expected, value=value)
        if expected is None:
            statement = ["INSERT INTO registers VALUES(?, ?) ON CONFLICT DO NOTHING", key, value]
        else:
            statement = ["UPDATE registers SET v = ? WHERE k = ? AND v = ?", value, key, expected]
        answer = worker.client.execute(worker.somewhere(), statement)
        if worker.take_write(operation, answer):
            succeeded = answer.results[0].get("rows_affected", 0) == 1
            if succeeded:
                self.note_write(worker, key, value, answer)
            worker.history.complete(operation, answer, result=succeeded)

    def note_write(self, worker, key, value, answer):
        self.seen[key] = value
        self.written_at[key].append((answer.index, value))

    def finish(self, worker):
        for key in self.keys.all:
            self.read(worker, key)

    def complaints(self):
        found = []
        for key, writes in self.written_at.items():
            writes.sort()
        for key, value, index, at_least, node in self.local_reads:
            if index is None or index < at_least:
                found.append(f"{node} was asked for the state at {at_least} or later and answered with that at {index}")
                continue
            writes = self.written_at[key]
            own = next((at for at, written in writes if written == value), None)
            if own is not None and own > index:
                found.append(f"{node} showed value {value} of key {key} at {index}, before it was written at {own}")
            # Several writes of one entry share its index: only those strictly between the two are known to hide it.
            later = bisect.bisect_left(writes, (index,))
            hiding = next((write for write in writes[:later] if own is not None and write[0] > own), None)
            if hiding or (value is None and later > 0):
                found.append(f"{node} showed value {value} of key {key} at {index}, and hid {hiding or writes[0]}")
        return found
