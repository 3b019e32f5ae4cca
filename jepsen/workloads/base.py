"""What every workload is: tables, a step that one client does, and checks at the end."""

import itertools
import threading


class Keys:
    """A few keys at a time, each retired after a number of operations: what is searched for an order stays short."""

    def __init__(self, at_once, operations_each):
        self._operations_each = operations_each
        self._lock = threading.Lock()
        self._next = itertools.count()
        self._left = {next(self._next): operations_each for _ in range(at_once)}
        self.all = list(self._left)

    def pick(self, random):
        with self._lock:
            key = random.choice(list(self._left))
            self._left[key] -= 1
            if self._left[key] == 0:
                del self._left[key]
                fresh = next(self._next)
                self._left[fresh] = self._operations_each
                self.all.append(fresh)
            return key


class Workload:
    name = ""
    model = ""  # of `quorate check`
    schema = ()  # statements that make the tables
    contents = ()  # queries whose rows must be the same everywhere in the end

    def __init__(self, random):
        self.random = random
        self._values = itertools.count(1)
        self._lock = threading.Lock()

    def fresh_value(self):
        """Never used before: what is seen later tells who wrote it."""
        with self._lock:
            return next(self._values)

    def step(self, worker):
        """One operation of one client. `worker` has a client, a random generator, the history, and nodes to ask."""
        raise NotImplementedError

    def finish(self, worker):
        """After the faults, with all nodes up: last reads into the history."""

    def complaints(self):
        """What is wrong, of all that can be checked without searching for an order."""
        return []
