#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A server that tells its name and echoes; a client that tells how long it takes to learn of its end; and
one that holds many connections.

echo.py serve NAME PORT                  for each connection: the name, a newline, then all that comes
echo.py talk ADDRESS PORT COMMAND...     connects, exchanges a byte, runs COMMAND with {} replaced by the
                                         server's name, sends a byte and waits for what comes of it; then
                                         connects once more. Prints "NAME OUTCOME MS NAME", where OUTCOME
                                         is reset, closed, echo or timeout
echo.py hold ADDRESS PORT STEP...        +N opens N connections, -N:NAME closes N of those to NAME. Prints
                                         after each step how many each server has: "NAME=N NAME=N"
"""
import collections
import socket
import socketserver
import subprocess
import sys
import time


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(self.server.name.encode() + b"\n")
        while data := self.request.recv(4096):
            self.request.sendall(data)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64


def meet(address, port):
    connection = socket.create_connection((address, port), timeout=10)
    name = b""
    while not name.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            sys.exit("closed before it told its name")
        name += byte
    return connection, name.decode().strip()


def outcome(connection):
    try:
        connection.sendall(b"y")
        return "echo" if connection.recv(1) else "closed"
    except TimeoutError:
        return "timeout"
    except ConnectionError:
        return "reset"


def talk(address, port, command):
    connection, name = meet(address, port)
    connection.sendall(b"x")
    if connection.recv(1) != b"x":
        sys.exit("no echo")
    subprocess.run([word.replace("{}", name) for word in command], check=True, stdout=sys.stderr)
    start = time.monotonic()
    result = outcome(connection)
    ms = (time.monotonic() - start) * 1000
    _, other = meet(address, port)
    print(name, result, f"{ms:.2f}", other)


def hold(address, port, steps):
    held = collections.defaultdict(list)
    for step in steps:
        n, _, name = step[1:].partition(":")
        for _ in range(int(n)):
            if step[0] == "+":
                connection, name = meet(address, port)
                held[name].append(connection)
            else:
                held[name].pop().close()
            # People open associations one after the other; a burst within a tenth of a second is all luck.
            time.sleep(0.01)
        # Workers tell each other of their loads ten times a second, where the machine has time for it.
        time.sleep(1)
        print(*(f"{name}={len(held[name])}" for name in sorted(held)), flush=True)


def main():
    command = sys.argv[1] if len(sys.argv) > 3 else ""
    if command == "serve":
        server = Server(("", int(sys.argv[3])), Echo)
        server.name = sys.argv[2]
        server.serve_forever()
    elif command == "talk" and len(sys.argv) > 4:
        talk(sys.argv[2], int(sys.argv[3]), sys.argv[4:])
    elif command == "hold" and len(sys.argv) > 4:
        hold(sys.argv[2], int(sys.argv[3]), sys.argv[4:])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
