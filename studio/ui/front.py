"""The first HTML of the page: our head goes in before Gradio's bundle runs. Knows nothing of what the page holds.

Gradio adds `launch(head=...)` only once its bundle has started, too late to choose the language.
"""

from __future__ import annotations

import json
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from studio.settings import ASSETS
from studio.ui.words import LANGUAGES, load_words

# The sections that scripts read.
SPOKEN = ("app", "tabs", "cards", "live", "train", "chat", "runs", "compare", "scrub", "sweep", "notify")
FIRST_PAINT = """<style>
body{background:#f7f7f4!important;color:#1d2321}
@media (prefers-color-scheme:dark){body:not(.light){background:#141816!important;color:#e7ebe8}}
body.dark{background:#141816!important;color:#e7ebe8}
</style>"""


def head_html() -> str:
    """The script with language, theme and words, and the colours of the first paint."""
    words = {lang: {name: load_words()[lang].get(name, {}) for name in SPOKEN} for lang in LANGUAGES}
    text = json.dumps(words, ensure_ascii=False).replace("</", "<\\/").replace("<!--", "<\\!--")
    script = (ASSETS / "page.js").read_text(encoding="utf-8").replace("/*WORDS*/ {}", text)
    return f"{FIRST_PAINT}<script>{script}</script>"


class FirstHtml:
    """Puts our head behind `<head>` of the page's HTML; every other response passes untouched."""

    def __init__(self, app: ASGIApp, *, head: str) -> None:
        self.app = app
        self.head = head.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] not in ("/", ""):
            await self.app(scope, receive, send)
            return
        held = _Held(send, self.head)
        await self.app(scope, receive, held.take)


class _Held:
    """Holds one response back until its body is whole, then sends it on with the head in it."""

    def __init__(self, send: Send, head: bytes) -> None:
        self.send, self.head = send, head
        self.start: dict[str, Any] = {}
        self.body = b""

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = dict(message)
            return
        self.body += message.get("body", b"")
        if message.get("more_body"):
            return
        headers = [(name, value) for name, value in self.start.get("headers", []) if name.lower() != b"content-length"]
        if any(name.lower() == b"content-type" and b"text/html" in value for name, value in headers):
            self.body = self.body.replace(b"<head>", b"<head>" + self.head, 1)
        headers.append((b"content-length", str(len(self.body)).encode()))
        await self.send({**self.start, "headers": headers})
        await self.send({"type": "http.response.body", "body": self.body})
