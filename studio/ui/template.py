"""The chat template: a named one, a file, or a text of one's own that the preview follows. Renders no row.

The choice stands with the model; the editor beside the preview, in the Data tab.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from studio.config import RunConfig
from studio.config.model import AUTO
from studio.errors import ModelError
from studio.model.templates import TEMPLATES
from studio.ui.draft import Values
from studio.ui.guard import guard
from studio.ui.page import Page


class TemplateForm:
    """`choice` stands where this is made; `editor` puts the text elsewhere. A text goes before the choice."""

    def __init__(self, page: Page) -> None:
        form = page.form
        names = [(form.label_of("model.chat_template", AUTO), AUTO)]
        names += [(one.title, name) for name, one in TEMPLATES.items()]
        self._page = page
        self.choice = form.widget(
            "model", "chat_template", kind=gr.Dropdown, choices=names,
            allow_custom_value=page.services.settings.allows_local_paths,
        )  # fmt: skip
        self.tokens = form.widget("model", "add_template_tokens")
        self.text = gr.Textbox(
            "", label=page.i18n("data.template"), info=page.i18n("data.template_help"), lines=6, max_lines=20,
            elem_id="model-template-text", interactive=True, render=False,
        )  # fmt: skip
        page.draft.add("model", "add_template_tokens", self.tokens)
        page.draft.join(("model.chat_template",), (self.choice, self.text), read=_read, show=_show)

    def editor(self) -> None:
        """The text and its two buttons."""
        page, t = self._page, self._page.i18n
        self.text.render()
        with gr.Row(elem_classes=["actions"]):
            edit = gr.Button(t("data.template_edit"), size="sm", elem_id="template-edit")
            back = gr.Button(t("data.template_back"), size="sm", elem_id="template-back")
        page.later(lambda: self._wire(edit, back))

    def _wire(self, edit: Any, back: Any) -> None:
        page, quiet = self._page, {"show_progress": "hidden", "api_visibility": "private"}

        @guard
        def current(values: Values) -> str:
            return current_text(page, values)

        edit.click(current, page.draft.components("model"), self.text, **quiet)
        back.click(lambda: "", None, self.text, **quiet)


def current_text(page: Page, values: Values) -> str:
    """The template that rows are rendered with now."""
    from studio.model.load import load_tokenizer

    page.services.warmed.wait(timeout=300)
    config = page.draft.read(values, "model").model
    template = load_tokenizer(config, page.services.settings).chat_template
    if not isinstance(template, str):
        raise ModelError("This model has no chat template to edit. Choose a named one first (model.chat_template).")
    return template


def _read(choice: str | None, text: str | None) -> dict[str, Any]:
    return {"model.chat_template": text if text and text.strip() else choice or AUTO}


def _show(config: RunConfig) -> tuple[str, str]:
    from studio.model.templates.choose import is_text

    value = config.model.chat_template
    return (AUTO, value) if is_text(value) else (value, "")
