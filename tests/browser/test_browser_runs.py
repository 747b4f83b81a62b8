"""The Runs tab in Chromium: find runs, write on them, choose several, delete and bring back; markup stays text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from studio.config.files import build
from studio.runs import EventLog, RunStore
from studio.runs.bin import Bin
from studio.runs.labels import annotate, rename, tag
from studio.runs.store import hold
from studio.settings import Settings

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore"),  # what Gradio's server warns about is not ours
]
MARKUP = "<img src=x onerror=window.hit=1>${window.hit=1}"


def write_run(store: RunStore, name: str, method: str, loss: float | None) -> None:
    folder = store.create(build({"name": name, "method": method}))
    folder.rename(store.runs_dir / name)
    with EventLog(store.runs_dir / name) as log:
        if loss is None:
            log.tell("failed", "nothing")
        else:
            log.write("log", 5, loss=loss)
            log.write("finished", 5, seconds=1.0)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, RunStore]]:
    """(address, store) of a page over a workspace."""
    from studio.services import build_services
    from studio.ui.app import build_app, launch

    workspace = tmp_path_factory.mktemp("workspace")
    services = build_services(Settings(mode="local", workspace=workspace, cache=workspace / "cache"))
    services.warmed.set()
    blocks = build_app(services)
    yield launch(blocks, services.settings), services.store
    blocks.close()


@pytest.fixture
def studio(served: tuple[str, RunStore]) -> tuple[str, RunStore]:
    """The same with alpha (sft, 3.0), beta (dpo, 1.0) and gamma (sft, failed), as new."""
    store = served[1]
    for run in store.list():
        Bin(store).delete(run.run_id)
    Bin(store).empty()
    for name, method, loss in (("alpha", "sft", 3.0), ("beta", "dpo", 1.0), ("gamma", "sft", None)):
        write_run(store, name, method, loss)
    rename(store.runs_dir / "alpha", MARKUP)
    annotate(store.runs_dir / "alpha", f"{MARKUP}\nsecond line")
    tag(store.runs_dir / "alpha", add=["<b>bold</b>", "good"])
    return served


@pytest.fixture
def page(studio: tuple[str, RunStore], chromium: Any) -> Iterator[Any]:
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="en-US")
    page = context.new_page()
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.goto(studio[0])
    page.locator("#tab-runs-button").first.click()
    page.wait_for_function("document.querySelectorAll('#runs-list tbody tr').length === 3")
    yield page
    assert page.faults == []
    assert page.evaluate("window.hit") is None
    context.close()


def ids(page: Any) -> list[str]:
    return page.locator("#runs-list tbody tr").evaluate_all("rows => rows.map((row) => row.dataset.run)")


def expect(page: Any, wanted: list[str]) -> None:
    """The rows, in this order."""
    rows = "[...document.querySelectorAll('#runs-list tbody tr')].map((row) => row.dataset.run)"
    page.wait_for_function(f"JSON.stringify({rows}) === {json.dumps(json.dumps(wanted, separators=(',', ':')))}")


def test_find_by_order_words_and_filters(page: Any) -> None:
    def sort_by(name: str) -> None:
        page.locator("#runs-list th .tf-sort", has_text=name).first.click()

    sort_by("Train loss")
    expect(page, ["beta", "alpha", "gamma"])
    sort_by("Train loss")
    expect(page, ["alpha", "beta", "gamma"])
    assert page.locator("th[aria-sort=descending]").inner_text().startswith("Train loss")
    page.reload()
    page.locator("#tab-runs-button").first.click()
    expect(page, ["alpha", "beta", "gamma"])
    search = page.locator("#runs-list input[type=search]")
    search.fill("SECOND good")
    expect(page, ["alpha"])
    assert page.locator("#runs-list input[type=search]").evaluate("one => document.activeElement === one")
    search.fill("")
    page.locator("select[data-filter=method]").select_option("sft")
    page.locator("select[data-filter=status]").select_option("failed")
    expect(page, ["gamma"])
    assert "1 of 3 runs" in page.locator(".tf-runs-foot").inner_text()
    page.locator("select[data-filter=tag]").select_option("good")
    page.locator(".tf-runs-body .tf-hint").wait_for()
    page.locator("select[data-filter=status]").select_option("")
    expect(page, ["alpha"])


def test_what_people_wrote_is_text_and_is_kept(page: Any, studio: tuple[str, RunStore]) -> None:
    store = studio[1]
    row = page.locator("#runs-list tr[data-run=alpha]")
    assert MARKUP in row.inner_text() and "<b>bold</b>" in row.inner_text()
    row.locator("button").click()
    page.wait_for_function("document.querySelector('#runs-chosen :is(input, textarea)')?.value === 'alpha'")
    name = page.locator("#runs-label-name :is(input, textarea)")
    page.wait_for_function("document.querySelector('#runs-label-name :is(input, textarea)')?.value?.startsWith('<img')")
    name.fill("a plain name")
    name.press("Enter")
    page.wait_for_function(
        "document.querySelector('#runs-list tr[data-run=alpha]')?.innerText.includes('a plain name')"
    )
    page.locator("#runs-label-notes textarea").fill("looked at twice")
    tags = page.locator("#runs-label-tags input")
    tags.fill("x" * 80)
    tags.press("Enter")
    page.wait_for_selector(".toast-body")
    page.wait_for_function("!document.querySelector('#runs-label-tags').innerText.includes('xxx')")
    tags.fill("late")  # one that was refused is no reason to refuse the next
    tags.press("Enter")
    page.wait_for_function("document.querySelector('#runs-list tr[data-run=alpha]')?.innerText.includes('late')")
    page.wait_for_function("document.querySelector('#runs-list tr[data-run=alpha]')?.innerText.includes('looked at')")
    record = store.open("alpha")
    assert (record.name, record.notes, record.tags) == (
        "a plain name",
        "looked at twice",
        ("<b>bold</b>", "good", "late"),
    )
    assert record.config().name == "alpha", "run.yaml is as it was"
    for run_id in ("beta", "gamma", "alpha"):
        page.locator(f"#runs-list tr[data-run={run_id}] .tf-runs-name > button").click()
        page.wait_for_function(f"document.querySelector('#runs-list tr[data-run={run_id}]').ariaSelected === 'true'")
        page.wait_for_timeout(300)
    assert [store.open(run_id).tags for run_id in ("beta", "gamma", "alpha")] == [(), (), record.tags]


def test_several_are_deleted_and_come_back(page: Any, studio: tuple[str, RunStore]) -> None:
    store = studio[1]
    picked = "JSON.parse(document.querySelector('#runs-picked :is(input, textarea)')?.value).length"
    for run_id in ("alpha", "beta"):
        page.locator(f"#runs-list tr[data-run={run_id}] input").check()
    page.wait_for_function(f"{picked} === 2")
    page.locator(".tf-runs-delete").click()
    expect(page, ["gamma"])
    page.wait_for_function(f"{picked} === 0")
    assert [run.run_id for run in store.list()] == ["gamma"] and Bin(store).count() == 2
    assert MARKUP in page.locator(".tf-undone").inner_text()
    page.locator("#tab-train-button").first.click()
    page.locator("#tab-runs-button").first.click()
    page.locator(".tf-runs-undo").click()  # it stays
    page.wait_for_function("document.querySelectorAll('#runs-list tbody tr').length === 3")
    assert {run.run_id for run in store.list()} == {"alpha", "beta", "gamma"} and Bin(store).count() == 0


def test_the_opened_run_is_deleted_and_the_bin_emptied(page: Any, studio: tuple[str, RunStore]) -> None:
    store = studio[1]
    page.locator("#runs-list tr[data-run=beta] button").click()
    page.wait_for_function("document.querySelector('#runs-chosen :is(input, textarea)')?.value === 'beta'")
    page.locator("#runs-delete").click()
    page.wait_for_function("document.querySelectorAll('#runs-list tbody tr').length === 2")
    page.wait_for_function("document.querySelector('#runs-chosen :is(input, textarea)')?.value !== 'beta'")
    page.locator(".tf-runs-bin").click()
    page.locator(".tf-runs-restore").click()
    page.locator(".tf-runs-body .tf-hint").wait_for()
    assert len(store.list()) == 3
    page.locator(".tf-runs-binbar button").first.click()
    page.locator("#runs-list tr[data-run=beta] input").check()
    page.locator(".tf-runs-delete").click()
    page.wait_for_function("document.querySelectorAll('#runs-list tbody tr').length === 2")
    page.locator(".tf-runs-bin").click()
    page.locator(".tf-danger").click()
    assert Bin(store).count() == 1, "the first click only asks"
    page.locator(".tf-runs-empty").click()
    page.locator(".tf-runs-body .tf-hint").wait_for()
    assert Bin(store).count() == 0 and len(store.list()) == 2


def test_a_duplicate_is_a_draft_in_the_form(page: Any, studio: tuple[str, RunStore]) -> None:
    page.locator("#runs-list tr[data-run=beta] button").click()
    page.wait_for_function("document.querySelector('#runs-chosen :is(input, textarea)')?.value === 'beta'")
    page.locator("#runs-duplicate").click()
    page.wait_for_function("document.querySelector('#run-name :is(input, textarea)')?.value === 'beta (copy)'")
    assert page.locator("#tab-train").is_visible() and len(studio[1].list()) == 3


def test_a_narrow_page_in_chinese_does_not_scroll_sideways(studio: tuple[str, RunStore], chromium: Any) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 800}, locale="zh-CN", color_scheme="dark")
    page = context.new_page()
    page.goto(studio[0])
    page.locator("#tab-runs-button").first.click()
    page.wait_for_function("document.querySelectorAll('#runs-list tbody tr').length === 3")
    page.wait_for_function("document.querySelector('.tf-runs-foot').textContent.includes('磁盘剩余')")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    body = page.locator(".tf-runs-body")
    assert body.evaluate("one => one.scrollWidth <= one.clientWidth"), "the table fits"
    context.close()


def test_a_run_in_training_is_followed_and_its_end_is_seen(page: Any, studio: tuple[str, RunStore]) -> None:
    folder = studio[1].create(build({"name": "delta"}))
    row = f"document.querySelector('#runs-list tr[data-run=\"{folder.name}\"]')"
    with hold(folder), EventLog(folder) as log:  # as another process trains it
        log.write("started", 0, total_steps=10)
        log.write("log", 3, loss=2.0)
        page.wait_for_function(f"{row}?.querySelector('.tf-col-steps').textContent === '3 / 10'")
        page.locator(".tf-runs-search").fill("delta")
        log.write("log", 4, loss=1.9)
        page.wait_for_function(f"{row}.querySelector('.tf-col-steps').textContent === '4 / 10'")
        assert page.evaluate(f"{row}.querySelector('.tf-col-status').dataset.status") == "running"
        log.write("finished", 10, seconds=1.0)
    page.wait_for_function(f"{row}.querySelector('.tf-col-status').dataset.status === 'finished'")
    assert page.locator(".tf-runs-search").input_value() == "delta"
