"""The Chat tab: one message, two answers. One generator drives both sides; the base is checked to be untouched."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components import Component

from studio.chat.compared import Compared, compared
from studio.errors import StudioError
from studio.runs import RunRecord
from studio.ui.choosing import open_choice
from studio.ui.chosen import choice_of, title_of
from studio.ui.draft import Values
from studio.ui.facts import as_value, facts_card
from studio.ui.guard import guard, here, sentence
from studio.ui.header import short_name
from studio.ui.loading import load
from studio.ui.page import Page
from studio.ui.replies import Conversation, reply_panes
from studio.ui.scoring import Scoring, scoring_card, wire_scoring
from studio.ui.words import say

if TYPE_CHECKING:
    from studio.config import ModelConfig
    from studio.services import Services

FLUSH_SECONDS = 0.06
EXAMPLES = ("hello", "capital", "duck")
KNOBS = (("temperature", "max_new_tokens"), ("top_p", "seed"))


@dataclass
class Parts:
    """The tab's components, and the stop of each visitor who is being answered."""

    run: Any
    base: Any
    system: Any
    clear: Any
    panes: Any
    box: Any
    send: Any
    stop: Any
    examples: list[Any]
    talk: Any
    talking: tuple[Any, ...]  # what is there for runs that answer
    scoring: Scoring  # what is there in its place for runs that score
    stops: dict[str, threading.Event] = field(default_factory=dict)


def build(page: Page) -> None:
    """Lay the tab out and wire it once every tab is there."""
    with page.halves():
        with page.choices():
            run, base, system, clear, sampling = _choices(page)
        with page.living():
            with gr.Column(elem_classes=["stack"], min_width=0) as talking:
                panes, box, send, stop, examples = _conversation(page)
            scoring = scoring_card(page)
    talk = gr.State(Conversation())
    parts = Parts(
        run, base, system, clear, panes, box, send, stop, examples, talk, (talking, sampling), scoring
    )  # fmt: skip

    @guard
    def open_chat(name: str | None = None) -> list[Any]:
        """`name`: a run, or a run with a step."""
        return [gr.Tabs(selected="chat"), choice_of(page.services, name)]

    page.refs["open-chat"] = open_chat
    page.refs["chat-run"] = run
    page.later(lambda: _wire(page, parts))


def _conversation(page: Page) -> tuple[Any, Any, Any, Any, list[Any]]:
    panes = reply_panes()
    with page.card(elem_id="chat-ask"), gr.Row(elem_classes=["ask"]):
        box = gr.Textbox(
            placeholder=page.i18n("chat.hint"), label=page.i18n("chat.box"), show_label=False, container=False,
            lines=1, max_lines=6, elem_id="message", scale=1, min_width=0,
        )  # fmt: skip
        send = gr.Button(page.i18n("chat.send"), variant="primary", elem_id="send", scale=0, min_width=0)
        stop = gr.Button(page.i18n("chat.stop"), elem_id="chat-stop", visible=False, scale=0, min_width=0)
    with gr.Row(elem_classes=["examples"]):
        gr.Markdown(page.i18n("chat.try"), elem_classes=["hint"])
        examples = [
            gr.Button(page.i18n(f"chat.example_{name}"), size="sm", elem_classes=["link"], scale=0, min_width=0)
            for name in EXAMPLES
        ]
    return panes, box, send, stop, examples


def _choices(page: Page) -> tuple[Any, Any, Any, Any, Any]:
    i18n, form, draft = page.i18n, page.form, page.draft
    with page.card("chat.right_side"):
        run = open_choice([], label=i18n("chat.run"), info=i18n("chat.run_help"), elem_id="chat-run")
        base = facts_card("chat-base", {"lines": []})
    with page.card("chat.sampling", classes=("folds",)) as sampling:
        gr.Checkbox(False, label=i18n("chat.unfold"), container=False, elem_classes=["fold-toggle"])
        for names in KNOBS:
            with page.pair():
                for name in names:
                    draft.add("generation", name, form.widget("generation", name, info=None, min_width=0))
        system = gr.Textbox(
            label=i18n("chat.system"), placeholder=i18n("chat.system_hint"), lines=2, max_lines=6, elem_id="chat-system"
        )
        with gr.Row(elem_classes=["actions"]):
            clear = gr.Button(i18n("chat.clear"), size="sm", elem_id="chat-clear")
    return run, base, system, clear, sampling


