"""From the form to the token card: the preview of some rows, and the columns each role can take.

Errors are part of the answer, so that they show in the card where they arose. Knows nothing of the tab's layout.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import gradio as gr
from gradio.components import Component

from studio.config import RunConfig
from studio.data.formats import FORMATS
from studio.errors import StudioError
from studio.ui import tokens
from studio.ui.draft import Unfinished
from studio.ui.guard import here, sentence
from studio.ui.page import Page
from studio.ui.words import say, translate_text

if TYPE_CHECKING:
    from studio.data.preview import Preview
    from studio.data.sources import Table
    from studio.settings import Settings

AUTO = "\u2009auto"  # a role's choice "as detected"; begins with a thin space, which no column is likely to
NEEDS = ("model", "data", "method", "training.max_length", "training.seed")
_ROLES = [role for one in FORMATS.values() for role in one.roles]
ROLES = tuple(dict.fromkeys(role.name for role in sorted(_ROLES, key=lambda role: not role.required)))

Keep = Literal["all", "known", "none"]
Values = Mapping[Component, Any]
Roles = dict[str, Component]


def answer(page: Page, values: Values, *, roles: Roles, view: Component, keep: Keep = "all") -> list[Any]:
    """[the card's JSON, its tick, an update for each role's dropdown]. `keep`: which chosen columns stay chosen."""
    settings = page.services.settings
    page.services.warmed.wait(timeout=300)
    config: RunConfig | None = None
    try:
        values = _forgetting(page, values, roles, keep=keep)
        config = page.draft.read(values, *NEEDS)
        card, tick = _card_of(config, settings, tokens.read_view(values.get(view)), anew=keep != "all")
    except Unfinished as error:
        return [tokens.pending(sentence(error)), "", *[gr.skip()] * len(roles)]
    except StudioError as error:
        card, tick = tokens.problem(sentence(error)), ""
    shown = {name: values.get(widget) for name, widget in roles.items()} if keep != "all" else {}
    updates = _role_updates(config, settings, shown) if config else [gr.skip()] * len(roles)
    return [card, tick, *updates]


def _forgetting(page: Page, values: Values, roles: Roles, *, keep: Keep) -> Values:
    """The values with the columns set back to "as detected": all of them, or those the chosen table does not have."""
    if keep == "all":
        return values
    known: tuple[str, ...] = ()
    if keep == "known":
        data = page.draft.read(values, "data.source", "data.split").data
        known = _table(data.source, data.split, page.services.settings).columns
    return {**values, **{one: AUTO for one in roles.values() if values.get(one) not in known}}


def _table(source: str, split: str, settings: Settings) -> Table:
    from studio.data.sources import open_source

    return open_source(source, split=split, settings=settings)


def _card_of(config: RunConfig, settings: Settings, view: tuple[int, int], *, anew: bool) -> tuple[str, str]:
    """(the card's JSON, its tick); a StudioError where the rows cannot be shown."""
    waiting = _not_here(config, settings)
    if waiting:
        return tokens.pending(waiting), ""
    start, rows = view
    return _card(config, settings, _preview(config, settings, (0 if anew else start, rows))), "yes"


def _not_here(config: RunConfig, settings: Settings) -> str | None:
    """A sentence where the tokenizer would have to be fetched first: that waits for a click on Load."""
    from studio.model.load import needs_download

    missing = needs_download(config.model, settings)
    return say(here(), "data.tokenizer_not_here", what=translate_text(here(), missing)) if missing else None


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
    from studio.model.load import load_tokenizer, tokenizer_notes

    (preview, start), lang = found, here()
    table = _table(config.data.source, config.data.split, settings)
    source = say(lang, "data.rows", count=f"{len(table.rows):,}")
    if settings.uploads_dir in Path(config.data.source).parents:  # the upload widget forgets its file at a reload
        source = f"{table.name} · {source}"
    if table.size_bytes:
        source += f" · {_size(table.size_bytes)}"
    reason = ", ".join(preview.mapped.columns.values())
    if config.data.format == "auto":
        reason = say(lang, "data.detected", format=preview.mapped.format)
    notes = tokenizer_notes(load_tokenizer(config.model, settings), config.model)
    return tokens.payload(preview, lang=lang, notes=notes, start=start, source=source, reason=reason)


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(1, round(count / 1e3))} kB"


def _role_updates(config: RunConfig, settings: Settings, shown: Mapping[str, Any]) -> list[Any]:
    """The dropdowns of the format's roles, with the table's columns; even where the mapping itself failed.

    `shown` holds the values to set; where it is empty the widgets keep theirs.
    """
    from studio.data.prepare import map_columns

    try:
        table = _table(config.data.source, config.data.split, settings)
    except StudioError:
        return [gr.skip()] * len(ROLES)
    layout = FORMATS.get(config.data.format)
    found: dict[str, str] = {}
    for data in (config.data, config.data.model_copy(update={"columns": {}})):  # with the choices, else without them
        try:
            mapped = map_columns(table, data)
            found, layout = dict(mapped.columns), FORMATS[mapped.format]
            break
        except StudioError:
            found = layout.assign(table.columns, data.columns) if layout else {}
    wanted = {role.name: role.required for role in layout.roles} if layout else {}
    return [
        gr.update(
            visible=name in wanted,
            choices=_columns(table, found.get(name), required=wanted.get(name, True)),
            **({"value": shown[name]} if name in shown else {}),
        )
        for name in ROLES
    ]


def _columns(table: Table, column: str | None, *, required: bool) -> list[tuple[str, str]]:
    """What a role's dropdown offers: as detected, each column, and for a role that is not required, none."""
    detected = say(here(), "data.auto", column=column) if column else say(here(), "data.auto_none")
    choices = [(detected, AUTO), *((one, one) for one in table.columns)]
    return choices if required else [*choices, (say(here(), "data.leave_out"), "")]
