"""Nodes that find each other without knowing an address: through etcd (a real one), Consul (a stand-in, because Debian
has none), the DNS (a real dnsmasq), and the environment."""

import base64
import json
import os
import shutil
import socket
import subprocess

import pytest
import requests

from certificates import Authority
from cluster import Node, free_port, wait_until
from consul_stand_in import ConsulStandIn


def voters(node):
    return {name for name, member in node.get("/nodes").json().items() if member["voter"]}


def add_nodes(cluster, names, *arguments, **environment):
    made = [Node(cluster.directory, name, arguments) for name in names]
    for node in made:
        node.environment = environment
        cluster.nodes.append(node)
        node.start()
    return made


def wait_for_one_cluster(nodes):
    for node in nodes:
        node.wait_until_ready()
    names = {node.name for node in nodes}
    for node in nodes:
        wait_until(lambda: names <= set(node.get("/nodes?nonvoters").json()), f"{node.name} to know all")
    assert len({node.status("store.cluster_id") for node in nodes}) == 1


def count_of(text, part):
    return text.count(part)


# --- etcd ---

@pytest.mark.skipif(not shutil.which("etcd"), reason="needs Debian's etcd-server")
class TestEtcd:
    class Etcd:
        def __init__(self, directory):
            self.directory = directory
            self.address = f"127.0.0.1:{free_port()}"
            self.peer = f"127.0.0.1:{free_port()}"
            self.session = requests.Session()
            self.session.trust_env = False
            self.process = None

        def start(self):
            with open(self.directory / "etcd.log", "ab") as log:
                self.process = subprocess.Popen(
                    ["etcd", "--name", "e", "--data-dir", self.directory / "etcd", "--listen-client-urls",
                     f"http://{self.address}", "--advertise-client-urls", f"http://{self.address}",
                     "--listen-peer-urls", f"http://{self.peer}", "--initial-advertise-peer-urls",
                     f"http://{self.peer}", "--initial-cluster", f"e=http://{self.peer}"],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    env={**os.environ, "ETCD_UNSUPPORTED_ARCH": os.uname().machine})
            wait_until(lambda: "version" in self.ask("maintenance/status", {}), "etcd")
            return self

        def stop(self):
            if self.process is not None:
                self.process.kill()
                self.process.wait()
                self.process = None

        def ask(self, path, body, **options):
            response = self.session.post(f"http://{self.address}/v3/{path}", json=body, timeout=10, **options)
            return response.json()

        def record(self, key):
            name = base64.b64encode(f"/{key}/leader".encode()).decode()
            pairs = self.ask("kv/range", {"key": name}).get("kvs", [])
            return json.loads(base64.b64decode(pairs[0]["value"])) if pairs else None

        def delete(self, key):
            self.ask("kv/deleterange", {"key": base64.b64encode(f"/{key}/leader".encode()).decode()})

        def flags(self, key, *endpoints, **config):
            hosts = [*endpoints, f"http://{self.address}"]
            return ["-disco-mode", "etcd-kv", "-disco-key", key, "-disco-config",
                    json.dumps({"endpoints": hosts, **config})]

    @pytest.fixture(scope="class")
    def etcd(self, tmp_path_factory):
        made = self.Etcd(tmp_path_factory.mktemp("etcd"))
        yield made.start()
        made.stop()

    def test_three_at_once(self, cluster, etcd):
        nodes = add_nodes(cluster, ["n1", "n2", "n3"], *etcd.flags("three"))
        wait_for_one_cluster(nodes)
        cluster.wait_for_voters(3)
        cluster.write("CREATE TABLE t(id)")
        leader = cluster.leader()
        wait_until(lambda: etcd.record("three") == {"id": leader.name, "api_addr": leader.url,
                                                     "addr": leader.raft_address}, "the leader to be named")
        disco = leader.get("/status").json()["disco"]
        assert disco["mode"] == "etcd-kv" and disco["key"] == "/three/leader" and "last_contact" in disco
        # Who leads next is named next.
        leader.kill()
        wait_until(lambda: etcd.record("three")["id"] != leader.name, "the next leader to be named")
        # A newcomer needs no more than the key, nor does a read replica.
        late, = add_nodes(cluster, ["n4"], *etcd.flags("three"))
        replica, = add_nodes(cluster, ["r1"], *etcd.flags("three"), "-raft-non-voter")
        late.wait_until_ready()
        replica.wait_until_ready()
        wait_until(lambda: voters(late) == {"n1", "n2", "n3", "n4"}, "the newcomer to vote")
        # All come back with their old command line, the key or no key.
        for node in cluster.nodes:
            node.kill()
        etcd.delete("three")
        for node in cluster.nodes:
            node.start()
        wait_for_one_cluster(cluster.nodes)
        cluster.write("INSERT INTO t VALUES(1)")
        wait_until(lambda: etcd.record("three")["id"] == cluster.leader().name, "the leader to be named again")

    def test_a_founder_that_has_lost_its_disk_begins_no_second_cluster(self, cluster, etcd):
        first, = add_nodes(cluster, ["n1"], *etcd.flags("lost"))
        first.wait_until_ready()
        wait_until(lambda: etcd.record("lost") and "founding" not in etcd.record("lost"), "the leader to be named")
        first.kill()
        shutil.rmtree(first.data)
        first.start()
        wait_until(lambda: "which has no data, as the leader" in first.log_text(), "it to say why it waits")
        assert first.get("/readyz").status_code == 503
        etcd.delete("lost")
        first.wait_until_ready()

    def test_a_claim_of_another_is_waited_for(self, cluster, etcd):
        value = json.dumps({"id": "gone", "api_addr": "", "addr": "127.0.0.1:9", "founding": True})
        key = base64.b64encode(b"/claimed/leader").decode()
        etcd.ask("kv/put", {"key": key, "value": base64.b64encode(value.encode()).decode()})
        node, = add_nodes(cluster, ["n1"], *etcd.flags("claimed"))
        wait_until(lambda: "node gone at 127.0.0.1:9 has claimed /claimed/leader" in node.log_text(), "it to wait")
        etcd.delete("claimed")
        node.wait_until_ready()
        assert count_of(node.log_text(), "has claimed") == 1

    def test_a_read_replica_alone_begins_nothing(self, cluster, etcd):
        replica, = add_nodes(cluster, ["r1"], *etcd.flags("alone"), "-raft-non-voter")
        wait_until(lambda: "no node has begun the cluster yet" in replica.log_text(), "it to wait")
        assert etcd.record("alone") is None
        add_nodes(cluster, ["n1"], *etcd.flags("alone"))
        replica.wait_until_ready()

    def test_users_and_several_endpoints(self, cluster, tmp_path):
        etcd = self.Etcd(tmp_path).start()
        try:
            for path, body in (("auth/user/add", {"name": "root", "password": "secret"}),
                               ("auth/role/add", {"name": "root"}),
                               ("auth/user/grant", {"user": "root", "role": "root"}), ("auth/enable", {})):
                assert "error" not in etcd.ask(path, body), path
            dead = f"http://127.0.0.1:{free_port()}"
            stranger, = add_nodes(cluster, ["x"], *etcd.flags("users"))
            wait_until(lambda: 'it wants a "username" and a "password"' in stranger.log_text(), "the refusal")
            liar, = add_nodes(cluster, ["y"], *etcd.flags("users", username="root", password="wrong"))
            wait_until(lambda: 'check "username" and "password"' in liar.log_text(), "the refusal")
            node = Node(cluster.directory, "n1", etcd.flags("users", dead, username="root", password="$SECRET"))
            cluster.nodes.append(node)
            node.environment = {"SECRET": "secret"}
            node.start().wait_until_ready()
            # Tokens end with the process that gave them.
            etcd.stop()
            etcd.start()
            token = etcd.ask("auth/authenticate", {"name": "root", "password": "secret"})["token"]
            headers = {"Authorization": token}
            key = base64.b64encode(b"/users/leader").decode()
            etcd.ask("kv/deleterange", {"key": key}, headers=headers)
            wait_until(lambda: etcd.ask("kv/range", {"key": key}, headers=headers).get("kvs"), "the key to come back")
            assert "secret" not in node.log_text()
        finally:
            etcd.stop()

    def test_a_store_that_comes_later_and_goes_again(self, cluster, tmp_path):
        etcd = self.Etcd(tmp_path)
        try:
            nodes = add_nodes(cluster, ["n1", "n2"], *etcd.flags("late"))
            for node in nodes:
                wait_until(lambda: "cannot look up where the others are" in node.log_text(), "it to say so")
            etcd.start()
            wait_for_one_cluster(nodes)
            assert all(count_of(node.log_text(), "cannot look up where the others are") == 1 for node in nodes)
            leader = cluster.leader()
            wait_until(lambda: "names this node as the leader" in leader.log_text(), "the leader to be named")
            etcd.stop()
            wait_until(lambda: "cannot keep /late/leader up to date" in leader.log_text(), "it to say so")
            assert "last_error" in leader.get("/status").json()["disco"]
            cluster.write("CREATE TABLE t(id)")
            etcd.start()
            wait_until(lambda: count_of(leader.log_text(), "names this node as the leader") == 2, "its return")
            assert count_of(leader.log_text(), "cannot keep /late/leader up to date") == 1
        finally:
            etcd.stop()

    def test_a_store_that_hangs_keeps_no_node_from_stopping(self, cluster):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            address = f"http://127.0.0.1:{silent.getsockname()[1]}"
            node, = add_nodes(cluster, ["n1"], "-disco-mode", "etcd-kv", "-disco-config",
                              json.dumps({"endpoints": [address], "dial-timeout": "5m"}))
            connection, _ = silent.accept()
            assert node.get("/readyz").status_code == 503, "it serves meanwhile"
            assert node.stop() == 0
            connection.close()


