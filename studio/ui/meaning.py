"""What the rows mean and how much of them is used: the widgets under the source. Opens nothing."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.components import Component

from studio.config import RunConfig
from studio.data.doctor import CHECKS
from studio.data.formats import FORMATS
from studio.errors import ConfigError
from studio.ui import table
from studio.ui.page import Page
from studio.ui.preview import AUTO, ROLES

PLACEHOLDERS = (
    table.field("name", "placeholder_name", placeholder="name"),
    table.field("value", "placeholder_value"),
)
LONG = {"system_prompt": 2, "prompt_template": 3, "prompt_template_empty": 2}  # lines
MORE = (
    ("system_prompt",),
    ("prompt_template",),
    ("prompt_template_empty",),
    ("tools",),
    ("eval_source",),
    ("eval_split", "max_eval_rows"),
    ("max_train_rows", "delimiter"),
    ("bad_rows",),
    ("shuffle",),
)


class MeaningForm:
    """Format, columns, lengths, filters, and all other settings of the data behind More."""

    def __init__(self, page: Page) -> None:
        t, form = page.i18n, page.form
        self._page = page
        choices = [(t("data.formats.auto"), "auto"), *((name, name) for name in FORMATS)]
        self.format = form.widget("data", "format", choices=choices, kind=gr.Dropdown, filterable=False)
        page.draft.add("data", "format", self.format)
        with gr.Row(elem_classes=["roles"]):
            self.roles: dict[str, Component] = {
                name: gr.Dropdown(
                    [AUTO], value=AUTO, label=_role(page, name), visible=False, elem_id=f"data-role-{name}",
                    allow_custom_value=True, min_width=0, interactive=True,
                )
                for name in ROLES
            }  # fmt: skip
        gr.Checkbox(
            False, label=t("data.all_roles"), container=False, elem_id="data-all-roles", elem_classes=["more-roles"]
        )
        page.draft.join(("data.columns",), tuple(self.roles.values()), read=_read_roles, show=_show_roles)

    def lengths(self) -> None:
        """Hold out, max length and what becomes of longer rows, and what the doctor leaves out."""
        page, form = self._page, self._page.form
        with page.pair():
            held = gr.Number(
                10, label=page.i18n("data.held_out"), elem_id="data-eval_fraction", min_width=0, interactive=True,
                step=5,
            )  # fmt: skip
            length = form.widget("training", "max_length", info=None, min_width=0)
        mode = form.widget("training", "truncation_mode")
        filters = gr.Dropdown(
            [(check_name(page, name), name) for name in CHECKS], value=[], multiselect=True, interactive=True,
            label=form.label("data.filters"), info=form.help("data.filters"), elem_id="data-filters",
        )  # fmt: skip
        page.draft.join(("data.eval_fraction",), (held,), read=_read_held, show=_show_held)
        page.draft.add("training", "max_length", length)
        page.draft.add("training", "truncation_mode", mode)
        page.draft.join(
            ("data.filters",), (filters,), read=lambda chosen: {"data.filters": tuple(chosen or ())},
            show=lambda config: (list(config.data.filters),),
        )  # fmt: skip
        self.max_length = length

    def more(self) -> None:
        """The rest, folded."""
        page, t = self._page, self._page.i18n
        with gr.Accordion(t("data.more"), open=False, elem_classes=["fold"], elem_id="data-more"):
            for group in MORE:
                if len(group) == 1:
                    self._knob(group[0])
                    continue
                with page.pair():
                    for name in group:
                        self._knob(name, min_width=0)
            page.refs["template-form"].editor()
            values = table.table("data-placeholders", PLACEHOLDERS, name="placeholders", add="placeholder_add")
        page.draft.join(("data.placeholders",), (values,), read=_read_placeholders, show=_show_placeholders)

    def _knob(self, name: str, **changes: Any) -> None:
        if name in LONG:
            changes |= {"kind": gr.Textbox, "lines": LONG[name], "max_lines": 8}
        if name == "max_train_rows":
            changes["placeholder"] = self._page.i18n("data.all_rows")
        self._page.draft.add("data", name, self._page.form.widget("data", name, **changes))


def check_name(page: Page, name: str) -> Any:
    """What the page calls a check; its own name where the texts have none."""
    from studio.ui.words import flat_words

    return page.i18n(f"checks.{name}.name") if f"checks.{name}.name" in flat_words("en") else name


def _role(page: Page, name: str) -> Any:
    from studio.ui.words import flat_words

    return page.i18n(f"data.roles.{name}") if f"data.roles.{name}" in flat_words("en") else f"{name} ←"


def _read_roles(*columns: str | None) -> dict[str, Any]:
    chosen = {role: column or "" for role, column in zip(ROLES, columns, strict=True) if column != AUTO}
    return {"data.columns": {role: column for role, column in chosen.items() if column is not None}}


def _show_roles(config: RunConfig) -> list[str]:
    return [config.data.columns.get(role, AUTO) for role in ROLES]


def _read_held(percent: float | None) -> dict[str, Any]:
    if not 0 <= (percent or 0) < 100:
        raise ConfigError("Hold out is {percent} %. Give a share from 0 to less than 100.", percent=f"{percent:g}")
    return {"data.eval_fraction": round((percent or 0) / 100, 10)}


def _show_held(config: RunConfig) -> tuple[float]:
    return (round(config.data.eval_fraction * 100, 8),)


def _read_placeholders(value: str) -> dict[str, Any]:
    lines = table.records(value)
    return {
        "data.placeholders": {str(one["name"]).strip(): str(one.get("value") or "") for one in lines if one.get("name")}
    }


def _show_placeholders(config: RunConfig) -> tuple[str]:
    return (table.written([{"name": name, "value": value} for name, value in config.data.placeholders.items()]),)
