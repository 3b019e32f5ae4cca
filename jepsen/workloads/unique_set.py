"""Inserts, each repeated with its Idempotency-Key until it is acknowledged: each must be there once, however often it
was sent and whoever led, and every repetition must get the first answer."""

import collections
import time
import uuid

from .base import Keys, Workload

READ = "SELECT element FROM elements WHERE k = ? ORDER BY element"
INSIST_SECONDS = 4.0


class UniqueSet(Workload):
    name = "set"
    model = "set"
    # No constraint keeps an element from being there twice.
    schema = ("CREATE TABLE elements(id INTEGER PRIMARY KEY AUTOINCREMENT, k INTEGER, element INTEGER)",
              "CREATE INDEX elements_by_k ON elements(k, element)")
    contents = ("SELECT id, k, element FROM elements ORDER BY id",)

    def __init__(self, random):
        super().__init__(random)
        self.keys = Keys(3, 80)
        self.inserted = {}  # element: (outcome, rowid that was answered)
        self.stored = {}  # element: rowid
        self.found = []

    def step(self, worker):
        key = self.keys.pick(worker.random)
        if worker.random.random() < 0.3:
            self.read(worker, key)
        else:
            self.insert(worker, key)

    def read(self, worker, key):
        operation = worker.history.invoke(worker.number, "get", key=key)
        answer = worker.client.query(worker.somewhere(), READ, key)
        if not worker.take_read(operation, answer):
            return
        elements = [row[0] for row in answer.rows()]
        twice = [element for element, count in collections.Counter(elements).items() if count > 1]
        if twice:
            self.found.append(f"inserted more than once: {twice}")
        worker.history.complete(operation, answer, result=sorted(set(elements)))

    def insert(self, worker, key):
        element = self.fresh_value()
        statement = ["INSERT INTO elements(k, element) VALUES(?, ?)", key, element]
        idempotency_key = str(uuid.UUID(int=worker.random.getrandbits(128)))
        operation = worker.history.invoke(worker.number, "add", key=key, value=element)
        was_unknown = False
        give_up_at = time.monotonic() + INSIST_SECONDS
        while True:
            answer = worker.client.execute(worker.somewhere(), statement, key=idempotency_key)
            was_unknown = was_unknown or answer.outcome == "unknown"
            if answer.is_ok or time.monotonic() > give_up_at or worker.is_over():
                break
        # An attempt that was refused takes nothing back of what an earlier one may have done.
        if not answer.is_ok:
            outcome = "unknown" if was_unknown else "refused"
            self.inserted[element] = (outcome, None)
            worker.history.end(operation, outcome, note=answer.note)
            return
        if answer.error():
            raise AssertionError(f"{statement} failed: {answer.error()}")
        self.inserted[element] = ("ok", answer.results[0]["last_insert_id"])
        # The index is that of the repetition, which found the answer there.
        worker.history.end(operation, "ok", None if was_unknown else answer.index, answer.note)
        worker.note_index(answer)
        if worker.random.random() < 0.2:
            again = worker.client.execute(worker.somewhere(), statement, key=idempotency_key)
            if again.is_ok and again.results != answer.results:
                self.found.append(f"{statement} was answered with {answer.results}, then with {again.results}")

    def finish(self, worker):
        for key in self.keys.all:
            self.read(worker, key)
        self.stored = {element: row for row, element in
                       worker.client.query(worker.somewhere(), "SELECT id, element FROM elements").rows()}

    def complaints(self):
        for element, (outcome, row) in self.inserted.items():
            if outcome == "ok" and self.stored.get(element) != row:
                self.found.append(f"element {element}, acknowledged as row {row}, is row {self.stored.get(element)}")
            if outcome == "refused" and element in self.stored:
                self.found.append(f"element {element} was refused, and is there")
        return self.found
