"""Where rows come from. A new kind of source is a file here and a line in SOURCES."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.data.sources.base import Source, Table
from studio.data.sources.file import FileSource
from studio.data.sources.hub import HubSource
from studio.data.sources.starter import StarterSource

if TYPE_CHECKING:
    from studio.settings import Settings

# The first that claims the text opens it; the Hub takes what is left.
SOURCES: dict[str, Source] = {"starter": StarterSource(), "file": FileSource(), "hub": HubSource()}


def kind_of(source: str) -> str:
    """The key in SOURCES of the source that a text names."""
    return next((name for name, kind in SOURCES.items() if kind.claims(source)), "hub")


def open_source(source: str, *, split: str = "train", settings: Settings, delimiter: str | None = None) -> Table:
    """`starter`, a file, a folder or a Hub id -> its rows. DataError with one sentence for whatever is wrong.

    `split` may name a part: `train[:5%]`. `delimiter` is for CSV and TSV; None or "auto" finds it out.
    """
    source = source.strip()
    return SOURCES[kind_of(source)].open(source, split=split.strip(), settings=settings, delimiter=delimiter)


__all__ = ["SOURCES", "Source", "Table", "kind_of", "open_source"]
