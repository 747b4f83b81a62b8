"""Strict readers, one for each kind of file: bytes -> rows. A new kind is a file here and a line in READERS."""

from __future__ import annotations

from collections.abc import Callable

from studio.data.sources.base import Rows
from studio.data.sources.readers.delimited import read_csv, read_tsv
from studio.data.sources.readers.json_rows import read_json, read_jsonl
from studio.data.sources.readers.parquet import read_parquet

Reader = Callable[[bytes, str], Rows]  # (content, the file's name for the messages)

READERS: dict[str, Reader] = {
    ".jsonl": read_jsonl,
    ".json": read_json,
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".parquet": read_parquet,
}

__all__ = ["READERS", "Reader"]
