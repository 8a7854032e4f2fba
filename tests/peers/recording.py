"""A proxy that keeps what goes between ponder and a server, for exchanges that tests without the server hold."""
import http.client
import http.server
import json
import threading


class Recorder(http.server.ThreadingHTTPServer):
    """In front of the server at `url`; rows: method, path, request, status, content_type, answer (JSON, or the text
    of a stream). If raw, request and answer are texts as they came, and there are the headers of the request."""
    daemon_threads = True

    def __init__(self, url, raw=False):
        self.behind, self.rows, self.raw = url.removeprefix("http://"), [], raw
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        behind = http.client.HTTPConnection(self.server.behind, timeout=60)
        behind.request(self.command, self.path, body, {k: v for k, v in self.headers.items() if k != "Host"})
        answer = behind.getresponse()
        said, kind = answer.read(), answer.headers["Content-Type"] or ""
        row = {"method": self.command, "path": self.path, "request": json.loads(body) if body else None,
               "status": answer.status, "content_type": kind,
               "answer": json.loads(said) if kind.startswith("application/json") else said.decode()}
        if self.server.raw:
            row |= {"headers": dict(self.headers), "request": body.decode(), "answer": said.decode()}
        self.server.rows.append(row)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_POST = do_GET

    def log_message(self, *_):
        pass


def form(value):
    """Names and kinds of values; of lists the first one's."""
    if isinstance(value, dict):
        return {key: form(one) for key, one in value.items()}
    if isinstance(value, list):
        return [form(one) for one in value[:1]]
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__