# --- Consul ---

@pytest.fixture
def consul():
    made = ConsulStandIn(token="t0ken", login=("user", "pass:word"))
    yield made
    made.close()


def consul_flags(consul, key, **config):
    config = {"address": consul.address, "token": "t0ken", "basic_auth": {"username": "user", "password": "pass:word"},
              **config}
    return ["-disco-mode", "consul-kv", "-disco-key", key, "-disco-config", json.dumps(config)]


def test_consul(cluster, consul):
    nodes = add_nodes(cluster, ["n1", "n2", "n3"], *consul_flags(consul, "a b", datacenter="dc1"))
    wait_for_one_cluster(nodes)
    cluster.wait_for_voters(3)
    leader = cluster.leader()
    key = "rqlite/a b/leader"
    wait_until(lambda: consul.get(key) == {"id": leader.name, "api_addr": leader.url, "addr": leader.raft_address},
               "the leader to be named")
    leader.kill()
    wait_until(lambda: consul.get(key)["id"] != leader.name, "the next leader to be named")
    leader.start().wait_until_ready()
    replica, = add_nodes(cluster, ["r1"], *consul_flags(consul, "a b"), "-raft-non-voter")
    replica.wait_until_ready()


def test_what_consul_refuses(cluster, consul):
    for name, config, says in (("token", {"token": "wrong"}, "403: Permission denied"),
                               ("login", {"basic_auth": {"username": "user", "password": "x"}}, "401"),
                               ("dc", {"datacenter": "elsewhere"}, "No path to datacenter")):
        node, = add_nodes(cluster, [name], *consul_flags(consul, "k", **config))
        wait_until(lambda: says in node.log_text(), says)
        assert node.is_running()
    assert consul.pairs == {}


