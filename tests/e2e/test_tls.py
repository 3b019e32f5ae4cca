"""TLS: for clients, between nodes, with certificates on both sides; files that change; and who is kept out."""

import os
import signal
import socket
import ssl
import subprocess

import pytest
import requests

from certificates import Authority
from cluster import QUORATE, Node, free_port, wait_until


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """An authority that nobody here trusts."""
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


def http_flags(authority, name="server", **options):
    certificate, key = authority.issue(name, **options)
    return ["-http-cert", str(certificate), "-http-key", str(key)]


def expired(flags):
    """What a node says of the certificate that these flags name."""
    return f"the certificate in {flags[1]} will be refused by all who verify it: it has expired, at "


def node_flags(authority, name="node", **options):
    certificate, key = authority.issue(name, **options)
    return ["-node-cert", str(certificate), "-node-key", str(key), "-node-ca-cert", str(authority.certificate)]


@pytest.fixture
def secure(cluster, authority):
    """A cluster that is asked over HTTPS."""
    cluster.scheme = "https"
    cluster.session_options["verify"] = str(authority.certificate)
    return cluster


def get(url, **options):
    """Of nobody in particular."""
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, timeout=30, **options)


def context_for(authority, **options):
    context = ssl.create_default_context(cafile=str(authority.certificate))
    for option, value in options.items():
        setattr(context, option, value)
    return context


def handshake(node, context):
    host, port = node.http_address.split(":")
    with socket.create_connection((host, int(port)), timeout=30) as plain, \
            context.wrap_socket(plain, server_hostname=host) as secured:
        return secured.version(), secured.getpeercert()["serialNumber"]


def test_https(secure, authority, stranger):
    node = secure.form(1, *http_flags(authority)).nodes[0]
    node.execute("CREATE TABLE t(n INTEGER, v TEXT)")
    assert node.execute(["INSERT INTO t VALUES(?, ?)", 1, "x" * 3_000_000])
    assert node.query("SELECT length(v) FROM t") == [[3_000_000]]
    assert node.query("SELECT v FROM t") == [["x" * 3_000_000]]
    assert node.get("/nodes").json()["n1"]["api_addr"] == f"https://{node.http_address}"
    assert node.status("http.tls")["enabled"] == "true"
    with pytest.raises(requests.exceptions.SSLError):
        get(node.url + "/readyz", verify=str(stranger.certificate))
    assert handshake(node, context_for(authority))[0] == "TLSv1.3"
    assert handshake(node, context_for(authority, maximum_version=ssl.TLSVersion.TLSv1_2))[0] == "TLSv1.2"


def test_old_versions_are_refused(secure, authority):
    node = secure.form(1, *http_flags(authority)).nodes[0]
    old = context_for(authority)
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        handshake(node, old)


def test_plain_http_is_told_so(secure, authority):
    node = secure.form(1, *http_flags(authority)).nodes[0]
    response = get(f"http://{node.http_address}/readyz")
    assert response.status_code == 400
    assert response.text == "Client sent an HTTP request to an HTTPS server.\n"
    host, port = node.http_address.split(":")
    with socket.create_connection((host, int(port)), timeout=30) as client:
        client.sendall(os.urandom(4096))
        while client.recv(65536):
            pass
    assert node.is_ready()


def test_a_slow_handshake_holds_nobody_up(secure, authority):
    node = secure.form(1, *http_flags(authority)).nodes[0]
    host, port = node.http_address.split(":")
    silent = [socket.create_connection((host, int(port))) for _ in range(50)]
    try:
        for client in silent:
            client.sendall(b"\x16\x03\x01")
        assert node.is_ready()
    finally:
        for client in silent:
            client.close()


def test_pipelining_and_streams(secure, authority):
    node = secure.form(1, *http_flags(authority)).nodes[0]
    host, port = node.http_address.split(":")
    request = b"GET /db/query?q=SELECT+1 HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=30) as plain, \
            context_for(authority).wrap_socket(plain, server_hostname=host) as client:
        client.sendall(request * 500)
        received = b""
        while received.count(b'"values":[[1]]') < 500:
            piece = client.recv(65536)
            assert piece, received[-200:]
            received += piece
    numbers = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 300000)"
    rows = node.query(f"{numbers} SELECT n FROM c")
    assert len(rows) == 300_000


