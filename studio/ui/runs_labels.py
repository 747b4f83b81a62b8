"""What people write on the opened run: its name, tags and notes. Kept as soon as a field is left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components import Component

from studio.errors import StudioError
from studio.runs import RunRecord
from studio.runs.labels import LONGEST_NAME, LONGEST_NOTES, annotate, rename, tag_as
from studio.ui.guard import guard, sentence

if TYPE_CHECKING:
    from studio.ui.page import Page


@dataclass
class LabelFields:
    """The three widgets."""

    name: Any
    tags: Any
    notes: Any

    def all(self) -> list[Any]:
        return [self.name, self.tags, self.notes]


def label_fields(page: Page) -> LabelFields:
    """The widgets, inside the card of the opened run."""
    i18n = page.i18n
    name = gr.Textbox(
        "", label=i18n("runs.label_name"), max_lines=1, max_length=LONGEST_NAME, elem_id="runs-label-name",
        interactive=True,
    )  # fmt: skip
    tags = gr.Dropdown(
        [], value=[], label=i18n("runs.label_tags"), info=i18n("runs.label_tags_help"), multiselect=True,
        allow_custom_value=True, elem_id="runs-label-tags", elem_classes=["several"], interactive=True,
    )  # fmt: skip
    notes = gr.Textbox(
        "", label=i18n("runs.label_notes"), lines=2, max_lines=8, max_length=LONGEST_NOTES, elem_id="runs-label-notes",
        interactive=True,
    )  # fmt: skip
    return LabelFields(name, tags, notes)


def fill_labels(fields: LabelFields, record: RunRecord, known: set[str]) -> dict[Component, Any]:
    """Updates that show a run's labels; `known` are the tags of all runs, to choose from."""
    return {
        fields.name: record.name,
        fields.tags: gr.update(choices=sorted(known | set(record.tags)), value=list(record.tags)),
        fields.notes: record.notes,
    }


def wire_labels(page: Page, fields: LabelFields, *, chosen: Any, listing: Any, relist: Callable[[str], str]) -> None:
    """Keep what is written. `relist(run_id)` gives the table's value anew."""
    store, quiet = page.services.store, {"show_progress": "hidden", "api_visibility": "private"}

    @guard
    def call_it(run_id: str, name: str) -> dict[Component, Any]:
        record = store.open(run_id)
        if name.strip() == record.name:
            return {fields.name: gr.skip()}
        rename(record.path, name)
        return {fields.name: store.open(run_id).name, listing: relist(run_id)}

    @guard
    def note(run_id: str, notes: str) -> dict[Component, Any]:
        record = store.open(run_id)
        if notes.strip() == record.notes:
            return {fields.notes: gr.skip()}
        annotate(record.path, notes)
        return {listing: relist(run_id)}

    @guard
    def tag(run_id: str, tags: list[str] | None) -> dict[Component, Any]:
        record = store.open(run_id)
        if tuple(tags or ()) == record.tags:
            return {fields.tags: gr.skip()}
        try:
            labels = tag_as(record.path, [str(one) for one in tags or ()])
        except StudioError as error:  # the field is again what the run has, so that the next tag is not refused too
            gr.Warning(sentence(error))
            return {fields.tags: gr.update(value=list(record.tags)), listing: gr.skip()}
        return {fields.tags: gr.update(value=list(labels.tags)), listing: relist(run_id)}

    gr.on([fields.name.blur, fields.name.submit], call_it, [chosen, fields.name], [fields.name, listing], **quiet)
    fields.notes.blur(note, [chosen, fields.notes], [fields.notes, listing], **quiet)
    # A tag of one's own fires no `input`; `change` fires for a filled field too, whose tags are the run's already.
    fields.tags.change(tag, [chosen, fields.tags], [fields.tags, listing], **quiet)
