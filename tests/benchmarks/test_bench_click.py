"""From one click on Train to the adapter's first compared reply, in a real browser on a server of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
GOAL = 30  # seconds, on two CPU cores
STATUS = "document.querySelector('#train-plot [data-status]')?.dataset.status"
pytestmark = [pytest.mark.benchmark, pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of `python launch.py`, the moment its page answers: the libraries are not warm yet."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "launch.py", "--port", str(port), "--workspace", str(tmp_path), "--no-browser"],
        cwd=ROOT,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(url, timeout=2).close()
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.parametrize(
    "warm", [False, pytest.param(True, marks=pytest.mark.thorough)], ids=["at once", "libraries warm"]
)
def test_a_click_becomes_a_compared_reply(
    server: str, chromium: Any, warm: bool, figure: Callable[[str], None]
) -> None:
    context = chromium.new_context(viewport={"width": 1280, "height": 840}, locale="en-US")
    page = context.new_page()
    page.goto(server)
    page.locator("#tab-train-button").first.click()
    if warm:
        page.wait_for_function("document.querySelector('#ready .tf-ready')?.dataset.state === 'ready'", timeout=60_000)
    page.locator("#start").click()
    began = time.monotonic()
    page.wait_for_function(f"{STATUS} === 'finished'", timeout=120_000)
    trained = time.monotonic() - began
    page.locator("#compare").click()
    page.locator("#message textarea").fill("Hello, who are you?")
    page.locator("#send").click()
    page.wait_for_function("document.querySelectorAll('.tf-measure').length === 2", timeout=60_000)
    base, adapter = (pane.locator(".tf-reply").last.inner_text() for pane in page.locator(".tf-pane").all())
    seconds = time.monotonic() - began
    context.close()
    when = "libraries warm" if warm else "clicked as soon as the page is up"
    figure(f"click to compared reply, {when}: {seconds:.1f} s (trained after {trained:.1f} s)")
    assert base and adapter and base != adapter
    assert seconds < GOAL
