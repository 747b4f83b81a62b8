"""A run paused on the page and continued, whose server then dies by kill -9, ends with the curve of an unbroken one.
Its checkpoints are put into Chat, branched, gone on from."""

from __future__ import annotations

import os
import signal
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

from studio.cli import main
from studio.runs import RunRecord, RunStore
from studio.runs.checkpoint import whole
from studio.runs.events import in_force
from studio.runs.origin import read_origin

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # what Gradio's server warns about is not ours
]
ROOT = Path(__file__).resolve().parents[2]
STEPS = 60
STEP = "+(document.querySelector('#train-plot [data-step]')?.dataset.step ?? 0)"
STATUS = "document.querySelector('#{plot} [data-status]')?.dataset.status"
SCRUBBED = "document.querySelector('#runs-scrubber [data-step]')?.dataset.step"


class Server:
    """The studio in a process of its own, which can be killed and started again on its port."""

    def __init__(self, workspace: Path) -> None:
        self.workspace, self.process = workspace, None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "launch.py", "--no-browser", "--port", str(self.port)]
        self.process = subprocess.Popen([*command, "--workspace", str(self.workspace)], cwd=ROOT, env=os.environ.copy())
        for _ in range(600):
            try:
                urllib.request.urlopen(self.url, timeout=5).close()
                return
            except (urllib.error.URLError, OSError):
                assert self.process.poll() is None, "the server has ended"
                time.sleep(0.2)
        raise AssertionError("no server")

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("workspace"))
    made.start()
    yield made
    made.kill()


@pytest.fixture
def visit(server: Server, chromium: Any) -> Iterator[Callable[..., Any]]:
    contexts: list[Any] = []

    def open_page(tab: str, *, width: int = 1280, locale: str = "en-US") -> Any:
        contexts.append(chromium.new_context(viewport={"width": width, "height": 900}, locale=locale))
        page = contexts[-1].new_page()
        page.faults = []
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.goto(server.url)
        page.locator(f"#tab-{tab}-button").first.click()
        return page

    yield open_page
    for context in contexts:
        context.close()


def wait(page: Any, condition: str, seconds: float = 240) -> None:
    page.wait_for_function(condition, timeout=seconds * 1000)


def status(page: Any, value: str, plot: str = "train-plot") -> None:
    wait(page, f"{STATUS.format(plot=plot)} === '{value}'")


def only_run(server: Server) -> RunRecord:
    (found,) = RunStore(server.workspace / "runs").list()
    return found


@pytest.fixture(scope="module")
def survivor(server: Server) -> RunRecord:
    """A run with several checkpoints: what the first test has made, else one of the command line."""
    store = RunStore(server.workspace / "runs")
    if not store.list():
        settings = ["--name", "survivor", "--max_steps", str(STEPS), "--save_steps", "5", "--save_total_limit", "8"]
        assert main(["train", "--workspace", str(server.workspace), *settings]) == 0
    return next(run for run in store.list() if run.name == "survivor")


def losses(record: RunRecord) -> dict[int, float]:
    return {one["step"]: one["loss"] for one in in_force(record.events()[0]) if one["kind"] == "log"}


