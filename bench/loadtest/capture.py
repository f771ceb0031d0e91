"""Tells how long requests to a port of this machine took on the wire: the truth that a load test is held to.

    capture.py PORT     (root, Linux: reads a raw socket on the loopback interface)

Prints `ready`; then, for each line on standard input, one JSON line about the connections since the last:
{"latencies": [ms, …], "spread": ms}. A latency is from the first byte of a request to the last byte of its answer, the
spread from the first request of all to the last connection's first one. Time stamps are the kernel's.
"""

import json
import socket
import struct
import sys
import threading

SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
PACKET_OUTGOING = 4


class Connection:
    def __init__(self):
        self.first = None
        self.sent = None
        self.answered = None
        self.latencies = []

    def see(self, up: bool, at: float):
        if not up:
            self.answered = at
            return
        if self.first is None:
            self.first = at
        if self.answered is not None:
            self.finish()
        if self.sent is None:
            self.sent = at

    def finish(self):
        if self.sent is not None and self.answered is not None:
            self.latencies.append((self.answered - self.sent) * 1e3)
        self.sent = self.answered = None


def listen(port: int, connections: dict, lock: threading.Lock):
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
            connections.setdefault(source if up else target, Connection()).see(up, seconds + nanoseconds / 1e9)


def main():
    connections: dict = {}
    lock = threading.Lock()
    threading.Thread(target=listen, args=(int(sys.argv[1]), connections, lock), daemon=True).start()
    for _ in sys.stdin:
        with lock:
            seen = list(connections.values())
            connections.clear()
        for connection in seen:
            connection.finish()
        starts = [connection.first for connection in seen if connection.first is not None]
        spread = (max(starts) - min(starts)) * 1e3 if starts else None
        print(json.dumps({"latencies": [ms for each in seen for ms in each.latencies], "spread": spread}), flush=True)


main()
