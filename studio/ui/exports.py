"""The opened run's weights for other programs: in which form, and the button that writes them.

Handlers take run ids and forms only; the folder is always one of the workspace's own.
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.errors import StudioError
from studio.export import EXPORTERS, Exported, export, fitting
from studio.ui.choosing import open_choice
from studio.ui.guard import guard, here
from studio.ui.words import flat_words, say

if TYPE_CHECKING:
    from studio.services import Services
    from studio.ui.page import Page


def export_row(page: Page, chosen: Any) -> None:
    """The row, and a line for where it went; `chosen` is the component that holds the opened run's id."""
    services, quiet = page.services, {"show_progress": "hidden", "api_visibility": "private"}

    def offer(run_id: str) -> tuple[Any, Any]:
        choices = [(label_of(name), name) for name in offered(services, run_id)]
        return gr.update(choices=choices, value=choices[0][1]), gr.update(value="", visible=False)

    @guard
    def write(run_id: str, form: str) -> Any:
        made = exported(services, run_id, form)
        path = made.path.relative_to(services.settings.workspace).as_posix()
        size = f"{made.bytes / 1e6:,.1f} MB"
        return gr.update(value=say(here(), "runs.exported", path=path, size=size), visible=True)

    with gr.Row(elem_classes=["actions"], elem_id="runs-export"):
        form = open_choice(
            [], value=None, label=page.i18n("runs.export_form"), show_label=False, container=False,
            elem_id="runs-export-form",
        )  # fmt: skip
        button = gr.Button(page.i18n("runs.export"), size="sm", elem_id="runs-export-model")
    said = gr.Markdown("", elem_classes=["hint"], visible=False, elem_id="runs-exported")
    chosen.change(offer, chosen, [form, said], **quiet)
    # One at a time, whoever asks: a second would take the memory of a second model.
    button.click(write, [chosen, form], said, concurrency_limit=1, show_progress="minimal", api_visibility="private")


def offered(services: Services, run_id: str) -> list[str]:
    """The forms that fit a run; all of them where that cannot be said."""
    try:
        return fitting(services.store.open(run_id)) or list(EXPORTERS)
    except StudioError:
        return list(EXPORTERS)


def exported(services: Services, run_id: str, form: str) -> Exported:
    """Write a run into the first free folder of its name. Refused while the model is in use, where one is loaded:
    what trains must not share its random numbers and its memory."""
    record = services.store.open(run_id)
    loads = form in EXPORTERS and EXPORTERS[form].loads
    services.warmth.wait()
    with services.slot.lease(f"the export of {run_id}") if loads else nullcontext():
        return export(record, form, _free(services.settings.exports_dir, f"{run_id}-{form}"), services.settings)


def label_of(form: str) -> str:
    """What the page calls a form; its own name where that is somebody else's."""
    key = f"runs.export_as.{form}"
    return say(here(), key) if key in flat_words("en") else form


def _free(folder: Path, name: str) -> Path:
    """The name, or the name with the first number that is not taken."""
    target, count = folder / name, 1
    while target.exists():
        count += 1
        target = folder / f"{name}-{count}"
    return target
