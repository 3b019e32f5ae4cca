"""Cuts the network between nodes without being root: nodes tell each other the address of a listener here, which passes
on what comes to the node behind it. Who is calling is known from the kernel's table of connections, so that every pair,
and each direction of it, can be cut by itself. What is sent over a cut link waits until it is mended, as in a network
that loses packets; connections are not reset."""

import contextlib
import os
import pathlib
import socket
import threading

from cluster import Cluster, Node

BYTES_AT_ONCE = 65536


def owner_of(port, nodes):
    """The node that a connection from this port of loopback comes from."""
    wanted = f"0100007F:{port:04X}"
    rows = (line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:])
    inode = next((row[9] for row in rows if row[1] == wanted), None)
    for node in nodes:
        with contextlib.suppress(OSError):  # it has just ended
            folder = f"/proc/{node.process.pid}/fd"
            for descriptor in os.listdir(folder):
                with contextlib.suppress(OSError):
                    if os.readlink(f"{folder}/{descriptor}") == f"socket:[{inode}]":
                        return node
    return None


class Switchboard:
    def __init__(self):
        self.nodes = []
        self._changed = threading.Condition()
        self._cut = set()  # (from, to), by name
        self._listeners = []

    def connect(self, node):
        """The address that other nodes are to use for this one."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.nodes.append(node)
        self._listeners.append(listener)
        threading.Thread(target=self._serve, args=(listener, node), daemon=True).start()
        return f"127.0.0.1:{listener.getsockname()[1]}"

    def cut(self, links):
        with self._changed:
            self._cut = set(links)
            self._changed.notify_all()

    def mend(self):
        self.cut(())

    def close(self):
        self.mend()
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _serve(self, listener, node):
        with contextlib.suppress(OSError):
            while True:
                caller, (_, port) = listener.accept()
                threading.Thread(target=self._join, args=(caller, port, node), daemon=True).start()

    def _join(self, caller, port, node):
        source = owner_of(port, self.nodes)
        names = (source.name if source else "?", node.name)
        self._wait_for(names)
        host, raft_port = node.raft_address.split(":")
        try:
            called = socket.create_connection((host, int(raft_port)))
        except OSError:
            return caller.close()
        for end in (caller, called):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        back = threading.Thread(target=self._pass_on, args=(called, caller, names[::-1]), daemon=True)
        back.start()
        self._pass_on(caller, called, names)
        back.join()
        caller.close()
        return called.close()

    def _pass_on(self, source, target, names):
        with contextlib.suppress(OSError):
            while data := source.recv(BYTES_AT_ONCE):
                self._wait_for(names)
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _wait_for(self, names):
        with self._changed:
            self._changed.wait_for(lambda: names not in self._cut)


class SwitchedCluster(Cluster):
    """A cluster whose nodes reach each other through a switchboard only."""

    def __init__(self, directory):
        super().__init__(directory)
        self.switchboard = Switchboard()

    def add(self, name=None, *arguments, join=None):
        node = Node(self.directory, name or f"n{len(self.nodes) + 1}")
        node.peer_address = self.switchboard.connect(node)
        node.fixed_arguments = [*arguments, "-raft-adv-addr", node.peer_address]
        join = join or (self.nodes[0] if self.nodes else None)
        node.arguments = [*node.fixed_arguments, *(["-join", join.peer_address] if join else [])]
        self.nodes.append(node)
        return node.start()

    def close(self):
        super().close()
        self.switchboard.close()
