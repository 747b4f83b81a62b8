"""The Data tab: which rows, what they mean, and the tokens the trainer will see. Loads no weights."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components import Component

from studio.config import RunConfig
from studio.config.data import STARTER
from studio.data.formats import FORMATS
from studio.errors import ConfigError, DataError, StudioError
from studio.runs.store import slug
from studio.ui import tokens
from studio.ui.form import edited
from studio.ui.guard import guard, here, sentence
from studio.ui.page import Page
from studio.ui.words import say

if TYPE_CHECKING:
    from studio.data.preview import Preview
    from studio.data.sources import Table
    from studio.settings import Settings

SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet")
AUTO = "\u2009auto"  # a role's choice "as detected"; begins with a thin space, which no column is likely to
NEEDS = ("model", "data", "method", "training.max_length", "training.seed")
LOSSES = ("completion", "assistant", "all")
_ROLES = [role for one in FORMATS.values() for role in one.roles]
ROLES = tuple(dict.fromkeys(role.name for role in sorted(_ROLES, key=lambda role: not role.required)))


class NothingChosen(ConfigError):
    """The form is not wrong, only not finished."""


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
            value="starter", label=t("data.source"), show_label=False, elem_id="data-kind", elem_classes=["seg"], interactive=True,
        )  # fmt: skip
        upload = gr.File(
            file_types=list(SUFFIXES), label=t("data.upload"), show_label=False, elem_id="data-upload", elem_classes=["for-upload"],
            height=96, interactive=True,
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
        raise NothingChosen("No data is chosen yet. Upload a file or name one, or take the starter.")
    return {"data.source": chosen.strip()}


def _show_source(source: str, uploads: Path) -> tuple[str, str, str, str]:
    """(kind, stored upload, path, hub id) for a source."""
    from studio.data.sources import kind_of

    if source == STARTER:
        return "starter", "", "", ""
    if kind_of(source) == "hub":
        return "hub", "", "", source
    if Path(source).parent == uploads:
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
    return {"data.eval_fraction": round((percent or 0) / 100, 10)}


def _show_held(config: RunConfig) -> tuple[float]:
    return (round(config.data.eval_fraction * 100, 8),)


def _wire(page: Page, parts: dict[str, Any]) -> None:
    """Every choice that changes a token asks for the preview again; a new source or format forgets the columns."""
    draft, roles, view = page.draft, parts["roles"], parts["view"]
    inputs = draft.components(*NEEDS) | {view}
    outputs = [parts["card"], page.refs["tick-data"], *roles.values()]
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "trigger_mode": "always_last"}

    @guard
    def look(values: Mapping[Component, Any]) -> list[Any]:
        return _answer(page, values, roles=roles, view=view, forget=False)

    @guard
    def look_anew(values: Mapping[Component, Any]) -> list[Any]:
        return _answer(page, {**values, **dict.fromkeys(roles.values(), AUTO)}, roles=roles, view=view, forget=True)

    @guard
    def store(path: str | None) -> str:
        return str(store_upload(Path(path), page.services.settings)) if path else ""

    typed = {parts["path"], parts["hub"], parts["split"]}
    anew = [parts["kind"].input, parts["format"].input, *(event for one in typed for event in (one.submit, one.blur))]
    gr.on(anew, look_anew, inputs, outputs, **quiet)
    parts["upload"].upload(
        store, parts["upload"], parts["stored"], show_progress="hidden", api_visibility="private"
    ).success(look_anew, inputs, outputs, **quiet)
    widgets = draft.components("data", "method", "training.max_length", "model.chat_template", "model.revision")
    followed = widgets - typed - {parts["kind"], parts["format"], parts["stored"], draft.rest}
    events = [view.submit, draft.filled.change, page.refs["model"].change, *(edited(one) for one in followed)]
    gr.on(events, look, inputs, outputs, **quiet)


def _answer(
    page: Page, values: Mapping[Component, Any], *, roles: dict[str, Any], view: Component, forget: bool
) -> list[Any]:
    """[the card's JSON, its tick, an update for each role's dropdown]."""
    settings = page.services.settings
    page.services.warmed.wait(timeout=300)
    config: RunConfig | None = None
    try:
        config = page.draft.read(values, *NEEDS)
        waiting = _not_here(config, settings)
        if waiting:
            return [tokens.pending(waiting), "", *_role_updates(config, settings, roles, forget=forget)]
        start, rows = tokens.read_view(values.get(view))
        found = _preview(config, settings, (0 if forget else start, rows))
        return [_card(config, settings, found), "yes", *_role_updates(config, settings, roles, forget=forget)]
    except NothingChosen as error:
        return [tokens.pending(sentence(error)), "", *[gr.skip()] * len(roles)]
    except StudioError as error:
        updates = _role_updates(config, settings, roles, forget=forget) if config else [gr.skip()] * len(roles)
        return [tokens.problem(sentence(error)), "", *updates]


def _not_here(config: RunConfig, settings: Settings) -> str | None:
    """A sentence where the tokenizer would have to be fetched first: that waits for a click on Load."""
    from studio.model.load import needs_download

    missing = needs_download(config.model, settings)
    return say(here(), "data.tokenizer_not_here", what=missing) if missing else None


def _preview(config: RunConfig, settings: Settings, view: tuple[int, int]) -> tuple[Preview, int]:
    from studio.data.preview import preview
    from studio.model.load import load_tokenizer

    start, rows = view
    tokenizer = load_tokenizer(config.model, settings)
    found = preview(config, settings=settings, tokenizer=tokenizer, rows=rows, start=start)
    if not found.rows and start:
        start = 0
        found = preview(config, settings=settings, tokenizer=tokenizer, rows=rows, start=0)
    return found, start


def _card(config: RunConfig, settings: Settings, found: tuple[Preview, int]) -> str:
    from studio.data.sources import open_source

    preview, start = found
    table = open_source(config.data.source, split=config.data.split, settings=settings)
    card = json.loads(tokens.payload(preview))
    card["start"] = start
    card["source"] = say(here(), "data.rows", count=f"{len(table.rows):,}") + (
        f" · {_size(table.size_bytes)}" if table.size_bytes else ""
    )
    used = ", ".join(preview.mapped.columns.values())
    card["reason"] = (
        say(here(), "data.detected", format=preview.mapped.format) if config.data.format == "auto" else used
    )
    return json.dumps(card, ensure_ascii=False)


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(1, round(count / 1e3))} kB"


def _role_updates(config: RunConfig, settings: Settings, roles: dict[str, Any], *, forget: bool) -> list[Any]:
    """The dropdowns of the format's roles, with the table's columns; even where the mapping itself failed."""
    from studio.data.prepare import map_columns
    from studio.data.sources import open_source

    try:
        table = open_source(config.data.source, split=config.data.split, settings=settings)
    except StudioError:
        return [gr.skip()] * len(roles)
    found: dict[str, str] = {}
    layout = FORMATS.get(config.data.format)
    try:
        mapped = map_columns(table, config.data)
        found, layout = mapped.columns, FORMATS[mapped.format]
    except StudioError:
        found = layout.assign(table.columns, config.data.columns) if layout else {}
    wanted = {role.name: role for role in layout.roles} if layout else {}
    return [
        _role_update(table, found.get(name), required=wanted[name].required, forget=forget) if name in wanted
        else gr.update(visible=False, **({"value": AUTO} if forget else {}))
        for name in roles
    ]  # fmt: skip


def _role_update(table: Table, column: str | None, *, required: bool, forget: bool) -> Any:
    auto = say(here(), "data.auto", column=column) if column else say(here(), "data.auto_none")
    choices = [(auto, AUTO), *((one, one) for one in table.columns)]
    if not required:
        choices.append((say(here(), "data.leave_out"), ""))
    return gr.update(visible=True, choices=choices, **({"value": AUTO} if forget else {}))


def store_upload(path: Path, settings: Settings) -> Path:
    """Copy an uploaded file into the workspace, under a name made here from its name and content."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError("{file} is not a JSONL, JSON, CSV or Parquet file.", file=path.name)
    with path.open("rb") as file:
        mark = hashlib.file_digest(file, "sha256").hexdigest()[:8]
    settings.prepare_workspace()
    target = settings.uploads_dir / f"{slug(path.stem)}-{mark}{suffix}"
    if not target.exists():
        staged = target.with_suffix(f"{suffix}.part")
        shutil.copyfile(path, staged)
        staged.replace(target)
    return target
