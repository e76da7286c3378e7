#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Records what real servers answer to health checks, and what dcmtk's echoscu asks, as vectors_probe_*.h;
the answers also as seeds of ../fuzz/fuzz_probe.c.
Run it here as root after `ninja -C BUILD test/lab/probe_tool`, with dcmtk, orthanc, nginx-light and python3-hl7:
./record_probes.py BUILD/test/lab/probe_tool && clang-format -i vectors_probe_*.h
Servers run in a network namespace of their own, and end with it."""
import asyncio
import contextlib
import http.server
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time

import hl7
import hl7.mllp

HERE = pathlib.Path(__file__).resolve().parent
SEEDS = HERE.parent / 'fuzz' / 'corpus' / 'probe'
OTHER_SEPARATORS = b'MSH*%~\\&*GANTRY*LB*RIS*HOSP*20250101120000**NMD%N02*OLD1*T*2.5\r\nNTE*1**two\r\n'
ID = 7  # of all probes: GNT0000000007, message ID 8


@contextlib.contextmanager
def server(port, *command, **kwargs):
    """A program that listens on a port, until the block ends."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **kwargs)
    try:
        for _ in range(200):
            if process.poll() is not None:
                raise SystemExit(f'{command[0]} ended: {process.returncode}')
            # Asked of the kernel: a connection would be the first that the server sees.
            if f':{port:04X} 00000000:0000 0A' in pathlib.Path('/proc/net/tcp').read_text():
                break
            time.sleep(0.05)
        else:
            raise SystemExit(f'{command[0]} does not listen on {port}')
        yield
    finally:
        process.terminate()
        process.wait(10)


class Relay:
    """Stands between a client and a server, and keeps what each says in one connection."""

    def __init__(self, port):
        self.port, self.asked, self.answered = port, b'', b''

    def __enter__(self):
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        return self

    def run(self):
        client, _ = self.listener.accept()
        with client, socket.create_connection(('127.0.0.1', self.port)) as upstream:
            back = threading.Thread(target=self.pump, args=(upstream, client, 'answered'))
            back.start()
            self.pump(client, upstream, 'asked')
            back.join()

    def pump(self, source, sink, name):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                setattr(self, name, getattr(self, name) + data)
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def __exit__(self, *_):
        self.thread.join(20)
        self.listener.close()


def probe(kind, port, *words):
    """What the server answers to a probe."""
    with Relay(port) as relay:
        address = relay.listener.getsockname()
        done = subprocess.run([TOOL, kind, '127.0.0.1', str(address[1]), f'id={ID}', 'timeout=3', *words],
                              stdout=subprocess.PIPE, text=True)
    print(f'{kind} {port} {" ".join(words)}: {done.stdout.strip()}')
    return relay.answered


def pdus(data):
    """A stream as its DICOM PDUs."""
    while data:
        size = 6 + int.from_bytes(data[2:6], 'big')
        yield data[:size]
        data = data[size:]


