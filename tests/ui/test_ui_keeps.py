"""What a person would curse to lose or not to find, in Chromium: the form over a reload, the reason, the name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser
WARM = 120_000  # ms; the first preview waits for the libraries
READY = "document.body.dataset.ticks?.split(' ').length === 3"


def open_page(chromium: Any, served: str, **options: Any) -> Any:
    page = chromium.new_context(**{"locale": "en-US", "viewport": {"width": 1280, "height": 820}, **options}).new_page()
    page.goto(served)
    page.wait_for_function(READY, timeout=WARM)
    return page


def wait_for(page: Any, condition: str) -> None:
    page.wait_for_function(f"(() => {{ const t = document.querySelector('.tf-tokens'); return {condition} }})()")


def upload(page: Any, path: Path) -> None:
    page.locator("#tab-data-button").click()
    page.locator("#data-kind label").nth(1).click()
    page.set_input_files("#data-upload input[type=file]", path)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "my rows.jsonl"
    lines = [json.dumps({"instruction": f"Say {n}", "input": "", "output": f"It is {n}"}) for n in range(20)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_a_reload_and_a_change_of_language_keep_the_form_and_the_tab(chromium: Any, served: str, rows: Path) -> None:
    page = open_page(chromium, served)
    upload(page, rows)
    wait_for(page, "t.textContent.includes('It is')")
    page.locator("#training-max_length input").fill("64")
    page.wait_for_function("sessionStorage.getItem('tunefork_form')?.includes('\"max_length\":64')")
    page.reload()
    wait_for(page, "t?.textContent.includes('It is')")
    assert page.locator("#training-max_length input").input_value() == "64"
    assert page.locator("#data-source-card").get_attribute("data-note").startswith("my-rows.jsonl · 20 rows")
    page.locator(".tf-lang").click()
    page.wait_for_selector("#tab-data-button:has-text('数据')")
    wait_for(page, "t?.textContent.includes('It is')")
    assert page.locator("#tab-data-button").get_attribute("aria-selected") == "true"
    other = open_page(chromium, served)
    assert other.locator("#training-max_length input").count() == 0 or (
        other.locator("#training-max_length input").input_value() == "1024"
    )


def test_a_wrong_column_is_named_and_can_be_chosen_anew(chromium: Any, served: str, rows: Path) -> None:
    page = open_page(chromium, served)
    upload(page, rows)
    wait_for(page, "t.textContent.includes('It is')")
    page.locator("#data-role-instruction input").click()
    page.locator("#data-role-instruction").get_by_role("option", name="output", exact=True).click()
    wait_for(page, "t.dataset.state === 'error'")
    assert "my-rows.jsonl" in page.locator(".tf-tokens .tf-error").inner_text()
    page.locator("#data-role-instruction input").click()
    page.locator("#data-role-instruction").get_by_role("option").first.click()
    wait_for(page, "t.dataset.state === 'ok'")


def test_a_file_of_another_kind_is_refused_in_ones_own_language(chromium: Any, served: str, tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("hello")
    page = open_page(chromium, served, locale="zh-CN")
    upload(page, other)
    said = page.locator("[data-testid=toast-text]")
    said.wait_for()
    assert "notes.txt" in said.inner_text() and "文件" in said.inner_text()
    page.wait_for_selector("#data-upload input[type=file]", state="attached")


def test_a_removed_upload_is_no_longer_the_data(chromium: Any, served: str, rows: Path) -> None:
    page = open_page(chromium, served)
    upload(page, rows)
    wait_for(page, "t.dataset.state === 'ok' && t.textContent.includes('It is')")
    page.locator("#data-upload .icon-button-wrapper button").click()
    wait_for(page, "t.dataset.state === 'pending'")


def test_chat_says_what_sending_will_load(chromium: Any, served: str) -> None:
    page = open_page(chromium, served)
    page.locator("#tab-chat-button").click()
    page.wait_for_function("document.querySelector('#chat-base').textContent.includes('Sending loads Starter first')")
    assert "No adapter yet" in page.locator("#chat-base").inner_text()
    page.locator("#message textarea").fill("Hello, who are you?")
    page.keyboard.press("Enter")
    page.wait_for_function("!document.querySelector('#chat-base').textContent.includes('Sending')", timeout=60_000)
    assert page.locator(".tf-reply").first.inner_text()


def test_every_control_has_a_name(chromium: Any, served: str) -> None:
    page = open_page(chromium, served)
    tree = page.context.new_cdp_session(page)
    controls = {
        "button",
        "textbox",
        "spinbutton",
        "combobox",
        "radio",
        "checkbox",
        "tab",
        "group",
        "progressbar",
        "log",
    }
    for tab in ("model", "data", "adapter", "train", "chat", "runs"):
        page.locator(f"#tab-{tab}-button").click()
        page.wait_for_timeout(400)
        for node in tree.send("Accessibility.getFullAXTree")["nodes"]:
            if not node.get("ignored") and node.get("role", {}).get("value") in controls:
                assert node.get("name", {}).get("value", "").strip(), (tab, node)
