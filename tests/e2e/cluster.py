"""Real server processes for end-to-end tests: started on free ports below a temporary directory, asked over HTTP,
killed and started again. Everything waits for conditions, never for time to pass."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import time
import uuid

import requests

QUORATE = pathlib.Path(os.environ.get("QUORATE_BUILD_DIR", "build/debug")).resolve() / "server" / "quorate"

# Generous: the machine may be slow and busy. Conditions are met in milliseconds when it is not.
DEADLINE_SECONDS = 40.0


def wait_until(condition, what, deadline_seconds=DEADLINE_SECONDS):
    """The first true result of the condition. Errors of connections count as "not yet"."""
    deadline = time.monotonic() + deadline_seconds
    while True:
        with contextlib.suppress(requests.RequestException, OSError):
            if result := condition():
                return result
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain for {what}")
        time.sleep(0.01)


_given_out = set()


def free_port():
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port not in _given_out:
            _given_out.add(port)
            return port


class Node:
    def __init__(self, directory, name, arguments=()):
        self.name = name
        self.data = directory / name
        self.log = directory / f"{name}.log"
        self.http_address = f"127.0.0.1:{free_port()}"
        self.raft_address = f"127.0.0.1:{free_port()}"
        self.arguments = list(arguments)
        self.wrapper = []  # a command that runs the one behind it
        self.environment = {}
        self.process = None
        self.scheme = "http"
        self.session = requests.Session()
        self.session.trust_env = False  # proxies and certificates of this machine are not for nodes of tests

    @property
    def url(self):
        return f"{self.scheme}://{self.http_address}"

    def start(self, *arguments):
        command = [*self.wrapper, QUORATE, "node", "-node-id", self.name, "-http-addr", self.http_address, "-raft-addr",
                   self.raft_address, *self.arguments, *arguments, self.data]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**os.environ, **self.environment})
        return self

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """SIGKILL: nothing is said, nothing is flushed."""
        if self.is_running():
            self.process.kill()
            self.process.wait()

    def stop(self):
        """SIGTERM; the exit code."""
        self.process.terminate()
        return self.process.wait(timeout=DEADLINE_SECONDS)

    def wait_for_exit(self):
        return self.process.wait(timeout=DEADLINE_SECONDS)

    @contextlib.contextmanager
    def paused(self):
        os.kill(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.process.pid, signal.SIGCONT)

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    # --- HTTP ---

    def request(self, method, path, **options):
        options.setdefault("timeout", 30)
        options.setdefault("allow_redirects", False)
        return self.session.request(method, self.url + path, **options)

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, body=None, **options):
        return self.request("POST", path, json=body, **options)

    def patiently(self, ask):
        """The answer, once it is one: on a machine that is short of time a leader may lose office at any moment."""
        response, = wait_until(lambda: (got := ask()).status_code not in (503, 504) and [got], "an answer")
        assert response.status_code == 200, (response.status_code, response.text)
        return response

    def execute(self, *statements, parameters="", **options):
        """Results of statements that are expected to succeed. The key makes it harmless to repeat them."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        response = self.patiently(
            lambda: self.post(f"/db/execute?{parameters}", list(statements), headers=headers, **options))
        results = response.json()["results"]
        assert not any("error" in result for result in results), results
        return results

    def query(self, sql, parameters="", **options):
        """The rows of one statement that is expected to succeed."""
        response = self.patiently(lambda: self.get(f"/db/query?{parameters}", params={"q": sql}, **options))
        result = response.json()["results"][0]
        assert "error" not in result, result
        return result.get("values", [])

    def status(self, key):
        return self.get(f"/status?key={key}").json()

    def is_ready(self):
        return self.get("/readyz?sync&timeout=1s").status_code == 200

    def wait_until_ready(self):
        def ready():
            assert self.is_running(), f"{self.name} has ended:\n{self.log_text()}"
            return self.is_ready()
        wait_until(ready, f"{self.name} to be ready")
        return self


class Cluster:
    def __init__(self, directory):
        self.directory = directory
        self.nodes = []
        self.scheme = "http"
        self.session_options = {}  # of requests.Session: auth, verify, cert

    def add(self, name=None, *arguments, join=None):
        """A node that is started; it joins through the node given, or through the first one."""
        name = name or f"n{len(self.nodes) + 1}"
        join = join or (self.nodes[0] if self.nodes else None)
        joining = ["-join", join.raft_address] if join else []
        node = Node(self.directory, name, [*arguments, *joining])
        node.scheme = self.scheme
        for option, value in self.session_options.items():
            setattr(node.session, option, value)
        self.nodes.append(node)
        return node.start()

    def form(self, size, *arguments):
        """So many nodes, all of them voters and ready."""
        for _ in range(size):
            self.add(None, *arguments)
        self.wait_for_voters(size)
        for node in self.nodes:
            node.wait_until_ready()
        return self

    def wait_for_voters(self, size, asked=None):
        def all_vote():
            return len((asked or self.nodes[0]).get("/nodes").json()) == size
        wait_until(all_vote, f"{size} voters")

    def running(self):
        return [node for node in self.nodes if node.is_running()]

    def leader(self):
        """The node that leads, once all who can agree on one do."""
        def agreed():
            names = set()
            for node in self.running():
                response = node.get("/leader?timeout=1s")
                if response.status_code != 200 or not response.json()["reachable"]:
                    return None
                names.add(response.json()["id"])
            found = [node for node in self.running() if node.name in names]
            return found[0] if len(names) == 1 and found else None
        return wait_until(agreed, "a leader")

    def followers(self):
        leader = self.leader()
        return [node for node in self.running() if node is not leader]

    def write(self, sql, *parameters, key=None, nodes=None):
        """Repeats a write until one of the nodes acknowledges it."""
        headers = {"Idempotency-Key": key} if key else {}

        def written():
            for node in nodes or self.running():
                with contextlib.suppress(requests.RequestException):
                    response = node.post("/db/execute?timeout=2s", [[sql, *parameters]], headers=headers, timeout=5)
                    if response.status_code == 200 and "error" not in response.json()["results"][0]:
                        return response
            return None
        return wait_until(written, f"an acknowledgement of {sql}")

    def close(self):
        for node in self.nodes:
            node.kill()
            node.session.close()
