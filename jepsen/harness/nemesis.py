"""The nemesis: breaks a cluster of real processes, and mends it. Every fault is over when its function returns, except
for what the cluster then has to recover from by itself."""

import contextlib
import os
import shutil
import signal
import threading
import time

import requests

from cluster import wait_until


class Nemesis(threading.Thread):
    """Draws faults until it is told to stop. The schedule follows from the seed; what it meets does not."""

    def __init__(self, cluster, faults, random, has_progressed, on_failure, log_path):
        super().__init__(daemon=True, name="nemesis")
        self.cluster = cluster
        self.faults = faults
        self.random = random
        self.has_progressed = has_progressed  # a function that returns a condition: "writes were acknowledged since"
        self.on_failure = on_failure
        self.stopping = threading.Event()
        self.failure = None
        self.counts = {}
        self._log = open(log_path, "w", encoding="utf-8")

    def run(self):
        try:
            while not self.stopping.is_set():
                fault = self.random.choice(self.faults)
                self.say(f"{fault} begins")
                FAULTS[fault](self)
                self.say(f"{fault} is over")
                self.counts[fault] = self.counts.get(fault, 0) + 1
                # Most of the time the cluster gets going again first; sometimes the next blow falls at once.
                if self.random.random() < 0.75:
                    wait_until(self.has_progressed(), f"writes to go on after {fault}")
        except BaseException as error:  # pylint: disable=broad-except
            self.failure = error
            self.say(f"gives up: {error}")
            self.on_failure()

    def finish(self):
        self.stopping.set()
        self.join()
        self._log.close()
        if self.failure is not None:
            raise self.failure

    def say(self, what):
        self._log.write(f"{time.monotonic_ns()} {what}\n")
        self._log.flush()

    def hold(self, seconds_max):
        """For how long a fault lasts: that is the fault, not a way of waiting for something."""
        self.stopping.wait(self.random.uniform(0.0, seconds_max))

    def victim(self):
        """The leader as often as not: that is where it hurts."""
        leader = self.leader_now()
        if leader is not None and self.random.random() < 0.5:
            return leader
        return self.random.choice(self.cluster.nodes)

    def leader_now(self):
        """Who is said to lead, without waiting for one."""
        for node in self.random.sample(self.cluster.nodes, len(self.cluster.nodes)):
            with contextlib.suppress(requests.RequestException, StopIteration, ValueError, KeyError):
                answer = requests.get(f"{node.url}/leader?timeout=500ms", timeout=1)
                if answer.status_code == 200:
                    return next(one for one in self.cluster.nodes if one.name == answer.json()["id"])
        return None

    # --- the faults ---

    def kill(self, nodes=None):
        """SIGKILL, and a restart."""
        nodes = nodes or [self.victim()]
        for node in nodes:
            self.say(f"SIGKILL to {node.name}")
            node.kill()
        self.hold(1.0)
        for node in self.random.sample(nodes, len(nodes)):
            node.start()

    def kill_majority(self):
        nodes = self.cluster.nodes
        self.kill(self.random.sample(nodes, len(nodes) // 2 + 1))

    def kill_all(self):
        self.kill(list(self.cluster.nodes))

    def pause(self):
        """SIGSTOP, and SIGCONT: a node that has missed a while and does not know."""
        node = self.victim()
        self.say(f"SIGSTOP to {node.name}")
        os.kill(node.process.pid, signal.SIGSTOP)
        try:
            self.hold(2.0)
        finally:
            os.kill(node.process.pid, signal.SIGCONT)

    def partition(self):
        """Links between nodes are cut: around one of them, both ways or one way, or only between two."""
        names = [node.name for node in self.cluster.nodes]
        apart = self.victim().name
        others = [name for name in names if name != apart]
        out, back = [(apart, other) for other in others], [(other, apart) for other in others]
        bridge = self.random.choice(others)
        links = self.random.choice((out + back, out, back, [(apart, bridge), (bridge, apart)]))
        self.say(f"cut {links}")
        self.cluster.switchboard.cut(links)
        try:
            self.hold(2.5)
        finally:
            self.cluster.switchboard.mend()

    def transfer(self):
        """Leadership is handed to another node."""
        target = self.random.choice(self.cluster.nodes)
        self.say(f"hand over to {target.name}")
        with contextlib.suppress(requests.RequestException):
            requests.post(f"{self.random.choice(self.cluster.nodes).url}/leader?wait&timeout=1s",
                          json={"id": target.name}, timeout=3)

    def stop(self):
        """SIGTERM, and a restart."""
        node = self.victim()
        # Whoever has only just been started does not listen to signals yet, and dies of them.
        wait_until(lambda: requests.get(f"{node.url}/leader?timeout=1s", timeout=3).status_code,
                   f"{node.name} to listen")
        self.say(f"SIGTERM to {node.name}")
        code = node.stop()
        assert code == 0, f"{node.name} ended with {code} after SIGTERM"
        self.hold(0.5)
        node.start()

    def replace(self):
        """A member is removed, loses its disk and joins again as a new one."""
        node = self.victim()
        others = [one for one in self.cluster.nodes if one is not node]
        # All must be well, or this is one failure more than a cluster of three promises to survive.
        for one in self.cluster.nodes:
            one.wait_until_ready()

        def is_removed():
            asked = self.random.choice(others)
            answer = requests.delete(f"{asked.url}/remove?timeout=2s", json={"id": node.name}, timeout=5)
            return answer.status_code == 200
        self.say(f"remove {node.name}")
        wait_until(is_removed, f"{node.name} to be removed")
        node.kill()
        shutil.rmtree(node.data)
        node.arguments = [*node.fixed_arguments, "-join", ",".join(one.peer_address for one in others)]
        self.say(f"{node.name} joins anew")
        node.start()
        wait_until(lambda: node.name in requests.get(f"{others[0].url}/nodes?timeout=1s", timeout=3).json(),
                   f"{node.name} to be a voter again")


FAULTS = {
    "kill": Nemesis.kill,
    "kill-majority": Nemesis.kill_majority,
    "kill-all": Nemesis.kill_all,
    "pause": Nemesis.pause,
    "partition": Nemesis.partition,
    "transfer": Nemesis.transfer,
    "stop": Nemesis.stop,
    "replace": Nemesis.replace,
}
