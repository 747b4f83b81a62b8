"""Everything a run needs before weights: rows, tokenizer, tokens. Shared by check, the Ready card and the run.

Knows nothing of trainers. The last stage is kept, so that the run that follows a check looks at no row again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from studio.config import RunConfig
from studio.data.corpus import Corpus, open_corpus
from studio.data.prepare import Prepared, scan_of, select
from studio.data.scan import Cancel, Scan
from studio.model.load import load_tokenizer
from studio.model.memory import describe
from studio.model.templates.choose import choose
from studio.settings import Settings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Progress = Callable[[str, float | None], None]
Rows = Callable[[int, int], None]  # (rows done, rows in all)


@dataclass(frozen=True)
class Looked:
    """Every row looked at, and the tokenizer it was looked at with."""

    scan: Scan
    tokenizer: PreTrainedTokenizerBase


@dataclass(frozen=True)
class Stage:
    """The rows and tokens the trainer will see, and the tokenizer."""

    prepared: Prepared
    tokenizer: PreTrainedTokenizerBase


_lock = threading.Lock()
_looked: tuple[str, Looked] | None = None
_staged: tuple[str, Stage] | None = None


def look(
    config: RunConfig,
    settings: Settings,
    *,
    progress: Progress | None = None,
    rows: Rows | None = None,
    cancelled: Cancel | None = None,
) -> Looked:
    """Every row of a config looked at by the doctor; the last one again when no row can read otherwise."""
    global _looked
    key = rows_key(config, settings)
    with _lock:
        if _looked is not None and _looked[0] == key and _is_there(_looked[1].scan):
            return _looked[1]
    tokenizer = load_tokenizer(config.model, settings, progress=progress)
    found = scan_of(
        config, settings=settings, tokenizer=tokenizer, model=describe(config.model, settings),
        progress=rows or _rows(progress), cancelled=cancelled,
    )  # fmt: skip
    made = Looked(scan=found, tokenizer=tokenizer)
    with _lock:
        _looked = (key, made)
    return made


def stage(
    config: RunConfig, settings: Settings, *, progress: Progress | None = None, cancelled: Cancel | None = None
) -> Stage:
    """The stage of a config; the last one again when nothing that shapes tokens has changed."""
    global _staged
    training = config.training
    data = config.data
    selected = (training.max_length, training.truncation_mode, data.filters, data.bad_rows, config.method)
    key = f"{rows_key(config, settings)} {selected!r}"
    with _lock:
        if _staged is not None and _staged[0] == key and _is_there(_staged[1].prepared.scan):
            return _staged[1]
    looked = look(config, settings, progress=progress, cancelled=cancelled)
    made = Stage(prepared=select(config, looked.scan), tokenizer=looked.tokenizer)
    with _lock:
        _staged = (key, made)
    return made


def _is_there(found: Scan) -> bool:
    """Whether its tokens are still kept, and its rows can still be read: not so in a file that was written anew, be its
    content the same."""
    return found.store.folder.is_dir() and not any(one.table.changed() for one in found.corpus.parts)


def check_rows(config: RunConfig, settings: Settings) -> Corpus:
    """Faults of the files and their columns, found without any heavy import."""
    return open_corpus(config, settings)


def _rows(progress: Progress | None) -> Rows | None:
    """Rows looked at, as a sentence and a share."""
    if progress is None:
        return None
    return lambda done, total: progress("Reading and tokenizing the data", done / max(total, 1))


def rows_key(config: RunConfig, settings: Settings) -> str:
    """What shapes the rows and their tokens: method, data (with its content's hash), model and seed."""
    read = [(one.table.identity, one.how) for one in open_corpus(config, settings).parts]
    parts = [
        str([config.method.type, *(getattr(config.method, name) for name in config.method.shapes_tokens)]),
        config.data.model_dump_json(exclude={"filters", "bad_rows"}),
        config.model.model_dump_json(),
        repr(choose(config.model.chat_template, settings)),  # the text of a template file, which may be edited
        str(config.training.seed),
        str(settings.scans_dir),
        repr(read),  # with the tools of a file, which may be edited too
    ]
    return "\n".join(parts)
