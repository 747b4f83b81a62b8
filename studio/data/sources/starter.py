"""The data set that lies in the repository. Knows nothing of paths that people give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.data.sources.base import Table
from studio.data.sources.file import read_splits
from studio.data.sources.slices import take_split
from studio.settings import ASSETS

if TYPE_CHECKING:
    from studio.settings import Settings

STARTER = "starter"
STARTER_FILE = ASSETS / "samples" / "captain_byte.jsonl"


class StarterSource:
    """`starter`: chats in a pirate's manner, small enough to train on in seconds."""

    def claims(self, source: str) -> bool:
        return source == STARTER

    def open(self, source: str, *, split: str, settings: Settings, delimiter: str | None = None) -> Table:
        return take_split(read_splits(STARTER_FILE, settings=settings), split, name=STARTER)
