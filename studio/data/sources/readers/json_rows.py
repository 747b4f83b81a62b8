"""JSON lines and JSON -> rows. Strict: no NaN, no doubled keys, and every mistake has its line."""

from __future__ import annotations

import json
from typing import Any

from studio.data.sources.base import Row, Rows, columns_of
from studio.data.sources.readers.encoding import decode
from studio.errors import DataError

_BLANK = " \t\n\r"


class _RefusedError(ValueError):
    """Something that Python's JSON accepts and we do not."""


def _constant(name: str) -> None:
    raise _RefusedError(f"{name} is not a JSON value")


def _object(pairs: list[tuple[str, Any]]) -> Row:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _RefusedError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} is there twice")
    return found


_decoder = json.JSONDecoder(parse_constant=_constant, object_pairs_hook=_object)


def read_jsonl(content: bytes, name: str) -> Rows:
    """One object a line; blank lines are passed over."""
    rows: list[Row] = []
    lines: list[int] = []
    for number, line in enumerate(_lines(decode(content, name)), start=1):
        if not line.strip(_BLANK):
            continue
        value, end = _value(line, 0, name=name, first_line=number)
        if line[end:].strip(_BLANK):
            raise _invalid(name, number, "there is more after the first value")
        rows.append(_row(value, name=name, line=number, row=len(rows) + 1))
        lines.append(number)
    return Rows(rows, columns_of(rows), lines)


def read_json(content: bytes, name: str) -> Rows:
    """A list of objects, `{"data": [...]}`, or columns `{"prompt": [...], "completion": [...]}`; else JSON lines."""
    text = "\n".join(_lines(decode(content, name)))
    start = _skip(text, 0)
    if start == len(text):
        return Rows([], ())
    if text[start] == "[":
        rows, end = _list(text, start, name)
    else:
        value, end = _value(text, start, name=name)
        if _skip(text, end) < len(text) and isinstance(value, dict):
            return read_jsonl(content, name)
        rows = _wrapped(value, name, _line(text, start))
    if _skip(text, end) < len(text):
        raise _invalid(name, _line(text, _skip(text, end)), "there is more after the end of the list")
    return Rows(rows, columns_of(rows))


def _list(text: str, start: int, name: str) -> tuple[list[Row], int]:
    """The objects of the list that begins at `start`, one at a time so that each one's line is known."""
    rows: list[Row] = []
    position = _skip(text, start + 1)
    if text[position : position + 1] == "]":
        return rows, position + 1
    while True:
        value, end = _value(text, position, name=name)
        if not isinstance(value, dict):
            _row(value, name=name, line=_line(text, position), row=len(rows) + 1)
        rows.append(value)
        position = _skip(text, end)
        mark = text[position : position + 1]
        if mark == "]":
            return rows, position + 1
        if mark != ",":
            problem = "a comma is missing between two rows" if mark else "the list is not closed"
            raise _invalid(name, _line(text, position), problem)
        position = _skip(text, position + 1)


def _wrapped(value: Any, name: str, line: int) -> list[Row]:
    """A single object: rows under "data", columns of equal length, or one row."""
    data = value.get("data") if isinstance(value, dict) else None
    if isinstance(data, list):
        return [_row(one, name=name, line=line, row=number) for number, one in enumerate(data, start=1)]
    row = _row(value, name=name, line=line, row=1)
    if not row or not all(isinstance(cells, list) and not _objects(cells) for cells in row.values()):
        return [row]
    lengths = {column: len(cells) for column, cells in row.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(
            "{file}: the columns differ in length ({lengths}). Every column needs a value for every row.",
            file=name,
            lengths=", ".join(f"{column} {length}" for column, length in lengths.items()),
        )
    return [dict(zip(row, cells, strict=True)) for cells in zip(*row.values(), strict=True)]


def _objects(cells: list[Any]) -> bool:
    """Whether a list holds objects, as one row's messages do; a column's cells hold text or lists."""
    return any(isinstance(cell, dict) for cell in cells)


def _value(text: str, position: int, *, name: str, first_line: int = 1) -> tuple[Any, int]:
    """The JSON value at `position` and where it ends."""
    try:
        return _decoder.raw_decode(text, _skip(text, position))
    except json.JSONDecodeError as error:
        line = first_line - 1 + _line(text, error.pos)
        raise _invalid(name, line, f"{error.msg}, column {error.colno}") from error
    except RecursionError as error:
        raise _invalid(name, first_line - 1 + _line(text, position), "nested too deeply") from error
    except ValueError as error:
        raise _invalid(name, first_line - 1 + _line(text, position), str(error)) from error


def _row(value: Any, *, name: str, line: int, row: int) -> Row:
    if isinstance(value, dict):
        return value
    raise DataError(
        "{file}, line {line}: row {row} is {kind}, not an object of columns such as {example}.",
        file=name,
        line=line,
        row=row,
        kind="null" if value is None else f"a JSON {_KINDS[type(value)]}",
        example='{"prompt": "...", "completion": "..."}',
    )


_KINDS: dict[type, str] = {list: "list", str: "text", bool: "true or false", int: "number", float: "number"}


def _invalid(name: str, line: int, problem: str) -> DataError:
    return DataError(
        "{file}, line {line}: not valid JSON ({problem}). Fix the line or remove it.",
        file=name,
        line=line,
        problem=problem,
    )


def _lines(text: str) -> list[str]:
    """The lines by LF, CRLF or CR alone: a JSON text may hold any other line separator."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position] in _BLANK:
        position += 1
    return position


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