def test_consul_with_tls_and_files(cluster, tmp_path):
    authority = Authority(tmp_path)
    consul = ConsulStandIn(token="t0ken", tls=authority.issue("server"))
    try:
        (tmp_path / "token").write_text("t0ken\n")
        config = {"address": consul.address, "scheme": "https", "token_file": str(tmp_path / "token"),
                  "tls_config": {"ca_file": str(authority.certificate)}}
        (tmp_path / "disco.json").write_text(json.dumps(config))
        node, = add_nodes(cluster, ["n1"], "-disco-mode", "consul-kv", "-disco-config", tmp_path / "disco.json")
        node.wait_until_ready()
        wait_until(lambda: (consul.get("rqlite/rqlite/leader") or {}).get("founding") is None, "the leader to be named")
        del config["tls_config"]
        untrusting, = add_nodes(cluster, ["n2"], "-disco-mode", "consul-kv", "-disco-config", json.dumps(config))
        wait_until(lambda: "is not accepted" in untrusting.log_text(), "the certificate to be refused")
    finally:
        consul.close()


# --- names ---

def hosts_of(nodes):
    return ",".join(node.raft_address for node in nodes)


@pytest.mark.parametrize("variable", ["RQLITE_DISCO_DNS_HOSTS", "QUORATE_DISCO_DNS_HOSTS"])
def test_hosts_of_the_environment(cluster, variable):
    flags = ["-disco-mode", "dns", "-disco-config", '{"name":"nodes.example"}', "-bootstrap-expect", "3"]
    cluster.nodes = nodes = [Node(cluster.directory, f"n{i}", flags) for i in range(1, 4)]
    for node in nodes:
        node.environment = {variable: hosts_of(nodes)}
    nodes[0].start()
    nodes[1].start()
    wait_until(lambda: "belongs to no cluster" in nodes[0].log_text() or nodes[1].get("/status").ok, "the second node")
    assert nodes[0].get("/leader").status_code == 503
    nodes[2].start()
    wait_for_one_cluster(nodes)
    cluster.wait_for_voters(3)
    cluster.write("CREATE TABLE t(id)")
    disco = nodes[0].get("/status").json()["disco"]
    assert disco["mode"] == "dns" and disco["name"] == "nodes.example"
    # The same command line starts them again; one more joins, and a read replica.
    for node in nodes:
        node.kill()
    for node in nodes:
        node.start()
    cluster.write("INSERT INTO t VALUES(1)")
    late, = add_nodes(cluster, ["n4"], *flags, **{variable: hosts_of(nodes)})
    replica, = add_nodes(cluster, ["r1"], *flags[:4], "-raft-non-voter", **{variable: hosts_of(nodes)})
    late.wait_until_ready()
    replica.wait_until_ready()
    wait_until(lambda: voters(late) == {"n1", "n2", "n3", "n4"}, "the newcomer to vote")


