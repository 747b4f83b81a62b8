"""The page as one Gradio app: built from the tabs, served with the guards of its mode. Imports no torch."""

from __future__ import annotations

import os
import signal
import socket
import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from studio.errors import ConfigError
from studio.settings import ASSETS, LOOPBACK, Settings
from studio.ui.draft import Draft
from studio.ui.form import Form
from studio.ui.front import FirstHtml, head_html
from studio.ui.header import build_header, build_tick
from studio.ui.keeper import keep_form
from studio.ui.loader import Loader
from studio.ui.origin import SafeHeaders, SameOrigin
from studio.ui.page import Page
from studio.ui.theme import theme
from studio.ui.words import flat_words

if TYPE_CHECKING:
    from studio.services import Services

FIRST_PORT, PORTS = 7860, 100
LARGEST_UPLOAD = "2gb"
WAITING = 64  # events that may wait in the queue


def texts() -> gr.I18n:
    """The texts of labels and buttons, for the browser to choose from."""
    unused = ("errors", "sentences", "live", "cards")
    return gr.I18n(**{"en": flat_words("en", without=unused), "zh-CN": flat_words("zh", without=unused)})


def build_app(services: Services) -> gr.Blocks:
    """The whole page over these services; nothing is served yet."""
    blocks, _ = build_page(services)
    return blocks


def build_page(services: Services) -> tuple[gr.Blocks, Page]:
    """The Blocks, and what its tabs were given."""
    from studio.ui.tabs import TABS

    keep_uploads_in(services.settings)
    i18n, loader = texts(), Loader(services)
    with gr.Blocks(
        title="Tunefork", analytics_enabled=False, fill_width=True, delete_cache=(3600, 86400), elem_id="tunefork"
    ) as blocks:
        build_header(services, loader)
        page = Page(services=services, draft=Draft(), form=Form(i18n), i18n=i18n, loader=loader)
        page.refs["page"] = blocks
        page.refs.update({f"tick-{name}": build_tick(name) for name in ("model", "data", "adapter")})
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap") as page.refs["tabs"]:
            for name, build in TABS.items():
                with gr.Tab(i18n(f"tabs.{name}"), id=name, elem_id=f"tab-{name}") as tab:
                    build(page)
                page.refs[f"tab-{name}"] = tab
        page.wire()
        keep_form(page, {name: page.refs[f"tab-{name}"] for name in TABS})
    return blocks, page


def keep_uploads_in(settings: Settings) -> None:
    """What the browser sends lands in a folder that only we read, until it is copied to where it belongs."""
    folder = settings.workspace / ".page"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.environ["GRADIO_TEMP_DIR"] = str(folder)


def serve(
    services: Services,
    *,
    port: int | None = None,
    open_browser: bool = True,
    share: bool = False,
    auth: tuple[str, str] | None = None,
    told: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve the page until Ctrl-C, and the runs that wait. `auth` is (user, password); `told` hears the address.
    ConfigError where it may not be served."""
    settings = services.settings
    demand_login(settings, share=share, auth=auth)
    blocks = build_app(services)
    services.warmth.begun.set()  # a click on a page that is just up must already wait for the libraries
    url = launch(blocks, settings, port=port, share=share, auth=auth)
    told(url)
    print(f"Tunefork is at {url}", file=sys.stderr, flush=True)
    services.warm()
    services.worker.wake()  # what waited when the server ended
    if open_browser and settings.mode != "space":
        webbrowser.open(url)
    # A service manager's stop keeps the adapter too, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        blocks.block_thread()
    finally:
        services.worker.shutdown()


def launch(
    blocks: gr.Blocks,
    settings: Settings,
    *,
    port: int | None = None,
    share: bool = False,
    auth: tuple[str, str] | None = None,
) -> str:
    """Start the server without waiting for its end; returns its address."""
    asked = port if port is not None else settings.port
    if asked is not None:
        refuse_taken_port(settings.host, asked)
    blocks.queue(default_concurrency_limit=4, max_size=WAITING)
    _, local, shared = blocks.launch(
        server_name=settings.host, server_port=asked or free_port(settings.host), share=share, auth=auth,
        prevent_thread_lock=True, quiet=True, footer_links=[], run_history=False, enable_monitoring=False,
        ssr_mode=False, pwa=False, mcp_server=False, max_file_size=LARGEST_UPLOAD, show_error=False,
        theme=theme(), css_paths=style_sheets(), i18n=texts(), favicon_path=ASSETS / "logo.svg",
        app_kwargs={"middleware": middleware(settings), "docs_url": None, "redoc_url": None},
    )  # fmt: skip
    return str(shared or local)


def style_sheets() -> list[Path]:
    """Ours, then those of the living cards and of the Data tab."""
    names = ("theme.css", "live.css", "data.css", "runs.css", "sweeps.css", "compare.css", "scrubber.css")
    return [path for name in names if (path := ASSETS / name).is_file()]


def middleware(settings: Settings) -> list[Middleware]:
    """What every request passes, outermost first."""
    guards: list[Any] = []
    if settings.mode == "local":
        guards.append(Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "[::1]", "["]))
    guards.append(Middleware(SameOrigin, also=(".gradio.live",) if settings.mode == "shared" else ()))
    guards.append(Middleware(SafeHeaders, framed=settings.mode == "space"))
    guards.append(Middleware(FirstHtml, head=head_html()))
    return guards


def demand_login(settings: Settings, *, share: bool, auth: tuple[str, str] | None) -> None:
    """Others than this machine's user must log in, except in a Space, which is public on purpose."""
    if auth is None and settings.mode != "space" and (share or settings.host not in LOOPBACK):
        raise ConfigError(
            "Others could reach this page and train with it. Add --auth USER:PASS, or leave out --share and --host."
        )


def refuse_taken_port(host: str, port: int) -> None:
    """ConfigError where there is no such port, or something listens on it already."""
    if not 1 <= port <= 65535:
        raise ConfigError("Port {port} does not exist; ports are numbers from 1 to 65535.", port=port)
    if not port_is_free(host, port):
        raise ConfigError(
            "Port {port} is in use. Choose another with --port, or leave --port out to take a free one.", port=port
        )


def free_port(host: str) -> int:
    """The first free port from 7860 on."""
    for port in range(FIRST_PORT, FIRST_PORT + PORTS):
        if port_is_free(host, port):
            return port
    raise ConfigError("Every port from {first} on is in use. Name one with --port.", first=FIRST_PORT)


def port_is_free(host: str, port: int) -> bool:
    """Whether a server could listen here now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if sys.platform != "win32":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
