"""Several runs in Chromium: picked in the table, curves over one another, what differs, and what is taken away."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.config.files import build
from studio.runs import EventLog, RunStore
from studio.runs.store import hold
from studio.settings import Settings

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore")]
HOSTILE = '<img src=x onerror="window.hit=1">${window.hit=1}{{x}}'
OVERLAY = "document.querySelector('#runs-overlay [data-runs], #runs-overlay[data-runs]')?.dataset"


def write_run(store: RunStore, name: str, *, rate: float, steps: int = 60) -> Path:
    folder = store.create(build({"name": name, "training": {"learning_rate": rate}}))
    with EventLog(folder) as log:
        log.write("started", 0, total_steps=steps, epochs=3, rows=180, device="cpu", dtype="float32")
        for step in range(1, steps + 1):
            log.write(
                "log", step, loss=2 / (1 + rate * 1e3 * step), grad_norm=rate, epoch=step / 20, num_tokens=9 * step
            )
            if step % 20 == 0:
                log.write("evaluated", step, eval_loss=2.1 / (1 + rate * 1e3 * step), eval_bleu=step / 2)
        log.write("finished", steps, message="done", seconds=7, adapter=False)
    return folder


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, RunStore]]:
    """(address, store) of a page over a workspace with three runs."""
    from studio.services import build_services
    from studio.ui.app import build_app, launch

    workspace = tmp_path_factory.mktemp("workspace")
    services = build_services(Settings(mode="local", workspace=workspace, cache=workspace / "cache"))
    for name, rate in ((HOSTILE[:80], 1e-4), ("slow", 1e-5), ("fast", 1e-3)):
        write_run(services.store, name, rate=rate)
    services.warmed.set()
    blocks = build_app(services)
    yield launch(blocks, services.settings), services.store
    blocks.close()


def visit(chromium: Any, url: str, *, width: int = 1280, dark: bool = False) -> Any:
    context = chromium.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light", locale="en-US"
    )
    page = context.new_page()
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.goto(url)
    page.locator("#tab-runs-button").first.click()
    page.wait_for_selector("#runs-list tbody tr")
    return page


def pick(page: Any, *names: str) -> None:
    for name in names:
        page.locator("#runs-list tbody tr", has_text=name).locator("input[type=checkbox]").first.check()
    page.wait_for_function(f"+{OVERLAY}?.runs === {len(names)}", timeout=15_000)


def ink(page: Any) -> int:
    return page.evaluate("""() => {
      const canvas = document.querySelector('#runs-overlay canvas');
      const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
      let sum = 0;
      for (let at = 3; at < data.length; at += 4) if (data[at]) sum += data[at - 3] + data[at - 1];
      return sum;
    }""")


@pytest.mark.parametrize("width", [1280, 390])
def test_picked_runs_lie_over_one_another_and_what_differs_is_told(studio: Any, chromium: Any, width: int) -> None:
    page = visit(chromium, studio[0], width=width, dark=width == 390)
    assert not page.locator("#runs-overlay-card").is_visible()
    pick(page, "slow", "fast", "onerror")
    card = page.locator("#runs-overlay-card")
    labels = json.loads(page.evaluate(f"{OVERLAY}.labels"))
    assert sorted(labels) == sorted(["slow", "fast", HOSTILE[:80]]) and labels[0] == "slow", "named from high to low"
    lines = page.locator("#runs-difference tbody tr")
    assert lines.count() == 1 and "learning_rate" in lines.first.inner_text()
    assert lines.locator("td").all_inner_texts() == ["1e-05", "0.001", "0.0001"]
    drawn = ink(page)
    for axis in ("epoch", "tokens", "time"):
        card.locator("button", has_text=axis).first.click()
    card.locator("button", has_text="log").first.click()
    assert ink(page) != drawn > 0
    card.locator("select").select_option("bleu")
    page.wait_for_function(f"{OVERLAY}.figure === 'bleu'")
    card.locator("select").select_option("loss")
    page.wait_for_function(f"{OVERLAY}.figure === 'loss'")
    card.locator("canvas").focus()
    page.keyboard.press("ArrowLeft")
    assert "slow" in card.locator(".tf-readout").inner_text() and card.locator(".tf-readout span").count() == 3
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate("window.hit") is None and page.locator("img[src=x]").count() == 0
    assert page.faults == []


def test_a_run_that_goes_on_grows_in_the_overlay(studio: Any, chromium: Any) -> None:
    url, store = studio
    folder = store.create(build({"name": "growing"}))
    with hold(folder), EventLog(folder) as log:
        log.write("started", 0, total_steps=50)
        log.write("log", 1, loss=1.0)
        page = visit(chromium, url)
        pick(page, "growing", "fast")
        before = ink(page)
        for step in range(2, 90):
            log.write("log", step, loss=1.0 + step / 10)
        page.wait_for_function(f"+{OVERLAY}.points >= 89", timeout=15_000)
        assert ink(page) != before
        log.write("finished", 89, message="done", adapter=False)
    assert page.faults == []


def test_an_opened_run_has_its_evaluations_and_can_be_taken_away(studio: Any, chromium: Any, tmp_path: Path) -> None:
    page = visit(chromium, studio[0])
    page.locator("#runs-list tbody tr", has_text="slow").locator("td").nth(2).click()
    page.wait_for_function("document.querySelector('#runs-life tbody')?.innerText.includes('60')", timeout=15_000)
    assert page.locator("#runs-life tbody tr").count() == 3
    assert "BLEU" in page.locator("#runs-life thead").inner_text()
    page.wait_for_function(
        "document.querySelector('#runs-chosen textarea, #runs-chosen input').value.startsWith('slow')"
    )
    taken = {}
    for kind in ("csv", "json", "html"):
        with page.expect_download(timeout=20_000) as waiting:
            page.locator(f"#runs-take-{kind}").click()
        assert waiting.value.suggested_filename.startswith("slow-") and waiting.value.suggested_filename.endswith(kind)
        taken[kind] = tmp_path / f"taken.{kind}"
        waiting.value.save_as(taken[kind])
    with taken["csv"].open(newline="") as file:
        assert [row["step"] for row in csv.DictReader(file)] == [str(step) for step in range(1, 61)]
    assert len(json.loads(taken["json"].read_text())["rows"]) == 60

    asked: list[str] = []
    report = page.context.new_page()
    report.on("request", lambda request: asked.append(request.url))
    report.on("console", lambda message: asked.append(message.text))
    report.goto(taken["html"].as_uri())
    assert report.locator("svg").count() >= 3 and "slow" in report.locator("h1").inner_text()
    assert asked == [taken["html"].as_uri()], "the report asks nobody for anything"
    assert page.faults == []
