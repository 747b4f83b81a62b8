"""A list whose choices are only known once the page is there."""

from __future__ import annotations

from typing import Any

import gradio as gr


def open_choice(*given: Any, **named: Any) -> Any:
    """A Dropdown that takes what the page sends. Gradio checks a choice against those that it gave a page, and a server
    that was started anew remembers none; whoever is given the choice looks whether there is such a thing, and says so
    where there is not."""
    made = gr.Dropdown(*given, interactive=True, filterable=False, **named)
    setattr(made, "preprocess", lambda payload: payload)  # noqa: B010 - for mypy, no method is set
    return made
