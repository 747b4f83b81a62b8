"""What one open page costs on the wire while a run logs once a second, and fifty times a second, in a real browser."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.config import RunConfig
from studio.runs import EventLog, RunStore
from studio.runs.store import hold
from studio.settings import Settings

GOAL = 20_000  # bytes a second, both ways
SECONDS = 8
pytestmark = [
    pytest.mark.benchmark, pytest.mark.browser, pytest.mark.slow, pytest.mark.filterwarnings("ignore"),
]  # fmt: skip


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, RunStore]]:
    from studio.services import build_services
    from studio.ui.app import build_app, launch

    workspace = tmp_path_factory.mktemp("workspace")
    settings = Settings(mode="local", workspace=workspace, cache=workspace / "cache")
    services = build_services(settings)
    services.warmed.set()
    blocks = build_app(services)
    yield launch(blocks, settings), services.store
    blocks.close()


class Meter:
    """Counts what a page sends and receives, as the browser's own network panel does."""

    def __init__(self, page: Any) -> None:
        self.bytes = 0
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.on("Network.dataReceived", lambda one: self._add(one["encodedDataLength"]))
        session.on("Network.responseReceivedExtraInfo", lambda one: self._add(len(one.get("headersText", "")) or 900))
        session.on("Network.requestWillBeSent", lambda one: self._sent(one["request"]))

    def _sent(self, request: dict[str, Any]) -> None:
        self._add(900 + len(request.get("postData", "")))  # a browser's own headers and ours are about this long

    def _add(self, count: int) -> None:
        self.bytes += count


@pytest.mark.parametrize("rate", [1, 50])
def test_an_open_page_costs_little(
    studio: Any, chromium: Any, rate: int, figure: Callable[[str], None], tmp_path: Path
) -> None:
    url, store = studio
    folder = store.create(RunConfig(name=f"{rate} a second"))
    over = threading.Event()
    with hold(folder), EventLog(folder) as log:
        log.write("started", 0, total_steps=100_000, epochs=3, rows=180, device="cpu", dtype="float32")

        def train() -> None:
            step = 0
            while not over.wait(1 / rate):
                step += 1
                log.write(
                    "log", step, loss=1.2345 + 1 / step, grad_norm=0.4218750, learning_rate=1.9e-05, entropy=1.734375,
                    num_tokens=150.0 * step, mean_token_accuracy=0.6123, epoch=step / 100, tokens_per_second=3012.3,
                    eta_seconds=512.1, memory_bytes=1234567890, elapsed_seconds=0.5 * step,
                )  # fmt: skip

        thread = threading.Thread(target=train)
        thread.start()
        try:
            page = chromium.new_context(viewport={"width": 1280, "height": 840}, locale="en-US").new_page()
            page.goto(url)
            page.locator("#tab-train-button").first.click()
            page.wait_for_function("+(document.querySelector('#train-plot [data-step]')?.dataset.step ?? 0) > 2")
            page.wait_for_timeout(3000)
            meter, began = Meter(page), time.monotonic()
            page.wait_for_timeout(SECONDS * 1000)
            cost = meter.bytes / (time.monotonic() - began)
        finally:
            over.set()
            thread.join()
    page.context.close()
    figure(f"one open page, {rate} logged steps a second: {cost / 1e3:.1f} kB/s both ways, headers included")
    assert 0 < cost < GOAL
