#!/usr/bin/env python3
"""Measures a cluster whose nodes are far from each other: everything that one sends to another passes through a proxy
that holds it back for half a round trip. Prints a table.

    bench/distance_bench.py --round-trip-ms 50

Delays are the proxies', bandwidth is loopback's."""

import argparse
import asyncio
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading

from cluster_bench import ROOT, Loads

PIECE_BYTES = 1 << 16


class SlowLinks:
    """Proxies on a thread of their own: one in front of each node."""

    def __init__(self, one_way_seconds):
        self.one_way_seconds = one_way_seconds
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def in_front_of(self, address):
        """The address at which whatever listens at `address` is reached late."""
        return asyncio.run_coroutine_threadsafe(self.listen(address), self.loop).result()

    async def listen(self, address):
        host, port = address.split(":")

        async def connected(reader, writer):
            try:
                far_reader, far_writer = await asyncio.open_connection(host, int(port))
            except OSError:
                writer.close()
                return
            await asyncio.gather(self.carry(reader, far_writer), self.carry(far_reader, writer))

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        return f"127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def carry(self, reader, writer):
        def arrive(piece):
            if not writer.is_closing():
                writer.write(piece)

        try:
            while piece := await reader.read(PIECE_BYTES):
                self.loop.call_later(self.one_way_seconds, arrive, piece)
        except OSError:
            pass
        self.loop.call_later(self.one_way_seconds, writer.close)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release", help="with the binary")
    parser.add_argument("--round-trip-ms", type=float, default=50.0, help="between any two nodes")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each run")
    parser.add_argument("--runs", type=int, default=1, help="of each load; the medians are reported")
    options = parser.parse_args()
    os.environ["QUORATE_BUILD_DIR"] = str(options.build)
    from cluster import Cluster, Node, QUORATE  # pylint: disable=import-outside-toplevel

    links = SlowLinks(options.round_trip_ms / 2000)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="distance-bench-", dir=options.build))
    cluster = Cluster(folder)
    try:
        for i in range(3):
            node = Node(folder, f"n{i + 1}")
            node.arguments = ["-raft-adv-addr", links.in_front_of(node.raft_address), "-raft-election-timeout", "2s"]
            if cluster.nodes:
                node.arguments += ["-join", cluster.nodes[0].arguments[1]]
            cluster.nodes.append(node.start())
        cluster.wait_for_voters(3)
        subprocess.run([QUORATE, "bench", "--host", cluster.leader().http_address, "--seconds", "1", "--warm-up", "0",
                        "--rows", "100", "--json"], stdout=subprocess.DEVNULL, check=True)  # makes the table
        loads = Loads(QUORATE, cluster, options)
        for connections, pipeline in ((1, 1), (64, 1), (64, 8)):
            found = loads.medians("--connections", str(connections), "--pipeline", str(pipeline))
            print(f"INSERT, {connections} connections x {pipeline}: {found['per_second']:,.0f}/s, p50 "
                  f"{found['p50_ms']:.0f} ms, p99 {found['p99_ms']:.0f} ms, {found['cpu_us']:.0f} us of CPU per write",
                  flush=True)
    finally:
        cluster.close()
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
