"""What the opened run gives to take away (figures, report), and its evaluations as a table. Handlers take run ids only:
files are written to a folder of the page's own, and handed out from there.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.errors import StudioError, WorkspaceError
from studio.runs.metrics import evaluations, write_csv, write_json
from studio.runs.report import report
from studio.runs.store import RunRecord
from studio.runs.track import finite
from studio.ui.facts import as_value
from studio.ui.guard import guard, here
from studio.ui.plots import script
from studio.ui.words import Language, say, spoken

if TYPE_CHECKING:
    from studio.ui.page import Page

FOLDER = "taken"  # in the folder that the page hands files out from
OLD = 3600.0  # seconds after which a file is gone
MOST_EVALUATIONS = 200
PRESS = "() => document.querySelector('#runs-taken')?.click()"


def write(kind: str, record: RunRecord, folder: Path, *, lang: Language) -> Path:
    """One of csv, json and html into a folder; the file has the run's name."""
    path = folder / f"{record.run_id}.{kind}"
    with path.open("w", encoding="utf-8", newline="") as out:
        if kind == "csv":
            write_csv(record.path, out)
        elif kind == "json":
            write_json(record, out)
        else:
            out.write(report(record, lang=lang, say=partial(say, lang), spoken=partial(spoken, lang)))
    return path


def take_away(page: Page, chosen: Any) -> None:
    """The row of buttons; `chosen` is the component that holds the opened run's id."""
    i18n, services = page.i18n, page.services
    place = services.settings.workspace / ".page" / FOLDER

    def handler(kind: str) -> Callable[[str], str]:
        @guard
        def make(run_id: str) -> str:
            record = services.store.open(run_id)
            try:
                return str(write(kind, record, fresh(place), lang=here()))
            except OSError as error:
                raise WorkspaceError(
                    "Cannot write {path}: {reason}.", path=place, reason=error.strerror or error
                ) from error

        return make

    with gr.Row(elem_classes=["actions"], elem_id="runs-take"):
        buttons = {
            "csv": gr.Button("CSV", size="sm", elem_id="runs-take-csv"),
            "json": gr.Button("JSON", size="sm", elem_id="runs-take-json"),
            "html": gr.Button(i18n("compare.report"), size="sm", elem_id="runs-take-html"),
        }
    taken = gr.DownloadButton("", visible="hidden", elem_id="runs-taken")
    for kind, button in buttons.items():
        made = button.click(handler(kind), chosen, taken, show_progress="minimal", api_visibility="private")
        made.success(None, None, None, js=PRESS, show_progress="hidden", api_visibility="private")


def fresh(place: Path) -> Path:
    """A new folder for one file; those of an hour ago go."""
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    for old in place.iterdir():
        if time.time() - old.stat().st_mtime > OLD:
            shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(dir=place))


def life_card(page: Page, chosen: Any) -> None:
    """The evaluations of the run that is open, step by step; it follows `chosen` and a run that goes on."""
    store = page.services.store

    def life(asked: object = None) -> dict[str, Any]:
        run_id = asked.get("run") if isinstance(asked, dict) else None
        try:
            return evaluated(store.open(run_id)) if isinstance(run_id, str) and run_id else {}
        except StudioError:
            return {}

    with page.card("compare.life", elem_id="runs-life-card"):
        table = gr.HTML(
            as_value({"run": None}),
            elem_id="runs-life",
            html_template="<div class='tf-life'></div>",
            js_on_load=script("live.js", "life.js"),
            server_functions=[life],
            apply_default_css=False,
        )
    chosen.change(lambda run: as_value({"run": run}), chosen, table, show_progress="hidden", api_visibility="private")


def evaluated(record: RunRecord) -> dict[str, Any]:
    """`{run, status, names, rows: [[step, figure, ...]], all}`: an even choice where there are very many."""
    found = evaluations(record.path)
    names = list(dict.fromkeys(name for row in found for name in row if name != "step"))
    size = -(-len(found) // MOST_EVALUATIONS) or 1
    shown = [row for at, row in enumerate(found) if at % size == 0 or at == len(found) - 1]
    rows = [[row["step"], *(finite(row.get(name)) for name in names)] for row in shown]
    return {"run": record.run_id, "status": record.status, "names": names, "rows": rows, "all": len(found)}
