"""Everything a run needs before weights: rows, tokenizer, tokens. Shared by check, the Ready card and the run.

Knows nothing of trainers. The last stage is kept, so that the run that follows a check does not tokenize again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from studio.config import RunConfig
from studio.data.columns import map_columns
from studio.data.prepare import PreparedData, open_table, prepare
from studio.data.preview import Tokenized, tokenize
from studio.data.sources import kind_of
from studio.model.load import load_tokenizer
from studio.settings import Settings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Progress = Callable[[str, float | None], None]


@dataclass(frozen=True)
class Stage:
    """Rows in the method's data set type, the tokenizer, and the tokens the trainer will see."""

    prepared: PreparedData
    tokenizer: PreTrainedTokenizerBase
    tokenized: Tokenized


_lock = threading.Lock()
_last: tuple[str, Stage] | None = None


def stage(config: RunConfig, settings: Settings, *, progress: Progress | None = None) -> Stage:
    """The stage of a config; the last one again when nothing that shapes tokens has changed."""
    global _last
    key = _key(config, settings)
    with _lock:
        if _last is not None and _last[0] == key:
            return _last[1]
        tokenizer = load_tokenizer(config.model, settings, progress=progress)
        prepared = prepare(config, settings)
        tokenized = tokenize(prepared, method=config.method, tokenizer=tokenizer, max_length=config.training.max_length)
        made = Stage(prepared=prepared, tokenizer=tokenizer, tokenized=tokenized)
        _last = (key, made)
        return made


def check_rows(config: RunConfig, settings: Settings) -> None:
    """Faults of the file and its columns, found without any heavy import."""
    map_columns(open_table(config.data.source, config.data.split, settings), config.data)


def _key(config: RunConfig, settings: Settings) -> str:
    """What shapes the tokens: method, data (with its content's hash), model, seed and max_length."""
    data = config.data
    identities = [open_table(data.source, data.split, settings).identity]
    if data.eval_source:
        split = data.split if kind_of(data.eval_source) == "hub" else "train"
        identities.append(open_table(data.eval_source, split, settings).identity)
    parts = [
        config.method.model_dump_json(),
        config.data.model_dump_json(),
        config.model.model_dump_json(),
        str(config.training.seed),
        str(config.training.max_length),
        *identities,
    ]
    return "\n".join(parts)
