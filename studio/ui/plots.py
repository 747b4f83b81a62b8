"""The live plot: one component that follows a run by its id, or whichever run is current. Knows nothing of tabs.

The component's value only says which run (`watch`); the points come by polling, a few bytes a second, so a reload,
a second tab and last week's run are one code path.
"""

from __future__ import annotations

import json
import time

import gradio as gr
from starlette.responses import JSONResponse

from studio.settings import ASSETS
from studio.ui.guard import here
from studio.ui.live import LiveRuns

SCRIPTS = ("live.js", "pen.js", "curve.js", "answers.js", "plot.js")


def script(*names: str) -> str:
    """Scripts of the page's own components, joined into one `js_on_load`."""
    return "\n".join((ASSETS / name).read_text(encoding="utf-8") for name in names)


def live_plot(runs: LiveRuns, *, elem_id: str, run: str | None = "current") -> gr.HTML:
    """A plot of one run; `.change` fires when its status changes. `watch(run_id)` as value points it elsewhere."""

    def poll(cursor: object = None) -> JSONResponse:  # else FastAPI looks at every figure before it writes it
        return JSONResponse(runs.poll(cursor, lang=here()))

    def answers(asked: object = None) -> JSONResponse:
        return JSONResponse(runs.answers(asked))

    return gr.HTML(
        watch(run),
        elem_id=elem_id,
        elem_classes=["live-plot"],
        html_template="<div class='tf-plot'></div>",
        js_on_load=script(*SCRIPTS),
        server_functions=[poll, answers],
        apply_default_css=False,
    )


def watch(run: str | None) -> str:
    """The component's value: the run to show ("current", an id, or None for none). Never twice the same text."""
    return json.dumps({"run": run, "asked": time.time()})
