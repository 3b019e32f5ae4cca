"""Transfers between accounts, each with a line in a ledger, as one request or as an interactive transaction that reads
first. No reader may ever see money appear or vanish, or an account in debt; the ledger explains every balance."""

import collections

from .base import Keys, Workload

ACCOUNTS = 8
INITIAL = 100
OBSERVE = """SELECT (SELECT sum(balance) FROM accounts), (SELECT min(balance) FROM accounts),
                    (SELECT group_concat(id) FROM ledger WHERE book = ?)"""


class Bank(Workload):
    name = "bank"
    model = "set"  # of the transfers in each book of the ledger
    schema = ("CREATE TABLE accounts(id INTEGER PRIMARY KEY, balance INTEGER NOT NULL CHECK(balance >= 0))",
              "CREATE TABLE ledger(id INTEGER PRIMARY KEY, book INTEGER, source INTEGER, target INTEGER, amount)",
              "CREATE INDEX ledger_by_book ON ledger(book)",
              "INSERT INTO accounts VALUES " + ", ".join(f"({number}, {INITIAL})" for number in range(ACCOUNTS)))
    contents = ("SELECT id, balance FROM accounts ORDER BY id", "SELECT * FROM ledger ORDER BY id")

    def __init__(self, random):
        super().__init__(random)
        self.books = Keys(2, 80)
        self.transfers = {}  # id: outcome
        self.found = []
        self.balances = {}
        self.ledger = {}  # id: (source, target, amount)

    def step(self, worker):
        book = self.books.pick(worker.random)
        draw = worker.random.random()
        if draw < 0.35:
            return self.observe(worker, book)
        transfer = (self.fresh_value(), book, *worker.random.sample(range(ACCOUNTS), 2), worker.random.randint(1, 40))
        operation = worker.history.invoke(worker.number, "add", key=book, value=transfer[0])
        outcome, index, note = (self.in_one_request if draw < 0.75 else self.interactively)(worker, transfer)
        self.transfers[transfer[0]] = outcome
        return worker.history.end(operation, outcome, index, note)

    def observe(self, worker, book):
        operation = worker.history.invoke(worker.number, "get", key=book)
        answer = worker.client.query(worker.somewhere(), OBSERVE, book)
        if not worker.take_read(operation, answer):
            return
        total, least, transfers = answer.rows()[0]
        if total != ACCOUNTS * INITIAL or least < 0:
            self.found.append(f"{answer.note}: total {total}, least balance {least} at index {answer.index}")
        seen = sorted(int(number) for number in str(transfers).split(",")) if transfers is not None else []
        worker.history.complete(operation, answer, result=seen)

    @staticmethod
    def in_one_request(worker, transfer):
        """Relative changes; the constraint refuses what the source does not have, and with it all of the transfer."""
        number, book, source, target, amount = transfer
        answer = worker.client.execute(
            worker.somewhere(),
            ["INSERT INTO ledger VALUES(?, ?, ?, ?, ?)", number, book, source, target, amount],
            ["UPDATE accounts SET balance = balance + ? WHERE id = ?", amount, target],
            ["UPDATE accounts SET balance = balance - ? WHERE id = ?", amount, source],
            parameters="transaction")
        if answer.is_ok and answer.error():
            return "refused", None, answer.error()
        worker.note_index(answer)
        return answer.outcome, answer.index, answer.note

    @staticmethod
    def interactively(worker, transfer):
        """Reads the balances and writes new ones: a transfer that slips in between would be undone by that."""
        number, book, source, target, amount = transfer
        begun = worker.client.ask(worker.somewhere(), "POST", "/db/begin?timeout=1s")
        if not begun.is_ok:
            return "refused", None, begun.note
        token = f"tx={begun.body['transaction']}"

        def give_up(why):
            worker.client.ask(worker.somewhere(), "POST", f"/db/rollback?timeout=1s&{token}")
            return "refused", None, why

        read = worker.client.query(worker.somewhere(), "SELECT id, balance FROM accounts WHERE id IN (?, ?)", source,
                                   target, parameters=token)
        if not read.is_ok or read.error():
            return give_up(read.error() or read.note)
        balances = dict(read.rows())
        if balances[source] < amount:
            return give_up("not enough")
        written = worker.client.execute(
            worker.somewhere(),
            ["UPDATE accounts SET balance = ? WHERE id = ?", balances[source] - amount, source],
            ["UPDATE accounts SET balance = ? WHERE id = ?", balances[target] + amount, target],
            ["INSERT INTO ledger VALUES(?, ?, ?, ?, ?)", number, book, source, target, amount],
            parameters=token)
        if not written.is_ok or written.error():
            return give_up(written.error() or written.note)
        committed = worker.client.ask(worker.somewhere(), "POST", f"/db/commit?timeout=1s&{token}")
        if committed.is_ok and (committed.error() or (committed.body or {}).get("error")):
            return "refused", None, str(committed.body)
        worker.note_index(committed)
        return committed.outcome, committed.index, committed.note

    def finish(self, worker):
        for book in self.books.all:
            self.observe(worker, book)
        somewhere = worker.somewhere()
        self.balances = dict(worker.client.query(somewhere, "SELECT id, balance FROM accounts").rows())
        rows = worker.client.query(somewhere, "SELECT id, source, target, amount FROM ledger").rows()
        self.ledger = {row[0]: tuple(row[1:]) for row in rows}

    def complaints(self):
        expected = collections.Counter({number: INITIAL for number in range(ACCOUNTS)})
        for source, target, amount in self.ledger.values():
            expected[source] -= amount
            expected[target] += amount
        if dict(expected) != self.balances:
            self.found.append(f"the balances are {self.balances}; by the ledger they would be {dict(expected)}")
        for number, outcome in self.transfers.items():
            if (outcome == "ok" and number not in self.ledger) or (outcome == "refused" and number in self.ledger):
                is_there = "is there" if number in self.ledger else "is not there"
                self.found.append(f"transfer {number} was {outcome}, and {is_there}")
        return self.found
