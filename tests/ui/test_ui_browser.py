"""The shell and its first tabs in a real browser: what a person sees and clicks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser
WARM = 120_000  # ms; the first preview waits for the libraries


def open_page(chromium: Any, served: str, **options: Any) -> tuple[Any, list[str]]:
    """A page of a fresh visitor, and the complaints it collects: script errors, dialogs, requests to elsewhere."""
    page = chromium.new_context(**{"locale": "en-US", "viewport": {"width": 1280, "height": 820}, **options}).new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(f"error {error}"))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("dialog", lambda dialog: (complaints.append(f"dialog {dialog.message}"), dialog.dismiss()))
    own = (served, "data:", "blob:")
    page.on("request", lambda one: None if one.url.startswith(own) else complaints.append(f"request {one.url}"))
    page.goto(served)
    page.wait_for_function("document.body.dataset.ticks?.split(' ').length === 3", timeout=WARM)
    return page, complaints


def state(page: Any) -> dict[str, str]:
    return page.evaluate(
        "(() => { const t = document.querySelector('.tf-tokens'); return {state: t.dataset.state, "
        "digest: t.dataset.digest, error: t.querySelector('.tf-error').textContent, "
        "counts: t.querySelector('.tf-counts').textContent} })()"
    )


def wait_for(page: Any, condition: str) -> None:
    page.wait_for_function(f"(() => {{ const t = document.querySelector('.tf-tokens'); return {condition} }})()")


def test_the_preview_is_there_by_itself_and_follows_each_choice(chromium: Any, served: str) -> None:
    page, complaints = open_page(chromium, served)
    page.locator("#tab-data-button").click()
    wait_for(page, "t.dataset.state === 'ok'")
    first = state(page)
    assert page.locator(".tf-row i.t").count() > 10 and page.locator(".tf-row i.s").count() > 3
    assert page.locator(".tf-row i.t").first.get_attribute("title").startswith("id ")
    page.locator("#data-loss label").nth(2).click()
    wait_for(page, f"t.dataset.digest !== '{first['digest']}'")
    assert "masked 0" in state(page)["counts"]
    page.locator("#data-loss label").nth(0).click()
    wait_for(page, f"t.dataset.digest === '{first['digest']}'")
    page.locator("#training-max_length input").fill("20")
    wait_for(page, "t.querySelector('i.x')")
    page.locator("#training-max_length input").fill("3")
    wait_for(page, "t.dataset.state === 'error'")
    assert state(page)["error"] == "Max length must be at least 8; it is 3."
    assert page.locator(".tf-stale").count() == 1  # the last good preview stays, dimmed
    assert "data" not in page.evaluate("document.body.dataset.ticks").split()
    page.locator("#training-max_length input").fill("1024")
    wait_for(page, f"t.dataset.digest === '{first['digest']}' && t.dataset.state === 'ok'")
    assert complaints == []


def test_an_upload_is_mapped_and_nothing_in_it_runs(chromium: Any, served: str, tmp_path: Path) -> None:
    evil = "<img src=x onerror=alert(1)> ${alert(2)} {{alert(3)}} </script><script>alert(4)</script>"
    rows = tmp_path / "<b>rows.jsonl"
    lines = [json.dumps({"wording": f"{evil} {n}", "reaction": f"answer {n}"}) for n in range(20)]
    rows.write_text("\n".join(lines), encoding="utf-8")
    page, complaints = open_page(chromium, served)
    page.locator("#tab-data-button").click()
    wait_for(page, "t.dataset.state === 'ok'")
    page.locator("#data-kind label").nth(1).click()
    wait_for(page, "t.dataset.state === 'pending'")
    page.set_input_files("#data-upload input[type=file]", rows)
    wait_for(page, "t.dataset.state === 'error'")
    assert "(wording, reaction)" in state(page)["error"]
    page.locator("#data-format input").click()
    page.get_by_role("option", name="prompt-completion").click()
    for role, column in (("prompt", "wording"), ("completion", "reaction")):
        page.locator(f"#data-role-{role} input").click()
        page.locator(f"#data-role-{role}").get_by_role("option", name=column, exact=True).click()
    wait_for(page, "t.dataset.state === 'ok'")
    for view in ("tokens", "text", "raw"):
        page.locator(f"#view-{view}").click()
        assert "onerror" in page.locator(".tf-rows").text_content()
    assert page.locator(".tf-rows img, .tf-rows script").count() == 0
    assert complaints == []


def test_model_and_adapter_answer_and_load(chromium: Any, served: str) -> None:
    page, complaints = open_page(chromium, served)
    assert "parameters" in page.locator("#model-facts").inner_text()
    page.locator("#model-kind label").nth(2).click()
    page.wait_for_function("document.querySelector('#model-facts').textContent.includes('No model is named yet')")
    page.locator("#model-other input").fill("/no/such/folder")
    page.locator("#model-other input").press("Enter")
    page.wait_for_function("document.querySelector('#model-facts .tf-error').textContent.includes('/no/such/folder')")
    assert "model" not in page.evaluate("document.body.dataset.ticks").split()
    page.locator("#model-kind label").nth(0).click()
    page.wait_for_function("document.body.dataset.ticks.split(' ').length === 3")
    page.locator("#model-load").click()
    page.wait_for_function("document.querySelector('.tf-model').textContent.startsWith('Starter · ')", timeout=WARM)
    assert "Starter" in page.locator("#model-memory").inner_text()
    page.locator("#tab-adapter-button").click()
    figures = page.locator("#adapter-facts .tf-tile b")
    before = figures.first.inner_text()
    page.locator("#adapter-r input").fill("4")
    page.wait_for_function(f"document.querySelector('#adapter-facts .tf-tile b').textContent !== '{before}'")
    page.locator("#adapter-target_modules label").nth(2).click()
    page.wait_for_function("document.querySelector('#adapter-facts .tf-error').textContent")
    page.locator("#adapter-picked label").first.click()
    page.wait_for_function("!document.querySelector('#adapter-facts .tf-error').textContent")
    page.locator("#adapter-kind input").click()
    page.get_by_role("option", name="Full fine-tuning").click()
    page.wait_for_function("document.querySelector('#adapter-facts').textContent.includes('100 %')")
    page.locator("#tab-model-button").click()
    page.locator("#model-unload").click()
    page.wait_for_function("document.querySelector('.tf-model').textContent === 'no model in memory'")
    assert complaints == []


def test_language_and_theme_are_switched_and_kept(chromium: Any, served: str) -> None:
    page, complaints = open_page(chromium, served, color_scheme="light")
    page.locator(".tf-theme").click()
    assert page.evaluate("document.body.classList.contains('dark')")
    page.locator(".tf-lang").click()
    page.wait_for_selector("#tab-data-button:has-text('数据')")
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    page.wait_for_function("document.body.dataset.ticks?.split(' ').length === 3", timeout=WARM)
    assert "参数" in page.locator("#model-facts").inner_text()
    assert page.evaluate("document.body.classList.contains('dark')")
    # Gradio says of the page that is left that what it was still asking is broken off.
    assert [one for one in complaints if "AbortError" not in one and "Connection errored out" not in one] == []


@pytest.mark.parametrize(
    ("scheme", "width"),
    [
        ("light", 1280),
        ("dark", 390),
        pytest.param("light", 390, marks=pytest.mark.thorough),
        pytest.param("dark", 1280, marks=pytest.mark.thorough),
    ],
)
def test_nothing_scrolls_sideways(chromium: Any, served: str, width: int, scheme: str) -> None:
    size = {"width": width, "height": 844}
    page, complaints = open_page(chromium, served, viewport=size, color_scheme=scheme)
    for tab in ("model", "data", "adapter", "train", "chat", "runs"):
        page.locator(f"#tab-{tab}-button").click()
        page.wait_for_timeout(250)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, tab
    if width == 390:
        page.locator("#tab-data-button").click()
        living, choices = (page.locator(f"#tab-data .{half}").bounding_box() for half in ("living", "choices"))
        assert living["y"] < choices["y"]
    assert complaints == []