def test_clients_prove_who_they_are(secure, authority, stranger):
    flags = [*http_flags(authority), "-http-ca-cert", str(authority.certificate), "-http-verify-client"]
    node = secure.add("n1", *flags)
    good = tuple(map(str, authority.issue("client", common_name="application")))
    bad = tuple(map(str, stranger.issue("client", common_name="application")))
    node.session.cert = good
    node.wait_until_ready()

    def ask(cert):
        return get(node.url + "/readyz", verify=str(authority.certificate), cert=cert)

    for cert in (None, bad):
        with pytest.raises(requests.exceptions.ConnectionError):
            ask(cert)
    node.stop()
    node.start("-http-verify-common-name", "application").wait_until_ready()
    node.stop()
    node.start("-http-verify-common-name", "somebody-else")
    wait_until(lambda: "serving clients" in node.log_text(), "the node to listen")
    with pytest.raises(requests.exceptions.ConnectionError):
        ask(good)


def test_between_nodes(cluster, authority):
    cluster.form(3, *node_flags(authority), "-node-verify-client", "-node-verify-common-name", "node")
    cluster.write("CREATE TABLE t(n INTEGER, v TEXT)")
    for i, node in enumerate(cluster.nodes):
        node.execute(["INSERT INTO t VALUES(?, ?)", i, "x" * 2_000_000])
    leader = cluster.leader()
    leader.kill()
    cluster.write("INSERT INTO t VALUES(3, '')")
    leader.start()
    leader.wait_until_ready()
    wait_until(lambda: leader.query("SELECT count(*) FROM t", "level=none") == [[4]], "the node to catch up")
    backup = cluster.followers()[0].get("/db/backup").content
    assert len(backup) > 6_000_000
    assert cluster.followers()[0].request("POST", "/db/load", data=backup).status_code == 200


def refused(cluster, name, *arguments):
    node = cluster.add(name, "-join-attempts", "2", "-join-interval", "100ms", *arguments)
    assert node.wait_for_exit() != 0
    return node.log_text()


def test_who_is_no_node_is_kept_out(cluster, authority, stranger):
    cluster.form(1, *node_flags(authority), "-node-verify-client")
    refused(cluster, "plain")
    assert "certificate" in refused(cluster, "strange", *node_flags(stranger))
    # Knows the authority, but is not vouched for by it.
    forged = node_flags(stranger, "forged")
    forged[-1] = str(authority.certificate)
    refused(cluster, "forged", *forged)
    refused(cluster, "careless", *forged[:-2], "-node-no-verify")
    cluster.add("n2", *node_flags(authority)).wait_until_ready()


def test_the_certificate_must_be_of_the_node_that_is_dialled(cluster, authority):
    elsewhere = node_flags(authority, "elsewhere", of="DNS:cluster.example")
    cluster.form(1, *elsewhere, "-node-verify-server-name", "cluster.example")
    assert "mismatch" in refused(cluster, "n2", *elsewhere)
    cluster.add("n3", *elsewhere, "-node-verify-server-name", "cluster.example").wait_until_ready()
    no_verify = cluster.add("n4", *elsewhere, "-node-no-verify")
    no_verify.wait_until_ready()
    assert "-node-no-verify" in no_verify.log_text()


def test_a_common_name_that_is_another(cluster, authority):
    cluster.form(1, *node_flags(authority), "-node-verify-client", "-node-verify-common-name", "node")
    refused(cluster, "n2", *node_flags(authority, "other", common_name="other"))
    cluster.add("n3", *node_flags(authority)).wait_until_ready()


