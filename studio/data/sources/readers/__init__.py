"""Strict readers, one for each kind of file. A new kind is a file here and a line in READERS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from studio.data.sources.base import Rows
from studio.data.sources.readers.arrow import read_arrow
from studio.data.sources.readers.delimited import read_csv, read_tsv
from studio.data.sources.readers.json_rows import read_json, read_json_lines
from studio.data.sources.readers.parquet import read_parquet
from studio.data.sources.readers.plain_text import read_text
from studio.data.sources.steady import SteadyFile


@dataclass(frozen=True)
class Reading:
    """How a file is to be read. `delimiter` is as set by a person; None or "auto" finds it out."""

    delimiter: str | None = None


Reader = Callable[[SteadyFile, Reading], Rows]

READERS: dict[str, Reader] = {
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".json": read_json,
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".txt": read_text,
    ".parquet": read_parquet,
    ".arrow": read_arrow,
}
TEXT = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".txt")
PACKED = (".gz", ".zst")  # of the text ones
SUFFIXES = (*READERS, *(kind + packed for kind in TEXT for packed in PACKED))


def suffix_of(name: str) -> str:
    """The one of SUFFIXES that a file's name ends in; "" where there is none."""
    lower = name.lower()
    return max((suffix for suffix in SUFFIXES if lower.endswith(suffix)), key=len, default="")


__all__ = ["PACKED", "READERS", "SUFFIXES", "TEXT", "Reader", "Reading", "suffix_of"]
