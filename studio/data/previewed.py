"""What the sources held when they were last previewed, kept in the workspace: a change before the run is noticed.

Knows content by its hash, which is worked out later than the preview, for a large file takes a while.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from studio.errors import DataError

if TYPE_CHECKING:  # the page is there before anybody opens a source
    from studio.config import RunConfig
    from studio.data.corpus import Corpus
    from studio.data.sources import Table
    from studio.settings import Settings

FILE = "previewed.json"
KEPT = 200  # sources


class Previewed:
    """Shared by all pages of a server; the command line has its own over the same file."""

    def __init__(self, settings: Settings) -> None:
        self._path = settings.workspace / FILE
        self._lock = threading.Lock()
        self._waiting: dict[str, Table] = {}

    def saw(self, config: RunConfig, corpus: Corpus) -> None:
        """These rows were shown just now."""
        with self._lock:
            self._waiting.update(_tables(config, corpus))

    def keep(self) -> None:
        """Write down what was shown since the last time; where it has changed by now, it was not what is there."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
            if not waiting:
                return
            known = self._known()
            for key, table in waiting.items():
                with suppress(DataError):
                    identity = table.identity
                    known.pop(key, None)  # so that it comes last
                    known[key] = identity
            self._write(dict(list(known.items())[-KEPT:]))

    def changed(self, config: RunConfig, corpus: Corpus) -> list[str]:
        """Names of the sources that hold something else than when they were last shown."""
        with self._lock:
            known = self._known()
        tables = _tables(config, corpus).items()
        return [table.name for key, table in tables if key in known and known[key] != table.identity]

    def refuse_changed(self, config: RunConfig, corpus: Corpus) -> None:
        """A DataError where some changed, once: who comes back with them has been told."""
        names = self.changed(config, corpus)
        if names:
            self.saw(config, corpus)
            self.keep()
            raise DataError(
                "The data has changed since its preview: {names}. Look at it in the Data tab, or start again to train "
                "on it as it is now.",
                names=", ".join(names),
            )

    def _known(self) -> dict[str, str]:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # not written yet, or damaged: then nothing is known
            return {}
        return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}

    def _write(self, known: dict[str, str]) -> None:
        made = self._path.with_name(f".{FILE}.{os.getpid()}")
        with suppress(OSError):  # a full disk must not stand in the way of a preview
            made.write_text(json.dumps(known, ensure_ascii=False), encoding="utf-8")
            made.replace(self._path)


def _tables(config: RunConfig, corpus: Corpus) -> dict[str, Table]:
    """Each source's table by what names it in the config."""
    from studio.data.corpus import sources_of

    data = config.data
    named = [(one.source, one.split) for one in sources_of(data)]
    named.append((data.eval_source or data.source, data.eval_split or ""))
    tables: Sequence[Table] = [one.table for one in corpus.parts]
    return dict(_keyed(named, tables, delimiter=data.delimiter))


def _keyed(named: Sequence[tuple[str, str]], tables: Sequence[Table], *, delimiter: str) -> Iterator[tuple[str, Table]]:
    from studio.data.sources import kind_of

    for (source, split), table in zip(named, tables, strict=False):
        is_path = kind_of(source) == "file"
        place = str(Path(source.strip()).expanduser().absolute()) if is_path else source.strip()
        yield json.dumps([place, split, delimiter], ensure_ascii=False), table
