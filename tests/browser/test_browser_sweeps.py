"""Sweeps and notifications in Chromium: lines become queued runs; a table and a plot open one; an end is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from studio.config.sweep import make_sweep
from studio.runs.events import EventLog
from studio.runs.store import hold
from studio.runs.sweep import mark
from studio.settings import Settings

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore"),  # what Gradio's server warns about is not ours
]
HOSTILE = "<img src=x onerror=window.hit=1>"


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Any]]:
    """(address, services) of a page over a workspace with a sweep of twelve runs, one of which failed."""
    from studio.services import build_services
    from studio.ui.app import build_app, launch

    workspace = tmp_path_factory.mktemp("workspace")
    services = build_services(Settings(mode="local", workspace=workspace, cache=workspace / "cache"))
    grid = {
        "training.learning_rate": [1e-5, 1e-4, 1e-3],
        "adapter.r": [4, 8],
        "training.lr_scheduler_type": ["linear", "cosine"],
    }
    sweep = make_sweep({"name": HOSTILE}, grid=grid, name="rates", where="the sweep")
    for point in sweep.points:
        run_dir = services.store.create(point.config)
        mark(run_dir, sweep, point)
        with EventLog(run_dir) as log:
            if point.number == 2:
                log.write("failed", message="no")
                continue
            loss = 1 + abs(point.changes["training.learning_rate"] - 1e-4) * 300 + point.number / 100
            log.write("finished", 3, message="done", metrics={"loss": loss, "eval_loss": loss + 0.2})
    services.warm().join(timeout=120)  # no thread imports while pytest looks at modules
    blocks = build_app(services)
    yield launch(blocks, services.settings), services
    blocks.close()


@pytest.fixture
def page(studio: tuple[str, Any], chromium: Any) -> Iterator[Any]:
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="en-US")
    context.grant_permissions(["notifications"], origin=studio[0].rstrip("/"))
    page = context.new_page()
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.add_init_script(
        "window.told = []; const Real = window.Notification;"
        "window.Notification = class { constructor(title, more) { window.told.push([title, more.body]); }"
        " static permission = 'granted'; static async requestPermission() { return 'granted'; } };"
    )
    page.goto(studio[0])
    yield page
    assert page.faults == [] and page.evaluate("window.hit") is None
    context.close()


def test_results_are_a_table_and_a_plot_and_a_click_opens_a_run(page: Any) -> None:
    page.locator("#tab-runs-button").first.click()
    page.wait_for_function("+document.querySelector('#sweep-results [data-runs]')?.dataset.runs === 12")
    box = page.locator("#sweep-results")
    assert box.locator("path.tf-para").count() == 12 and box.locator("path.tf-para-none").count() == 1
    names = box.locator(".tf-para-name").evaluate_all("all => all.map(one => one.firstChild.textContent)")
    assert names == ["learning_rate", "r", "lr_scheduler_type", "Train loss", "Eval loss"]
    assert box.locator(".tf-best").count() == 1
    row = box.locator("tbody tr").nth(5)
    wanted = row.get_attribute("data-run")
    row.hover()
    assert box.locator("path.tf-marked").count() == 1 and "Eval loss" in box.locator(".tf-readout").inner_text()
    box.locator("th button", has_text="Eval loss").click()
    losses = [float(text) for text in box.locator("tbody tr td:nth-child(7)").all_inner_texts() if text != "–"]
    assert losses == sorted(losses) and len(losses) == 11
    box.locator(f"path.tf-para-reach[data-run='{wanted}']").dispatch_event("click")
    page.wait_for_function(
        "run => document.querySelector('#runs-chosen textarea, #runs-chosen input')?.value === run", arg=wanted
    )


def test_lines_are_counted_before_they_are_queued(page: Any) -> None:
    page.locator("#tab-train-button").first.click()
    page.locator("#sweep-fold button").first.click()
    lines = page.locator("#sweep-lines textarea")
    lines.fill("learning_rate = 1e-4, 2e-4\nadapter.r = 4, 8, 16")
    page.wait_for_function("document.querySelector('#sweep-told').textContent.includes('6 runs')")
    assert page.locator("#sweep-queue").is_enabled()
    lines.fill("learning_rate = 5")
    page.wait_for_function("document.querySelector('#sweep-told').textContent.includes('must be at most 1')")
    assert page.locator("#sweep-queue").is_disabled()


def test_the_end_of_a_run_is_told(studio: tuple[str, Any], page: Any) -> None:
    """A run of another process, as the command line's beside the page."""
    from studio.config import RunConfig

    services = studio[1]
    run_dir = services.store.create(RunConfig(name="far away"))
    services.worker._run_id = run_dir.name  # what the header takes for the run in training
    try:
        with hold(run_dir), EventLog(run_dir) as log:
            log.write("started", 0, total_steps=4)
            button = page.locator(".tf-notify")
            button.wait_for(state="visible", timeout=10_000)
            assert button.inner_text() == "Notify"
            button.click()
            page.wait_for_function("document.querySelector('.tf-notify').textContent === 'Notifying'")
            log.tell("finished", "Finished after {steps} steps. What was learned is saved.", {"steps": "4"}, step=4)
    finally:
        services.worker._run_id = None
    page.wait_for_function("window.told.length === 1", timeout=15_000)
    assert page.evaluate("window.told") == [
        ["Tunefork", "far away: Finished after 4 steps. What was learned is saved."]
    ]
    assert page.title() == "(done) Tunefork"
    page.mouse.click(600, 500)
    page.wait_for_function("document.title === 'Tunefork'")
