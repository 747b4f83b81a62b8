"""Which format a table has and which column plays which role: found by itself, or as chosen. Renders nothing."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from studio.config.data import DataConfig
from studio.data.formats import FORMATS, Format, Role
from studio.data.formats.paths import nested
from studio.data.formats.prompt_template import read_template
from studio.data.sources import Table
from studio.data.sources.base import Row
from studio.errors import ConfigError, DataError
from studio.methods.base import DatasetType, Method
from studio.methods.paths import follow, path_of

AUTO = "auto"
SAMPLE_ROWS = 32  # what detection looks at
MOST_DAMAGED = 1000  # how far it looks for a row that can be read
# What a type of rows has beside the prompt.
ANSWERS: dict[str, str] = {
    "prompt-completion": "completion",
    "preference": "chosen, rejected",
    "unpaired-preference": "completion, label",
}


@dataclass(frozen=True)
class Mapped:
    """A table's format, why it was taken for it, and role -> column."""

    format: str
    reason: str
    columns: dict[str, str]
    roles: tuple[Role, ...]


def map_columns(table: Table, config: DataConfig) -> Mapped:
    """The format and columns that `config` asks for, or that the table itself shows."""
    chosen = _chosen_format(config.format)
    sample = sample_of(table)
    _check_overrides(table, config.columns, chosen, sample)
    if chosen is None:
        chosen, reason = _detected(table, config, sample)
    else:
        reason = f"chosen: {chosen.name}"
    columns = chosen.assign(table.columns, config.columns)
    missing = chosen.missing(columns)
    if missing:
        raise DataError(
            "{file}: the format {format} needs a column for {role}. There are: {columns}. "
            "Name it in data.columns, or choose another data.format.",
            file=table.name,
            format=chosen.name,
            role=", ".join(missing),
            columns=_names(table.columns),
        )
    _check_twice(table, columns)
    _check_template(table, config, chosen, columns)
    return Mapped(format=chosen.name, reason=reason, columns=columns, roles=chosen.roles)


def dataset_type_of(method: Method, mapped: Mapped, table: Table) -> DatasetType:
    """The type that a method takes these rows as. Where only a prompt was found and it needs an answer too, the columns
    that nobody has a use for are named: the answer is likely one of them."""
    used = {*mapped.columns.values(), *(path[0] for column in mapped.columns.values() if (path := path_of(column)))}
    unused = tuple(column for column in table.columns if column not in used)
    needed = next((ANSWERS[one] for one in method.wanted_types() if one in ANSWERS), None)
    if mapped.format == "prompt-only" and mapped.reason.startswith("detected") and unused and needed:
        raise DataError(
            "{file}: a prompt is found ({prompt}), and no {needed}, which method {method} needs. "
            "Columns without a role: {columns}. Name {needed} in data.columns, as a column or as a path in one, "
            "or set method: grpo, which needs prompts alone.",
            file=table.name,
            prompt=mapped.columns["prompt"],
            needed=needed,
            method=method.type,
            columns=_names(unused),
        )
    return method.dataset_type(FORMATS[mapped.format].dataset_types)


def sample_of(table: Table) -> list[Row]:
    """The first rows that can be read."""
    return table.sample(SAMPLE_ROWS) or table.sample(MOST_DAMAGED)


def nested_columns(table: Table) -> tuple[str, ...]:
    """Paths into the columns that hold objects or lists, such as `answers[0].text`, to choose from."""
    return nested(sample_of(table))


def has_column(table: Table, column: str, sample: list[Row] | None = None) -> bool:
    """Whether a table has a column of this name, or some of its first rows a value at this path."""
    if column in table.columns:
        return True
    path = path_of(column)
    if path is None or path[0] not in table.columns:
        return False
    rows = sample_of(table) if sample is None else sample
    return not rows or any(follow(row, path) is not None for row in rows)


def _chosen_format(name: str) -> Format | None:
    """The format of that name; None for auto."""
    if name == AUTO:
        return None
    if name not in FORMATS:
        near = difflib.get_close_matches(name, FORMATS, n=1)
        formats = ", ".join((AUTO, *FORMATS))
        if near:
            raise DataError(
                "data.format is {format!r}; did you mean {near}? There are: {formats}.",
                format=name,
                near=near[0],
                formats=formats,
            )
        raise DataError("data.format is {format!r}. There are: {formats}.", format=name, formats=formats)
    return FORMATS[name]


def _check_overrides(table: Table, overrides: Mapping[str, str], chosen: Format | None, sample: list[Row]) -> None:
    formats = (chosen,) if chosen else tuple(FORMATS.values())
    roles = dict.fromkeys(role.name for one in formats for role in one.roles)
    for role, column in overrides.items():
        if role not in roles:
            raise DataError(
                "data.columns names the role {role!r}, which {format} does not have. There are: {roles}.",
                role=role,
                format=chosen.name if chosen else AUTO,
                roles=", ".join(roles),
            )
        if column and not has_column(table, column, sample):
            raise DataError(
                "{file} has no column {column!r} (data.columns, {role}). There are: {columns}.",
                file=table.name,
                column=column,
                role=role,
                columns=_names(table.columns),
            )


def _detected(table: Table, config: DataConfig, sample: list[Row]) -> tuple[Format, str]:
    for one in FORMATS.values():
        templated = bool(config.prompt_template)
        reason = one.detect(table.columns, sample, overrides=config.columns, templated=templated)
        if reason is not None:
            return one, reason
    raise DataError(
        "{file}: its columns ({columns}) fit no known format. "
        "Set data.format to one of {formats}, and name its columns in data.columns.",
        file=table.name,
        columns=_names(table.columns),
        formats=", ".join(FORMATS),
    )


def _check_template(table: Table, config: DataConfig, chosen: Format, columns: Mapping[str, str]) -> None:
    """A prompt template names columns, of a format that is made of columns."""
    template = read_template(config.prompt_template, config.prompt_template_empty)
    if template is None:
        return
    if not chosen.takes_template or "messages" in columns:
        raise ConfigError(
            "data.prompt_template is set, but rows of the format {format} are no columns to fill it with. "
            "Remove data.prompt_template, or choose another data.format.",
            format=chosen.name,
        )
    for name in template.fields:
        path = path_of(name)
        if name not in table.columns and name not in columns and (path is None or path[0] not in table.columns):
            raise DataError(
                "data.prompt_template names {{{name}}}, but {file} has no such column. There are: {columns}.",
                name=name,
                file=table.name,
                columns=_names(table.columns),
            )


def _check_twice(table: Table, columns: Mapping[str, str]) -> None:
    by_column: dict[str, str] = {}
    for role, column in columns.items():
        if column in by_column:
            raise DataError(
                "{file}: {role} and {other} are both taken from the column {column!r}. Choose two columns.",
                file=table.name,
                role=by_column[column],
                other=role,
                column=column,
            )
        by_column[column] = role


def _names(columns: tuple[str, ...]) -> str:
    shown = ", ".join(columns[:20])
    return f"{shown}, ..." if len(columns) > 20 else shown