def _wire(page: Page, parts: Parts) -> None:
    inputs = page.draft.components("generation", "model") | {parts.box, parts.run, parts.system, parts.talk}
    outputs = [parts.panes, parts.box, parts.send, parts.stop]
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}

    @guard
    def answer(values: Values, request: gr.Request) -> Iterator[dict[Component, Any]]:
        yield from _answer(page, parts, values, visitor=str(request.session_hash))

    @guard
    def stop(request: gr.Request) -> None:
        event = parts.stops.get(str(request.session_hash))
        if event is not None:
            event.set()

    @guard
    def clear(request: gr.Request) -> tuple[str, Conversation]:
        stop(request)
        return "", Conversation()

    @guard
    def another_run(request: gr.Request) -> tuple[Any, Any]:
        """A conversation belongs to its adapter. One that is being answered was asked of the new run already."""
        return (gr.skip(), gr.skip()) if str(request.session_hash) in parts.stops else ("", Conversation())

    @guard
    def refresh(values: Values) -> dict[Component, Any]:
        choice = choice_of(page.services, values[parts.run])
        return {parts.run: choice, parts.base: _before(page, {**values, parts.run: choice["value"]}, parts)}

    @guard
    def foresee(values: Values) -> str:
        return _before(page, values, parts)

    @guard
    def show(name: str | None) -> dict[Component, Any]:
        return _shown(page.services, parts, name)

    chosen = page.draft.components("model") | {parts.run}
    said = gr.on([parts.send.click, parts.box.submit], answer, inputs, outputs, concurrency_limit=4, **quiet)
    said.then(foresee, chosen, parts.base, queue=False, **quiet)
    parts.stop.click(stop, None, None, queue=False, **quiet)
    parts.clear.click(clear, None, [parts.panes, parts.talk], queue=False, **quiet)
    parts.run.change(another_run, None, [parts.panes, parts.talk], queue=False, **quiet)
    page.refs["tab-chat"].select(refresh, chosen, [parts.run, parts.base], queue=False, **quiet)
    parts.run.change(foresee, chosen, parts.base, queue=False, **quiet)
    parts.run.change(show, parts.run, [parts.run, *parts.talking, parts.scoring.box], queue=False, **quiet)
    weighed = wire_scoring(page, parts.scoring, run=parts.run)
    weighed.then(foresee, chosen, parts.base, queue=False, **quiet)
    for name, button in zip(EXAMPLES, parts.examples, strict=True):
        ask = button.click(_example(name), None, parts.box, queue=False, **quiet)
        said = ask.then(answer, inputs, outputs, concurrency_limit=4, **quiet)
        said.then(foresee, chosen, parts.base, queue=False, **quiet)


def _example(name: str) -> Callable[[], str]:
    return lambda: say(here(), f"chat.example_{name}")


def _comparable(services: Services) -> list[RunRecord]:
    """The runs that have something to compare with the base, newest first."""
    return [run for run in services.store.list() if run.trained]


def _shown(services: Services, parts: Parts, name: str | None) -> dict[Component, Any]:
    """A conversation, or replies to be scored, as the run takes it; and the run's own checkpoints to choose from."""
    scores = bool(name) and not compared(services.store, str(name)).record.answers
    return {
        **{one: gr.update(visible=not scores) for one in parts.talking},
        parts.scoring.box: gr.update(visible=scores),
        parts.run: gr.update(choices=choice_of(services, name)["choices"]),
    }


