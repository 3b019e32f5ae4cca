"""An endpoint of the change feed: takes what it is sent, answers as it is told, and remembers."""

import http.server
import json
import ssl
import threading


class Webhook:
    def __init__(self, certificate=None, key=None, client_authority=None, port=0):
        self.documents = []      # that were accepted, in the order in which they came
        self.requests = []       # all of them: path, headers, status
        self.answer = lambda: 200
        self.lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # pylint: disable=invalid-name
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = outer.answer()
                with outer.lock:
                    outer.requests.append((self.path, dict(self.headers), status))
                    if status // 100 == 2:
                        outer.documents.append(json.loads(body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.scheme = "http"
        if certificate:
            self.scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            if client_authority:
                context.load_verify_locations(client_authority)
                context.verify_mode = ssl.CERT_REQUIRED
            # The handshake belongs to the connection's own thread.
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                     do_handshake_on_connect=False)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.port}/changes"

    def groups(self):
        with self.lock:
            return [group for document in self.documents for group in document["payload"]]

    def events(self):
        return [event for group in once(self.groups()) for event in group["events"]]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def once(groups):
    """What is left for a consumer that takes each index once. Whatever comes again has been there already."""
    taken, last = [], 0
    for group in groups:
        if group["index"] > last:
            assert group["index"] == last + 1, "a group is missing"
            taken.append(group)
            last = group["index"]
    return taken


def replay(groups):
    """Tables with an integer primary key, as they must be if what was told is true and whole."""
    tables = {}
    for group in once(groups):
        for event in group["events"]:
            rows = tables.setdefault(event["table"], {})
            if event["op"] != "INSERT":
                assert rows.pop(event["old_row_id"]) == event["before"], event
            if event["op"] != "DELETE":
                assert event["new_row_id"] not in rows, event
                rows[event["new_row_id"]] = event["after"]
    return tables
