"""Users and what they may do: on one node, through others, when joining, and when the file changes."""

import json
import os
import signal
import socket
import subprocess

import pytest
import requests

from cluster import QUORATE, Node, wait_until

# Of "secret", with a cost of 4 and of 14: a moment, and about a second.
QUICK_HASH = "$2b$04$GWkeu4drzN.PCbSSD55zPeGi0zeemC5GfNzhRiYHI3W2.TSTd5Q.e"

ADMIN = ("admin", "adminpw")
USERS = [
    {"username": "admin", "password": "adminpw", "perms": ["all"]},
    {"username": "bob", "password": "secret", "perms": ["query", "status"]},
    {"username": "anna", "password": QUICK_HASH, "perms": ["execute", "query"]},
    {"username": "joiner", "password": "joinpw", "perms": ["join"]},
    {"username": "replica", "password": "replicapw", "perms": ["join-read-only"]},
    {"username": "nothing", "password": "nothing"},
    {"username": "*", "perms": ["ready"]},
]


def write_users(path, users):
    draft = path.with_suffix(".new")
    draft.write_text(users if isinstance(users, str) else json.dumps(users))
    draft.replace(path)
    return path


@pytest.fixture
def users(tmp_path):
    return write_users(tmp_path / "auth.json", USERS)


@pytest.fixture
def guarded(cluster):
    """A cluster whose nodes are asked as the administrator, unless a test says otherwise."""
    cluster.session_options["auth"] = ADMIN
    return cluster


@pytest.fixture
def one(guarded, users):
    return guarded.form(1, "-auth", str(users)).nodes[0]


def ask(node, method, path, auth=None, **options):
    """Without what the node's session would send."""
    return requests.request(method, node.url + path, auth=auth, timeout=30, allow_redirects=False, **options)


def test_permissions(one):
    one.execute("CREATE TABLE t(n INTEGER)")
    bob, anna = ("bob", "secret"), ("anna", "secret")
    expected = [
        ("GET", "/db/query?q=SELECT+1", bob, 200),
        ("GET", "/db/query?q=SELECT+1", anna, 200),
        ("GET", "/db/query?q=SELECT+1", ("bob", "wrong"), 401),
        ("GET", "/db/query?q=SELECT+1", ("anna", "wrong"), 401),
        ("GET", "/db/query?q=SELECT+1", ("nobody", "secret"), 401),
        ("GET", "/db/query?q=SELECT+1", ("nothing", "nothing"), 401),
        ("GET", "/db/query?q=SELECT+1", None, 401),
        ("POST", "/db/execute", bob, 401),
        ("POST", "/db/execute", anna, 200),
        ("POST", "/db/request", bob, 401),
        ("POST", "/db/request", anna, 200),
        ("POST", "/db/begin", bob, 401),
        ("GET", "/db/backup", anna, 401),
        ("POST", "/db/load", anna, 401),
        ("POST", "/boot", anna, 401),
        ("DELETE", "/remove", anna, 401),
        ("GET", "/leader", bob, 401),
        ("GET", "/status", bob, 200),
        ("GET", "/nodes", bob, 200),
        ("GET", "/metrics", bob, 200),
        ("GET", "/status", anna, 401),
        ("GET", "/readyz", None, 200),
        ("GET", "/readyz", ("bob", "wrong"), 200),
        ("GET", "/nowhere", None, 404),
        ("OPTIONS", "/db/execute", None, 200),
    ]
    for method, path, user, status in expected:
        response = ask(one, method, path, user, json=["INSERT INTO t VALUES(1)"] if method == "POST" else None)
        assert response.status_code == status, (method, path, user)
        assert response.headers["WWW-Authenticate"] == 'Basic realm="rqlite"'
        assert response.headers["Access-Control-Allow-Headers"] == "Content-Type, Authorization"
        assert response.headers["Access-Control-Allow-Credentials"] == "true"
        if status == 401:
            assert response.content == b""
    assert one.query("SELECT count(*) FROM t") == [[2]]
    assert one.status("http.auth") == "enabled"


def test_authorization_that_is_none(one):
    for header in ("Basic", "Basic !!!!", "Basic Ym9i", "Bearer Ym9iOnNlY3JldA==", "Basic " + "A" * 20000):
        response = requests.get(one.url + "/status", headers={"Authorization": header}, timeout=30)
        assert response.status_code == 401, header


