"""Which format a table has and which column plays which role: found by itself, or as chosen. Renders nothing."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from studio.config.data import DataConfig
from studio.data.formats import FORMATS, Format, Role
from studio.data.sources import Table
from studio.errors import DataError

AUTO = "auto"
SAMPLE_ROWS = 32  # what detection looks at


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
    _check_overrides(table, config.columns, chosen)
    if chosen is None:
        chosen, reason = _detected(table, config)
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
    return Mapped(format=chosen.name, reason=reason, columns=columns, roles=chosen.roles)


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


def _check_overrides(table: Table, overrides: Mapping[str, str], chosen: Format | None) -> None:
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
        if column and column not in table.columns:
            raise DataError(
                "{file} has no column {column!r} (data.columns, {role}). There are: {columns}.",
                file=table.name,
                column=column,
                role=role,
                columns=_names(table.columns),
            )


def _detected(table: Table, config: DataConfig) -> tuple[Format, str]:
    sample = table.rows[:SAMPLE_ROWS]
    _refuse_judged(table)
    for one in FORMATS.values():
        reason = one.detect(table.columns, sample, overrides=config.columns)
        if reason is not None:
            return one, reason
    raise DataError(
        "{file}: its columns ({columns}) fit no known format. "
        "Set data.format to one of {formats}, and name its columns in data.columns.",
        file=table.name,
        columns=_names(table.columns),
        formats=", ".join(FORMATS),
    )


def _refuse_judged(table: Table) -> None:
    """Rows that say which answer is better are for other methods; as plain chats they would teach the bad ones too."""
    columns = set(table.columns)
    judged = columns & {"chosen", "rejected"}
    if len(judged) < 2 and isinstance(table.rows[0].get("label"), bool):
        judged = {"label"}
    elif len(judged) < 2:
        return
    raise DataError(
        "{file} holds judged answers ({columns}), which are for preference methods, not for this one. "
        "To train on part of it all the same, set data.format and data.columns.",
        file=table.name,
        columns=", ".join(sorted(judged)),
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
