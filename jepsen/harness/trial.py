"""One trial: a cluster, clients with a workload, a nemesis; then peace, and the verdict."""

import random
import threading

from cluster import QUORATE, wait_until

from .client import Client
from .history import History, judge
from .nemesis import Nemesis
from .switchboard import SwitchedCluster

CLIENTS = 6
NODES = 3


class Worker(threading.Thread):
    """One client, one operation after the other."""

    def __init__(self, trial, number):
        super().__init__(daemon=True, name=f"client {number}")
        self.trial = trial
        self.number = number
        self.random = random.Random(f"{trial.seed} client {number}")
        self.client = Client()
        self.history = trial.history
        self.latest_index = 0
        self.failure = None

    def run(self):
        try:
            while not self.is_over():
                refused = self.history.counts["refused"]
                self.trial.workload.step(self)
                # Those who are refused at once are in no hurry to be refused again.
                is_refused = self.history.counts["refused"] > refused
                self.trial.idle.wait(self.random.uniform(0.0, 0.04 if is_refused else 0.004))
        except BaseException as error:  # pylint: disable=broad-except
            self.failure = error
            self.trial.is_over.set()
        finally:
            self.client.close()

    def is_over(self):
        return self.trial.is_over.is_set()

    def somewhere(self):
        return self.random.choice(self.trial.cluster.nodes).http_address

    def note_index(self, answer):
        self.latest_index = max(self.latest_index, answer.index or 0)

    def take_read(self, operation, answer):
        """Ends the operation of a read that failed, which had no effect whatever happened. True: it succeeded."""
        if answer.is_ok and not answer.error():
            self.note_index(answer)
            return True
        self.history.end(operation, "refused", note=answer.error() or answer.note)
        return False

    def take_write(self, operation, answer):
        """Ends the operation of a write of one statement that was not acknowledged. True: it was."""
        if answer.is_ok and not answer.error():
            self.note_index(answer)
            return True
        self.history.end(operation, "refused" if answer.is_ok else answer.outcome, note=answer.error() or answer.note)
        return False


class Trial:
    def __init__(self, directory, workload, faults, seconds, seed):
        self.directory = directory
        self.seconds = seconds
        self.seed = seed
        self.faults = faults
        self.random = random.Random(f"{seed} trial")
        self.workload = workload(random.Random(f"{seed} workload"))
        self.history = History(directory / "history.jsonl")
        self.is_over = threading.Event()
        self.idle = threading.Event()  # never set: waiting for it is a pause
        self.cluster = SwitchedCluster(directory)
        # Checkpoints, and with them snapshots for those who fall behind, come often in some trials and never in others.
        self.options = ["-raft-snap", str(self.random.choice((50, 400, 1_000_000))),
                        "-transaction-idle-max", "1s", "-transaction-max", "5s"]

    def run(self):
        """Raises AssertionError with everything that is wrong."""
        try:
            self._play()
        finally:
            self.is_over.set()
            self.cluster.close()

    def _play(self):
        self.cluster.form(NODES, *self.options)
        for statement in self.workload.schema:
            self.cluster.write(statement, key=statement[:200])
        workers = [Worker(self, number) for number in range(1, CLIENTS + 1)]
        nemesis = Nemesis(self.cluster, self.faults, random.Random(f"{self.seed} nemesis"), self._progress,
                          self.is_over.set, self.directory / "nemesis.log")
        for worker in workers:
            worker.start()
        wait_until(self._progress(), "the clients to get going")
        if self.faults:
            nemesis.start()
        self.is_over.wait(self.seconds)
        if self.faults:
            nemesis.finish()
        self._heal(workers)
        final_index = self._last_reads(max(worker.latest_index for worker in workers))
        complaints = [*self.workload.complaints(), *self._differences(final_index), *self._crashes()]
        verdict = judge(QUORATE, self.history.path, self.workload.model)
        complaints += [verdict] if verdict else []
        print(f"{self.workload.name}: {self.history.counts}, faults: {nemesis.counts}, options: {self.options}")
        assert not complaints, "\n".join(complaints)

    def _progress(self):
        """A condition that holds once operations succeeded since now."""
        wanted = self.history.counts["ok"] + 10
        return lambda: self.history.counts["ok"] >= wanted or self.is_over.is_set()

    def _heal(self, workers):
        """Without faults everything must work again, by itself."""
        for node in self.cluster.nodes:
            node.wait_until_ready()
        wait_until(self._progress(), "operations to succeed after the faults")
        self.is_over.set()
        for worker in workers:
            worker.join()
        for worker in workers:
            if worker.failure is not None:
                raise worker.failure

    def _last_reads(self, latest_index):
        """What everybody can see in the end is part of the history: what is not there then was lost."""
        last = Worker(self, 0)
        last.latest_index = latest_index
        refused = self.history.counts["refused"]
        self.workload.finish(last)
        assert self.history.counts["refused"] == refused, "a read of a cluster without faults failed"
        self.history.close()
        last.client.close()
        return last.latest_index

    def _differences(self, index):
        """All replicas must hold the same."""
        found = []
        for sql in self.workload.contents:
            rows = {node.name: node.query(sql, f"level=none&min_index={index}") for node in self.cluster.nodes}
            first = self.cluster.nodes[0].name
            found += [f"{name} and {first} differ in {sql!r}:\n  {held}\n  {rows[first]}"
                      for name, held in rows.items() if held != rows[first]]
        return found

    def _crashes(self):
        return [f"{node.name} has ended by itself:\n{node.log_text()[-2000:]}"
                for node in self.cluster.nodes if not node.is_running()]