@pytest.mark.thorough
def test_a_run_survives_a_pause_and_the_death_of_its_server(server: Server, visit: Any, tmp_path: Path) -> None:
    page = visit("train")
    wait(page, "document.querySelector('#ready .tf-ready')?.dataset.state === 'ready'")
    page.locator("#run-name input, #run-name textarea").first.fill("survivor")
    page.locator("#training-max_steps input").fill(str(STEPS))
    page.locator("#train-level label").nth(1).click()
    page.locator("#training-save_steps input").fill("5")
    page.locator("#training-save_total_limit input").fill("8")
    page.locator("#start").click()
    wait(page, f"{STEP} > 6")
    page.locator("#pause").click()
    status(page, "paused")
    page.wait_for_selector("#go-on:visible")
    assert "memory is given back" in page.locator("#train-outcome").inner_text()
    wait(page, "document.querySelector('.tf-model').textContent === 'no model in memory'")
    paused = whole(only_run(server).path)[-1].step
    assert page.locator("#go-on").inner_text() == f"Continue from step {paused}"

    page.locator("#go-on").click()
    wait(page, f"{STEP} > {paused + 8}")
    server.kill()
    server.start()
    page.reload()
    page.locator("#tab-train-button").first.click()
    status(page, "interrupted")
    page.wait_for_selector("#go-on:visible")
    kept = whole(only_run(server).path)[-1].step
    assert page.locator("#go-on").inner_text() == f"Continue from step {kept}"
    assert f"up to step {kept} is kept" in page.locator("#train-outcome").inner_text()
    page.locator("#go-on").click()
    status(page, "finished")
    page.wait_for_selector("#extend:visible")
    wait(page, "document.querySelector('#train-plot .tf-readout').textContent.includes('went on here')")
    assert page.faults == []

    record = only_run(server)
    command = [sys.executable, "launch.py", "train", str(record.path / "run.yaml"), "--workspace", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (unbroken,) = RunStore(tmp_path / "runs").list()
    assert losses(record) == losses(unbroken) and len(losses(record)) == STEPS


def test_a_checkpoint_is_scrubbed_to_asked_and_branched(server: Server, survivor: RunRecord, visit: Any) -> None:
    page, record = visit("runs"), survivor
    steps = [one.step for one in whole(record.path)]
    wait(page, f"{SCRUBBED} === '{steps[-1]}'")
    page.locator("#runs-scrubber [aria-checked=true]").focus()
    page.keyboard.press("Home")
    wait(page, f"{SCRUBBED} === '{steps[0]}'")
    figures = page.locator("#runs-scrubber .tf-scrub-figures").inner_text()
    assert f"{losses(record)[steps[0]]:.3f}"[:4] in figures
    page.locator("#runs-scrubber button", has_text="Go on from here").click()
    assert f"{steps[1]}" in page.locator("#runs-scrubber .tf-scrub-fold").inner_text()
    page.locator("#runs-scrubber button", has_text="Leave it").click()

    page.locator("#runs-scrubber button", has_text="Chat with it").click()
    page.locator("#message textarea").fill("Hello, who are you?")
    page.locator("#send").click()
    page.wait_for_selector(f"#replies :text('step {steps[0]}')")
    wait(page, "document.querySelector('#send').offsetParent")
    assert page.locator("#replies .tf-bad").count() == 0

    page.locator("#tab-runs-button").first.click()
    page.locator("#runs-scrubber button", has_text="Branch").click()
    page.locator("#runs-scrubber input[name=learning_rate]").fill("none")
    page.locator("#runs-scrubber button", has_text="Start the branch").click()
    page.wait_for_selector("text=has to be a number; it is none")
    page.locator("#runs-scrubber input[name=learning_rate]").fill("5e-5")
    page.locator("#runs-scrubber input[name=max_steps]").fill(str(steps[0] + 5))
    page.locator("#runs-scrubber input[name=name]").fill("child <b>")
    page.locator("#runs-scrubber button", has_text="Start the branch").click()
    wait(page, "document.querySelector('#runs-plot .tf-run-name').textContent === 'child <b>'")
    status(page, "finished", "runs-plot")
    said = f"branched from survivor at step {steps[0]}"
    assert said in page.locator("#runs-scrubber").inner_text()
    child = next(run for run in RunStore(server.workspace / "runs").list() if run.run_id != record.run_id)
    origin = read_origin(child.path)
    assert origin and (origin.run_id, origin.step) == (record.run_id, steps[0])
    assert child.config().training.learning_rate == 5e-5 and child.steps == steps[0] + 5
    assert [one.step for one in whole(record.path)] == steps, "the parent stays as it was"
    page.locator("#runs-scrubber .tf-origin button").click()
    wait(page, "document.querySelector('#runs-plot .tf-run-name').textContent === 'survivor'")
    assert page.faults == []


def test_chat_answers_on_a_page_that_stayed_open_over_a_restart(
    server: Server, survivor: RunRecord, visit: Any
) -> None:
    page = visit("chat")
    wait(page, "document.querySelector('#chat-run input')?.value")
    server.kill()
    server.start()
    page.wait_for_selector("text=reconnect", state="hidden", timeout=60_000)
    page.locator("#message textarea").fill("Hello, who are you?")
    page.locator("#send").click()
    wait(page, "document.querySelectorAll('#replies .tf-measure').length === 2")
    assert page.locator("#replies .tf-bad").count() == 0 and page.faults == []


def test_a_tick_opens_its_checkpoint_and_a_run_is_given_up_in_two_clicks(
    server: Server, survivor: RunRecord, visit: Any
) -> None:
    page = visit("train", width=390)
    wait(page, "document.querySelector('#ready .tf-ready')?.dataset.state === 'ready'")
    page.locator("#train-settings .fold-toggle input").check()
    page.locator("#run-name input, #run-name textarea").first.fill("given up")
    page.locator("#training-max_steps input").fill("3000")
    page.locator("#start").click()
    wait(page, f"{STEP} > 2")
    page.locator("#abandon button").click()
    assert page.locator("#abandon button").inner_text() == "Keep nothing of it? Click again"
    page.wait_for_timeout(4500)
    assert page.locator("#abandon button").inner_text() == "Abandon"
    page.locator("#abandon button").click()
    page.locator("#abandon button").click()
    status(page, "stopped")
    page.wait_for_selector("text=nothing of it is kept")
    assert not page.locator("#go-on").is_visible() and not page.locator("#compare").is_visible()
    given_up = next(run for run in RunStore(server.workspace / "runs").list() if run.name == "given up")
    assert given_up.saved is None and whole(given_up.path) == []

    page.locator("#tab-runs-button").first.click()
    page.locator("#runs-list button", has_text="survivor").click()
    wait(page, f"document.querySelector('#runs-plot [data-step]')?.dataset.step === '{STEPS}'")
    step = whole(survivor.path)[0].step
    canvas = page.locator("#runs-plot canvas").first
    box = canvas.bounding_box()
    canvas.click(position={"x": 46 + step / STEPS * (box["width"] - 58), "y": box["height"] - 22})
    wait(page, f"{SCRUBBED} === '{step}'")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.faults == []


def test_a_finished_run_goes_on_from_an_earlier_step_and_for_longer(
    server: Server, survivor: RunRecord, visit: Any
) -> None:
    """The same losses once more, and then five steps that were not asked for at first."""
    page, store, before = visit("runs"), RunStore(server.workspace / "runs"), losses(survivor)
    page.locator("#runs-list button", has_text="survivor").first.click()
    steps = [one.step for one in whole(survivor.path)]
    wait(page, f"{SCRUBBED} === '{steps[-1]}'")
    page.locator("#runs-scrubber [aria-checked=true]").focus()
    page.keyboard.press("ArrowLeft")
    wait(page, f"{SCRUBBED} === '{steps[-2]}'")
    page.locator("#runs-scrubber button", has_text="Go on from here").click()
    page.locator("#runs-scrubber button", has_text=f"Remove them and go on from step {steps[-2]}").click()
    wait(page, "document.querySelector('#runs-plot [data-status]')?.dataset.status !== 'finished'")
    status(page, "finished", "runs-plot")
    told = [one["step"] for one in store.open(survivor.run_id).events()[0] if one["kind"] == "resumed"]
    assert told[-1] == steps[-2] and losses(store.open(survivor.run_id)) == before

    page.locator("#tab-train-button").first.click()
    page.wait_for_selector("#extend:visible")
    page.locator("#more input").fill("5")
    page.locator("#extend").click()
    wait(page, f"{STEP} === {STEPS + 5}")
    status(page, "finished")
    longer = losses(store.open(survivor.run_id))
    assert len(longer) == STEPS + 5 and {step: longer[step] for step in before} == before
    assert page.faults == []
