"""Case 29: two people at one studio. What one writes, uploads and is told, the other's page never holds.

Seen by both, on purpose: the runs of the workspace with their curves, which model is in memory, and what trains now.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.settings import Settings

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # what Gradio's server warns about is not ours
]
QUESTION, ROWS, NAME = "what-only-one-asks", "what-only-one-uploads", "only-one-names-it"
MODEL = "/nowhere/what-only-one-loads"
SECRETS = (QUESTION, ROWS, NAME, MODEL)


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    from studio.services import build_services
    from studio.ui.app import build_app, launch

    services = build_services(Settings(mode="local", workspace=tmp_path / "workspace", cache=tmp_path / "cache"))
    blocks = build_app(services)
    address = launch(blocks, services.settings)
    services.warm().join(timeout=240)
    yield address
    services.worker.shutdown()
    blocks.close()


def visit(chromium: Any, url: str) -> Any:
    """A page with cookies and a session of its own, and everything that it was sent."""
    page = chromium.new_context(viewport={"width": 1280, "height": 820}, locale="en-US").new_page()
    page.sent = []
    page.on("response", lambda one: page.sent.append(one))
    page.goto(url)
    return page


def held(page: Any) -> str:
    """What is drawn, typed and kept there."""
    typed = "[...document.querySelectorAll('input, textarea')].map(one => one.value).join('\\n')"
    return "\n".join([page.content(), page.evaluate(typed), page.evaluate("JSON.stringify({...sessionStorage})")])


def open_tab(page: Any, name: str) -> None:
    page.locator(f"#tab-{name}-button").first.click()


def test_neither_sees_what_the_other_writes(url: str, chromium: Any, tmp_path: Path) -> None:
    path = tmp_path / f"{NAME}.jsonl"
    path.write_text("".join(json.dumps({"question": f"{ROWS} {n}", "answer": "a"}) + "\n" for n in range(6)))
    one, two = visit(chromium, url), visit(chromium, url)
    open_tab(one, "data")
    one.locator("#data-kind label").nth(1).click()
    one.set_input_files("#data-upload input[type=file]", path)
    one.wait_for_function(f"document.querySelector('.tf-tokens')?.textContent.includes('{ROWS}')", timeout=120_000)
    open_tab(one, "chat")
    one.locator("#message textarea").fill(QUESTION)
    one.locator("#send").click()
    one.wait_for_function(f"document.body.textContent.includes('{QUESTION}')", timeout=120_000)
    one.wait_for_selector("#send:visible", timeout=120_000)
    open_tab(one, "model")
    one.locator("#model-kind label").nth(2).click()
    one.locator("#model-other input, #model-other textarea").fill(MODEL)
    one.locator("#model-load").click()
    one.wait_for_function(f"document.querySelector('#model-memory').textContent.includes('{MODEL}')", timeout=60_000)
    late = visit(chromium, url)
    for page in (two, late):
        for tab in ("model", "data", "adapter", "train", "chat", "runs"):
            open_tab(page, tab)
            page.wait_for_timeout(300)
            assert not [secret for secret in SECRETS if secret in held(page)], tab
        open_tab(page, "chat")
        page.locator("#chat-clear").click()  # the other's conversation stays
    assert QUESTION in held(one) and NAME in held(one)
    for page in (two, late):
        texts = [one.text() for one in page.sent if "json" in (one.headers.get("content-type") or "")]
        assert texts and not [secret for secret in SECRETS for text in texts if secret in text]
