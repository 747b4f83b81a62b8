"""Section and knob(): how a setting is declared once for the form, the file and the command line.

Texts of a setting (label, help) live in `studio/ui/locale/*.json` under "knobs", keyed `section.field`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.fields import FieldInfo


def names_of(value: object) -> object:
    """`a,b` and `[a, b]` both give a tuple of names."""
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",") if name.strip())
    return value


def figures_of(value: object) -> object:
    """The same of numbers; one alone is a tuple too."""
    return (value,) if isinstance(value, int | float) and not isinstance(value, bool) else names_of(value)


def mapping_of(value: object) -> object:
    """A line of text such as `q_proj: 32, v_proj: 8` is a mapping too."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    try:
        return yaml.safe_load(text if text.startswith("{") else f"{{{text}}}")
    except yaml.YAMLError:
        return value


Names = Annotated[tuple[str, ...], BeforeValidator(names_of)]


MOST = 1_000_000_000  # of whatever is counted
INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]")  # controls, and what turns a line round


def one_line(text: str) -> str:
    """A text in one line, without what a terminal or page would act on instead of showing it."""
    return " ".join(INVISIBLE.sub("", text).split())


def _line(value: object) -> object:
    return one_line(value) if isinstance(value, str) else value


Line = Annotated[str, BeforeValidator(_line)]


class Section(BaseModel):
    """A frozen group of settings. Unknown keys are errors, so that a typo never becomes a default."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        protected_namespaces=(),
        allow_inf_nan=False,
        coerce_numbers_to_str=True,  # a run may be named 2026
    )

    @classmethod
    def knobs(cls) -> dict[str, FieldInfo]:
        """The section's settings in the order of their declaration."""
        return dict(cls.model_fields)


@dataclass(frozen=True)
class Knob:
    """What the form and the command line need beyond type, default and bounds."""

    advanced: bool = False
    flag: str | None = None
    aliases: tuple[str, ...] = ()
    hidden: bool = False
    text_file: bool = False
    suggested: tuple[str, ...] = ()


def knob(
    default: Any,
    *,
    advanced: bool = False,
    flag: str | None = None,
    aliases: tuple[str, ...] = (),
    hidden: bool = False,
    text_file: bool = False,
    suggested: tuple[str, ...] = (),
    **bounds: Any,
) -> Any:
    """One setting. `flag` is its name on the command line where the field's own name is taken;
    `aliases` are further flags; `hidden` keeps it out of the form; a file stands for the text of a `text_file`
    in run files and flags; `suggested` are usual values of a free text; `bounds` are pydantic's (gt, ge, ...)."""
    details = Knob(
        advanced=advanced, flag=flag, aliases=aliases, hidden=hidden, text_file=text_file, suggested=suggested
    )
    extra: Any = {"knob": details}
    return Field(default, json_schema_extra=extra, **bounds)


def details(field: FieldInfo) -> Knob:
    """The Knob of a field; a plain one where the field was declared without `knob`."""
    extra = field.json_schema_extra
    found = extra.get("knob") if isinstance(extra, dict) else None
    return found if isinstance(found, Knob) else Knob()