def record_dicom(tmp):
    store = tmp / 'store'
    store.mkdir()
    v = {}
    with server(11112, 'storescp', '-aet', 'PACS1', '-od', store, '11112'):
        v['storescp_echo'] = probe('dicom', 11112)
        with Relay(11112) as relay:
            subprocess.run(['echoscu', '-pdu', '4096', '-aet', 'GANTRY', '-aec', 'ANY-SCP', '127.0.0.1',
                            str(relay.listener.getsockname()[1])], check=True)
        v['echoscu_associate'], v['echoscu_echo'], v['echoscu_release'] = pdus(relay.asked)
    with server(11113, 'storescp', '--refuse', '-od', store, '11113'):
        v['storescp_refuse'] = probe('dicom', 11113)
    # One association at a time, and none for another title.
    config = tmp / 'qr.cfg'
    config.write_text('NetworkTCPPort = 11114\nMaxPDUSize = 16384\nMaxAssociations = 1\n'
                      'HostTable BEGIN\nHostTable END\nVendorTable BEGIN\nVendorTable END\n'
                      f'AETable BEGIN\nPACS_QR {store} RW (10, 1024mb) ANY\nAETable END\n')
    with server(11114, 'dcmqrscp', '-c', config):
        v['dcmqrscp_echo'] = probe('dicom', 11114, 'called=PACS_QR')
        v['dcmqrscp_wrong_called'] = probe('dicom', 11114, 'called=WRONG')
        with socket.create_connection(('127.0.0.1', 11114)) as held:
            held.sendall(v['echoscu_associate'].replace(b'ANY-SCP', b'PACS_QR'))
            held.recv(1)
            v['dcmqrscp_full'] = probe('dicom', 11114, 'called=PACS_QR')
    (tmp / 'orthanc').mkdir()
    config = tmp / 'orthanc.json'
    config.write_text('{"StorageDirectory": "%s/orthanc", "IndexDirectory": "%s/orthanc", "HttpPort": 8042,'
                      '"DicomPort": 4242, "DicomAet": "ORTHANC", "DicomCheckCalledAet": true,'
                      '"DicomAlwaysAllowEcho": false, "DicomAlwaysAllowStore": false, "AuthenticationEnabled": false,'
                      '"Plugins": [], "DicomCheckModalityHost": true, "DicomModalities": {'
                      '"known": ["KNOWN", "127.0.0.1", 104], "elsewhere": ["ELSEWHERE", "192.0.2.1", 104],'
                      '"mute": {"AET": "MUTE", "Host": "127.0.0.1", "Port": 104, "AllowEcho": false}}}' % (tmp, tmp))
    with server(8042, 'Orthanc', config):
        v['orthanc_echo'] = probe('dicom', 4242, 'called=ORTHANC', 'calling=KNOWN')
        v['orthanc_wrong_called'] = probe('dicom', 4242, 'called=WRONG', 'calling=KNOWN')
        v['orthanc_wrong_calling'] = probe('dicom', 4242, 'called=ORTHANC', 'calling=WRONG')
        v['orthanc_wrong_host'] = probe('dicom', 4242, 'called=ORTHANC', 'calling=ELSEWHERE')
        v['orthanc_no_echo'] = probe('dicom', 4242, 'called=ORTHANC', 'calling=MUTE')
        v['http_server'] = probe('dicom', 8042)
        http_vectors['orthanc_system'] = probe('http', 8042, 'path=/system', 'body=no such text')
        hl7_vectors['http_server'] = probe('hl7', 8042)
    return v


def hl7_server(port, answer):
    """python3-hl7's server, whose answers are those of its own Message.create_ack."""
    started = threading.Event()
    loop = asyncio.new_event_loop()

    async def talk(reader, writer):
        message = await reader.readmessage()
        for code in answer:
            writer.writemessage(message.create_ack(code, message_id='ACK1'))
        await writer.drain()
        writer.close()

    async def serve():
        await hl7.mllp.start_hl7_server(talk, port=port, host='127.0.0.1')
        started.set()

    loop.create_task(serve())
    threading.Thread(target=loop.run_forever, daemon=True).start()
    started.wait(10)


def record_hl7(tmp):
    v = {}
    for i, code in enumerate(('AA', 'AE', 'AR', 'CA', 'CE', 'CR')):
        hl7_server(2575 + i, [code])
        v[f'ack_{code.lower()}'] = probe('hl7', 2575 + i)
    hl7_server(2590, ['CA', 'AA'])
    v['ack_ca_aa'] = probe('hl7', 2590, 'accept=1')
    other = tmp / 'other.hl7'
    other.write_bytes(OTHER_SEPARATORS)
    hl7_server(2591, ['AA'])
    v['ack_other_separators'] = probe('hl7', 2591, f'message={other}')
    return v


