#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""slow_http.py PORT FILE: answers after the seconds that FILE holds; if it says "flap", well and ill by turns."""
import http.server
import sys
import time

turns = 0


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global turns
        with open(sys.argv[2]) as f:
            word = f.read().strip()
        turns += 1
        if word != "flap":
            time.sleep(float(word))
        self.send_response(503 if word == "flap" and turns % 2 else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()


http.server.ThreadingHTTPServer(("", int(sys.argv[1])), Handler).serve_forever()
