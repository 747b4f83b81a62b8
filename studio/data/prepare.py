"""RunConfig + tokenizer -> the rows a trainer is given, and every row that it is not given, with the reason.

Reads, renders and tokenizes through the scan, so that nothing is done twice. Knows nothing of weights.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from studio.data.corpus import Corpus, open_corpus
from studio.data.doctor import CHECKS
from studio.data.doctor.base import Context, View
from studio.data.doctor.report import Report, build_report
from studio.data.rendering import Note, Remarks
from studio.data.scan import Cancel, Progress, Scan, scan
from studio.data.tokens import DIGEST_ROWS, DIGEST_WINDOW, count, digest, trainer_dataset
from studio.errors import ConfigError, DataError, StudioError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

    from studio.config import RunConfig
    from studio.settings import Settings

    Positions = npt.NDArray[np.int64]


class Shape(Protocol):
    """What is known of the model before its weights are there."""

    @property
    def vocab_size(self) -> int: ...
    @property
    def context_length(self) -> int | None: ...


@dataclass(frozen=True)
class Prepared:
    """What the trainer is given, and what became of the other rows; arrays hold positions in the corpus.

    `supervised` and `total` are the tokens of one epoch, `truncated` how many of its rows are cut. `dropped` and
    `eval_dropped` rows keep no trained token at this max_length, `filtered` were left out by `data.filters`.
    """

    scan: Scan
    config: RunConfig
    index: Positions
    eval_index: Positions
    dropped: Positions
    eval_dropped: Positions
    filtered: dict[str, Positions]
    supervised: int
    total: int
    truncated: int
    digest: str
    notes: tuple[Note, ...]

    @property
    def corpus(self) -> Corpus:
        return self.scan.corpus

    @property
    def lengths(self) -> npt.NDArray[np.int32]:
        """Tokens of each training row's first lane, not cut."""
        return self.scan.facts.length[self.index, 0]

    @cached_property
    def train(self) -> Dataset:
        """The trainer's rows, on disk; written when they are first asked for."""
        return self._rows(self.index)

    @cached_property
    def eval(self) -> Dataset | None:
        return self._rows(self.eval_index) if len(self.eval_index) else None

    @property
    def turns(self) -> bool:
        """Whether the rows are conversations, not plain text or tokens; the first to be trained on stands for all."""
        first = int(self.index[0])
        try:
            (row,) = self.corpus.raw([first])
        except DataError as error:
            row = error
        if isinstance(row, DataError):  # its file has changed since it was looked at
            return True
        columns = self.corpus.renderer_of(first).render(row).columns
        return isinstance(columns.get("prompt", columns.get("messages")), list)

    def write(self) -> None:
        """Write both now, so that a disk that is full is told before anything is loaded."""
        _ = self.train, self.eval

    def _rows(self, positions: Positions) -> Dataset:
        return trainer_dataset(self.scan, positions, method=self.config.method, **_cut(self.config))


def _cut(config: RunConfig) -> Any:
    return {"max_length": config.training.max_length, "truncation_mode": config.training.truncation_mode}


def prepare(
    config: RunConfig,
    *,
    settings: Settings,
    tokenizer: PreTrainedTokenizerBase,
    model: Shape | None = None,
    progress: Progress | None = None,
    cancelled: Cancel | None = None,
) -> Prepared:
    """Look at every row and write the trainer's data sets; one DataError for whatever is wrong, naming rows."""
    found = scan_of(
        config, settings=settings, tokenizer=tokenizer, model=model,
        progress=progress, cancelled=cancelled,
    )  # fmt: skip
    return select(config, found)


def scan_of(
    config: RunConfig,
    *,
    settings: Settings,
    tokenizer: PreTrainedTokenizerBase,
    model: Shape | None = None,
    progress: Progress | None = None,
    cancelled: Cancel | None = None,
) -> Scan:
    """Every row in use, looked at."""
    check_filters(config)
    corpus = open_corpus(config, settings)
    context = Context.of(
        tokenizer, method=config.method, dataset_type=corpus.renderer.how.dataset_type,
        format=corpus.renderer.mapped.format, embedding_size=model.vocab_size if model else None,
        most_positions=model.context_length if model else None,
    )  # fmt: skip
    return scan(
        corpus, method=config.method, tokenizer=tokenizer, settings=settings, context=context,
        progress=progress, cancelled=cancelled,
    )  # fmt: skip


def select(config: RunConfig, found: Scan) -> Prepared:
    """The rows of a scan that a run trains and evaluates on."""
    corpus = found.corpus
    _refuse_bad_rows(config, found)
    filtered = _filtered(config, found)
    left = found.usable.copy()
    for positions in filtered.values():
        left[positions] = False
    cut = _cut(config)
    alive = config.method.survives(found.facts, **cut)
    train, held_out = corpus.train[left[corpus.train]], corpus.eval[left[corpus.eval]]
    index = train[alive[train]]
    if not len(index):
        raise _nothing_left(config, found, left)
    counted = count(found, index, method=config.method, **cut)
    first = corpus.train[:DIGEST_WINDOW]
    return Prepared(
        scan=found,
        config=config,
        index=index,
        eval_index=held_out[alive[held_out]],
        dropped=train[~alive[train]],
        eval_dropped=held_out[~alive[held_out]],
        filtered=filtered,
        supervised=counted.supervised,
        total=counted.total,
        truncated=counted.truncated,
        digest=digest(found.store.rows(first[left[first]][:DIGEST_ROWS]), method=config.method, **cut),
        notes=tuple(notes_of(config, found)),
    )


