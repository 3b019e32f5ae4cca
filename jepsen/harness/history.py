"""Histories in the project's format (docs/histories.md), written line by line as operations end, and their judge."""

import dataclasses
import itertools
import json
import subprocess
import threading
import time


@dataclasses.dataclass
class Operation:
    number: int
    client: int
    call: int
    action: dict


class History:
    def __init__(self, path):
        self.path = path
        self._file = open(path, "w", encoding="utf-8")
        self._lock = threading.Lock()
        self._open = {}
        self._numbers = itertools.count()
        self.counts = {"ok": 0, "refused": 0, "unknown": 0}
        self._write({"format": "quorate-history", "version": 1})

    def invoke(self, client, op, **fields):
        operation = Operation(next(self._numbers), client, time.monotonic_ns(), {"op": op, **fields})
        with self._lock:
            self._open[operation.number] = operation
        return operation

    def complete(self, operation, answer, **fields):
        """The operation ends as the answer says; the fields are what it saw, and count only if it is ok."""
        self.end(operation, answer.outcome, answer.index, answer.note, **fields)

    def end(self, operation, outcome, index=None, note="", **fields):
        returned = time.monotonic_ns()
        with self._lock:
            del self._open[operation.number]
            self.counts[outcome] += 1
        line = {"client": operation.client, "call": operation.call, "return": returned, **operation.action,
                "outcome": outcome}
        if outcome == "ok":
            line.update(fields)
            if index is not None:
                line["index"] = index
        else:
            if outcome == "unknown":
                line["return"] = None
            line["note"] = note
        self._write(line)

    def close(self):
        """What never ended may still take effect."""
        for operation in list(self._open.values()):
            self.end(operation, "unknown", note="the test ended")
        self._file.close()

    def _write(self, line):
        text = json.dumps(line) + "\n"
        with self._lock:
            self._file.write(text)


def judge(quorate, path, model, timeout_seconds=120):
    """None if the history is linearizable; otherwise what `quorate check` says about it."""
    done = subprocess.run([quorate, "check", path, "--model", model, "--timeout", f"{timeout_seconds}s"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return None if done.returncode == 0 else f"quorate check ends with {done.returncode}:\n{done.stdout}"
