"""Lists that grow: single appends, and transactions of reads and appends over two lists, in one request or
interactively over several. What a transaction read must be what it found when it took effect."""

from .base import Keys, Workload

APPEND = "INSERT INTO lists VALUES(?, ?) ON CONFLICT(k) DO UPDATE SET elements = elements || ',' || excluded.elements"
READ = "SELECT elements FROM lists WHERE k = ?"


def elements_of(rows):
    return [int(element) for element in str(rows[0][0]).split(",")] if rows else []


class Append(Workload):
    name = "append"
    model = "list"
    schema = ("CREATE TABLE lists(k INTEGER PRIMARY KEY, elements TEXT)",)
    contents = ("SELECT k, elements FROM lists ORDER BY k",)

    def __init__(self, random):
        super().__init__(random)
        self.pairs = Keys(3, 60)
        self.appended = {}  # element: outcome
        self.final = {}  # key: elements

    def step(self, worker):
        pair = self.pairs.pick(worker.random)
        keys = [2 * pair, 2 * pair + 1]
        draw = worker.random.random()
        if draw < 0.3:
            self.read(worker, worker.random.choice(keys))
        elif draw < 0.6:
            self.transact(worker, [("append", worker.random.choice(keys))])
        else:
            actions = [(worker.random.choice(("get", "append")), key) for key in worker.random.choices(keys, k=2)]
            actions.append(("append", worker.random.choice(keys)))
            self.transact(worker, actions, self.in_one_request if draw < 0.85 else self.interactively)

    def read(self, worker, key):
        operation = worker.history.invoke(worker.number, "get", key=key)
        answer = worker.client.query(worker.somewhere(), READ, key)
        if worker.take_read(operation, answer):
            worker.history.complete(operation, answer, result=elements_of(answer.rows()))
            return elements_of(answer.rows())
        return None

    def transact(self, worker, actions, how=None):
        ops = [{"op": op, "key": key} for op, key in actions]
        for op in ops:
            if op["op"] == "append":
                op["value"] = self.fresh_value()
        statements = [[APPEND, op["key"], str(op["value"])] if "value" in op else [READ, op["key"]] for op in ops]
        operation = worker.history.invoke(worker.number, "txn", ops=ops)
        outcome, note, rows, index = (how or self.in_one_request)(worker, statements)
        if outcome == "ok":
            operation.action["ops"] = [
                op | ({"result": elements_of(seen)} if op["op"] == "get" else {}) for op, seen in zip(ops, rows)]
        worker.history.end(operation, outcome, index, note)
        for op in ops:
            if op["op"] == "append":
                self.appended[op["value"]] = outcome

    @staticmethod
    def in_one_request(worker, statements):
        """The outcome, why, the rows that each statement yielded, and the index."""
        answer = worker.client.request(worker.somewhere(), *statements, parameters="transaction")
        if answer.is_ok and answer.error():
            return "refused", answer.error(), [], None
        worker.note_index(answer)
        return answer.outcome, answer.note, [result.get("values", []) for result in answer.results], answer.index

    @staticmethod
    def interactively(worker, statements):
        begun = worker.client.ask(worker.somewhere(), "POST", "/db/begin?timeout=1s")
        if not begun.is_ok:
            return "refused", begun.note, [], None  # whatever was begun is not committed
        token = begun.body["transaction"]
        rows = []
        for statement in statements:
            answer = worker.client.request(worker.somewhere(), statement, parameters=f"tx={token}")
            if not answer.is_ok or answer.error():
                worker.client.ask(worker.somewhere(), "POST", f"/db/rollback?timeout=1s&tx={token}")
                return "refused", answer.error() or answer.note, [], None
            rows.append(answer.rows())
        committed = worker.client.ask(worker.somewhere(), "POST", f"/db/commit?timeout=1s&tx={token}")
        if committed.is_ok and (committed.error() or (committed.body or {}).get("error")):
            return "refused", str(committed.body), [], None
        worker.note_index(committed)
        return committed.outcome, committed.note, rows, committed.index

    def finish(self, worker):
        for pair in self.pairs.all:
            for key in (2 * pair, 2 * pair + 1):
                self.final[key] = self.read(worker, key) or []

    def complaints(self):
        found = []
        everywhere = [element for elements in self.final.values() for element in elements]
        present = set(everywhere)
        if len(present) != len(everywhere):
            found.append(f"appended twice: {sorted(element for element in present if everywhere.count(element) > 1)}")
        lost = [element for element, outcome in self.appended.items() if outcome == "ok" and element not in present]
        if lost:
            found.append(f"acknowledged and lost: {lost}")
        ghosts = [element for element, outcome in self.appended.items() if outcome == "refused" and element in present]
        if ghosts:
            found.append(f"refused and there all the same: {ghosts}")
        return found
