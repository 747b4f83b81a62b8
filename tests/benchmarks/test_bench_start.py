"""Time to HTTP 200 against a bare Gradio app, in turns."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 3
BARE = "import gradio as gr\nwith gr.Blocks() as demo:\n    gr.Markdown('x')\ndemo.launch(server_port={port})\n"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def seconds_to_page(arguments: list[str], port: int, cwd: Path) -> float:
    env = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
    began = time.monotonic()
    process = subprocess.Popen(arguments, cwd=cwd, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while time.monotonic() - began < 90:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2) as answer:
                    if answer.status == 200:
                        return time.monotonic() - began
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        pytest.fail(f"no page after 90 s: {arguments}")
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.benchmark
@pytest.mark.slow
def test_the_page_is_there_as_fast_as_a_bare_gradio_app(tmp_path: Path, figure: Callable[[str], None]) -> None:
    ours, bare = [], []
    script = tmp_path / "bare.py"
    for _ in range(ROUNDS):
        port = free_port()
        script.write_text(BARE.format(port=port))
        bare.append(seconds_to_page([sys.executable, str(script)], port, tmp_path))
        port = free_port()
        launch = ["launch.py", "--port", str(port), "--workspace", str(tmp_path / "ws"), "--no-browser"]
        ours.append(seconds_to_page([sys.executable, *launch], port, ROOT))
    ours_median, bare_median = statistics.median(ours), statistics.median(bare)
    figure(
        f"start to HTTP 200: {ours_median:.2f} s, bare Gradio {bare_median:.2f} s, "
        f"ratio {ours_median / bare_median:.2f} (medians of {ROUNDS} in turns)"
    )
    assert ours_median <= 1.2 * bare_median + 0.3
