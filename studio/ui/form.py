"""The widget of a setting, made from its declaration. Knows nothing of any single setting.

Label and help come from the texts (`knobs.section.field`), so both languages reach every widget.
"""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import gradio as gr

from studio.adapters import ADAPTERS
from studio.config.files import sections
from studio.methods import METHODS
from studio.section import Section, details
from studio.ui.words import flat_words


class Form:
    """Builds widgets; `i18n` is what turns a key into a text in the browser."""

    def __init__(self, i18n: gr.I18n) -> None:
        self.i18n = i18n

    def widget(self, section: str, name: str, *, kind: Any = None, names: tuple[str, ...] = (), **changes: Any) -> Any:
        """The widget of `section.name`, with the setting's own default; `changes` go to the component.

        `kind` is the component's class, and `names` those it is chosen among, where the declaration does not tell them.
        """
        field = section_of(section).knobs()[name]
        plain, optional = plain_type(field.annotation)
        key = f"{section}.{name}" if section else name
        room, _, owner = section.partition(".")
        if owner:  # one method's own, or one adapter's: its words are those of the setting, whosever it is
            key = f"{room}.{name}"
        settings: dict[str, Any] = {
            "label": self.label(key),
            "info": self.help(key) or field.description,
            "elem_id": f"{section or 'run'}-{name}",
            "value": to_widget(field.default),
            "interactive": True,
        }
        if kind is not None:
            return kind(**{**settings, "value": settings["value"] or "", **changes})
        if plain is bool:
            return gr.Checkbox(**{**settings, **changes})
        if get_origin(plain) is Literal:
            settings["choices"] = self.choices(key, get_args(plain), optional=optional)
            return gr.Dropdown(**{**settings, "value": settings["value"] or "", "filterable": False, **changes})
        if names or among(plain):  # several of a few names
            settings["choices"] = self.choices(key, names or among(plain))
            settings["value"] = list(field.default or ())
            classes = [*changes.pop("elem_classes", ()), "several"]
            return gr.Dropdown(**{**settings, "multiselect": True, "elem_classes": classes, **changes})
        if details(field).suggested:
            return gr.Dropdown(
                **{**settings, "choices": list(details(field).suggested), "allow_custom_value": True, **changes}
            )
        if plain in (int, float) and not optional:
            # Not rounded here: 1.5 rows in a batch is a mistake to name, not to mend in silence.
            return gr.Number(**{**settings, "step": 1 if plain is int else None, **changes})
        # An empty gr.Number is sent as 0, so a number that may be left out is a line of text.
        return gr.Textbox(**{**settings, "value": _line(settings["value"]), "max_lines": 1, **changes})

    def label(self, key: str) -> Any:
        """What the setting is called; its own name where the texts have none for it, as for somebody else's method."""
        text = f"knobs.{key}.label"
        return self.i18n(text) if text in flat_words("en") else key.rpartition(".")[2]

    def help(self, key: str) -> Any:
        """One line about it for a first-timer; None where the texts have none."""
        text = f"knobs.{key}.help"
        return self.i18n(text) if text in flat_words("en") else None

    def choices(self, key: str, values: tuple[Any, ...], *, optional: bool = False) -> list[tuple[Any, Any]]:
        """(label, value) for each value; a label from the texts where there is one, else the value itself."""
        listed = ["", *values] if optional else list(values)
        return [(self.label_of(key, value), value) for value in listed]

    def label_of(self, key: str, value: Any) -> Any:
        """The text `choices.section.field.value`, else the value; "none" stands for an empty choice."""
        text = f"choices.{key}.{value or 'empty'}"
        return self.i18n(text) if text in flat_words("en") else str(value)


def edited(component: Any) -> Any:
    """The event of an edit. A textbox fires `input` for keys only, so that a paste would be missed."""
    return component.change if isinstance(component, gr.Textbox) else component.input


def section_of(section: str) -> type[Section]:
    """A section by its key in a run file; "" is the run itself, "method.sft" the settings of one method, and
    "adapter.lora" those of one kind of adapter."""
    room, _, owner = section.partition(".")
    if not owner:
        return sections()[section]
    return METHODS[owner] if room == "method" else ADAPTERS[owner]


def plain_type(annotation: Any) -> tuple[Any, bool]:
    """A field's type without None, and whether None was allowed."""
    if get_origin(annotation) in (Union, UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
        return (kinds[0] if len(kinds) == 1 else str), len(kinds) < len(get_args(annotation))
    return annotation, False


def among(kind: Any) -> tuple[Any, ...]:
    """The names that a `tuple[Literal[...], ...]` may hold; none for any other type."""
    inner = get_args(kind)[0] if get_origin(kind) is tuple else None
    return get_args(inner) if get_origin(inner) is Literal else ()


def _line(value: Any) -> str:
    return "" if value is None else str(value)


def to_widget(value: Any) -> Any:
    """A setting's value as a widget holds it: a tuple or a mapping becomes one line of text."""
    if isinstance(value, dict):
        pairs = value.items()
        return ", ".join(f"{name}: {one:g}" if isinstance(one, float) else f"{name}: {one}" for name, one in pairs)
    return ", ".join(str(one) for one in value) if isinstance(value, tuple) else value


def as_shown(widget: Any, value: Any) -> Any:
    """A setting's value as this widget takes it."""
    if isinstance(widget, gr.Dropdown) and widget.multiselect:
        return list(value or ())
    shown = to_widget("" if value is None else value)
    return str(shown) if isinstance(widget, gr.Textbox) else shown
