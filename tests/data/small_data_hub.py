"""A Hub of one data set on a loopback port, for tests: the few answers that `datasets` asks for."""

import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def serve(repo_id, files):
    """Serve `files` (name -> bytes) as the data set `repo_id`; gives the address."""
    about = {"id": repo_id, "sha": COMMIT, "private": False, "gated": False, "disabled": False, "tags": []}

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.answer()

        def do_GET(self):
            self.answer()

        def log_message(self, *args):
            pass

        def answer(self):
            path = unquote(urlsplit(self.path).path)
            api = f"/api/datasets/{repo_id}"
            if path.startswith(f"{api}/tree/{COMMIT}"):
                self.send(json.dumps(self.listing(path.partition(COMMIT)[2].strip("/"))).encode())
            elif path in (api, f"{api}/revision/{COMMIT}"):
                self.send(json.dumps({**about, "siblings": [{"rfilename": name} for name in files]}).encode())
            elif path.startswith(f"/datasets/{repo_id}/resolve/"):
                name = path.partition("/resolve/")[2].partition("/")[2]
                if name in files:
                    self.send(files[name], **{"ETag": f'"{sha1(files[name])}"', "X-Repo-Commit": COMMIT})
                else:
                    self.send(b"", status=404, **{"X-Error-Code": "EntryNotFound"})
            else:
                self.send(b"", status=404, **{"X-Error-Code": "RepoNotFound"})

        def listing(self, folder):
            found = {}
            for name, data in files.items():
                inner = name.removeprefix(f"{folder}/") if folder else name
                if folder and inner == name:
                    continue
                first, _, more = inner.partition("/")
                path = f"{folder}/{first}" if folder else first
                found[path] = (
                    {"type": "directory", "path": path, "oid": "0" * 40}
                    if more
                    else {"type": "file", "path": path, "size": len(data), "oid": sha1(data)}
                )
            return list(found.values())

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
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def sha1(data):
    return hashlib.sha1(data).hexdigest()
