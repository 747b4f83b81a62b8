"""The part of the Chat tab for a reward run: a prompt and two replies, which one wins and by how much.

It stands where the conversation of other runs stands. Knows nothing of how replies are scored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components import Component

from studio.chat.compared import compared
from studio.errors import ModelError
from studio.ui.draft import Values
from studio.ui.facts import as_value
from studio.ui.guard import guard, here, sentence
from studio.ui.loading import load
from studio.ui.page import Page
from studio.ui.plots import script
from studio.ui.words import say

if TYPE_CHECKING:
    from studio.chat.verdict import Verdict
    from studio.services import Services

SIDES = ("a", "b")
KEPT_DIGITS = 6


@dataclass(frozen=True)
class Scoring:
    """The components; `box` holds the others."""

    box: Any
    prompt: Any
    system: Any
    replies: tuple[Any, Any]
    weigh: Any
    example: Any
    result: Any


def scoring_card(page: Page) -> Scoring:
    """Laid out and hidden: a run that is chosen shows it."""
    i18n = page.i18n
    with gr.Column(visible=False, elem_id="scoring", elem_classes=["stack"], min_width=0) as box:
        with page.card(elem_id="scoring-ask"):
            prompt = gr.Textbox(label=i18n("chat.score.prompt"), lines=2, max_lines=8, elem_id="scoring-prompt")
            with gr.Row(elem_classes=["pair", "replies"]):
                first, second = (
                    gr.Textbox(label=i18n(f"chat.score.{side}"), lines=4, max_lines=14, elem_id=f"scoring-{side}")
                    for side in SIDES
                )
            system = gr.Textbox(
                label=i18n("chat.system"), placeholder=i18n("chat.system_hint"), lines=1, max_lines=6,
                elem_id="scoring-system",
            )  # fmt: skip
            with gr.Row(elem_classes=["actions"]):
                weigh = gr.Button(i18n("chat.score.weigh"), variant="primary", elem_id="weigh", scale=0, min_width=0)
                example = gr.Button(
                    i18n("chat.score.example"), size="sm", elem_classes=["link"], elem_id="scoring-example", scale=0,
                    min_width=0,
                )  # fmt: skip
        result = gr.HTML(
            as_value({"state": "empty"}),
            elem_id="verdict",
            html_template="<div class='tf-panel tf-verdict'></div>",
            js_on_load=script("live.js", "verdict.js"),
            apply_default_css=False,
        )
    return Scoring(box, prompt, system, (first, second), weigh, example, result)


def wire_scoring(page: Page, parts: Scoring, *, run: Any) -> Any:
    """Compare on a click; the event that follows it, for whoever shows what is in memory."""
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    texts = [parts.prompt, *parts.replies]

    @guard
    def weigh(values: Values) -> Iterator[dict[Component, Any]]:
        yield from _weigh(page, parts, values, run=run)

    def example() -> list[str]:
        return [say(here(), f"chat.score.example_{name}") for name in ("prompt", *SIDES)]

    def forget() -> str:
        return as_value({"state": "empty"})

    said = parts.weigh.click(
        weigh, {run, *texts, parts.system}, [parts.result, parts.weigh], concurrency_limit=4, **quiet
    )
    parts.example.click(example, None, texts, queue=False, **quiet)
    gr.on(
        [run.change, *(one.change for one in (*texts, parts.system))], forget, None, parts.result, queue=False, **quiet
    )
    return said


def _weigh(page: Page, parts: Scoring, values: Values, *, run: Any) -> Iterator[dict[Component, Any]]:
    """What is being done, then the verdict or why there is none; the button is usable again at the end."""
    try:
        yield {parts.result: as_value({"state": "scoring"}), parts.weigh: gr.update(interactive=False)}
        for card in _cards(page.services, parts, values, run=run):
            yield {parts.result: as_value(card)}
    except Exception as error:  # noqa: BLE001 - the edge: the sentence stands where the verdict would
        yield {parts.result: as_value({"state": "error", "said": sentence(error)})}
    yield {parts.weigh: gr.update(interactive=True)}


def _cards(services: Services, parts: Scoring, values: Values, *, run: Any) -> Iterator[dict[str, Any]]:
    from studio.chat.verdict import judge

    if not values[run]:
        raise ModelError("No reward run is chosen. Train one, or choose it on the left.")
    chosen = compared(services.store, values[run])
    record, model = chosen.record, chosen.record.config().model
    if services.slot.loaded is None or services.slot.loaded.config != model:
        yield {"state": "loading"}
        for doing in load(services, model):
            yield {"state": "loading", "said": doing}
    system = (values[parts.system] or "").strip() or None
    replies = [values[one] or "" for one in parts.replies]
    asked: dict[str, Any] = {"prompt": values[parts.prompt] or "", "replies": replies, "system": system}
    yield card_of(judge(services.slot, record, step=chosen.step, **asked))


def card_of(verdict: Verdict) -> dict[str, Any]:
    """What assets/verdict.js draws."""
    return {
        "state": "done",
        "scores": [round(one, KEPT_DIGITS) for one in verdict.scores],
        "best": verdict.best,
        "difference": round(verdict.difference, KEPT_DIGITS),
        "chance": verdict.chance,
    }
