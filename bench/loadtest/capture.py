"""Tells how long requests to a port of this machine took on the wire: the truth that a load test is held to.

    capture.py PORT [tls]    (root, Linux: reads a raw socket on the loopback interface)

Prints `ready`; then, for each line on standard input, one JSON line about the connections since the last:
{"latencies": [ms, …], "spreads": [ms, …]}. A latency is from the first byte of a request to the last byte of its
answer. A spread is that of a burst: from its first request to its last. Time stamps are the kernel's. A connection that
was answered 413 is none of the load: it tried the key.
"""

import ctypes
import json
import socket
import struct
import sys

SO_ATTACH_FILTER = 26
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
SOL_PACKET = 263
PACKET_STATISTICS = 6
PACKET_OUTGOING = 4
ETH_P_ALL = 3
#: A burst is kept by the kernel until it is asked for, bytes.
KEPT = 512 << 20
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


def of_port(port: int) -> bytes:
    """A classic BPF program: TCP segments over IPv4 that carry something, from or to the port, as they come in.

    Everything on loopback is seen twice, as it leaves and as it comes; handshakes and acknowledgements are no requests.
    """
    program = [
        (0x28, 0, 0, 0xFFFFF004),  # the packet's type
        (0x15, 17, 0, PACKET_OUTGOING),
        (0x28, 0, 0, 12),  # EtherType
        (0x15, 0, 15, 0x0800),
        (0x30, 0, 0, 23),  # protocol
        (0x15, 0, 13, socket.IPPROTO_TCP),
        (0xB1, 0, 0, 14),  # X: bytes of the IP header
        (0x48, 0, 0, 14),  # source port
        (0x15, 2, 0, port),
        (0x48, 0, 0, 16),  # target port
        (0x15, 0, 8, port),
        (0x50, 0, 0, 26),  # bytes of the TCP header
        (0x54, 0, 0, 0xF0),
        (0x74, 0, 0, 2),
        (0x0C, 0, 0, 0),
        (0x07, 0, 0, 0),  # X: bytes of both
        (0x28, 0, 0, 16),  # bytes of all
        (0x2D, 0, 1, 0),
        (0x06, 0, 0, 128),  # keep as much
        (0x06, 0, 0, 0),
    ]
    return b"".join(struct.pack("HBBI", *step) for step in program)


def listen(port: int) -> socket.socket:
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    program = ctypes.create_string_buffer(of_port(port))
    steps = (len(program) - 1) // 8
    raw.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", steps, ctypes.addressof(program)))
    try:
        raw.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, KEPT)
    except PermissionError:  # a container's root; what is lost then is told
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KEPT)
    raw.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    raw.bind(("lo", ETH_P_ALL))
    raw.setblocking(False)
    return raw


def taken(raw: socket.socket, port: int, before: int) -> list:
    """The connections of all segments since the last call. Nothing is read while a load runs: it needs the CPU."""
    connections: dict = {}
    while True:
        try:
            data, ancillary, _, _ = raw.recvmsg(128, 64)
        except BlockingIOError:
            break
        header = 14 + (data[14] & 15) * 4
        source, target = struct.unpack_from(">HH", data, header)
        seconds, nanoseconds = struct.unpack("qq", ancillary[0][2][:16])
        up = target == port
        connection = connections.setdefault(source if up else target, Connection(before))
        connection.see(up, seconds + nanoseconds / 1e9, data[header + (data[header + 12] >> 4) * 4 :])
    _, dropped = struct.unpack("II", raw.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
    if dropped:
        sys.exit(f"{dropped} segments were lost: the load is larger than the buffer")
    return [connection for connection in connections.values() if not connection.refused]


def main():
    port = int(sys.argv[1])
    before = HANDSHAKE if sys.argv[2:] == ["tls"] else 0
    raw = listen(port)
    print("ready", flush=True)
    for _ in sys.stdin:
        seen = taken(raw, port, before)
        for connection in seen:
            connection.finish()
        latencies = [ms for connection in seen for ms in connection.latencies]
        released = [connection.released for connection in seen if connection.released is not None]
        print(json.dumps({"latencies": latencies, "spreads": spreads(released)}), flush=True)


main()
