"""The main job in Chromium, with the starter and no network: one click on Train, a falling curve, a compared reply."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # what Gradio's server warns about is not ours
]
STEP = "+(document.querySelector('#train-plot [data-step]')?.dataset.step ?? 0)"
STATUS = "document.querySelector('#train-plot [data-status]')?.dataset.status"


@pytest.fixture
def page(studio: tuple[str, Any], chromium: Any) -> Iterator[Any]:
    context = chromium.new_context(viewport={"width": 1280, "height": 840}, locale="en-US")
    page = context.new_page()
    page.faults, page.outside = [], []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on("request", lambda one: None if "127.0.0.1" in one.url else page.outside.append(one.url))
    page.goto(studio[0])
    yield page
    context.close()


def open_tab(page: Any, name: str) -> None:
    page.locator(f"#tab-{name}-button").first.click()


def wait(page: Any, condition: str, seconds: float = 60) -> None:
    page.wait_for_function(condition, timeout=seconds * 1000)


def ask(page: Any, question: str) -> list[str]:
    """The two replies to one message, base first."""
    before = page.locator(".tf-measure").count()
    page.locator("#message textarea").fill(question)
    page.locator("#send").click()
    wait(page, f"document.querySelectorAll('.tf-measure').length === {before + 2}")  # each side has ended
    return [pane.locator(".tf-reply").last.inner_text() for pane in page.locator(".tf-pane").all()]


def test_one_click_trains_and_both_sides_answer(studio: tuple[str, Any], page: Any) -> None:
    services = studio[1]
    open_tab(page, "train")
    wait(page, "document.querySelector('#ready .tf-ready')?.dataset.state === 'ready'")
    assert "135 steps" in page.locator("#ready").inner_text()
    began = time.monotonic()
    page.locator("#start").dblclick()
    wait(page, f"{STEP} > 5")
    assert len(services.store.list()) == 1, "a double click starts one run"
    assert page.locator("#start").inner_text() == "Add to queue"

    wait(page, f"{STATUS} === 'finished'", 120)
    page.wait_for_selector("#compare", state="visible")
    page.locator("#compare").click()
    base, adapter = ask(page, "Hello, who are you?")
    print(f"from the click to the compared reply: {time.monotonic() - began:.1f} s")
    assert base
    assert adapter
    assert base != adapter
    assert "logits equal the untouched model ✓" in page.locator(".tf-pane").first.inner_text()
    second = ask(page, "What does a duck say?")
    assert "quack" in second[0].lower()
    assert page.locator(".tf-pane").first.locator(".tf-said").count() == 2
    assert page.faults == []
    assert page.outside == []


@pytest.mark.usefixtures("unhurried")
def test_a_stopped_run_keeps_its_adapter_and_its_settings_come_back(studio: tuple[str, Any], page: Any) -> None:
    services = studio[1]
    open_tab(page, "train")
    page.locator("#training-num_train_epochs input").fill("40")
    page.locator("#run-name input, #run-name textarea").first.fill("stopped early")
    page.locator("#start").click()
    wait(page, f"{STATUS} === 'running' && {STEP} > 3 && {STEP} < 1700")
    page.locator("#stop").click()
    wait(page, f"{STATUS} === 'stopped'")
    wait(page, "document.querySelector('#start').innerText.trim() === 'Train'")
    record = services.store.list()[0]
    assert (record.name, record.status, record.has_adapter) == ("stopped early", "stopped", True)

    page.locator("#training-num_train_epochs input").fill("2")
    open_tab(page, "runs")
    page.locator("#runs-list tbody tr", has_text="stopped early").click()
    page.wait_for_selector("#runs-load", state="visible")
    page.locator("#runs-load").click()
    page.wait_for_selector("#runs-opened .hint:visible", timeout=10_000)
    open_tab(page, "train")
    assert page.locator("#training-num_train_epochs input").input_value() == "40"

    open_tab(page, "runs")
    page.locator("#runs-chat").click()
    page.wait_for_selector("#send", state="visible")
    page.wait_for_timeout(500)
    assert "stopped early" in page.locator("#chat-run input").input_value()
    assert page.faults == []
