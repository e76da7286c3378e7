#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""An HTTP server for the lab: files.py PORT DIRECTORY

GET gives a file of the directory; PUT answers with the SHA-256 of what came, and keeps nothing.
"""
import hashlib
import http.server
import os
import socket
import sys


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_PUT(self):
        left = int(self.headers["Content-Length"])
        digest = hashlib.sha256()
        if self.headers.get("Expect") == "100-continue":
            self.send_response_only(100)
            self.end_headers()
        while left > 0:
            data = self.rfile.read(min(left, 65536))
            if not data:
                return
            digest.update(data)
            left -= len(data)
        answer = digest.hexdigest().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6  # and IPv4, by bindv6only=0


if __name__ == "__main__":
    os.chdir(sys.argv[2])
    Server(("::", int(sys.argv[1])), Handler).serve_forever()
