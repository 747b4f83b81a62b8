"""What lives, in Chromium: the curve of a made-up run, on reload, in a second tab, in two themes; markup stays text."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.config import RunConfig
from studio.runs import EventLog, RunStore
from studio.runs.store import hold
from studio.settings import Settings

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore"),  # what Gradio's server warns about is not ours
]
HOSTILE = '<img src=x onerror="window.hit=1">${window.hit=1}{{x}}'
STEP = "+(document.querySelector('#{plot} [data-step]')?.dataset.step ?? 0)"


def write_run(store: RunStore, *, name: str, steps: int, total: int) -> tuple[Path, EventLog]:
    folder = store.create(RunConfig(name=name))
    log = EventLog(folder)
    log.write("started", 0, total_steps=total, epochs=3, rows=180, device="cpu", dtype="float32")
    for step in range(1, steps + 1):
        add_step(log, step, total)
    return folder, log


def add_step(log: EventLog, step: int, total: int) -> None:
    loss = 0.5 + 2 * math.exp(-4 * step / total) + 0.05 * math.sin(step)
    figures = {"learning_rate": 2e-4, "grad_norm": 0.3, "tokens_per_second": 300.0, "memory_bytes": 10**9}
    log.write("log", step, loss=loss, epoch=3 * step / total, num_tokens=150 * step, eta_seconds=5, **figures)
    if step % 50 == 0:
        log.write("evaluated", step, eval_loss=loss + 0.1)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, RunStore]]:
    """(address, store) of a page over a workspace with one long, hostile run that ended."""
    from studio.services import build_services
    from studio.ui.app import build_app, launch

    workspace = tmp_path_factory.mktemp("workspace")
    settings = Settings(mode="local", workspace=workspace, cache=workspace / "cache")
    services = build_services(settings)
    _, log = write_run(services.store, name=HOSTILE[:80], steps=3000, total=3000)
    with log:
        log.write("warning", message=HOSTILE)
        log.write("finished", 3000, message=HOSTILE, seconds=71, adapter=False)
    services.warmed.set()
    blocks = build_app(services)
    yield launch(blocks, settings), services.store
    blocks.close()


def visit(chromium: Any, url: str, tab: str, *, width: int = 1280, dark: bool = False) -> Any:
    context = chromium.new_context(
        viewport={"width": width, "height": 840}, color_scheme="dark" if dark else "light", locale="en-US"
    )
    page = context.new_page()
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.goto(url)
    page.locator(f"#tab-{tab}-button").first.click()
    return page


def wait_for_step(page: Any, step: int, plot: str = "train-plot") -> None:
    page.wait_for_function(f"{STEP.format(plot=plot)} >= {step}", timeout=15_000)


def ink(page: Any) -> list[int]:
    """How many pixels of the main canvas are drawn, and the sum of their colours."""
    return page.evaluate("""() => {
      const canvas = document.querySelector('#train-plot canvas');
      const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
      let drawn = 0, sum = 0;
      for (let at = 3; at < data.length; at += 4) if (data[at]) { drawn += 1; sum += data[at - 3] + data[at - 1]; }
      return [drawn, sum];
    }""")


def test_the_whole_run_is_there_on_reload_and_nothing_in_it_is_executed(studio: Any, chromium: Any) -> None:
    url, _ = studio
    page = visit(chromium, url, "train")
    for _ in range(2):
        wait_for_step(page, 3000)
        assert page.locator("#train-plot .tf-run-name").inner_text() == HOSTILE[:80]
        assert page.locator("#train-plot .tf-badge").inner_text() == "finished · 3000 steps"
        assert "step 3000 loss" in page.locator("#train-plot .tf-log").inner_text()
        assert HOSTILE in page.locator("#train-plot .tf-line-warning").inner_text()
        assert ink(page)[0] > 2000
        assert page.evaluate("window.hit") is None
        page.reload()
        page.locator("#tab-train-button").first.click()
    page.locator("#tab-runs-button").first.click()
    wait_for_step(page, 3000, "runs-plot")
    assert page.locator("#runs-list tbody tr").count() >= 1
    assert page.evaluate("window.hit") is None
    assert page.locator("img[src=x]").count() == 0
    assert page.faults == []


def test_two_pages_follow_a_run_as_it_grows(studio: Any, chromium: Any) -> None:
    url, store = studio
    folder, log = write_run(store, name="growing", steps=10, total=40)
    with hold(folder), log:
        pages = [visit(chromium, url, "train"), visit(chromium, url, "train", width=390, dark=True)]
        for page in pages:
            wait_for_step(page, 10)
            assert page.locator("#train-plot .tf-badge").inner_text() == "running · step 10 of 40"
        for step in range(11, 21):
            add_step(log, step, 40)
        for page in pages:
            wait_for_step(page, 20)
        log.write("stopped", 20, message="done", seconds=3, adapter=True)
        for page in pages:
            page.wait_for_function(
                "document.querySelector('#train-plot .tf-badge').textContent === 'stopped at step 20'"
            )
            assert page.faults == []


def test_the_canvas_follows_the_theme_and_reads_a_point(studio: Any, chromium: Any) -> None:
    url, _ = studio
    page = visit(chromium, url, "train")
    page.wait_for_selector("#train-plot .tf-run-name:not(:empty)")
    page.wait_for_timeout(500)
    light = ink(page)
    page.locator(".tf-theme").click()
    page.wait_for_timeout(500)
    assert ink(page) != light
    page.locator("#train-plot canvas").first.focus()
    page.keyboard.press("ArrowLeft")
    assert page.locator("#train-plot .tf-readout").inner_text().startswith("step ")


def test_answers_and_rewards_of_a_run_are_shown(studio: Any, chromium: Any) -> None:
    url, store = studio
    folder, log = write_run(store, name="answering", steps=10, total=40)

    def evaluate(step: int, said: str) -> None:
        for number, base in ((1, "Paris is it."), (2, "")):
            log.write("sample", step, number=number, prompt=f"{HOSTILE} {number}", reference="", policy=said, base=base)
        log.write("evaluated", step, eval_loss=1.0, **{"eval_rewards/margins": step / 10, "eval_rougeL": 50 + step})

    with hold(folder), log:
        for step in range(1, 11):
            log.write("log", step, loss=1.0, epoch=step / 10, **{"rewards/chosen": step / 10, "rewards/rejected": -0.1})
        evaluate(5, "first")
        page = visit(chromium, url, "train", width=390)
        plot = page.locator("#train-plot")
        page.wait_for_selector("#train-plot .tf-asked")
        assert plot.locator(".tf-series button").all_inner_texts() == ["Loss", "Rewards", "Answers"]
        plot.locator(".tf-series button", has_text="Rewards").click()
        keys = ["chosen", "rejected", "margin", "evaluation"]
        assert plot.locator(".tf-readout span").all_inner_texts() == keys and ink(page)[0] > 1000
        asked = plot.locator(".tf-asked").first
        assert asked.locator(".tf-asked-text").inner_text() == f"{HOSTILE} 1"
        assert asked.locator("h4").all_inner_texts() == ["base", "in training"]
        assert plot.locator(".tf-answer p").all_inner_texts() == ["Paris is it.", "first", "(nothing)", "first"]
        evaluate(10, HOSTILE)
        page.wait_for_function("document.querySelector('#train-plot .tf-turns select').value === '10'")
        page.wait_for_function(
            "document.querySelector('#train-plot .tf-answer-policy p').textContent.includes('onerror')"
        )
        plot.locator(".tf-turn").first.click()
        page.wait_for_function("document.querySelector('#train-plot .tf-answer-policy p').textContent === 'first'")
        assert plot.locator(".tf-answers img").count() == 0 and page.evaluate("window.hit") is None
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        log.write("finished", 10, message="done", seconds=3, adapter=True)
    assert page.faults == []


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("tab", ["train", "chat", "runs"])
def test_no_tab_scrolls_sideways(studio: Any, chromium: Any, tab: str, width: int) -> None:
    page = visit(chromium, studio[0], tab, width=width)
    page.wait_for_timeout(1500)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.faults == []


def test_a_quiet_run_costs_two_bytes_a_poll(studio: Any, chromium: Any) -> None:
    url, _ = studio
    page = visit(chromium, url, "train")
    page.wait_for_selector("#train-plot .tf-run-name:not(:empty)")
    page.wait_for_timeout(1000)
    bodies: list[bytes] = []
    page.on(
        "response",
        lambda answer: (
            bodies.append(answer.body())
            if "component_server" in answer.url and '"poll"' in (answer.request.post_data or "")
            else None
        ),
    )
    page.wait_for_timeout(7000)
    assert bodies
    assert set(bodies) == {b"{}"}
    assert len(bodies) <= 3


def test_a_run_that_goes_on_from_an_earlier_step_is_drawn_anew(studio: Any, chromium: Any) -> None:
    url, store = studio
    folder, log = write_run(store, name="going on", steps=20, total=40)

    def badge(text: str) -> None:
        page.wait_for_function(
            f"document.querySelector('#train-plot .tf-badge').textContent === {text!r}", timeout=15_000
        )

    with hold(folder), log:
        page = visit(chromium, url, "train")
        badge("running · step 20 of 40")
        log.write("paused", 20, message="paused", adapter=False)
        badge("paused at step 20")
        assert "paused at step 20; it can go on" in page.locator("#train-plot .tf-log").inner_text()
        log.write("resumed", 10, path="checkpoints/checkpoint-10", total_steps=60)
        add_step(log, 11, 60)
        badge("running · step 11 of 60")
        said = page.locator("#train-plot .tf-log").inner_text()
        assert "goes on from step 10" in said and "step 11 loss" in said and "step 12 loss" not in said
        log.write("finished", 11, message="done", seconds=3, adapter=True)
        badge("finished · 11 steps")
    assert page.faults == []


def test_a_long_run_is_a_sample_at_first_and_then_whole(
    studio: Any, chromium: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, store = studio
    monkeypatch.setattr("studio.runs.summaries.AT_ONCE", 200_000)
    _, log = write_run(store, name="long", steps=30_000, total=30_000)
    with log:
        log.write("finished", 30_000, message="done", seconds=71, adapter=False)
    page = visit(chromium, url, "train")
    page.evaluate("""() => {
      window.slow = [];
      new PerformanceObserver((list) => list.getEntries().forEach((one) => window.slow.push(one.duration)))
        .observe({ type: "longtask" });
    }""")
    wait_for_step(page, 30_000)
    page.wait_for_function("document.querySelector('#train-plot .tf-line-finished') !== null")
    page.wait_for_function(
        "[...document.querySelectorAll('#train-plot .tf-hint')].every((one) => one.classList.contains('tf-gone'))",
        timeout=60_000,
    )
    assert page.locator("#train-plot .tf-run-name").inner_text() == "long" and ink(page)[0] > 2000
    page.locator("#train-plot canvas").first.focus()
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    assert page.locator("#train-plot .tf-readout").inner_text().startswith("step 29996")
    assert max(page.evaluate("window.slow"), default=0) < 2000, "ms; another browser runs beside this one"
    assert page.faults == []