def test_certificates_are_read_again(secure, authority):
    flags = [*http_flags(authority, "renewed"), *node_flags(authority, "renewed-node")]
    node = secure.form(1, *flags).nodes[0]
    trusting = context_for(authority)
    _, serial = handshake(node, trusting)
    # A connection that there is goes on.
    kept = requests.Session()
    kept.trust_env = False
    kept.verify = str(authority.certificate)
    assert kept.get(node.url + "/readyz", timeout=30).status_code == 200
    certificate, key = authority.issue("renewed")
    wait_until(lambda: handshake(node, trusting)[1] != serial, "the new certificate")
    assert kept.get(node.url + "/readyz", timeout=30).status_code == 200
    _, serial = handshake(node, trusting)

    good = certificate.read_text()
    certificate.write_text("no certificate\n")
    os.kill(node.process.pid, signal.SIGHUP)
    wait_until(lambda: "cannot be used" in node.log_text(), "the complaint")
    assert "renewed.pem" in node.log_text()
    assert handshake(node, trusting)[1] == serial, "the old one stays in force"
    certificate.write_text(good)
    os.kill(node.process.pid, signal.SIGHUP)
    assert handshake(node, trusting)[1] == serial

    # Links between nodes too.
    authority.issue("renewed-node")
    wait_until(lambda: "-node-cert have changed" in node.log_text(), "the certificates of links")
    secure.add("n2", *http_flags(authority), *node_flags(authority, "another")).wait_until_ready()


def test_files_that_cannot_be_used(tmp_path, authority, stranger):
    certificate, key = map(str, authority.issue("usable"))
    other_key = str(stranger.issue("usable")[1])
    missing = str(tmp_path / "missing.pem")
    for arguments, words in (
            (["-http-cert", missing, "-http-key", key], "missing.pem"),
            (["-http-cert", certificate, "-http-key", missing], "missing.pem"),
            (["-http-cert", certificate, "-http-key", other_key], "not that of the certificate"),
            (["-http-cert", key, "-http-key", key], "no certificate in PEM form"),
            (["-node-cert", certificate, "-node-key", key, "-node-ca-cert", missing], "missing.pem")):
        node = Node(tmp_path, "refused", arguments).start()
        assert node.wait_for_exit() == 1
        assert words in node.log_text(), words
    for arguments, words in ((["-http-cert", certificate], "-http-key"), (["-node-verify-client"], "-node-cert")):
        node = Node(tmp_path, "confused", arguments).start()
        assert node.wait_for_exit() == 2
        assert words in node.log_text()


# --- certificates that have expired ---

def test_a_server_whose_certificate_has_expired(secure, authority):
    """It says so, and whoever verifies it has nothing to do with it. A valid one is taken up without a restart."""
    flags = http_flags(authority, "late", days=-1)
    node = secure.add("n1", *flags)
    wait_until(lambda: expired(flags) in node.log_text(), "the warning")
    with pytest.raises(requests.exceptions.SSLError, match="certificate has expired"):
        get(node.url + "/readyz", verify=str(authority.certificate))
    outcome = sql("-H", node.url, "-c", authority.certificate)
    assert outcome.returncode == 1 and "certificate has expired" in outcome.stderr
    authority.issue("late")
    node.wait_until_ready()
    assert node.log_text().count(expired(flags)) == 1


def test_a_client_whose_certificate_has_expired(secure, authority):
    flags = [*http_flags(authority), "-http-ca-cert", str(authority.certificate), "-http-verify-client"]
    secure.session_options["cert"] = tuple(map(str, authority.issue("in-time")))
    node = secure.form(1, *flags).nodes[0]
    late = authority.issue("too-late", days=-1)
    with pytest.raises(requests.exceptions.ConnectionError):
        get(node.url + "/readyz", verify=str(authority.certificate), cert=tuple(map(str, late)))
    outcome = sql("-H", node.url, "-c", authority.certificate, "-d", late[0], "-k", late[1])
    assert outcome.returncode == 1 and "expired" in outcome.stderr
    node.execute("CREATE TABLE t(id)")