def test_a_large_body_of_a_stranger_is_not_received(one):
    host, port = one.http_address.split(":")
    for path in ("/db/load", "/db/execute"):
        with socket.create_connection((host, int(port)), timeout=30) as client:
            client.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\nabc".encode())
            answer = b""
            while piece := client.recv(65536):
                answer += piece
        assert answer.startswith(b"HTTP/1.1 401 "), answer
        assert b"Connection: close" in answer


def test_hashing_holds_nobody_up(guarded, tmp_path):
    # One check of this cost takes about a second, on a thread of its own.
    slow = "$2b$14$" + QUICK_HASH[7:]
    users = write_users(tmp_path / "slow.json", [
        {"username": "slow", "password": slow, "perms": ["all"]}, {"username": "admin", "password": "adminpw",
                                                                  "perms": ["all"]}])
    node = guarded.form(1, "-auth", str(users)).nodes[0]
    host, port = node.http_address.split(":")
    with socket.create_connection((host, int(port)), timeout=60) as client:
        client.sendall(b"GET /status HTTP/1.1\r\nHost: x\r\nAuthorization: Basic c2xvdzpzZWNyZXQ=\r\n\r\n")
        for _ in range(5):
            assert node.get("/status").status_code == 200
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.recv(1)  # still being checked
        client.settimeout(60)
        assert client.recv(65536).startswith(b"HTTP/1.1 401 ")


def test_a_hash_is_remembered(one):
    for _ in range(100):
        assert ask(one, "GET", "/db/query?q=SELECT+1", ("anna", "secret")).status_code == 200


def test_through_followers(guarded, users):
    guarded.form(3, "-auth", str(users), "-join-as", "joiner")
    guarded.write("CREATE TABLE t(n INTEGER)")
    for node in guarded.nodes:
        for user in (("anna", "secret"), ADMIN):
            response = ask(node, "POST", "/db/execute", user, json=["INSERT INTO t VALUES(1)"])
            assert response.status_code == 200, (node.name, response.text)
        queued = ask(node, "POST", "/db/execute?queue&wait", ("anna", "secret"), json=["INSERT INTO t VALUES(1)"])
        assert queued.status_code == 200
        assert ask(node, "POST", "/db/execute", ("bob", "secret"), json=["INSERT INTO t VALUES(1)"]).status_code == 401
    assert guarded.leader().query("SELECT count(*) FROM t") == [[9]]
    # A whole database, through a follower, by somebody whose hash has to be computed first.
    follower = guarded.followers()[0]
    backup = follower.get("/db/backup").content
    loaded = ask(follower, "POST", "/db/load", ADMIN, data=backup)
    assert loaded.status_code == 200 and loaded.json() == {"results": [{}]} or loaded.json() == {"results": []}


def test_a_node_that_has_no_users_opens_no_door(guarded, users):
    leader = guarded.form(1, "-auth", str(users)).nodes[0]
    # It may join, because its operator knows a user; it serves without asking, because nobody told it to.
    careless = guarded.add("careless", "-auth", str(users), "-join-as", "joiner")
    guarded.wait_for_voters(2)
    careless.stop()
    careless.arguments = ["-join", leader.raft_address]
    careless.start()
    wait_until(lambda: ask(careless, "GET", "/readyz").status_code == 200, "the node to be back")
    leader.execute("CREATE TABLE t(n INTEGER)")
    statement = ["INSERT INTO t VALUES(1)"]
    # Whoever leads by now asks.
    other = next(node for node in guarded.nodes if node is not guarded.leader())
    if other is careless:
        response = ask(careless, "POST", "/db/execute", None, json=statement)
        assert (response.status_code, response.text) == (401, "remote Execute not authorized\n")
        assert ask(careless, "POST", "/db/execute", ("anna", "secret"), json=statement).status_code == 200
        assert ask(careless, "POST", "/db/execute", ("bob", "secret"), json=statement).status_code == 401


def refused_join(cluster, name, *arguments):
    node = cluster.add(name, "-join-attempts", "2", "-join-interval", "100ms", *arguments)
    assert node.wait_for_exit() != 0
    return node.log_text()


