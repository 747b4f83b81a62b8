"""The verb `ui`: the studio in the browser."""

from __future__ import annotations

import argparse
import gc

from studio.errors import ConfigError
from studio.verbs.base import settings_of

HELP = "open the studio in the browser (the default)"


def add(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--host", metavar="H", help="address to listen on (default: 127.0.0.1)")
    sub.add_argument("--port", metavar="P", type=int, help="port (default: the first free one from 7860)")
    sub.add_argument("--no-browser", "--no_browser", action="store_true", help="do not open the browser")
    sub.add_argument("--share", action="store_true", help="a public link through Gradio; needs --auth")
    sub.add_argument("--auth", metavar="USER:PASS", help="ask for this login")


def run(arguments: argparse.Namespace) -> int:
    gc.disable()  # until the libraries are there: see Warmth
    try:
        _serve(arguments)
    finally:
        gc.enable()
    return 0


def _serve(arguments: argparse.Namespace) -> None:
    from studio.runs.claim import claim

    settings = settings_of(arguments)
    auth = None
    if arguments.auth:
        user, colon, password = arguments.auth.partition(":")
        if not (user and colon and password):
            raise ConfigError("--auth takes USER:PASS.")
        auth = (user, password)
    settings.prepare_workspace()
    with claim(settings.workspace) as claimed:  # a second server is refused before its page is built
        from studio.services import build_services
        from studio.ui.app import serve

        services = build_services(settings, notices=tuple(arguments.problems))
        serve(
            services, port=settings.port, open_browser=not arguments.no_browser, share=arguments.share, auth=auth,
            told=claimed.at,
        )  # fmt: skip
