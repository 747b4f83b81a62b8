"""The Adapter tab: what is trained, where it sits, and how much that is. Loads no weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components import Component

from studio.config import RunConfig
from studio.config.adapter import ALL_LINEAR, ATTENTION
from studio.errors import ConfigError, StudioError
from studio.ui.facts import as_value, facts_card
from studio.ui.form import edited
from studio.ui.guard import guard, here, sentence
from studio.ui.page import Page
from studio.ui.words import say

if TYPE_CHECKING:
    from studio.model.memory import ModelFacts

ADAPTER = "adapter"
TARGETS = (ALL_LINEAR, ATTENTION, "picked")
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
    t, form, draft = page.i18n, page.form, page.draft
    with page.card("adapter.title", elem_id="adapter-kind-card"):
        kind = gr.Radio(
            [(t(f"adapter.kinds.{one}"), one) for one in ("lora", "full")], value="lora", label=t("adapter.kind"),
            info=t("adapter.kind_help"), elem_id="adapter-kind", elem_classes=["seg"], interactive=True,
        )  # fmt: skip
        with gr.Row(elem_classes=["trio", "for-lora"]):
            fields = {
                name: form.widget("adapter", name, min_width=0, info=None)
                for name in ("r", "lora_alpha", "lora_dropout")
            }
        gr.Markdown(t("adapter.rank_help"), elem_classes=["hint", "for-lora"])
    with page.card("adapter.where", elem_id="adapter-where-card", classes=("for-lora",)):
        where = gr.Radio(
            [(t(f"adapter.targets.{one}"), one) for one in TARGETS], value=ALL_LINEAR,
            label=form.label("adapter.target_modules"), info=form.help("adapter.target_modules"),
            elem_id="adapter-target_modules", elem_classes=["seg"], interactive=True,
        )  # fmt: skip
        picked = gr.CheckboxGroup(
            [], label=t("adapter.picked"), elem_id="adapter-picked", elem_classes=["for-picked"], interactive=True
        )
        with gr.Accordion(t("adapter.more"), open=False, elem_classes=["fold"]):
            for name in ("use_rslora", "use_dora", "bias", "modules_to_save"):
                fields[name] = form.widget("adapter", name)
    draft.join((ADAPTER,), (kind,), read=_read_kind, show=lambda config: ("lora" if config.adapter else "full",))
    for name, widget in fields.items():
        draft.add("adapter", name, widget)
    draft.join(("adapter.target_modules",), (where, picked), read=_read_targets, show=_show_targets)
    return {"kind": kind, "where": where, "picked": picked, **fields}


def _read_kind(kind: str) -> dict[str, Any]:
    return {ADAPTER: None} if kind == "full" else {}


def _read_targets(where: str, picked: list[str] | None) -> dict[str, Any]:
    if where != "picked":
        return {"adapter.target_modules": where}
    if not picked:
        raise ConfigError("No module is picked. Tick some under Target modules, or choose all-linear.")
    return {"adapter.target_modules": tuple(picked)}


def _show_targets(config: RunConfig) -> tuple[Any, Any]:
    targets = config.adapter.target_modules if config.adapter else ALL_LINEAR
    if isinstance(targets, str):
        return targets, []
    return "picked", gr.update(choices=list(targets), value=list(targets))


def _wire(page: Page, parts: dict[str, Any]) -> None:
    inputs = page.draft.components("model", "adapter")
    outputs = [parts["facts"], page.refs["tick-adapter"], parts["picked"]]
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "trigger_mode": "always_last"}

    @guard
    def look(values: Mapping[Component, Any]) -> list[Any]:
        return _answer(page, values, picked=parts["picked"])

    widgets = [one for one in parts.values() if one is not parts["facts"]]
    events = [edited(one) for one in widgets]
    events += [page.draft.filled.change, page.refs["model"].change]
    gr.on(events, look, inputs, outputs, **quiet)


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
    lang = here()
    percent = 100 * trainable / total if total else 0
    size = trainable * BYTES_A_WEIGHT if config.adapter else facts.weight_bytes
    tiles = [
        {"value": trainable, "kind": "count", "word": say(lang, "cards.trainable")},
        {"value": f"{percent:.3g} %", "word": say(lang, "cards.share")},
        {"value": size, "kind": "bytes", "word": say(lang, "cards.size" if config.adapter else "cards.copy_size")},
        {"value": total, "kind": "count", "word": say(lang, "cards.all_parameters")},
    ]
    lines = [{"text": say(lang, "cards.beside" if config.adapter else "cards.full"), "cls": "dim"}]
    if config.adapter:
        scale = config.adapter.lora_alpha / (config.adapter.r**0.5 if config.adapter.use_rslora else config.adapter.r)
        lines.append({"text": say(lang, "cards.scale", scale=f"{scale:.3g}"), "cls": "dim"})
    card = {"state": "ok", "tiles": tiles, "lines": lines}
    return as_value(card)