def report_of(config: RunConfig, found: Scan, *, before: Report | None = None) -> Report:
    """What the doctor says of a scan, at this max_length and batch size; quicker with a report of the same scan."""
    return build_report(found.marks, view_of(config, found), before=before)


def view_of(config: RunConfig, found: Scan) -> View:
    """What the doctor's checks need beside their marks to say what they found."""
    training = config.training
    return View(
        facts=found.facts,
        train=found.corpus.train,
        eval=found.corpus.eval,
        method=config.method,
        context=found.context,
        marks=found.marks,
        max_length=training.max_length,
        truncation_mode=training.truncation_mode,
        batch_size=training.per_device_train_batch_size,
        packing=bool(getattr(config.method, "packing", False)),
        bad_rows=config.data.bad_rows,
        filters=config.data.filters,
        where=found.corpus.where,
        rows=found.store.tokens,
    )


def check_filters(config: RunConfig) -> None:
    """A ConfigError where `data.filters` names what is no check, before any row is looked at."""
    for name in config.data.filters:
        if name not in CHECKS:
            near = difflib.get_close_matches(name, CHECKS, n=1)
            raise ConfigError(
                "data.filters names {name!r}, which is no check; the nearest is {near}. There are: {names}.",
                name=name,
                near=near[0] if near else next(iter(CHECKS)),
                names=", ".join(CHECKS),
            )


def _filtered(config: RunConfig, found: Scan) -> dict[str, Positions]:
    """Check -> the rows it flags, for each check that `data.filters` names; a row counts for the first of them."""
    import numpy as np

    check_filters(config)
    view, left = view_of(config, found), found.usable.copy()
    made: dict[str, Positions] = {}
    for name in config.data.filters:
        flagged = np.asarray(CHECKS[name].flagged(found.marks[name], view), dtype=np.int64)
        flagged = flagged[left[flagged]]
        left[flagged] = False
        made[name] = flagged
    return made


def _refuse_bad_rows(config: RunConfig, found: Scan) -> None:
    """One DataError for all rows that cannot be used, unless the config says to leave them out."""
    if config.data.bad_rows == "skip" or not found.problems.found:
        return
    corpus, bad = found.corpus, found.problems
    template, (details, positions) = next(iter(bad.found.items()))
    count_bad = len(bad.positions())
    said = {
        "file": corpus.name,
        "count": count_bad,
        "total": len(corpus),
        "problem": DataError.again(template, details),
        "rows": corpus.named(positions),
    }
    if len(positions) == count_bad:
        raise DataError(
            "{file}: {count} of {total} rows cannot be used. {problem} Rows: {rows} (counting from 1). "
            "Fix these rows, or leave them out with data.bad_rows: skip.",
            **said,
        )
    raise DataError(
        "{file}: {count} of {total} rows cannot be used. {problem} Rows: {rows} (counting from 1). "
        "{others} more have other faults. Fix these rows, or leave them out with data.bad_rows: skip.",
        others=count_bad - len(positions),
        **said,
    )


def _nothing_left(config: RunConfig, found: Scan, left: npt.NDArray[np.bool_]) -> StudioError:
    train = found.corpus.train
    if left[train].any():
        return DataError(
            "0 of {rows} rows keep a trainable token at max_length {limit}. "
            "Raise training.max_length, or choose rows whose prompts are shorter.",
            rows=int(left.sum()),
            limit=config.training.max_length,
        )
    if found.usable[train].any():
        return ConfigError(
            "data.filters ({names}) leaves out all of the {rows} rows to train on. Take one of the filters out.",
            names=", ".join(config.data.filters),
            rows=int(found.usable[train].sum()),
        )
    problem = " ".join(notes_of(config, found))
    return DataError("{file}: no row is left to train on. {problem}", file=found.corpus.name, problem=problem)


def notes_of(config: RunConfig, found: Scan) -> list[Note]:
    """What is worth knowing of rows that are not trained on, or not as they are; by name."""
    corpus = found.corpus
    notes = [[Note(one) for one in corpus.notes]]
    notes += [_note(corpus, told) for told in (found.left_out, found.remarks)]
    if config.data.bad_rows == "skip":
        notes.append(_note(corpus, found.problems))
    return [one for some in notes for one in some]


def _note(corpus: Corpus, told: Remarks) -> list[Note]:
    return [
        Note(
            DataError(
                "{problem} Rows: {rows} ({count} in all).",
                problem=DataError.again(template, details),
                rows=corpus.named(positions),
                count=len(positions),
            )
        )
        for template, (details, positions) in told.found.items()
    ]
