"""Case 11: what a model writes is text on the page. It executes nothing, links nowhere and fetches nothing."""

from __future__ import annotations

from typing import Any

import pytest

from studio.chat.engine import Reply

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore")]
HOSTILE = (
    "<script>window.hit=1</script><img src=x onerror=window.hit=2> [click](javascript:window.hit=3) "
    "![far](http://far.example/pixel.png) <svg onload=window.hit=4> <a href='javascript:window.hit=5'>here</a> "
    "${window.hit=6}"
)


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every reply has these tokens and then ends, whatever the model would have said."""
    begin = Reply.__init__

    def prepared(self: Any, model: Any, tokenizer: Any, *given: Any, **named: Any) -> None:
        begin(self, model, tokenizer, *given, **named)
        self.to_come = [*tokenizer(HOSTILE, add_special_tokens=False).input_ids, min(self._ends)]

    monkeypatch.setattr(Reply, "__init__", prepared)
    monkeypatch.setattr(Reply, "_next", lambda self: self.to_come.pop(0))


@pytest.mark.usefixtures("hostile")
def test_a_models_reply_is_shown_and_executes_nothing(studio: tuple[str, Any], chromium: Any) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 900}, locale="en-US")
    page, asked = context.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(studio[0])
    page.locator("#tab-chat-button").first.click()
    page.locator("#message textarea").fill("Who are you?")
    page.locator("#send").click()
    page.wait_for_selector("#replies :text('javascript:window.hit=3')", timeout=60_000)
    page.wait_for_function("document.querySelector('#send').offsetParent", timeout=60_000)
    shown = page.locator("#replies").text_content() or ""
    assert HOSTILE in shown, "every character is there"
    assert page.evaluate("window.hit") is None
    replies = page.locator("#replies")
    assert replies.locator("img, script, a[href^=javascript], svg[onload]").count() == 0
    assert not [url for url in asked if "far.example" in url or url.endswith("/x")]
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    context.close()