class Python(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        if self.path == '/hints':
            self.send_response_only(103)
            self.send_header('Link', '</style.css>; rel=preload')
            self.end_headers()
        self.send_response(204 if self.path == '/empty' else 200)
        if self.path != '/empty':
            self.send_header('Content-Length', '6')
        self.end_headers()
        if self.path != '/empty':
            self.wfile.write(b'ready\n')

    def log_message(self, *_):
        pass


def record_http(tmp):
    v = {}
    web = tmp / 'web'
    web.mkdir()
    tmp.chmod(0o755)
    (web / 'ready.html').write_text('<p>gantry: ready</p>\n')
    (web / 'part.html').write_text('ready</p>\n')
    # nginx sends what it assembles in chunks, or until the end where chunks are off.
    (web / 'chunked.shtml').write_text('<p>gantry: <!--# include file="part.html" -->')
    (web / 'until_close.shtml').write_text('<p>gantry: <!--# include file="part.html" -->')
    config = tmp / 'nginx.conf'
    config.write_text(f'''daemon off; pid {tmp}/nginx.pid; error_log {tmp}/error.log; user root;
events {{}}
http {{ access_log off; default_type text/html; server {{ listen 127.0.0.1:8080; root {web}; ssi on; ssi_types *;
  location = /ready.html {{ ssi off; }}
  location = /until_close.shtml {{ chunked_transfer_encoding off; }}
  location = /busy {{ return 503; }} }} }}
''')
    with server(8080, 'nginx', '-c', config):
        for name, path in (('length', 'ready.html'), ('chunked', 'chunked.shtml'),
                           ('until_close', 'until_close.shtml'), ('not_found', 'nowhere'), ('busy', 'busy')):
            v[f'nginx_{name}'] = probe('http', 8080, f'path=/{path}', 'body=no such text', 'status=100-599')
        v['nginx_bad_request'] = probe('dicom', 8080)
    simple = server(8081, '/usr/bin/python3', '-m', 'http.server', '--bind', '127.0.0.1', '-d', web, '8081')
    with simple:
        v['python_ready'] = probe('http', 8081, 'path=/ready.html', 'body=no such text')
    threading.Thread(target=http.server.HTTPServer(('127.0.0.1', 8082), Python).serve_forever, daemon=True).start()
    for name in ('hints', 'empty'):
        v[f'python_{name}'] = probe('http', 8082, f'path=/{name}', 'body=no such text')
    return v


def write(name, vectors):
    guard = f'GT_TEST_VECTORS_PROBE_{name.upper()}_H'
    with open(HERE / f'vectors_probe_{name}.h', 'w') as f:
        f.write('/* SPDX-License-Identifier: BSD-3-Clause */\n'
                '/* Recorded by record_probes.py from the programs that the names tell. Do not edit. */\n'
                f'#ifndef {guard}\n#define {guard}\n\n#include <stdint.h>\n\n')
        for key, data in vectors.items():
            if not data:
                raise SystemExit(f'{key}: nothing was recorded')
            f.write(f'static const uint8_t v_{key}[] = {{{", ".join(f"0x{b:02x}" for b in data)}}};\n\n')
        f.write('#endif\n')


def write_seeds(name, vectors):
    """As fuzz_probe.c reads them: kind and options, the ask's text, pieces."""
    kind = {'dicom': 1, 'hl7': 2, 'http': 3}[name]
    for key, data in vectors.items():
        if key.startswith('echoscu'):
            continue
        text = b'gantry: ready</p>' if name == 'http' else OTHER_SEPARATORS if key == 'ack_other_separators' else b''
        seed = bytes([kind | 4 | (16 if text else 0), len(text)]) + text
        for i in range(0, len(data), 200):
            piece = data[i:i + 200]
            seed += bytes([len(piece)]) + piece
        (SEEDS / f'{name}_{key}').write_bytes(seed)


def main():
    with tempfile.TemporaryDirectory() as name:
        tmp = pathlib.Path(name)
        dicom_vectors.update(record_dicom(tmp))
        hl7_vectors.update(record_hl7(tmp))
        http_vectors.update(record_http(tmp))
    for kind, vectors in (('dicom', dicom_vectors), ('hl7', hl7_vectors), ('http', http_vectors)):
        write(kind, vectors)
        write_seeds(kind, vectors)


TOOL = os.path.abspath(sys.argv[1])
dicom_vectors, hl7_vectors, http_vectors = {}, {}, {}
if os.environ.get('RECORD_INSIDE') != '1':
    os.environ['RECORD_INSIDE'] = '1'
    os.execvp('unshare', ['unshare', '-n', sys.executable, *sys.argv])
subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
main()
os._exit(0)  # the servers' threads have no end
