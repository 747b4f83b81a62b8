"""From the form to the token card: the rows that are asked for, and the columns each role can take.

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
from studio.errors import DataError, StudioError
from studio.methods.base import methods_for
from studio.ui import packed, tokens
from studio.ui import view as views
from studio.ui.doctor import Reports
from studio.ui.draft import Unfinished
from studio.ui.guard import here, sentence
from studio.ui.page import Page
from studio.ui.view import Found, View
from studio.ui.words import flat_words, say, translate_text

if TYPE_CHECKING:
    from studio.data.corpus import Corpus
    from studio.data.preview import Preview
    from studio.data.sources import Table
    from studio.settings import Settings

AUTO = "\u2009auto"  # a role's choice "as detected"; begins with a thin space, which no column is likely to
NEEDS = ("model", "data", "method", "training")
MOST_PATHS = 40  # paths into nested columns that a role's dropdown offers
_ROLES = [role for one in FORMATS.values() for role in one.roles]
ROLES = tuple(dict.fromkeys(role.name for role in sorted(_ROLES, key=lambda role: not role.required)))

Keep = Literal["all", "known", "none"]
Values = Mapping[Component, Any]
Roles = dict[str, Component]


class Previews:
    """Answers the tab's choices. `reports` is shared with the doctor's card."""

    def __init__(self, page: Page, *, roles: Roles, view: Component, reports: Reports) -> None:
        self._page, self._roles, self._view, self._reports = page, roles, view, reports

    @property
    def _settings(self) -> Settings:
        return self._page.services.settings

    def answer(self, values: Values, *, keep: Keep = "all") -> list[Any]:
        """[the card's JSON, its tick, an update for each role's dropdown]. `keep`: which chosen columns stay."""
        self._page.services.warmed.wait(timeout=300)
        config: RunConfig | None = None
        still = [gr.skip()] * len(self._roles)
        try:
            values = self._forgetting(values, keep=keep)
            config = self._page.draft.read(values, *NEEDS)
            waiting = not_here(config, self._settings)
            asked = views.read(values.get(self._view))
            asked = asked if keep == "all" else View(rows=asked.rows)
            card, tick = (tokens.pending(waiting), "") if waiting else (self._card(config, asked), "yes")
        except Unfinished as error:
            return [tokens.pending(sentence(error)), "", *still]
        except StudioError as error:
            offers = offers_for(config, self._settings) if config else []
            card, tick = tokens.problem(sentence(error), offers=offers), ""
        shown = {name: values.get(widget) for name, widget in self._roles.items()} if keep != "all" else {}
        return [card, tick, *(role_updates(config, self._settings, shown) if config else still)]

    def _forgetting(self, values: Values, *, keep: Keep) -> Values:
        """The values with the columns set back to "as detected": all, or those the chosen table does not have."""
        if keep == "all":
            return values
        known: tuple[str, ...] = ()
        if keep == "known":
            data = self._page.draft.read(values, "data.source", "data.split", "data.delimiter").data
            known = tuple(offered(_table(data, self._settings)))
        return {**values, **{one: AUTO for one in self._roles.values() if values.get(one) not in known}}

    def _card(self, config: RunConfig, asked: View) -> str:
        from studio.data.corpus import open_corpus
        from studio.data.preview import preview
        from studio.model.load import load_tokenizer, tokenizer_notes

        lang, corpus = here(), open_corpus(config, self._settings)
        tokenizer = load_tokenizer(config.model, self._settings)
        report = scan = None
        if asked.pick or asked.packed or config.data.filters:
            scan = self._page.services.inspector.ask(config).scan
        if asked.pick and scan is not None:
            report = self._reports.of(config, scan)
        found = views.find(asked, corpus, report=report, lang=lang)
        made = preview(config, settings=self._settings, tokenizer=tokenizer, positions=found.positions)
        self._page.services.previewed.saw(config, corpus)
        if config.data.filters and scan is not None:
            made = _filtered(made, config, self._settings)
        drawn, place = _drawn(made, corpus, found, most=asked.tokens), _place(corpus, found)
        if asked.packed and scan is not None and packed.packs(config):
            named = found.positions[0] if asked.names_rows and found.positions else None
            blocks = packed.shown_blocks(
                config, self._settings, at=asked.at, count=asked.rows, position=named, most=asked.tokens
            )
            drawn, said = blocks.rows, found.said or say(lang, "data.block", block=f"{blocks.at + 1:,}")
            if named is not None and not blocks.found:
                said = say(lang, "data.in_no_block", row=corpus.where(named))
            place |= {"at": blocks.at, "row": blocks.at + 1, "of": blocks.of, "said": said}
            place |= {"block": True, "first": blocks.first}
        notes = tokenizer_notes(tokenizer, config.model)
        return tokens.payload(
            made, lang=lang, notes=notes, **_head(config, corpus, made, self._settings), **place,
            rows=drawn, tokens=asked.tokens, needle=asked.search, packing=packed.packs(config),
        )  # fmt: skip


def _place(corpus: Corpus, found: Found) -> dict[str, Any]:
    """Where the rows shown stand, for the bar above them."""
    at = found.positions[0] if found.positions else 0
    alone = len(corpus.parts) == 1 and at < len(corpus)
    return {
        "at": at, "row": int(corpus.row[at]) + 1 if alone else at + 1, "of": len(corpus),
        "said": found.said, **found.more,
    }  # fmt: skip


def _filtered(made: Preview, config: RunConfig, settings: Settings) -> Preview:
    """With what is known once every row was looked at: which rows `data.filters` leaves out, and the digest."""
    import numpy as np

    from studio.training.stage import stage

    try:
        prepared = stage(config, settings).prepared
    except StudioError:  # said by the doctor and the Ready card: here rows are shown
        return made
    return made.among(np.concatenate([prepared.index, prepared.eval_index]), digest=prepared.digest)


def _drawn(made: Preview, corpus: Corpus, found: Found, *, most: int) -> list[dict[str, Any]]:
    """The rows in the order asked for, those that cannot be used among them."""
    import numpy as np

    good = {row.position: row for row in made.rows}
    several = len(found.positions) > 1 or len(corpus.parts) > 1
    rows = []
    for position in found.positions:
        place = corpus.where(position)
        where = say(here(), "data.row", row=place) if several or not place.isdigit() else ""
        if position in good:
            held = bool(np.isin(position, corpus.eval))
            rows.append(tokens.row_of(good[position], held=held, where=where, most=most))
        elif position in made.problems:
            raw = corpus.raw([position])[0]
            rows.append(
                tokens.problem_row(
                    made.problems[position], row=int(corpus.row[position]), at=position, lang=here(), where=where,
                    raw=None if isinstance(raw, DataError) else raw,
                )
            )  # fmt: skip
    return rows


def _head(config: RunConfig, corpus: Corpus, made: Preview, settings: Settings) -> dict[str, Any]:
    """What stands beside the source and the format."""
    lang, table = here(), corpus.table
    rows = sum(len(one.table.rows) for one in corpus.parts)
    source = say(lang, "data.rows", count=f"{rows:,}")
    if settings.uploads_dir in Path(config.data.source).parents:  # the upload widget forgets its file at a reload
        source = f"{table.name} · {source}"
    sizes = [one.table.size_bytes for one in corpus.parts]
    if all(sizes):
        source += f" · {_size(sum(one or 0 for one in sizes))}"
    columns = ", ".join(made.mapped.columns.values())
    if config.data.format == "auto":
        columns = say(lang, "data.detected", format=made.mapped.format, columns=columns)
    return {"source": source, "reason": columns}


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(1, round(count / 1e3))} kB"


def not_here(config: RunConfig, settings: Settings) -> str | None:
    """A sentence where the tokenizer would have to be fetched first: that waits for a click on Load."""
    from studio.model.load import needs_download

    missing = needs_download(config.model, settings)
    return say(here(), "data.tokenizer_not_here", what=translate_text(here(), missing)) if missing else None


def offers_for(config: RunConfig, settings: Settings) -> list[dict[str, Any]]:
    """Other methods, where the chosen one does not train on rows like these."""
    from studio.data.columns import map_columns

    try:
        types = FORMATS[map_columns(_table(config.data, settings), config.data).format].dataset_types
    except StudioError:  # it is not the method that stands in the way
        return []
    if any(one in config.method.dataset_types for one in types):
        return []
    return [
        {"text": say(here(), "data.use_method", method=method_name(name)), "changes": {"method.type": name}}
        for name in methods_for(types)
    ]


def method_name(name: str, *, short: bool = False) -> str:
    """What the page calls a method; its key where the texts have no name for it. `short`: up to its comma."""
    key = f"choices.method.type.{name}"
    said = say(here(), key) if key in flat_words("en") else name.upper()
    return said.replace("，", ",").partition(",")[0] if short else said


def _table(data: Any, settings: Settings) -> Table:
    from studio.data.corpus import open_table

    return open_table(data.source, data.split, data, settings)


def offered(table: Table) -> list[str]:
    """Columns, and paths into those that are nested."""
    from studio.data.columns import sample_of
    from studio.data.formats.paths import nested

    return [*table.columns, *nested(sample_of(table))[:MOST_PATHS]]


def role_updates(config: RunConfig, settings: Settings, shown: Mapping[str, Any]) -> list[Any]:
    """The dropdowns of the format's roles, with the table's columns; even where the mapping itself failed.

    `shown` holds the values to set; where it is empty the widgets keep theirs.
    """
    from studio.data.columns import map_columns

    try:
        table = _table(config.data, settings)
        columns = offered(table)
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
            choices=_choices(columns, found.get(name), required=wanted.get(name, True)),
            elem_classes=[] if wanted.get(name) or found.get(name) or name in config.data.columns else ["unset"],
            **({"value": shown[name]} if name in shown else {}),
        )
        for name in ROLES
    ]


def _choices(columns: list[str], column: str | None, *, required: bool) -> list[tuple[str, str]]:
    """What a role's dropdown offers: as detected, each column, and for a role that is not required, none."""
    detected = say(here(), "data.auto", column=column) if column else say(here(), "data.auto_none")
    choices = [(detected, AUTO), *((one, one) for one in columns)]
    return choices if required else [*choices, (say(here(), "data.leave_out"), "")]
