"""The Data tab: which rows, what they mean, the tokens the trainer will see, and what the doctor says of every row.

Loads no weights. A choice is answered twice: by the preview at once, then by the look at every row, which a timer
follows as long as it goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from studio.errors import StudioError
from studio.ui import doctor, histogram, table, tokens
from studio.ui.draft import Values
from studio.ui.form import edited
from studio.ui.guard import guard, here
from studio.ui.meaning import MeaningForm
from studio.ui.methods import MethodForm
from studio.ui.page import Page
from studio.ui.preview import NEEDS, Keep, Previews, not_here
from studio.ui.sources import SourceForm, chosen
from studio.ui.uploads import store_upload

PACE = 0.8  # seconds between two questions how far the look at every row is


@dataclass
class Parts:
    """The tab's components."""

    source: SourceForm
    meaning: MeaningForm
    method: MethodForm
    bars: Any
    view: Any
    card: Any
    doctor: Any
    timer: Any


def build(page: Page) -> None:
    """The two halves, and what follows each choice."""
    with page.halves():
        with page.choices():
            with page.card("data.title", elem_id="data-source-card"):
                source = SourceForm(page)
                meaning = MeaningForm(page)
                method = MethodForm(page)
                meaning.lengths()
                meaning.more()
            with page.card(elem_id="data-histogram-card"):
                bars = histogram.histogram_card()
        with page.living():
            with page.card(elem_id="data-card"):
                view = tokens.row_bar()
                card = tokens.token_card()
            with page.card(elem_id="data-doctor-card"):
                found = doctor.doctor_card()
    page.refs["method-form"] = method
    timer = gr.Timer(PACE, active=False)
    parts = Parts(source, meaning, method, bars, view, card, found, timer)
    page.later(lambda: _wire(page, parts))


def _wire(page: Page, parts: Parts) -> None:
    """A new source or format forgets the columns; every other choice that changes a token keeps them."""
    draft, source, view = page.draft, parts.source, parts.view
    reports = doctor.Reports()
    previews = Previews(page, roles=parts.meaning.roles, view=view, reports=reports)
    inputs = draft.components(*NEEDS) | {view}
    outputs = [parts.card, page.refs["tick-data"], *parts.meaning.roles.values()]
    told: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    quiet = {**told, "trigger_mode": "always_last"}

    def looking(keep: Keep) -> Callable[[Values], list[Any]]:
        @guard
        def look(values: Values) -> list[Any]:
            return previews.answer(values, keep=keep)

        return look

    @guard
    def examine(values: Values) -> list[Any]:
        return _examined(page, values, reports)

    @guard
    def store(path: str | None) -> tuple[str, str]:
        return (str(store_upload(Path(path), page.services.settings)) if path else ""), ""

    seen = [parts.doctor, parts.bars, parts.timer, page.refs["tick-data"]]
    asked = draft.components(*NEEDS)
    # `.then` and not a second listener: those of one click run one after the other, and the preview comes first.
    for events, keep in _events(page, parts):
        gr.on(events, looking(keep), inputs, outputs, **quiet).then(examine, asked, seen, **told)
    sent = source.upload.upload(store, source.upload, [source.stored, source.path], **told)
    sent.success(looking("none"), inputs, outputs, **quiet).then(examine, asked, seen, **told)
    sent.failure(lambda: None, None, source.upload, **told)
    gone = source.upload.clear(lambda: "", None, source.stored, **told)
    gone.success(looking("none"), inputs, outputs, **quiet).then(examine, asked, seen, **told)
    gr.on([parts.timer.tick, page.refs["tab-data"].select], examine, asked, seen, **quiet)
    _wire_levers(page, parts, seen, reports)
    source.kind.input(
        _seeded, [source.kind, source.stored, source.path, source.hub, source.split, source.mix], source.mix, **told
    )
    method = parts.method.kind
    gr.on([method.change, page.refs["page"].load], None, method, None, js="name => window.TUNEFORK.method(name)")


