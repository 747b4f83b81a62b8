"""A prompt written as text with {columns} in it, and another for rows where some of them are empty.

Read strictly: a field is a column's name and nothing else, so that no template reaches into Python objects.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from studio.errors import ConfigError, DataError

# A placeholder stays as it is; a doubled brace is a brace; {name} is a field; any other brace is a mistake.
_PIECE = re.compile(r"(?P<keep>\{\{\s*[^\W\d]\w*\s*\}\})|(?P<brace>\{\{|\}\})|\{(?P<field>[^{}]+)\}|(?P<wrong>[{}])")


@dataclass(frozen=True)
class Text:
    """One template: the text before each field, the fields, and the text after the last."""

    between: tuple[str, ...]
    fields: tuple[str, ...]

    def filled(self, values: dict[str, str]) -> str:
        """The text, with each field's value in its place."""
        parts = [self.between[0]]
        for name, text in zip(self.fields, self.between[1:], strict=True):
            parts += (values[name], text)
        return "".join(parts)


@dataclass(frozen=True)
class PromptTemplate:
    """`otherwise` is for rows in which a field that only `main` has is empty."""

    main: Text
    otherwise: Text | None

    @property
    def fields(self) -> tuple[str, ...]:
        """Every column that is named, each once."""
        also = self.otherwise.fields if self.otherwise else ()
        return tuple(dict.fromkeys((*self.main.fields, *also)))

    def prompt(self, value: Callable[[str], str]) -> str:
        """The prompt of a row whose columns `value` reads; a DataError where there is nothing to ask."""
        values = {name: value(name) for name in self.fields}
        empty = {name for name, text in values.items() if not text or text.isspace()}
        used = self.main
        if self.otherwise is not None and empty - set(self.otherwise.fields):
            used = self.otherwise
        if empty.issuperset(used.fields):
            raise DataError(
                "The prompt template has nothing to hold: {columns} are empty.", columns=", ".join(sorted(empty))
            )
        return used.filled(values)


def read_template(main: str | None, otherwise: str | None) -> PromptTemplate | None:
    """data.prompt_template and data.prompt_template_empty; None where there is no template."""
    if not main:
        if otherwise:
            raise ConfigError(
                "data.prompt_template_empty is set, but data.prompt_template is not. Set both, or neither."
            )
        return None
    return PromptTemplate(
        main=_text(main, "data.prompt_template"),
        otherwise=_text(otherwise, "data.prompt_template_empty") if otherwise else None,
    )


def _text(template: str, setting: str) -> Text:
    between, fields, place = [""], [], 0
    for found in _PIECE.finditer(template):
        between[-1] += template[place : found.start()]
        place = found.end()
        if found["wrong"]:
            raise ConfigError(
                "{setting} has a single {brace!r} at character {place}. "
                "Write a column as {example}, and a brace that stays one twice.",
                setting=setting,
                brace=found["wrong"],
                place=found.start() + 1,
                example="{instruction}",
            )
        if found["field"]:
            fields.append(found["field"].strip())
            between.append("")
        else:
            between[-1] += found["keep"] or found["brace"][0]
    between[-1] += template[place:]
    if not fields:
        raise ConfigError(
            "{setting} names no column. Write one as {example}.", setting=setting, example="{instruction}"
        )
    return Text(tuple(between), tuple(fields))
