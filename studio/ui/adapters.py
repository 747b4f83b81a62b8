"""The chosen kind of fine-tuning and the settings of each, as one part of the draft. Loads no weights.

Each kind has widgets of its own, for two may have a setting of one name with other defaults; only the chosen one's are
read, and only they are seen. Which layers an adapter sits at is one choice for all kinds that have it.
"""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.components import Component

from studio.adapters import ADAPTERS
from studio.adapters.targets import ALL_LINEAR, ATTENTION
from studio.config import RunConfig
from studio.errors import ConfigError
from studio.section import details
from studio.ui.form import as_shown
from studio.ui.page import Page

FULL = "full"
FIRST = next(iter(ADAPTERS))
TARGETS = (ALL_LINEAR, ATTENTION, "picked")
PLACED = tuple(name for name, kind in ADAPTERS.items() if "target_modules" in kind.knobs())
CONTINUED = "adapter_name_or_path"
OWN = ("type", "target_modules")  # settings with a widget of another sort


class AdapterForm:
    """Its widgets are placed by the tab: `kind` where it is made, the others by `render`."""

    def __init__(self, page: Page) -> None:
        self._page = page
        t, form = page.i18n, page.form
        self.kind = gr.Dropdown(
            [(t(f"adapter.kinds.{one}"), one) for one in (*ADAPTERS, FULL)], value=FIRST, label=t("adapter.kind"),
            elem_id="adapter-kind", filterable=False, interactive=True,
        )  # fmt: skip
        for one in (*ADAPTERS, FULL):
            gr.Markdown(t(f"adapter.about.{one}"), elem_classes=["hint", f"for-adapter-{one}"])
        self.where = gr.Radio(
            [(t(f"adapter.targets.{one}"), one) for one in TARGETS], value=ALL_LINEAR,
            label=form.label("adapter.target_modules"), info=form.help("adapter.target_modules"),
            elem_id="adapter-target_modules", elem_classes=["seg"], interactive=True, render=False,
        )  # fmt: skip
        self.picked = gr.CheckboxGroup(
            [], label=t("adapter.picked"), elem_id="adapter-picked", elem_classes=["for-picked"], interactive=True,
            render=False,
        )  # fmt: skip
        self._knobs = {kind: self._widgets(kind) for kind in ADAPTERS}
        every = dict.fromkeys(name for kind in ADAPTERS.values() for name in kind.knobs())
        page.draft.join(
            ("adapter", *(f"adapter.{name}" for name in every)),
            tuple(self.components),
            read=self._read,
            show=self._show,
        )

    @property
    def components(self) -> list[Component]:
        """Every widget, whatever the kind."""
        return [self.kind, self.where, self.picked, *(one for some in self._knobs.values() for one in some.values())]

    def _widgets(self, kind: str) -> dict[str, Component]:
        """A widget for each setting of a kind; the first kind's have the settings' plain ids."""
        found: dict[str, Component] = {}
        without = OWN if ADAPTERS[kind].peft_type else (*OWN, CONTINUED)
        for name, field in ADAPTERS[kind].knobs().items():
            if name not in without and not details(field).hidden:
                prefix = "adapter" if kind == FIRST else f"adapter-{kind}"
                runs: dict[str, Any] = {"kind": gr.Dropdown, "choices": [], "allow_custom_value": True}
                found[name] = self._page.form.widget(
                    f"adapter.{kind}", name, elem_id=f"{prefix}-{name}", render=False, min_width=0,
                    elem_classes=[f"for-adapter-{kind}"], **(runs if name == CONTINUED else {}),
                )  # fmt: skip
        return found

    @property
    def continued(self) -> list[Component]:
        """The widgets that name an adapter to go on with."""
        return [widgets[CONTINUED] for widgets in self._knobs.values() if CONTINUED in widgets]

    def render(self, *, advanced: bool) -> None:
        """Place the settings, those people reach for first or the others."""
        for kind, widgets in self._knobs.items():
            for name, widget in widgets.items():
                if details(ADAPTERS[kind].knobs()[name]).advanced is advanced:
                    widget.render()

    def _read(self, kind: str, where: str, picked: list[str] | None, *values: Any) -> dict[str, Any]:
        if kind == FULL:
            return {"adapter": None}
        chosen = kind if kind in ADAPTERS else FIRST
        said: dict[str, Any] = {"adapter.type": chosen}
        rest = iter(values)
        for name, widgets in self._knobs.items():
            for setting in widgets:
                value = next(rest)
                if name == chosen:
                    field = ADAPTERS[name].knobs()[setting]
                    said |= self._page.draft.one(f"adapter.{setting}", field, value)
        return said | (_read_targets(where, picked) if chosen in PLACED else {})

    def _show(self, config: RunConfig) -> list[Any]:
        adapter: Any = config.adapter
        shown: list[Any] = [adapter.type if adapter else FULL, *_show_targets(adapter)]
        for kind, widgets in self._knobs.items():
            for setting, widget in widgets.items():
                field = ADAPTERS[kind].knobs()[setting]
                value = getattr(adapter, setting) if adapter and adapter.type == kind else field.default
                shown.append(as_shown(widget, value))
        return shown


def _read_targets(where: str, picked: list[str] | None) -> dict[str, Any]:
    if where != "picked":
        return {"adapter.target_modules": where}
    if not picked:
        raise ConfigError("No module is picked. Tick some under Target modules, or choose all-linear.")
    return {"adapter.target_modules": tuple(picked)}


def _show_targets(adapter: Any) -> tuple[Any, Any]:
    targets = getattr(adapter, "target_modules", ALL_LINEAR)
    if isinstance(targets, str):
        return targets, []
    return "picked", gr.update(choices=list(targets), value=list(targets))
