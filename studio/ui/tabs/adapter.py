"""The Adapter tab: what is trained, where it sits, and how much that is. Loads no weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components import Component

from studio.adapters import ADAPTERS, LoraAdapter
from studio.config import RunConfig
from studio.errors import StudioError
from studio.ui.adapters import PLACED, AdapterForm
from studio.ui.facts import as_value, facts_card
from studio.ui.form import edited
from studio.ui.guard import guard, here, sentence
from studio.ui.page import Page
from studio.ui.words import say

if TYPE_CHECKING:
    from studio.model.memory import ModelFacts

BYTES_A_WEIGHT = 4  # an adapter is trained and kept in float32


def build(page: Page) -> None:
    """The two halves, and what follows each choice."""
    with page.halves():
        with page.choices():
            parts = _choices(page)
        with page.living(), page.card("adapter.trainable", elem_id="adapter-card"):
            parts["facts"] = facts_card("adapter-facts")
    page.later(lambda: _wire(page, parts))


def _choices(page: Page) -> dict[str, Any]:
    t = page.i18n
    with page.card("adapter.title", elem_id="adapter-kind-card"):
        form = AdapterForm(page)
        with gr.Column(elem_classes=["two"]):
            form.render(advanced=False)
    with page.card("adapter.where", elem_id="adapter-where-card", classes=[f"for-adapter-{one}" for one in PLACED]):
        form.where.render()
        form.picked.render()
    not_full = [f"for-adapter-{one}" for one in ADAPTERS]
    with (
        page.card(elem_id="adapter-more-card", classes=not_full),
        gr.Accordion(t("adapter.more"), open=False, elem_classes=["fold"]),
        gr.Column(elem_classes=["two"]),
    ):
        form.render(advanced=True)
    return {"form": form}


def _wire(page: Page, parts: dict[str, Any]) -> None:
    form: AdapterForm = parts["form"]
    inputs = page.draft.components("model", "adapter")
    outputs = [parts["facts"], page.refs["tick-adapter"], form.picked]
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "trigger_mode": "always_last"}

    @guard
    def look(values: Mapping[Component, Any]) -> list[Any]:
        return _answer(page, values, picked=form.picked)

    events = [edited(one) for one in form.components]
    events += [page.draft.filled.change, page.refs["model"].change]
    gr.on(events, look, inputs, outputs, **quiet)

    @guard
    def list_runs() -> list[Any]:
        runs = [(one.name, one.run_id) for one in page.services.store.list() if one.has_adapter]
        return [gr.update(choices=runs) for _ in form.continued]

    gr.on(page.refs["tab-adapter"].select, list_runs, None, form.continued, queue=False, **quiet)
    show = "name => window.TUNEFORK.adapter(name)"
    gr.on([form.kind.change, page.refs["page"].load], None, form.kind, None, js=show)


def _answer(page: Page, values: Mapping[Component, Any], *, picked: Component) -> list[Any]:
    """[the card's JSON, its tick, the modules that can be picked]."""
    from studio.model.adapter import count_trainable
    from studio.model.memory import describe

    page.services.warmed.wait(timeout=300)
    settings, update = page.services.settings, gr.skip()
    try:
        facts = describe(page.draft.read(values, "model").model, settings)
        update = _modules(facts, values.get(picked))
        config = page.draft.read(values, "model", "adapter")
        trainable, total = count_trainable(config.adapter, config.model, settings)
    except StudioError as error:
        return [as_value({"error": sentence(error)}), "", update]
    return [_card(config, facts, trainable=trainable, total=total), "yes", update]


def _modules(facts: ModelFacts, ticked: list[str] | None) -> Any:
    """The model's own list; what is ticked stays ticked where this model has it."""
    return gr.update(choices=list(facts.modules), value=[one for one in ticked or [] if one in facts.modules])


def _card(config: RunConfig, facts: ModelFacts, *, trainable: int, total: int) -> str:
    lang, adapter = here(), config.adapter
    beside = adapter is not None and adapter.beside
    percent = 100 * trainable / total if total else 0
    size = trainable * BYTES_A_WEIGHT if beside else facts.weight_bytes
    tiles = [
        {"value": trainable, "kind": "count", "word": say(lang, "cards.trainable")},
        {"value": f"{percent:.3g} %", "word": say(lang, "cards.share")},
        {"value": size, "kind": "bytes", "word": say(lang, "cards.size" if beside else "cards.saved_size")},
        {"value": total, "kind": "count", "word": say(lang, "cards.all_parameters")},
    ]
    line = "cards.beside" if beside else "cards.full" if adapter is None else "cards.frozen"
    lines = [{"text": say(lang, line), "cls": "dim"}]
    if isinstance(adapter, LoraAdapter):
        scale = adapter.lora_alpha / (adapter.r**0.5 if adapter.use_rslora else adapter.r)
        lines.append({"text": say(lang, "cards.scale", scale=f"{scale:.3g}"), "cls": "dim"})
    if adapter is not None and adapter.adapter_name_or_path:
        lines.append({"text": say(lang, "cards.continued", name=adapter.adapter_name_or_path), "cls": "dim"})
    return as_value({"state": "ok", "tiles": tiles, "lines": lines})