def test_a_node_whose_certificate_has_expired(cluster, authority):
    """Neither side takes it: a member that dials it, and a member that is dialled by it."""
    cluster.form(1, *node_flags(authority), "-node-verify-client")
    late = node_flags(authority, "late-node", days=-1)
    said = refused(cluster, "n2", *late)
    assert expired(late) in said
    assert "expired" in said.split("could not join")[-1].split("found no cluster")[-1]
    assert "expired" in cluster.nodes[0].status("mux.last_refusal")
    # A member whose certificate expires while it is away is not taken back before it has a valid one.
    flags = node_flags(authority, "member")
    member = cluster.add("n3", *flags, "-node-verify-client").wait_until_ready()
    cluster.wait_for_voters(2)
    member.stop()
    authority.issue("member", days=-1)
    member.start()
    wait_until(lambda: expired(flags) in member.log_text(), "the warning")
    wait_until(lambda: "expired" in cluster.nodes[0].status("store.peers").get("n3", {}).get("last_error", ""),
               "the other to say why")
    assert not member.is_ready()
    assert cluster.nodes[0].post("/db/execute?timeout=1s", ["SELECT 1"]).status_code in (503, 504)
    authority.issue("member")
    member.wait_until_ready()
    cluster.write("CREATE TABLE t(id)")


def test_redirects_lead_to_https(secure, authority):
    secure.form(2, *http_flags(authority))
    follower = secure.followers()[0]
    response = follower.post("/db/execute?redirect", ["SELECT 1"])
    assert response.status_code == 301
    assert response.headers["Location"].startswith(f"https://{secure.leader().http_address}/")


# --- the tools ---

def sql(*arguments, environment=None):
    return subprocess.run([QUORATE, "sql", *map(str, arguments), "SELECT 1 + 1 AS two"], text=True, capture_output=True,
                          timeout=60, env={**os.environ, **(environment or {})})


def test_the_shell(secure, authority, stranger):
    node = secure.form(2, *http_flags(authority)).followers()[0]
    url = f"https://{node.http_address}"
    host, port = node.http_address.split(":")
    good = sql("-H", url, "--ca-cert", authority.certificate)
    assert (good.returncode, good.stderr) == (0, "") and "2" in good.stdout
    assert sql("-s", "https", "-H", host, "-p", port, "-c", authority.certificate).returncode == 0
    assert sql("-H", url, "-i").returncode == 0
    assert sql("-c", authority.certificate, environment={"RQLITE_HOST": url}).returncode == 0
    for arguments, words in (
            (["-H", url], "--ca-cert"), (["-H", url, "-c", stranger.certificate], "--insecure"),
            (["-H", f"http://{node.http_address}"], "HTTPS server"),
            (["-H", url, "-c", "/nonexistent.pem"], "/nonexistent.pem"),
            (["-H", f"https://127.0.0.1:{free_port()}", "-i"], "refused"), (["-H", "ftp://x"], "https://")):
        outcome = sql(*arguments)
        assert outcome.returncode in (1, 2)
        assert words in outcome.stderr, outcome.stderr


def test_the_shell_proves_who_asks(secure, authority):
    flags = [*http_flags(authority), "-http-ca-cert", str(authority.certificate), "-http-verify-client"]
    certificate, key = authority.issue("shell")
    secure.session_options["cert"] = (str(certificate), str(key))
    node = secure.form(1, *flags).nodes[0]
    url = f"https://{node.http_address}"
    assert sql("-H", url, "-c", authority.certificate, "-d", certificate, "-k", key).returncode == 0
    unknown = sql("-H", url, "-c", authority.certificate)
    assert unknown.returncode == 1
    assert sql("-H", url, "-c", authority.certificate, "-d", certificate).returncode == 2


def test_the_load_generator(secure, authority):
    node = secure.form(1, *http_flags(authority)).nodes[0]
    outcome = subprocess.run([QUORATE, "bench", "--host", f"https://{node.http_address}", "--ca-cert",
                              authority.certificate, "-c", "8", "-d", "0.5", "--warm-up", "0", "-w", "50"], text=True,
                             capture_output=True, timeout=60)
    assert outcome.returncode == 0, outcome.stderr
    assert "writes" in outcome.stdout
