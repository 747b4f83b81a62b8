"""The queue in Chromium, with real runs: a double click, a second tab (case 28), moves, and other processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from studio.config import RunConfig
from studio.runs import EventLog
from studio.runs.store import hold

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.usefixtures("unhurried"),
    pytest.mark.filterwarnings("ignore"),  # what Gradio's server warns about is not ours
]
STEP = "+(document.querySelector('#train-plot [data-step]')?.dataset.step ?? 0)"
QUEUE = "document.querySelector('#queue').innerText"


@pytest.fixture
def visit(studio: tuple[str, Any], chromium: Any) -> Iterator[Callable[..., Any]]:
    """`visit()`: the Train tab of a fresh visitor, ready to train a long run."""
    contexts: list[Any] = []

    def open_page(*, locale: str = "en-US", width: int = 1280) -> Any:
        contexts.append(chromium.new_context(viewport={"width": width, "height": 900}, locale=locale))
        page = contexts[-1].new_page()
        page.faults = []
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.goto(studio[0])
        page.locator("#tab-train-button").first.click()
        wait(page, "document.querySelector('#ready .tf-ready')?.dataset.state === 'ready'")
        return page

    yield open_page
    worker = studio[1].worker
    for entry in worker.queue.entries():
        worker.cancel(entry.run_id)
    worker.stop()
    assert worker.join(60)
    for context in contexts:
        context.close()


def wait(page: Any, condition: str, seconds: float = 60) -> None:
    page.wait_for_function(condition, timeout=seconds * 1000)


def name_it(page: Any, name: str, *, steps: int = 3000) -> None:
    page.locator("#training-max_steps input").fill(str(steps))
    page.locator("#run-name input, #run-name textarea").first.fill(name)


def listed(page: Any) -> list[str]:
    return page.locator("#queue ol b").all_inner_texts()


def by_name(services: Any) -> dict[str, str]:
    return {run.name: run.status for run in services.store.list()}


def test_a_double_click_is_one_run_and_a_second_tab_waits_its_turn(studio: Any, visit: Any) -> None:
    services = studio[1]
    first = visit()
    name_it(first, "first")
    first.locator("#start").dblclick()
    first.wait_for_timeout(400)
    first.locator("#start").click()  # an impatient third click
    wait(first, f"{STEP} > 3")
    assert by_name(services) == {"first": "running"}, "a double click starts one run"
    assert first.locator("#start").inner_text() == "Add to queue"
    assert first.locator("#stop").is_visible()

    second = visit()
    wait(second, f"{STEP} > 5")
    assert second.locator("#train-plot .tf-run-name").inner_text() == "first", "another tab follows the same run"
    name_it(second, "second")
    second.locator("#start").click()
    toasts = "[...document.querySelectorAll('.toast-body')]"
    told = f"{toasts}.some(one => one.innerText.includes('Added to the queue: place 1.'))"
    wait(second, told)
    assert by_name(services) == {"first": "running", "second": "queued"}, "and begins none beside it"
    for page in (first, second):
        wait(page, f"{QUEUE}.includes('second')")
        wait(page, "document.querySelector('.tf-running').textContent.includes('1 waiting')")
        assert "Training now" in page.locator("#queue").inner_text()

    first.locator("#run-name input, #run-name textarea").first.fill("the next one")
    first.locator("#run-name input, #run-name textarea").first.blur()
    wait(first, "sessionStorage.getItem('tunefork_form')?.includes('the next one')")
    first.reload()
    first.locator("#tab-train-button").first.click()
    wait(first, "document.querySelector('#run-name input, #run-name textarea')?.value === 'the next one'")
    wait(first, f"{STEP} > 8")
    assert " loss " in first.locator("#train-plot .tf-log").inner_text(), "its log is there again"
    wait(first, f"{QUEUE}.includes('second')")
    assert first.faults == [] and second.faults == []


def test_what_waits_is_moved_and_cancelled_and_comes_by_itself(studio: Any, visit: Any) -> None:
    services = studio[1]
    page = visit()
    name_it(page, "long")
    page.locator("#start").click()
    for name in ("alpha", "beta", "gamma"):
        wait(page, f"{STEP} > 1")
        name_it(page, name)
        page.locator("#start").click()
        wait(page, f"{QUEUE}.includes('{name}')")
    assert listed(page) == ["alpha", "beta", "gamma"]
    page.get_by_role("button", name="Earlier: gamma").click()
    wait(page, "document.querySelectorAll('#queue ol b')[1].textContent === 'gamma'")
    page.get_by_role("button", name="Later: alpha").click()
    wait(page, "document.querySelector('#queue ol b').textContent === 'gamma'")
    assert page.get_by_role("button", name="Earlier: gamma").is_disabled()
    page.get_by_role("button", name="Take out of the queue: alpha").click()
    wait(page, "document.querySelectorAll('#queue ol b').length === 2")
    assert listed(page) == ["gamma", "beta"]
    assert by_name(services)["alpha"] == "stopped"

    page.locator("#tab-chat-button").first.click()
    page.locator("#message textarea").fill("Hello?")
    page.keyboard.press("Enter")
    page.wait_for_selector("#replies .tf-bad", timeout=10_000)
    said = page.locator("#replies .tf-bad").inner_text()
    assert "in use by the run long" in said and "Wait until that is done, or stop it" in said
    assert page.locator("#message textarea").input_value() == "Hello?", "the message is not lost"

    page.locator("#tab-train-button").first.click()
    for name in ("gamma", "beta"):
        page.locator("#stop").click()
        wait(page, f"document.querySelector('#train-plot .tf-run-name').textContent === '{name}' && {STEP} > 1")
        wait(page, "!document.querySelector('#stop').disabled")  # it is the next run's now
        assert page.locator("#stop").inner_text() == "Stop and keep"
    assert by_name(services)["long"] == by_name(services)["gamma"] == "stopped"
    page.locator("#stop").click()
    wait(page, "document.querySelector('#queue .tf-queue').classList.contains('tf-gone')")
    wait(page, "document.querySelector('#start').innerText.trim() === 'Train'")
    assert page.faults == []


def test_a_run_of_another_process_is_shown_live_and_can_be_stopped(studio: Any, visit: Any) -> None:
    services = studio[1]
    folder = services.store.create(RunConfig(name="from a terminal"))
    page = visit(locale="zh-CN", width=390)
    with hold(folder), EventLog(folder) as log:
        log.write("started", 0, total_steps=40, rows=180, device="cpu", dtype="float32")
        for step in range(1, 11):
            log.write("log", step, loss=2.0 - step / 10, epoch=0.1, num_tokens=100 * step, learning_rate=1e-4)
        wait(page, "document.querySelector('.tf-running').textContent === '另一进程训练中 25 %'")
        wait(page, f"{QUEUE}.includes('from a terminal') && {QUEUE}.includes('在另一个进程中')")
        wait(page, "document.querySelector('#train-plot .tf-run-name').textContent === 'from a terminal'")
        assert page.locator("#start").inner_text() == "开始训练", "it takes no place in this server's queue"
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        page.locator("#queue ul .tf-act").click()
        deadline = time.monotonic() + 10
        while not (folder / "stop").exists():
            assert time.monotonic() < deadline
            page.wait_for_timeout(100)
        log.write("stopped", 10, message="stopped", seconds=3, adapter=True)
    wait(page, "document.querySelector('#queue .tf-queue').classList.contains('tf-gone')")
    assert page.faults == []