def test_joining_takes_a_user(guarded, users):
    guarded.form(1, "-auth", str(users))
    auth = ("-auth", str(users))
    assert "may not join" in refused_join(guarded, "stranger")
    assert "user bob may not join" in refused_join(guarded, "bobs", *auth, "-join-as", "bob")
    assert "user replica may not join" in refused_join(guarded, "voter", *auth, "-join-as", "replica")
    replica = guarded.add("replica", *auth, "-join-as", "replica", "-raft-non-voter")
    replica.wait_until_ready()
    guarded.add("n2", *auth, "-join-as", "joiner").wait_until_ready()
    guarded.wait_for_voters(2)
    # A member that comes back needs nobody's leave.
    replica.stop()
    replica.start().wait_until_ready()


def test_joining_as_somebody_who_cannot_be(guarded, users, tmp_path):
    for name, words in (("nobody", "no such user"), ("anna", "is a hash")):
        node = Node(tmp_path, f"as-{name}", ["-auth", str(users), "-join-as", name, "-join", "localhost:1"]).start()
        assert node.wait_for_exit() == 1
        assert words in node.log_text()


def test_the_file_is_read_again(one, users):
    carl = ("carl", "new")
    assert ask(one, "GET", "/status", carl).status_code == 401
    assert ask(one, "GET", "/db/query?q=SELECT+1", ("anna", "secret")).status_code == 200
    write_users(users, [*USERS[:1], {"username": "carl", "password": "new", "perms": ["status"]}])
    wait_until(lambda: ask(one, "GET", "/status", carl).status_code == 200, "the new user")
    assert ask(one, "GET", "/db/query?q=SELECT+1", ("anna", "secret")).status_code == 401, "nobody knows her any more"
    # What makes no sense changes nothing.
    write_users(users, '[{"username": "dora",')
    os.kill(one.process.pid, signal.SIGHUP)
    wait_until(lambda: "cannot be used" in one.log_text(), "the complaint")
    assert "auth.json:1:" in one.log_text()
    assert ask(one, "GET", "/status", carl).status_code == 200
    write_users(users, USERS)
    os.kill(one.process.pid, signal.SIGHUP)
    wait_until(lambda: ask(one, "GET", "/status", carl).status_code == 401, "the users of before")


def test_a_malformed_file_is_refused(tmp_path):
    for text, words in (("", "auth.json:1:1: no JSON"), ('[{"username":"a"}]', 'entry 1 (user "a")'),
                        ('[{"username":"a","password":"b","perms":["fly"]}]', 'unknown permission "fly"')):
        users = write_users(tmp_path / "auth.json", text)
        node = Node(tmp_path, "refused", ["-auth", str(users)]).start()
        assert node.wait_for_exit() == 1
        assert words in node.log_text()
    missing = Node(tmp_path, "missing", ["-auth", str(tmp_path / "missing.json")]).start()
    assert missing.wait_for_exit() == 1
    assert "missing.json" in missing.log_text()


def test_what_is_left_open_is_said(one):
    assert "passwords travel in plain text over HTTP" in one.log_text()


def shell(node, *arguments, environment=None, statement="SELECT 1 + 1 AS two"):
    host, port = node.http_address.split(":")
    return subprocess.run([QUORATE, "sql", "-H", host, "-p", port, *arguments, statement], text=True,
                          capture_output=True, timeout=60, env={**os.environ, **(environment or {})})


def test_the_shell_says_who_asks(one):
    assert "2" in shell(one, "-u", "admin:adminpw").stdout
    assert "2" in shell(one, environment={"QUORATE_USER": "admin:adminpw"}).stdout
    by_url = subprocess.run([QUORATE, "sql", "-H", f"http://admin:adminpw@{one.http_address}", "SELECT 1 + 1"],
                            text=True, capture_output=True, timeout=60)
    assert by_url.returncode == 0, by_url.stderr
    for arguments in ([], ["-u", "admin:wrong"], ["-u", "nothing:nothing"]):
        refused = shell(one, *arguments)
        assert refused.returncode == 1
        assert "not authorized" in refused.stderr
    no_password = shell(one, "-u", "admin")
    assert no_password.returncode == 2
    assert "name:password" in no_password.stderr


def test_the_load_generator_says_who_asks(one):
    outcome = subprocess.run([QUORATE, "bench", "--host", one.http_address, "-u", "admin:adminpw", "-c", "2", "-d",
                              "0.3", "--warm-up", "0"], text=True, capture_output=True, timeout=60)
    assert outcome.returncode == 0, outcome.stderr
    refused = subprocess.run([QUORATE, "bench", "--host", one.http_address, "-c", "2", "-d", "0.3"], text=True,
                             capture_output=True, timeout=60)
    assert refused.returncode == 1 and "401" in refused.stderr