def test_too_few_nodes(cluster):
    node = Node(cluster.directory, "n1", ["-disco-mode", "dns-srv", "-bootstrap-expect", "3",
                                          "-bootstrap-expect-timeout", "2s"])
    cluster.nodes.append(node)
    node.environment = {"RQLITE_DISCO_DNS_HOSTS": f"{node.raft_address},127.0.0.1:{free_port()}"}
    assert node.start().wait_for_exit() == 1
    assert "no cluster of 3 nodes has come about in time" in node.log_text()


class Dns:
    """A dnsmasq on an address of its own, which nodes in mount namespaces of their own take for the system's."""

    def __init__(self, directory):
        self.directory = directory
        self.address = f"127.53.{os.getpid() % 250 + 1}.{free_port() % 250 + 1}"
        self.hosts = directory / "hosts"
        self.hosts.write_text("")
        self.process = None
        (directory / "resolv.conf").write_text(f"nameserver {self.address}\noptions timeout:1 attempts:1\n")

    def start(self, *options):
        self.stop()
        with open(self.directory / "dnsmasq.log", "ab") as log:
            self.process = subprocess.Popen(
                ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root",
                 "--bind-interfaces", f"--listen-address={self.address}", f"--addn-hosts={self.hosts}",
                 "--pid-file=", "--local=/test/", *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self.answers, "dnsmasq")
        return self

    def answers(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.5)
            probe.sendto(bytes.fromhex("0001010000010000000000000474657374000001 0001".replace(" ", "")),
                         (self.address, 53))
            return probe.recv(512)

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def wrapper(self):
        return ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"',
                self.directory / "resolv.conf"]


def why_no_dns():
    if not shutil.which("dnsmasq"):
        return "needs Debian's dnsmasq-base"
    probe = subprocess.run(["unshare", "--mount", "mount", "--bind", "/etc/hosts", "/etc/resolv.conf"],
                           capture_output=True, check=False)
    return "needs a mount namespace and port 53, which only root has" if os.geteuid() != 0 or probe.returncode else ""


