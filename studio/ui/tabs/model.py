"""The Model tab: which base model, in what form, and what it is before it is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components import Component

from studio.config import RunConfig
from studio.config.model import SMOLLM2, STARTER
from studio.errors import StudioError
from studio.settings import ASSETS
from studio.ui.draft import Unfinished
from studio.ui.facts import as_value, facts_card
from studio.ui.guard import guard, here, sentence, visitor
from studio.ui.page import Page
from studio.ui.template import TemplateForm
from studio.ui.words import say, translate_text

if TYPE_CHECKING:
    from studio.model.memory import ModelFacts

DEVICES = ("auto", "cpu", "cuda:0", "cuda:1", "balanced", "mps")
ATTENTION = ("", "sdpa", "eager", "flash_attention_2")
OTHER = "other"


def build(page: Page) -> None:
    """The two halves, and what follows each choice."""
    with page.halves(living_first=False):
        with page.choices():
            parts = _choices(page)
        with page.living():
            with page.card("model.facts", elem_id="model-facts-card"):
                parts["facts"] = facts_card("model-facts")
            with page.card("model.memory", elem_id="model-memory-card"):
                parts["memory"] = gr.HTML(
                    "", elem_id="model-memory", html_template="<div class='tf-memory'></div>", apply_default_css=False,
                    js_on_load=(ASSETS / "memory.js").read_text(encoding="utf-8"),
                )  # fmt: skip
                with gr.Row(elem_classes=["actions"]):
                    parts["load"] = gr.Button(page.i18n("model.load"), variant="primary", elem_id="model-load")
                    parts["unload"] = gr.Button(page.i18n("model.unload"), elem_id="model-unload")
    page.refs["model"] = parts["facts"]
    page.later(lambda: _wire(page, parts))


def _choices(page: Page) -> dict[str, Any]:
    t, form, draft = page.i18n, page.form, page.draft
    local = page.services.settings.allows_local_paths
    with page.card("model.title", elem_id="model-source-card"):
        kind = gr.Radio(
            [(t(f"model.sources.{one}"), one) for one in (STARTER, SMOLLM2, OTHER)], value=STARTER,
            label=t("model.source"), show_label=False, elem_id="model-kind", elem_classes=["seg"],
            interactive=True,
        )  # fmt: skip
        for one in (STARTER, SMOLLM2):
            gr.Markdown(t(f"model.{one}_help"), elem_classes=["hint", f"for-{one}"])
        named = gr.Textbox(
            "", label=t("model.other" if local else "model.other_hub"), info=t("model.other_help"), max_lines=1,
            placeholder="owner/name", elem_id="model-other", elem_classes=["for-other"], interactive=True,
        )  # fmt: skip
        revision = form.widget("model", "revision", placeholder="main", elem_classes=["for-other"])
        template = page.refs["template-form"] = TemplateForm(page)
    with page.card("model.weights", elem_id="model-weights-card"):
        with page.pair():
            dtype = form.widget("model", "dtype", info=None, min_width=0)
            device = form.widget(
                "model", "device_map", kind=gr.Dropdown, choices=form.choices("model.device_map", DEVICES), info=None,
                min_width=0, allow_custom_value=True,
            )  # fmt: skip
        quantization = form.widget("model", "quantization")
        attention = form.widget(
            "model", "attn_implementation", kind=gr.Dropdown, allow_custom_value=True,
            choices=form.choices("model.attn_implementation", ATTENTION),
        )  # fmt: skip
        merged = form.widget("model", "merged_adapters")
        unsloth = form.widget("model", "use_unsloth")
    draft.join(("model.model_name_or_path",), (kind, named), read=_read_name, show=_show_name)
    fields = {
        "revision": revision, "dtype": dtype, "device_map": device, "quantization": quantization,
        "attn_implementation": attention, "merged_adapters": merged, "use_unsloth": unsloth,
    }  # fmt: skip
    for name, widget in fields.items():
        draft.add("model", name, widget)
    both = {"chat_template": template.choice, "add_template_tokens": template.tokens}
    return {"kind": kind, "named": named, "typed": (named, revision, merged), **both, **fields}


def _read_name(kind: str, named: str) -> dict[str, Any]:
    if kind != OTHER:
        return {"model.model_name_or_path": kind}
    if not named or not named.strip():
        raise Unfinished("No model is named yet. Type a Hub id or a folder, or take the starter.")
    return {"model.model_name_or_path": named.strip()}


def _show_name(config: RunConfig) -> tuple[str, str]:
    name = config.model.model_name_or_path
    return (name, "") if name in (STARTER, SMOLLM2) else (OTHER, name)


def _wire(page: Page, parts: dict[str, Any]) -> None:
    """Each choice draws the facts again; Load and Unload act on the slot of the server."""
    inputs = page.draft.components("model")
    outputs = [parts["facts"], page.refs["tick-model"], parts["quantization"]]
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "trigger_mode": "always_last"}

    @guard
    def look(values: Mapping[Component, Any]) -> list[Any]:
        page.services.warmed.wait(timeout=300)
        return [*_facts(page, values), _quantizations(page)]

    @guard
    def load(values: Mapping[Component, Any]) -> None:
        page.loader.start(page.draft.read(values, "model").model, visitor())

    @guard
    def unload() -> None:
        page.loader.unload()

    picked = [
        parts[name]
        for name in (
            "kind",
            "dtype",
            "device_map",
            "quantization",
            "attn_implementation",
            "chat_template",
            "add_template_tokens",
            "use_unsloth",
        )
    ]
    events = [one.input for one in picked]
    events += [event for one in parts["typed"] for event in (one.submit, one.blur)]
    events += [page.draft.filled.change, parts["memory"].submit, page.refs["page"].load]
    gr.on(events, look, inputs, outputs, **quiet)
    after = "() => setTimeout(() => window.TUNEFORK.refreshStatus(), 150)"
    parts["load"].click(load, inputs, None, show_progress="hidden", api_visibility="private").then(None, js=after)
    parts["unload"].click(unload, None, None, show_progress="hidden", api_visibility="private").then(None, js=after)


def _facts(page: Page, values: Mapping[Component, Any]) -> tuple[str, str]:
    """(the card's JSON, its tick)."""
    from studio.model.load import needs_download
    from studio.model.memory import describe

    settings = page.services.settings
    try:
        config = page.draft.read(values, "model").model
        missing = needs_download(config, settings)
        facts = describe(config, settings)
    except Unfinished as error:
        return as_value({"state": "pending", "lines": [{"text": sentence(error), "cls": "amber"}]}), ""
    except StudioError as error:
        return as_value({"error": sentence(error)}), ""
    fetch = translate_text(here(), missing) if missing else say(here(), "cards.nothing_to_fetch")
    lines = [{"text": fetch, "cls": "amber" if missing else "dim"}]
    lines += [{"text": translate_text(here(), note), "cls": "dim"} for note in facts.notes if note != missing]
    card = {"state": "ok", "tiles": _tiles(facts), "lines": lines, "model": config.model_dump()}
    return as_value(card), "yes"


def _tiles(facts: ModelFacts) -> list[dict[str, Any]]:
    lang = here()
    return [
        {"value": facts.parameters, "kind": "count", "word": say(lang, "cards.parameters")},
        {"value": facts.layers, "word": say(lang, "cards.layers")},
        {"value": f"{facts.context_length:,}" if facts.context_length else "–", "word": say(lang, "cards.context")},
        {"value": say(lang, "cards.yes" if facts.chat_template else "cards.no"), "word": say(lang, "cards.template")},
        {"value": facts.weight_bytes, "kind": "bytes", "word": say(lang, "cards.weights")},
        {"value": facts.dtype, "word": say(lang, "cards.dtype")},
        {"value": f"{facts.vocab_size:,}", "word": say(lang, "cards.vocabulary")},
        {"value": facts.architecture.removesuffix("ForCausalLM"), "word": say(lang, "cards.architecture")},
    ]


def _quantizations(page: Page) -> Any:
    """The quantizations by name; one that cannot run here says why."""
    from studio.model.hardware import quantizations

    lang = here()
    choices = []
    for name, reason in quantizations().items():
        label = say(lang, f"choices.model.quantization.{name}")
        choices.append(
            (say(lang, "model.not_here", name=label, reason=translate_text(lang, reason)) if reason else label, name)
        )
    return gr.update(choices=choices)
