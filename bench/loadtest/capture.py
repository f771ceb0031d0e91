"""Tells how long requests to a port of this machine took on the wire: the truth that a load test is held to.

    capture.py PORT [tls]    (root, Linux: reads a raw socket on the loopback interface)

Prints `ready`; then, for each line on standard input, one JSON line about the connections since the last:
{"latencies": [ms, …], "spreads": [ms, …]}. A latency is from the first byte of a request to the last byte of its
answer. A spread is that of a burst: from its first request to its last. Time stamps are the kernel's. A connection that
was answered 413 is none of the load: it tried the key.
"""

import json
import socket
import struct
import sys
import threading

SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
PACKET_OUTGOING = 4
#: Before the request of a TLS connection the client sends its hello and its finished message.
HANDSHAKE = 2
#: Bursts are further apart, s.
APART = 0.1


class Connection:
    def __init__(self, before: int):
        self.before = before
        self.released = None
        self.sent = None
        self.answered = None
        self.refused = False
        self.latencies = []

    def see(self, up: bool, at: float, payload: bytes):
        if not up:
            self.answered = at
            self.refused = self.refused or payload.startswith(b"HTTP/1.1 413")
            return
        if self.before > 0:
            self.before -= 1
            return
        if self.released is None:
            self.released = at
        if self.answered is not None:
            self.finish()
        if self.sent is None:
            self.sent = at

    def finish(self):
        if self.sent is not None and self.answered is not None:
            self.latencies.append((self.answered - self.sent) * 1e3)
        self.sent = self.answered = None


def spreads(released: list) -> list:
    """From the first to the last of each burst, ms. One that is alone is no burst."""
    bursts: list = []
    for at in sorted(released):
        if bursts and at - bursts[-1][-1] < APART:
            bursts[-1].append(at)
        else:
            bursts.append([at])
    return [(burst[-1] - burst[0]) * 1e3 for burst in bursts if len(burst) > 1]


def listen(port: int, before: int, connections: dict, lock: threading.Lock):
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
    # A burst is not lost while Python waits for the CPU.
    raw.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
    raw.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    raw.bind(("lo", 0))
    print("ready", flush=True)
    while True:
        data, ancillary, _, address = raw.recvmsg(128, 64)
        # Everything on loopback is seen twice: as it leaves and as it comes.
        if address[2] == PACKET_OUTGOING or data[12:14] != b"\x08\x00" or data[23] != 6:
            continue
        header = 14 + (data[14] & 15) * 4
        source, target = struct.unpack_from(">HH", data, header)
        size = struct.unpack_from(">H", data, 16)[0] - (header - 14) - (data[header + 12] >> 4) * 4
        if size <= 0 or port not in (source, target):
            continue
        seconds, nanoseconds = struct.unpack("qq", ancillary[0][2][:16])
        up = target == port
        with lock:
            connection = connections.setdefault(source if up else target, Connection(before))
            connection.see(up, seconds + nanoseconds / 1e9, data[header + (data[header + 12] >> 4) * 4 :])


def main():
    connections: dict = {}
    lock = threading.Lock()
    before = HANDSHAKE if sys.argv[2:] == ["tls"] else 0
    threading.Thread(target=listen, args=(int(sys.argv[1]), before, connections, lock), daemon=True).start()
    for _ in sys.stdin:
        with lock:
            seen = list(connections.values())
            connections.clear()
        seen = [connection for connection in seen if not connection.refused]
        for connection in seen:
            connection.finish()
        latencies = [ms for connection in seen for ms in connection.latencies]
        released = [connection.released for connection in seen if connection.released is not None]
        print(json.dumps({"latencies": latencies, "spreads": spreads(released)}), flush=True)


main()
