"""A Hub of one model on a loopback port, for tests: the few answers that huggingface_hub asks for."""

import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def serve(repo_id, folder):
    """Serve `folder` as `repo_id`; gives the address and the list of paths asked for."""
    asked = []
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.answer()

        def do_GET(self):
            self.answer()

        def log_message(self, *args):
            pass

        def answer(self):
            path = unquote(urlsplit(self.path).path)
            asked.append(f"{self.command} {path}")
            if path.startswith(f"/api/models/{repo_id}/tree/"):
                self.send(json.dumps([self.entry(name, data) for name, data in files.items()]).encode())
            elif path.startswith(f"/api/models/{repo_id}"):
                siblings = [{"rfilename": name} for name in files]
                self.send(json.dumps({"id": repo_id, "sha": COMMIT, "siblings": siblings}).encode())
            elif path.startswith(f"/{repo_id}/resolve/") and path.rsplit("/", 1)[1] in files:
                data = files[path.rsplit("/", 1)[1]]
                self.send(data, **{"ETag": f'"{sha1(data)}"', "X-Repo-Commit": COMMIT})
            else:
                self.send(b"", status=404, **{"X-Error-Code": "RepoNotFound"})

        def entry(self, name, data):
            return {"type": "file", "path": name, "size": len(data), "oid": sha1(data)}

        def send(self, data, status=200, **headers):
            self.send_response(status)
            for key, value in {"Content-Length": str(len(data)), **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def sha1(data):
    return hashlib.sha1(data).hexdigest()