def _events(page: Page, parts: Parts) -> list[tuple[list[Any], Keep]]:
    """What asks for the preview again, and which of the chosen columns stay chosen then."""
    draft, source = page.draft, parts.source
    widgets = draft.components(
        "data",
        "method",
        "training.max_length",
        "training.truncation_mode",
        "model.chat_template",
        "model.add_template_tokens",
    )
    # What is typed is looked at when one leaves it; the settings of the method stand in another tab.
    live = {parts.meaning.max_length, page.refs["template-form"].text}
    typed = source.typed | {one for one in widgets - live if isinstance(one, gr.Textbox)}
    elsewhere = {source.kind, source.stored, parts.meaning.format, draft.rest}
    followed = widgets | draft.components("model.revision")
    followed -= typed | elsewhere
    late = typed - source.typed - elsewhere
    named = [event for one in source.typed for event in (one.submit, one.blur)]
    left = [one.blur for one in late]
    return [
        ([source.kind.input, parts.meaning.format.input], "none"),
        (named, "known"),
        (
            [parts.view.submit, draft.filled.change, page.refs["model"].change, *left,
             *(edited(one) for one in followed)],
            "all",
        ),
    ]  # fmt: skip


def _seeded(kind: str, stored: str, path: str, hub: str, split: str, mix: str) -> Any:
    """A mix begins with the source that was chosen before, and a second line to fill in."""
    if kind != "mix" or table.records(mix):
        return gr.skip()
    before = next((one for name in ("file", "hub") if (one := chosen(name, stored, path, hub))), "starter")
    first = {"source": before, "weight": 1, "split": split or "train"}
    return table.written([first, {"source": "", "weight": 1, "format": "auto", "split": "train"}])


def _examined(page: Page, values: Values, reports: doctor.Reports) -> list[Any]:
    """[the doctor's card, the histogram, the timer, the tab's tick] for the form as it stands; begins the look where
    it is not."""
    lang, services = here(), page.services
    nothing = [doctor.empty(lang), histogram.empty(), gr.Timer(active=False), gr.skip()]
    try:
        config = page.draft.read(values, *NEEDS)
        if not services.warmed.is_set() or not_here(config, services.settings):
            return nothing
        look = services.inspector.ask(config)
        services.previewed.keep()
        if look.scan is None:
            going = look.error is None and not look.stopped
            bars = histogram.looking(config) if going else histogram.empty()
            return [doctor.payload(lang, look, config, None), bars, gr.Timer(active=going), gr.skip()]
        report = reports.of(config, look.scan)
    except StudioError:  # said in the card above, where the rows are
        return nothing
    shown = histogram.payload(lang, report, config, services.settings)
    tick = "" if report.blocking else gr.skip()
    return [doctor.payload(lang, look, config, report), shown, gr.Timer(active=False), tick]


def _wire_levers(page: Page, parts: Parts, seen: list[Any], reports: doctor.Reports) -> None:
    """A click in a card that changes the form: it is set in the widgets, where it is seen and can be undone."""
    draft, quiet = page.draft, {"show_progress": "hidden", "api_visibility": "private"}
    form = draft.components()

    @guard
    def change(values: Values, event: gr.EventData) -> dict[Component, Any]:
        changes = getattr(event, "changes", None)
        if not isinstance(changes, Mapping):
            return {draft.rest: gr.skip()}
        return draft.change(values, {str(key): value for key, value in changes.items()})

    @guard
    def treat(values: Values, event: gr.EventData) -> dict[Component, Any]:
        act = (event._data or {}).get("act")
        if act not in ("stop", "go_on"):
            return change(values, event)
        config = draft.read(values, *NEEDS)
        inspector = page.services.inspector
        (inspector.stop if act == "stop" else inspector.go_on)(config)
        return dict(zip(seen, _examined(page, values, reports), strict=True))

    @guard
    def measure(values: Values, event: gr.EventData) -> dict[Component, Any]:
        return draft.change(values, {"training.max_length": (event._data or {}).get("length")})

    parts.doctor.select(treat, form, [*form, *seen], **quiet)
    parts.card.select(change, form, [*form], **quiet)
    parts.bars.select(measure, form, [*form], **quiet)
