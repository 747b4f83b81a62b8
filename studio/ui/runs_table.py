"""The table of runs: what it is sent, the sizes it asks for, and what its buttons do. Knows nothing of the opened run.

Deleted runs go into the bin. What comes from the page are ids and entries, which the store and the bin check.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components import Component

from studio.errors import StudioError
from studio.runs import RunRecord
from studio.runs.bin import Bin, Binned
from studio.runs.usage import folder_bytes, free_bytes
from studio.ui.guard import guard, sentence
from studio.ui.plots import script

if TYPE_CHECKING:
    from studio.services import Services
    from studio.ui.page import Page

MOST = 10_000  # ids that are read of what the page sends
Show = Callable[..., dict[Component, Any]]


@dataclass
class Table:
    """The components. `picked` holds the chosen runs' ids as a JSON list; its change says that they are others."""

    listing: Any
    picked: Any


def runs_table(page: Page) -> Table:
    """The card's inside. `page.refs["runs-picked"]` is for whoever shows several runs at once."""
    services = page.services

    def sizes(_: object = None) -> dict[str, Any]:
        return sizes_of(services)

    listing = gr.HTML(
        listed([], None),
        elem_id="runs-list",
        html_template="<div class='tf-runs'></div>",
        js_on_load=script("live.js", "runs.js"),
        server_functions=[sizes],
        apply_default_css=False,
    )
    return Table(listing, page.refs["runs-picked"])


def listed(runs: Sequence[RunRecord], chosen: str | None, *, in_bin: int = 0, **more: Any) -> str:
    """The value of the table: one JSON string, newest run first. `more` is `binned` or `undo`."""
    told = {"runs": [_row(run) for run in runs], "chosen": chosen, "bin": in_bin, **more}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def wire_table(page: Page, table: Table, *, chosen: Any, show: Show, outputs: Sequence[Any]) -> None:
    """What the table's buttons do. `show(chosen, **more)` gives the tab's updates."""
    store, quiet = page.services.store, {"show_progress": "hidden", "api_visibility": "private"}
    box = Bin(store)

    @guard
    def pick(event: gr.EventData) -> str:
        found = [one for one in _texts(event, "picked") if _is_there(page.services, one)]
        return json.dumps(found)

    @guard
    def delete(opened: str, event: gr.EventData) -> dict[Component, Any]:
        return show(opened, undo=delete_runs(page.services, _texts(event, "runs")))

    @guard
    def restore(opened: str, event: gr.EventData) -> dict[Component, Any]:
        _each(_texts(event, "entries"), box.restore)
        return show(opened, **({"binned": _binned(page.services)} if _said(event, "bin") else {}))

    @guard
    def look(opened: str) -> dict[Component, Any]:
        return show(opened, binned=_binned(page.services))

    @guard
    def empty(opened: str) -> dict[Component, Any]:
        box.empty()
        return show(opened, binned=_binned(page.services))

    # A tick that comes while another is on its way would be lost otherwise.
    table.listing.input(pick, None, table.picked, queue=False, trigger_mode="always_last", **quiet)
    table.listing.delete(delete, chosen, outputs, **quiet)
    table.listing.undo(restore, chosen, outputs, **quiet)
    table.listing.expand(look, chosen, outputs, **quiet)
    table.listing.clear(empty, chosen, outputs, **quiet)


def delete_runs(services: Services, ids: Iterable[str]) -> list[dict[str, str]]:
    """Put runs into the bin; returns how each can come back. What cannot go is told, what can go goes."""
    box, gone = Bin(services.store), list[dict[str, str]]()

    def one(run_id: str) -> None:
        name = services.store.open(run_id).name
        gone.append({"entry": box.delete(run_id), "name": name})

    _each(ids, one)
    return gone


def sizes_of(services: Services) -> dict[str, Any]:
    """Bytes of each run, of all runs, of the bin and of the workspace, and what is free on its disk. Only reads."""
    store, workspace = services.store, services.settings.workspace
    runs = {run.run_id: store.usage.measure(run.path) for run in store.list()}
    total, in_bin = sum(runs.values()), _bin_bytes(services)
    inside = store.runs_dir.is_relative_to(workspace)
    others = [one for one in workspace.iterdir() if one.is_dir() and not (inside and one == store.runs_dir)]
    rest = sum(folder_bytes(one) for one in others)
    return {"runs": runs, "total": total, "bin": in_bin, "all": total + in_bin + rest, "free": free_bytes(workspace)}


def _bin_bytes(services: Services) -> int:
    return sum(services.store.usage.measure(one.run.path) for one in Bin(services.store).runs())


def _binned(services: Services) -> list[dict[str, Any]]:
    return [_binned_row(services, one) for one in Bin(services.store).runs()]


def _binned_row(services: Services, one: Binned) -> dict[str, Any]:
    return {
        "entry": one.entry,
        "id": one.run.run_id,
        "name": one.run.name,
        "method": one.run.method,
        "deleted": one.deleted,
        "bytes": services.store.usage.measure(one.run.path),
    }


def _row(run: RunRecord) -> dict[str, Any]:
    """A run as the table draws it; what it lacks is left out."""
    row = {
        "id": run.run_id,
        "name": run.name,
        "status": run.status,
        "method": run.method,
        "model": run.model,
        "data": run.data,
        "steps": run.steps,
        "total": run.total_steps,
        "train_loss": run.metrics.get("loss"),
        "eval_loss": run.metrics.get("eval_loss"),
        "created": round(run.created),
        "notes": run.notes[:400],
        "tags": list(run.tags),
        "bytes": run.bytes,
    }
    return {name: value for name, value in row.items() if value not in (None, "", [])}


def _each(names: Iterable[str], act: Callable[[str], Any]) -> None:
    """Act on each; what cannot be done is told after the rest was. Where nothing could be done, that is an error."""
    done, problems = 0, []
    for name in names:
        try:
            act(name)
            done += 1
        except StudioError as error:
            problems.append(error)
    if problems and not done:
        raise problems[0]
    for problem in problems:
        gr.Warning(sentence(problem))


def _is_there(services: Services, run_id: str) -> bool:
    try:
        services.store.open(run_id)
    except StudioError:
        return False
    return True


def _said(event: gr.EventData, name: str) -> Any:
    """What the page's event carries under a name, None where it does not."""
    data = getattr(event, "_data", None)
    return data.get(name) if isinstance(data, dict) else None


def _texts(event: gr.EventData, name: str) -> list[str]:
    given = _said(event, name)
    return [one for one in given[:MOST] if isinstance(one, str)] if isinstance(given, list) else []
