"""Which rows: the widgets of the source, and how they stand for `data.source` and its mix. Opens nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from studio.config import RunConfig
from studio.config.data import STARTER, MixPart
from studio.data.formats import FORMATS
from studio.errors import ConfigError
from studio.ui import table
from studio.ui.draft import Unfinished
from studio.ui.page import Page

KINDS = ("starter", "file", "hub", "mix")
MIX_FIELDS = (
    table.field("source", "mix_source", placeholder="owner/name"),
    table.field("weight", "mix_weight", kind="number", first=1),
    table.field("format", "mix_format", kind="select", options=["auto", *FORMATS], first="auto", later=True),
    table.field("split", "mix_split", first="train"),
)


class SourceForm:
    """The segmented choice and the widgets of each kind. `typed` are looked at when one leaves them."""

    def __init__(self, page: Page) -> None:
        t, local = page.i18n, page.services.settings.allows_local_paths
        self._uploads = page.services.settings.uploads_dir
        self.kind = gr.Radio(
            [(t(f"data.sources.{one}"), one) for one in KINDS], value="starter", label=t("data.source"),
            show_label=False, elem_id="data-kind", elem_classes=["seg"], interactive=True,
        )  # fmt: skip
        with gr.Row(elem_classes=["named"]):
            self.path = gr.Textbox(
                "", label=t("data.path"), placeholder="/data/rows.jsonl", max_lines=1,
                elem_id="data-path", elem_classes=["for-file"], interactive=local, visible=local, min_width=0,
            )  # fmt: skip
            self.hub = gr.Textbox(
                "", label=t("data.hub"), info=t("data.hub_help"), placeholder="owner/name", max_lines=1,
                elem_id="data-hub", elem_classes=["for-hub"], interactive=True, min_width=0,
            )  # fmt: skip
            self.split = page.form.widget("data", "split", min_width=0)
        self.upload = gr.File(
            label=t("data.upload"), show_label=False, elem_id="data-upload",
            elem_classes=["for-upload", "for-file"], height=76, interactive=True,
        )  # fmt: skip
        self.stored = gr.Textbox("", visible="hidden", elem_id="data-stored")
        with gr.Column(elem_classes=["for-mix"], min_width=0):
            self.mix = table.table("data-mix", MIX_FIELDS, name="mix", add="mix_add", least=1)
            self.strategy = page.form.widget("data", "mix_strategy")
        page.draft.add("data", "mix_strategy", self.strategy)
        page.draft.join(
            ("data.source", "data.split", "data.mix", "data.mix_weight"),
            (self.kind, self.stored, self.path, self.hub, self.split, self.mix),
            read=_read, show=lambda config: show(config, self._uploads),
        )  # fmt: skip

    @property
    def typed(self) -> set[Component]:
        """Widgets that are read when one leaves them, not at each key."""
        return {self.path, self.hub, self.split}


def chosen(kind: str, stored: str, path: str, hub: str) -> str:
    """The one source that a kind's widgets name; "" where none is named yet. A path goes before an upload."""
    named = {"file": path.strip() or stored, "hub": hub, "starter": STARTER}.get(kind, "")
    return named.strip()


def _read(kind: str, stored: str, path: str, hub: str, split: str, mix: str) -> dict[str, Any]:
    if kind == "mix":
        parts = [one for one in table.records(mix) if str(one.get("source") or "").strip()]
        if len(parts) < 2:
            raise Unfinished("A mix needs two sources or more. Name each in the table: a file, a folder or a Hub id.")
        first, *others = parts
        return {
            "data.source": str(first["source"]).strip(),
            "data.split": first.get("split") or "train",
            "data.mix_weight": first.get("weight") or 1.0,
            "data.mix": tuple(part_of(one) for one in others),
        }
    source = chosen(kind, stored or "", path or "", hub or "")
    if not source:
        raise Unfinished("No data is chosen yet. Upload a file or name one, or take the starter.")
    if not (split or "").strip():
        raise ConfigError("{setting} is empty. Give it a value.", setting="data.split")
    return {"data.source": source, "data.split": split.strip(), "data.mix": (), "data.mix_weight": 1.0}


def part_of(record: dict[str, Any]) -> dict[str, Any]:
    """A line of the table as one source of the mix; what is left empty keeps its default."""
    known = {name: record[name] for name in MixPart.knobs() if record.get(name) not in (None, "")}
    return {name: value.strip() if isinstance(value, str) else value for name, value in known.items()}


def show(config: RunConfig, uploads: Path) -> Sequence[str]:
    """(kind, stored upload, path, hub id, split, mix) of a config."""
    from studio.data.sources import kind_of

    data = config.data
    source, split = data.source, data.split
    if data.mix:
        first = {"source": source, "weight": data.mix_weight, "split": split}
        return "mix", "", "", "", split, table.written([first, *(one.model_dump(mode="json") for one in data.mix)])
    if source == STARTER:
        return "starter", "", "", "", split, "[]"
    if kind_of(source) == "hub":
        return "hub", "", "", source, split, "[]"
    if uploads in Path(source).parents:
        return "file", source, "", "", split, "[]"
    return "file", "", source, "", split, "[]"
