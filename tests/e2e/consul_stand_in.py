"""The part of Consul's key-value interface that discovery uses, for want of a Consul in Debian: as its HTTP API
documentation describes it, with `cas`, `raw`, `dc`, tokens, and the status codes and texts of its agent."""

import base64
import http.server
import json
import ssl
import threading
import urllib.parse


class ConsulStandIn:
    def __init__(self, token=None, login=None, datacenter="dc1", tls=None):
        self.token, self.login, self.datacenter = token, login, datacenter
        self.pairs = {}  # key: (value, create index, modify index)
        self.index = 10
        self.requests = []
        self.lock = threading.Lock()
        store = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                store.serve(self)

            def do_PUT(self):
                store.serve(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def get(self, key):
        with self.lock:
            found = self.pairs.get(key)
        return json.loads(found[0]) if found else None

    def delete(self, key):
        with self.lock:
            self.pairs.pop(key, None)

    def serve(self, request):
        url = urllib.parse.urlsplit(request.path)
        parameters = urllib.parse.parse_qs(url.query, keep_blank_values=True)
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        self.requests.append((request.command, request.path))
        status, answer = self.answer(request, url.path, parameters, body)
        request.send_response(status)
        request.send_header("X-Consul-Index", str(self.index))
        request.send_header("Content-Length", str(len(answer)))
        request.end_headers()
        request.wfile.write(answer)

    def answer(self, request, path, parameters, body):
        expected = "Basic " + base64.b64encode(":".join(self.login or ()).encode()).decode()
        if self.login and request.headers.get("Authorization") != expected:
            return 401, b"Unauthorized"
        if self.token and request.headers.get("X-Consul-Token") != self.token:
            return 403, b"Permission denied: anonymous token lacks permission 'key:write'"
        if parameters.get("dc", [self.datacenter])[0] != self.datacenter:
            return 500, b"No path to datacenter"
        if not path.startswith("/v1/kv/"):
            return 404, b"Invalid URL path: not a recognized HTTP API endpoint"
        key = urllib.parse.unquote(path[len("/v1/kv/"):])
        with self.lock:
            return self.read(key, parameters) if request.command == "GET" else self.write(key, parameters, body)

    def read(self, key, parameters):
        if key not in self.pairs:
            return 404, b""
        value, created, modified = self.pairs[key]
        if "raw" in parameters:
            return 200, value
        return 200, json.dumps([{"LockIndex": 0, "Key": key, "Flags": 0, "Value": base64.b64encode(value).decode(),
                                 "CreateIndex": created, "ModifyIndex": modified}]).encode()

    def write(self, key, parameters, body):
        _, created, modified = self.pairs.get(key, (b"", 0, 0))
        if "cas" in parameters and int(parameters["cas"][0]) != modified:
            return 200, b"false"
        self.index += 1
        self.pairs[key] = (body, created or self.index, self.index)
        return 200, b"true"
