"""A client that never guesses. Every request ends in one of three outcomes, and nothing else is concluded from it:

    ok       the server answered that it was done
    refused  it had no effect and never will have one
    unknown  it may have taken effect, or may yet

A request that never left is refused; a connection that broke after it left is unknown, and so is every answer that does
not say what happened."""

import contextlib
import dataclasses
import http.client
import json
import socket
import urllib.parse

CONNECT_SECONDS = 1.0
# A node answers within the time that the request gives it. One that is paused does not, and is given up after this.
SERVER_TIMEOUT = "1s"
ANSWER_SECONDS = 2.5


@dataclasses.dataclass(frozen=True)
class Answer:
    outcome: str
    results: list = dataclasses.field(default_factory=list)
    index: int | None = None
    body: object = None
    note: str = ""

    @property
    def is_ok(self):
        return self.outcome == "ok"

    def error(self):
        """The error of the first statement that failed, if one did."""
        return next((result["error"] for result in self.results if "error" in result), None)

    def rows(self, number=0):
        return self.results[number].get("values", [])


def outcome_of(status, headers, body):
    """What an answer says about the effect of its request: docs/http-api.md, "What is certain when something fails"."""
    if status == 200:
        return "ok"
    said = headers.get("Quorate-Outcome")
    if said in ("refused", "unknown"):
        return said
    if 400 <= status < 500:
        return "refused"
    if status == 503 and body.strip() == b"leader not found":
        return "refused"
    return "unknown"


class Client:
    """For one thread: one connection to each node, opened when needed."""

    def __init__(self):
        self._connections = {}

    def close(self):
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def ask(self, address, method, path, body=None, headers=None):
        try:
            connection = self._connection(address)
        except OSError as error:
            return Answer("refused", note=f"{address}: cannot connect: {error}")
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers or {})
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connections.pop(address).close()
            return Answer("unknown", note=f"{address}: {type(error).__name__}: {error}")
        outcome = outcome_of(response.status, response.headers, text)
        note = f"{address}: {response.status}" + ("" if outcome == "ok" else f" {text[:200].decode(errors='replace')}")
        decoded = None
        with contextlib.suppress(ValueError):
            decoded = json.loads(text)
        if outcome == "ok" and decoded is None and text:
            raise AssertionError(f"{method} {path} was answered with what is not JSON: {text[:200]!r}")
        results = decoded.get("results", []) if isinstance(decoded, dict) else []
        index = response.headers.get("Quorate-Index")
        return Answer(outcome, results, int(index) if index else None, decoded, note)

    def execute(self, address, *statements, parameters="", key=None):
        headers = {"Idempotency-Key": key} if key else {}
        return self.ask(address, "POST", f"/db/execute?timeout={SERVER_TIMEOUT}&{parameters}", statements, headers)

    def request(self, address, *statements, parameters="", key=None):
        """Reads and writes together."""
        headers = {"Idempotency-Key": key} if key else {}
        return self.ask(address, "POST", f"/db/request?timeout={SERVER_TIMEOUT}&{parameters}", statements, headers)

    def query(self, address, sql, *values, parameters="level=linearizable"):
        limits = f"timeout={SERVER_TIMEOUT}&linearizable_timeout={SERVER_TIMEOUT}"
        return self.ask(address, "POST", f"/db/query?{limits}&{parameters}", [[sql, *values]])

    def _connection(self, address):
        connection = self._connections.get(address)
        if connection is None:
            parts = urllib.parse.urlsplit(f"//{address}")
            connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=CONNECT_SECONDS)
            connection.connect()
            connection.sock.settimeout(ANSWER_SECONDS)
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections[address] = connection
        return connection