def _before(page: Page, values: Values, parts: Parts) -> str:
    """The card's lines: what sending would load first, and that there is no adapter yet."""
    services, name, lang = page.services, values[parts.run], here()
    lines = [] if name else [say(lang, "chat.no_runs")]
    try:
        record = compared(services.store, name).record if name else None
        model = record.config().model if record else page.draft.read(values, "model").model
        loaded = services.slot.loaded
        if loaded is None or loaded.config != model:
            key = "chat.will_load" if record else "chat.will_load_base"
            key = "chat.score.will_load" if record and not record.answers else key
            lines.append(say(lang, key, model=short_name(model.model_name_or_path)))
    except StudioError as error:
        lines.append(sentence(error))
    return as_value({"lines": [{"text": line, "cls": "dim"} for line in lines]})


def _answer(page: Page, parts: Parts, values: Values, *, visitor: str) -> Iterator[dict[Component, Any]]:
    """Both sides' replies as they grow; whatever happens, the message box is usable again at the end."""
    question = (values[parts.box] or "").strip()
    talk: Conversation = values[parts.talk]
    if not question or visitor in parts.stops:
        yield {parts.send: gr.skip()}
        return
    stop = parts.stops[visitor] = threading.Event()
    talk.ask(question)
    failed = ""
    try:
        yield {parts.panes: talk.text, parts.box: "", **_busy(parts, True)}
        for text in _talk(page, parts, values, talk=talk, stop=stop):
            yield {parts.panes: text}
    except Exception as error:  # noqa: BLE001 - the edge: the sentence stands where the reply would
        failed = sentence(error)
    finally:  # also when the visitor has gone
        stop.set()
        parts.stops.pop(visitor, None)
        answered = talk.settle()
        if failed:
            talk.fail(failed)
    yield {parts.panes: talk.text, **_busy(parts, False), **({} if answered else {parts.box: question})}


def _busy(parts: Parts, busy: bool) -> dict[Component, Any]:
    return {parts.send: gr.update(visible=not busy), parts.stop: gr.update(visible=busy)}


def _talk(page: Page, parts: Parts, values: Values, *, talk: Conversation, stop: threading.Event) -> Iterator[str]:
    """Load what is needed, then stream; yields the text of the panes about sixteen times a second."""
    from studio.chat.compare import compare

    services = page.services
    config = page.draft.read(values, "generation", "model")
    # The dropdown may still be empty where Send was pressed as soon as the tab was there.
    newest = next(iter(_comparable(services)), None)
    name = values[parts.run] or (newest.run_id if newest else None)
    chosen = compared(services.store, name) if name else None
    trained = chosen.record.config() if chosen else config
    yield from _prepare(services, talk, chosen=chosen, model=trained.model)
    system = values[parts.system] or trained.data.system_prompt or ""
    flushed = time.monotonic()
    turns = compare(
        services.slot,
        talk.messages("base", system),
        talk.messages("adapter", system),
        adapter_id=chosen.adapter_id if chosen else None,
        generation=config.generation,
        stop=stop,
    )
    for turn in turns:
        if turn.text:
            talk.piece(turn.side, turn.text)
        if turn.done:
            talk.done(turn.side, tokens=turn.tokens, seconds=turn.seconds, ended=turn.ended or "end")
        if time.monotonic() - flushed >= FLUSH_SECONDS:
            flushed = time.monotonic()
            yield talk.text


def _prepare(services: Services, talk: Conversation, *, chosen: Compared | None, model: ModelConfig) -> Iterator[str]:
    """The base in memory and the adapter on it; then the base's logits are compared with those at its loading."""
    slot = services.slot
    if slot.loaded is None or slot.loaded.config != model:
        talk.state("loading")
        yield talk.text
        for doing in load(services, model):
            talk.note(doing)
            yield talk.text
    if chosen is None:
        talk.heading("adapter", "")
        return
    if not slot.holds(chosen.adapter_id, chosen.folder):
        talk.state("attaching")
        yield talk.text
        slot.attach(chosen.adapter_id, chosen.weights())
    talk.heading("adapter", title_of(chosen.record, chosen.step))
    mark = (id(slot.loaded), slot.adapters)
    if talk.checked != mark:  # once after each load, each run and each adapter; a few milliseconds
        talk.heading("base", "", proof="proven" if slot.untouched() else "broken")
        talk.checked = mark
