"""Which requests may write, and what every response says about framing and sniffing. Knows nothing of Gradio.

A web page open in the same browser must not be able to upload files here or start a training.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

READING = ("GET", "HEAD", "OPTIONS")
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; "
    "connect-src 'self' data: blob:; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)


class SameOrigin:
    """403 for a writing request whose Origin is not the host it was sent to."""

    def __init__(self, app: ASGIApp, *, also: tuple[str, ...] = ()) -> None:
        self.app = app
        self.also = also

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in READING and not self._own(Headers(scope=scope)):
            response = PlainTextResponse("This request came from another site.", status_code=403)
            await response(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _own(self, headers: Headers) -> bool:
        origin = headers.get("origin")
        if origin is None:  # not a browser, or the browser's own same-site navigation
            return headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")
        host = urlsplit(origin).netloc
        hosts = (headers.get("host"), headers.get("x-forwarded-host"))
        return bool(host) and (host in hosts or any(host.endswith(end) for end in self.also))


class SafeHeaders:
    """Adds the security headers; `framed` leaves out the policy where another site shows the page in a frame."""

    def __init__(self, app: ASGIApp, *, framed: bool = False) -> None:
        self.app = app
        self.framed = framed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["x-content-type-options"] = "nosniff"
                headers["referrer-policy"] = "same-origin"
                if not self.framed:
                    headers["content-security-policy"] = POLICY
                    headers["x-frame-options"] = "DENY"
            await send(message)

        await self.app(scope, receive, add)
