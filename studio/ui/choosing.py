"""A list whose choices are only known once the page is there."""

from __future__ import annotations

from typing import Any

import gradio as gr


class Chosen(gr.Dropdown):
    """Gradio checks a choice against those it remembers for a page, and a server that was started anew remembers none.
    Here whoever is given the choice looks whether there is such a thing, and says so where there is not."""

    is_template = True  # the browser draws it as a Dropdown

    def preprocess(self, payload: Any) -> Any:
        return payload
