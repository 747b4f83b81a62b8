"""The Data tab: which rows, what they mean, and the tokens the trainer will see. Loads no weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from studio.config import RunConfig
from studio.config.data import STARTER
from studio.data.formats import FORMATS
from studio.errors import ConfigError
from studio.ui import preview, tokens
from studio.ui.draft import Unfinished
from studio.ui.form import edited
from studio.ui.guard import guard
from studio.ui.page import Page
from studio.ui.preview import AUTO, NEEDS, ROLES
from studio.ui.uploads import store_upload

LOSSES = ("completion", "assistant", "all")


def build(page: Page) -> None:
    """The two halves, and what follows each choice."""
    with page.halves():
        with page.choices():
            source = _source_card(page)
            meaning = _meaning_card(page)
            _learnt_card(page)
        with page.living(), page.card(elem_id="data-card"):
            view = tokens.row_bar()
            card = tokens.token_card()
    page.later(lambda: _wire(page, {**source, **meaning, "view": view, "card": card}))


def _source_card(page: Page) -> dict[str, Any]:
    t, local = page.i18n, page.services.settings.allows_local_paths
    kinds = ["starter", "upload", *(["path"] if local else []), "hub"]
    with page.card("data.title", elem_id="data-source-card"):
        kind = gr.Radio(
            [(t(f"data.sources.{one}"), one) for one in kinds],
            value="starter", label=t("data.source"), show_label=False, elem_id="data-kind", elem_classes=["seg"],
            interactive=True,
        )  # fmt: skip
        upload = gr.File(
            label=t("data.upload"), show_label=False, elem_id="data-upload",
            elem_classes=["for-upload"], height=96, interactive=True,
        )  # fmt: skip
        stored = gr.Textbox("", visible="hidden", elem_id="data-stored")
        path = gr.Textbox(
            "", label=t("data.path"), info=t("data.path_help"), placeholder="/data/rows.jsonl", max_lines=1,
            elem_id="data-path", elem_classes=["for-path"], interactive=True,
        )  # fmt: skip
        hub = gr.Textbox(
            "", label=t("data.hub"), info=t("data.hub_help"), placeholder="owner/name", max_lines=1, elem_id="data-hub",
            elem_classes=["for-hub"], interactive=True,
        )  # fmt: skip
        split = page.form.widget("data", "split", elem_classes=["for-hub"])
    page.draft.add("data", "split", split)
    uploads = page.services.settings.uploads_dir
    page.draft.join(
        ("data.source",), (kind, stored, path, hub),
        read=_read_source, show=lambda config: _show_source(config.data.source, uploads),
    )  # fmt: skip
    return {"kind": kind, "upload": upload, "stored": stored, "path": path, "hub": hub, "split": split}


def _read_source(kind: str, stored: str, path: str, hub: str) -> dict[str, Any]:
    chosen = {"upload": stored, "path": path, "hub": hub}.get(kind, STARTER)
    if not chosen or not chosen.strip():
        raise Unfinished("No data is chosen yet. Upload a file or name one, or take the starter.")
    return {"data.source": chosen.strip()}


def _show_source(source: str, uploads: Path) -> tuple[str, str, str, str]:
    """(kind, stored upload, path, hub id) for a source."""
    from studio.data.sources import kind_of

    if source == STARTER:
        return "starter", "", "", ""
    if kind_of(source) == "hub":
        return "hub", "", "", source
    if uploads in Path(source).parents:
        return "upload", source, "", ""
    return "path", "", source, ""


def _meaning_card(page: Page) -> dict[str, Any]:
    t = page.i18n
    with page.card("data.meaning", elem_id="data-meaning-card"):
        choices = [(t("data.formats.auto"), "auto"), *((name, name) for name in FORMATS)]
        layout = page.form.widget("data", "format", choices=choices, kind=gr.Dropdown, filterable=False)
        with gr.Row(elem_classes=["roles"]):
            roles = {
                name: gr.Dropdown(
                    [AUTO], value=AUTO, label=t(f"data.roles.{name}"), visible=False, elem_id=f"data-role-{name}",
                    allow_custom_value=True, min_width=0, interactive=True,
                )
                for name in ROLES
            }  # fmt: skip
        prompt = page.form.widget("data", "system_prompt", lines=2, max_lines=6)
    page.draft.add("data", "format", layout)
    page.draft.add("data", "system_prompt", prompt)
    page.draft.join(("data.columns",), tuple(roles.values()), read=_read_roles, show=_show_roles)
    return {"format": layout, "roles": roles, "system_prompt": prompt}


def _read_roles(*columns: str | None) -> dict[str, Any]:
    chosen = {role: column or "" for role, column in zip(ROLES, columns, strict=True) if column != AUTO}
    return {"data.columns": {role: column for role, column in chosen.items() if column is not None}}


def _show_roles(config: RunConfig) -> list[str]:
    return [config.data.columns.get(role, AUTO) for role in ROLES]


def _learnt_card(page: Page) -> None:
    t, form = page.i18n, page.form
    with page.card("data.training", elem_id="data-learnt-card"):
        loss = gr.Radio(
            [(t(f"data.losses.{one}"), one) for one in LOSSES], value="completion", label=t("data.loss"),
            info=t("data.loss_help"), elem_id="data-loss", elem_classes=["seg"], interactive=True,
        )  # fmt: skip
        with page.pair():
            held = gr.Number(
                10, label=t("data.held_out"), elem_id="data-eval_fraction", min_width=0, interactive=True, step=5,
            )  # fmt: skip
            length = form.widget("training", "max_length", info=None, min_width=0)
        limit = form.widget("data", "max_train_rows", placeholder=t("data.all_rows"))
    page.draft.join(
        ("method.completion_only_loss", "method.assistant_only_loss"), (loss,), read=_read_loss, show=_show_loss
    )
    page.draft.join(("data.eval_fraction",), (held,), read=_read_held, show=_show_held)
    page.draft.add("training", "max_length", length)
    page.draft.add("data", "max_train_rows", limit)


def _read_loss(loss: str) -> dict[str, Any]:
    """Assistant turns overrule completion_only_loss, so that one is left as it was."""
    if loss == "assistant":
        return {"method.assistant_only_loss": True}
    return {"method.assistant_only_loss": False, "method.completion_only_loss": loss == "completion"}


def _show_loss(config: RunConfig) -> tuple[str]:
    method: Any = config.method
    return ("assistant" if method.assistant_only_loss else "completion" if method.completion_only_loss else "all",)


def _read_held(percent: float | None) -> dict[str, Any]:
    if not 0 <= (percent or 0) < 100:
        raise ConfigError("Hold out is {percent} %. Give a share from 0 to less than 100.", percent=f"{percent:g}")
    return {"data.eval_fraction": round((percent or 0) / 100, 10)}


def _show_held(config: RunConfig) -> tuple[float]:
    return (round(config.data.eval_fraction * 100, 8),)


def _wire(page: Page, parts: dict[str, Any]) -> None:
    """Every choice that changes a token asks for the preview again; a new source or format forgets the columns."""
    draft, roles, view = page.draft, parts["roles"], parts["view"]
    inputs = draft.components(*NEEDS) | {view}
    outputs = [parts["card"], page.refs["tick-data"], *roles.values()]
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "trigger_mode": "always_last"}

    def looking(keep: preview.Keep) -> Callable[[Mapping[Component, Any]], list[Any]]:
        @guard
        def look(values: Mapping[Component, Any]) -> list[Any]:
            return preview.answer(page, values, roles=roles, view=view, keep=keep)

        return look

    @guard
    def store(path: str | None) -> str:
        return str(store_upload(Path(path), page.services.settings)) if path else ""

    typed = {parts["path"], parts["hub"], parts["split"]}
    gr.on([parts["kind"].input, parts["format"].input], looking("none"), inputs, outputs, **quiet)
    named = [event for one in typed for event in (one.submit, one.blur)]
    gr.on(named, looking("known"), inputs, outputs, **quiet)
    told: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    sent = parts["upload"].upload(store, parts["upload"], parts["stored"], **told)
    sent.success(looking("none"), inputs, outputs, **quiet)
    sent.failure(lambda: None, None, parts["upload"], **told)
    gone = parts["upload"].clear(lambda: "", None, parts["stored"], **told)
    gone.success(looking("none"), inputs, outputs, **quiet)
    widgets = draft.components("data", "method", "training.max_length", "model.chat_template", "model.revision")
    followed = widgets - typed - {parts["kind"], parts["format"], parts["stored"], draft.rest}
    events = [view.submit, draft.filled.change, page.refs["model"].change, *(edited(one) for one in followed)]
    gr.on(events, looking("all"), inputs, outputs, **quiet)
