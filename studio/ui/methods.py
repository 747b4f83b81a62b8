"""The chosen method and the settings of each, as one part of the draft. Knows nothing of where they stand on the page.

Two methods may have a setting of the same name with other bounds, so each method has widgets of its own; only the
chosen one's are read, and only they are seen.
"""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.components import Component
from pydantic.fields import FieldInfo

from studio.config import RunConfig
from studio.methods import METHODS
from studio.section import details
from studio.ui.form import as_shown, plain_type
from studio.ui.page import Page

LOSSES = ("completion", "assistant", "all")
LOSS_KNOBS = ("completion_only_loss", "assistant_only_loss")  # both are the one choice "Loss on"
FIRST = next(iter(METHODS))


class MethodForm:
    """Its dropdown and the choice "Loss on" stand where it is made; `render` puts the other settings elsewhere."""

    def __init__(self, page: Page) -> None:
        self._page = page
        t, form = page.i18n, page.form
        names = [(form.label_of("method.type", name), name) for name in METHODS]
        self.kind = gr.Dropdown(
            names, value=FIRST, label=form.label("method.type"), info=form.help("method.type"), filterable=False,
            elem_id="method-type", interactive=True, min_width=0,
        )  # fmt: skip
        self.loss = gr.Radio(
            [(t(f"data.losses.{one}"), one) for one in LOSSES], value="completion", label=t("data.loss"),
            info=t("data.loss_help"), elem_id="data-loss", elem_classes=["seg", "for-method-sft"], interactive=True,
        )  # fmt: skip
        self._knobs = {name: self._widgets(name) for name in METHODS}
        components = (self.kind, self.loss, *(one for some in self._knobs.values() for one in some.values()))
        every = dict.fromkeys(name for kind in METHODS.values() for name in kind.knobs())
        page.draft.join(tuple(f"method.{name}" for name in every), components, read=self._read, show=self._show)

    def _widgets(self, method: str) -> dict[str, Component]:
        """A widget for each setting of a method that the form shows; placed later, by `render`."""
        found: dict[str, Component] = {}
        knobs = METHODS[method].knobs()
        told = {"type", *(LOSS_KNOBS if set(LOSS_KNOBS) <= knobs.keys() else ())}
        for name, field in knobs.items():
            if name in told or details(field).hidden or _kind(field) is dict:
                continue
            found[name] = self._page.form.widget(
                f"method.{method}", name, elem_id=f"method-{method}-{name}", render=False, min_width=0,
                elem_classes=[f"for-method-{method}"],
            )  # fmt: skip
        return found

    def render(self, *, advanced: bool) -> list[Component]:
        """Place the settings, those people reach for first or the others."""
        placed = []
        for method, widgets in self._knobs.items():
            for name, widget in widgets.items():
                if details(METHODS[method].knobs()[name]).advanced is advanced:
                    widget.render()
                    placed.append(widget)
        return placed

    @property
    def with_advanced(self) -> list[str]:
        """The classes of the methods that have settings behind Advanced."""
        return [
            f"for-method-{method}"
            for method, widgets in self._knobs.items()
            if any(details(METHODS[method].knobs()[name]).advanced for name in widgets)
        ]

    @property
    def widgets(self) -> list[Component]:
        """Every setting's, whatever the method."""
        return [one for some in self._knobs.values() for one in some.values()]

    def _read(self, kind: str, loss: str, *values: Any) -> dict[str, Any]:
        chosen = kind if kind in METHODS else FIRST
        said: dict[str, Any] = {"method.type": chosen}
        rest = iter(values)
        for method, widgets in self._knobs.items():
            for name in widgets:
                value = next(rest)
                if method == chosen:
                    said |= self._page.draft.one(f"method.{name}", METHODS[method].knobs()[name], value)
        if set(LOSS_KNOBS) <= METHODS[chosen].knobs().keys():
            said |= _read_loss(loss)
        return said

    def _show(self, config: RunConfig) -> list[Any]:
        method: Any = config.method
        shown: list[Any] = [method.type, _loss_of(method)]
        for name, widgets in self._knobs.items():
            for setting, widget in widgets.items():
                field = METHODS[name].knobs()[setting]
                value = getattr(method, setting) if name == method.type else field.default
                shown.append(as_shown(widget, value))
        return shown


def _kind(field: FieldInfo) -> Any:
    kind, _ = plain_type(field.annotation)
    return getattr(kind, "__origin__", kind)


def _read_loss(loss: str) -> dict[str, Any]:
    """Assistant turns overrule completion_only_loss, so that one is left as it was."""
    if loss == "assistant":
        return {"method.assistant_only_loss": True}
    return {"method.assistant_only_loss": False, "method.completion_only_loss": loss == "completion"}


def _loss_of(method: Any) -> str:
    if getattr(method, "assistant_only_loss", False):
        return "assistant"
    return "completion" if getattr(method, "completion_only_loss", True) else "all"
