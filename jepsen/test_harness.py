"""The fault tests themselves are tested: outcomes are told apart, and each check finds what it is there to find."""

import contextlib
import http.client
import random
import socketserver
import threading

import pytest

from cluster import QUORATE, wait_until
from harness.client import Client
from harness.history import History, judge
from harness.switchboard import SwitchedCluster
from harness.trial import Trial
from workloads import Append, Bank, Register, UniqueSet


def serve(handle):
    """A server on a free port that lets `handle(socket)` treat every connection; the address, and the server."""
    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(65536)
            handle(self.request)
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"127.0.0.1:{server.server_address[1]}", server


def answer(status, body=b"{}", headers=b""):
    head = b"HTTP/1.1 %d %s\r\nContent-Length: %d\r\n%s\r\n"
    return head % (status, http.client.responses[status].encode(), len(body), headers) + body


@pytest.mark.parametrize("sent, outcome", [
    (answer(200, b'{"results":[{}]}'), "ok"),
    (answer(400), "refused"),
    (answer(413), "refused"),
    (answer(503, b"leader not found\n"), "refused"),
    (answer(503, b"{}", b"Quorate-Outcome: refused\r\n"), "refused"),
    (answer(503, b"{}", b"Quorate-Outcome: unknown\r\n"), "unknown"),
    (answer(503, b"nobody knows why"), "unknown"),
    (answer(504, b"{}", b"Quorate-Outcome: unknown\r\n"), "unknown"),
    (answer(500), "unknown"),
    (b"", "unknown"),
    (answer(200, b'{"results":[{}]}')[:-5], "unknown"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"res\r\n", "unknown"),
    (b"nonsense\r\n\r\n", "unknown"),
])
def test_outcomes(sent, outcome):
    address, server = serve(lambda connection: connection.sendall(sent))
    client = Client()
    assert client.execute(address, "SELECT 1").outcome == outcome
    client.close()
    server.shutdown()
    server.server_close()


def test_a_request_that_never_left_is_refused():
    _, server = serve(lambda connection: None)
    address = f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    assert Client().execute(address, "SELECT 1").outcome == "refused"


def test_a_cut_link_cuts(tmp_path):
    with contextlib.closing(SwitchedCluster(tmp_path)) as cluster:
        cluster.form(3)
        old = cluster.leader()
        others = [node for node in cluster.nodes if node is not old]
        cluster.switchboard.cut([(old.name, other.name) for other in others])  # they cannot hear it; it hears them
        cluster.write("CREATE TABLE t(id)", nodes=others)
        assert old.query("SELECT count(*) FROM sqlite_schema", "level=none") == [[0]]
        assert old.post("/db/execute?timeout=300ms", ["CREATE TABLE u(id)"]).status_code in (503, 504)
        cluster.switchboard.mend()
        wait_until(lambda: old.query("SELECT count(*) FROM t", "level=linearizable") == [[0]], "it to follow")


def test_the_judge_finds_a_stale_read(tmp_path):
    for seen, is_right in ((2, True), (1, False)):
        history = History(tmp_path / "history.jsonl")
        for value in (1, 2):
            history.end(history.invoke(1, "put", key=0, value=value), "ok")
        history.end(history.invoke(2, "get", key=0), "ok", result=seen)
        history.invoke(3, "put", key=0, value=3)
        history.close()
        verdict = judge(QUORATE, history.path, Register.model)
        assert (verdict is None) == is_right, verdict


class StaleRegister(Register):
    """Believes that what a node happens to have is what there is."""

    def read(self, worker, key, level="linearizable"):
        super().read(worker, key, "none")


def test_reads_of_whatever_is_there_are_found_out(directory, seed):
    with pytest.raises(AssertionError, match="quorate check ends with 1"):
        Trial(directory, StaleRegister, [], 1.0, seed).run()


def test_local_reads_are_checked_against_the_log():
    def complaints(value, index, asked_for=0):
        workload = Register(random.Random(1))
        workload.written_at[7] = [(10, "a"), (20, "b"), (20, "c"), (30, "d")]
        workload.local_reads = [(7, value, index, asked_for, "somewhere")]
        return workload.complaints()
    for value, index in (("a", 10), ("a", 20), ("b", 20), ("c", 29), ("d", 30), (None, 9), (None, 10), ("unknown", 15)):
        assert not complaints(value, index), (value, index)
    for value, index in (("a", 21), ("b", 19), ("d", 29), (None, 11), ("b", 31)):
        assert complaints(value, index), (value, index)
    assert complaints("a", 15, asked_for=16)


def test_lost_and_repeated_appends_are_found():
    workload = Append(random.Random(1))
    workload.appended = {1: "ok", 2: "unknown", 3: "refused"}
    for final, is_right in (([1], True), ([1, 2], True), ([2], False), ([1, 1], False), ([1, 3], False)):
        workload.final = {0: final}
        assert bool(workload.complaints()) != is_right, final


def test_lost_and_repeated_inserts_are_found():
    for stored, is_right in (({1: 5}, True), ({1: 5, 2: 6}, True), ({}, False), ({1: 6}, False), ({1: 5, 3: 6}, False)):
        workload = UniqueSet(random.Random(1))
        workload.inserted = {1: ("ok", 5), 2: ("unknown", None), 3: ("refused", None)}
        workload.stored = stored
        assert bool(workload.complaints()) != is_right, stored


def test_wrong_balances_are_found():
    for moved, ledger, is_right in ((5, {1: (0, 1, 5)}, True), (0, {1: (0, 1, 5)}, False), (0, {}, False)):
        workload = Bank(random.Random(1))
        workload.transfers = {1: "ok"}
        workload.ledger = ledger
        workload.balances = {number: 100 for number in range(8)} | {0: 100 - moved, 1: 100 + moved}
        assert bool(workload.complaints()) != is_right, (moved, ledger)