@pytest.mark.skipif(bool(why_no_dns()), reason=why_no_dns())
class TestDns:
    @pytest.fixture
    def dns(self, tmp_path):
        made = Dns(tmp_path)
        yield made
        made.stop()

    def make(self, cluster, dns, names, *flags):
        """Nodes with one port and an address each."""
        port = free_port()
        made = []
        for number, name in enumerate(names, 1):
            node = Node(cluster.directory, name, flags)
            node.raft_address = f"127.0.{number}.1:{port}"
            node.wrapper = dns.wrapper()
            made.append(node)
        cluster.nodes += made
        return port, made

    def test_addresses_of_a_name(self, cluster, dns):
        port, nodes = self.make(cluster, dns, ["n1", "n2", "n3"], "-bootstrap-expect", "3", "-disco-mode", "dns",
                                "-disco-config", '{"name":"nodes.test","port":$PORT}')
        for node in nodes:
            node.environment = {"PORT": str(port)}
            node.start()
        wait_until(lambda: "looking up nodes.test" in nodes[0].log_text(), "the DNS to be missed")
        # It knows two of them first, and another one that is nobody.
        dns.hosts.write_text("127.0.1.1 nodes.test\n127.0.2.1 nodes.test\n127.0.9.1 nodes.test\n")
        dns.start()
        wait_until(lambda: "belongs to no cluster yet" in nodes[0].log_text()
                   or nodes[0].get("/status").json()["disco"]["last_addresses"], "the name to be found")
        assert nodes[0].get("/leader").status_code == 503
        dns.hosts.write_text("".join(f"127.0.{i}.1 nodes.test\n" for i in (1, 2, 3)))
        dns.start()
        wait_for_one_cluster(nodes)
        cluster.wait_for_voters(3)
        assert nodes[0].get("/status").json()["disco"]["last_addresses"] == [f"127.0.{i}.1:{port}" for i in (1, 2, 3)]
        assert count_of(nodes[0].log_text(), "cannot look up where the others are") == 1

    def test_records_of_a_service(self, cluster, dns):
        _, nodes = self.make(cluster, dns, ["n1", "n2", "n3"], "-bootstrap-expect", "3", "-disco-mode", "dns-srv",
                             "-disco-config", '{"name":"example.test","service":"quorate"}')
        dns.hosts.write_text("".join(f"127.0.{i}.1 n{i}.test\n" for i in (1, 2, 3)))
        dns.start(*(f"--srv-host=_quorate._tcp.example.test,n{i}.test,{node.raft_address.split(':')[1]}"
                    for i, node in enumerate(nodes, 1)), "--srv-host=_quorate._tcp.example.test,nobody.test,4002")
        for node in nodes:
            node.start()
        wait_for_one_cluster(nodes)
        assert nodes[0].get("/status").json()["disco"]["name"] == "_quorate._tcp.example.test"

    def test_a_dns_that_does_not_answer(self, cluster, dns):
        _, (node,) = self.make(cluster, dns, ["n1"], "-bootstrap-expect", "1", "-disco-mode", "dns")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind((dns.address, 53))
            node.start()
            silent.settimeout(30)
            silent.recv(512)
            assert node.stop() == 0


# --- what is refused ---

@pytest.mark.parametrize("flags, says", [
    (("-disco-mode", "zookeeper"), "none of consul-kv, etcd-kv, dns, dns-srv"),
    (("-disco-mode", "etcd-kv", "-join", "localhost:9"), "use one of them"),
    (("-disco-mode", "consul-kv", "-bootstrap-expect", "3"), "leave it out"),
    (("-disco-mode", "dns"), "needs -bootstrap-expect"),
    (("-disco-mode", "dns-srv"), "needs -bootstrap-expect"),
    (("-disco-config", "{}"), "without -disco-mode"),
    (("-disco-mode", "etcd-kv", "-disco-config", "{\"endpoint\":[]}"), 'unknown key "endpoint"'),
    (("-disco-mode", "etcd-kv", "-disco-config", "{\"password\":\"$NOT_SET_ANYWHERE\"}"), "NOT_SET_ANYWHERE"),
    (("-disco-mode", "consul-kv", "-disco-config", "nowhere.json"), "cannot open nowhere.json"),
])
def test_what_is_refused(tmp_path, flags, says):
    node = Node(tmp_path, "n1", flags)
    assert node.start().wait_for_exit() != 0
    assert says in node.log_text()
