#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Peers of health checks.

check_peers.py hl7 PORT CODE      python3-hl7's own MLLP server: acknowledges each message with CODE
check_peers.py accept PORT        accepts, and writes a line for each connection and how it ended
check_peers.py http PORT          answers each request, many connections at once
check_peers.py arp IF TARGET N    asks N times who has TARGET, and prints how long the answers took:
                                  "ANSWERED MEDIAN-US WORST-US"
"""
import asyncio
import fcntl
import socket
import statistics
import struct
import sys
import time


def serve_hl7(port, code):
    import hl7.mllp

    async def talk(reader, writer):
        try:
            while True:
                message = await reader.readmessage()
                writer.writemessage(message.create_ack(code))
                await writer.drain()
        except asyncio.IncompleteReadError:
            writer.close()

    async def serve():
        server = await hl7.mllp.start_hl7_server(talk, port=port)
        await server.serve_forever()

    asyncio.run(serve())


def serve_accept(port):
    listener = socket.create_server(("", port))
    while True:
        connection, peer = listener.accept()
        try:
            end = "closed" if connection.recv(1) == b"" else "data"
        except OSError as error:
            end = error.strerror
        print(peer, end, flush=True)
        connection.close()


def serve_http(port):
    class Http(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport

        def data_received(self, _):
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK")
            self.transport.close()

    async def serve():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Http, "", port, backlog=4096)
        await server.serve_forever()

    asyncio.run(serve())


def ask_arp(interface, target, n):
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
    wire.bind((interface, 0x0806))
    wire.settimeout(1)
    mac = wire.getsockname()[4]
    ask = fcntl.ioctl(wire, 0x8915, struct.pack("256s", interface.encode()))  # SIOCGIFADDR
    own, target = ask[20:24], socket.inet_aton(target)
    frame = (b"\xff" * 6 + mac + b"\x08\x06" + b"\x00\x01\x08\x00\x06\x04\x00\x01" + mac + own + bytes(6) + target)
    took = []
    for _ in range(n):
        start = time.perf_counter()
        wire.send(frame)
        try:
            while True:
                got = wire.recv(128)
                if got[20:22] == b"\x00\x02" and got[28:32] == target and got[:6] == mac:
                    break
            took.append(time.perf_counter() - start)
        except socket.timeout:
            pass
        time.sleep(0.005)
    print(len(took), round(1e6 * statistics.median(took)), round(1e6 * max(took)))


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    if what == "hl7":
        serve_hl7(int(rest[0]), rest[1])
    elif what == "accept":
        serve_accept(int(rest[0]))
    elif what == "http":
        serve_http(int(rest[0]))
    elif what == "arp":
        ask_arp(rest[0], rest[1], int(rest[2]))
    else:
        sys.exit(__doc__)
