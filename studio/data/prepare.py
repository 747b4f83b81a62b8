"""RunConfig + tokenizer -> the rows a trainer is given, and every row that it is not given, with the reason.

Reads, renders and tokenizes through the scan, so that nothing is done twice. Knows nothing of weights.
"""

from __future__ import annotations

import difflib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from studio.data.corpus import Corpus, open_corpus
from studio.data.doctor import CHECKS
from studio.data.doctor.base import Context, View
from studio.data.doctor.report import Report, build_report
from studio.data.rendering import Note, Remarks
from studio.data.scan import Progress, Scan, scan
from studio.data.tokens import DIGEST_ROWS, count, digest, trainer_dataset
from studio.errors import ConfigError, DataError

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

    `supervised` and `total` are the tokens of one epoch, `truncated` how many of its rows are cut.
    `dropped` rows keep no trained token at this max_length, `filtered` were left out by `data.filters`.
    """

    scan: Scan
    view: View
    train: Dataset
    eval: Dataset | None
    index: Positions
    eval_index: Positions
    dropped: Positions
    filtered: dict[str, Positions]
    supervised: int
    total: int
    truncated: int
    digest: str
    notes: tuple[Note, ...]

    @property
    def corpus(self) -> Corpus:
        return self.scan.corpus


def prepare(
    config: RunConfig,
    *,
    settings: Settings,
    tokenizer: PreTrainedTokenizerBase,
    model: Shape | None = None,
    progress: Progress | None = None,
    cancelled: threading.Event | None = None,
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
    cancelled: threading.Event | None = None,
) -> Scan:
    """Every row in use, looked at."""
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
    import numpy as np

    corpus, view = found.corpus, view_of(config, found)
    _refuse_bad_rows(config, found)
    filtered = _filtered(config, found, view)
    left = found.usable.copy()
    for positions in filtered.values():
        left[positions] = False
    kept = left & config.method.survives(
        found.facts, max_length=config.training.max_length, truncation_mode=config.training.truncation_mode
    )
    train, dropped = corpus.train[kept[corpus.train]], corpus.train[(left & ~kept)[corpus.train]]
    held_out = corpus.eval[kept[corpus.eval]]
    if not len(train):
        raise _nothing_left(config, found, left)
    cut: Any = {"max_length": config.training.max_length, "truncation_mode": config.training.truncation_mode}
    first = corpus.train[left[corpus.train]][:DIGEST_ROWS]
    counted = count(found, train, method=config.method, **cut)
    return Prepared(
        scan=found,
        view=view,
        train=trainer_dataset(found, train, method=config.method, **cut),
        eval=trainer_dataset(found, held_out, method=config.method, **cut) if len(held_out) else None,
        index=train,
        eval_index=held_out,
        dropped=dropped,
        filtered={name: np.asarray(positions) for name, positions in filtered.items()},
        supervised=counted.supervised,
        total=counted.total,
        truncated=counted.truncated,
        digest=digest(found.store.rows(first), method=config.method, **cut),
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


def _filtered(config: RunConfig, found: Scan, view: View) -> dict[str, Positions]:
    """Check -> the rows it flags, for each check that `data.filters` names; a row counts for the first of them."""
    import numpy as np

    left = found.usable.copy()
    made: dict[str, Positions] = {}
    for name in config.data.filters:
        if name not in CHECKS:
            near = difflib.get_close_matches(name, CHECKS, n=1)
            raise ConfigError(
                "data.filters names {name!r}, which is no check; the nearest is {near}. There are: {names}.",
                name=name,
                near=near[0] if near else next(iter(CHECKS)),
                names=", ".join(CHECKS),
            )
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


def _nothing_left(config: RunConfig, found: Scan, left: npt.NDArray[np.bool_]) -> DataError:
    if left[found.corpus.train].any():
        return DataError(
            "0 of {rows} rows keep a trainable token at max_length {limit}. "
            "Raise training.max_length, or choose rows whose prompts are shorter.",
            rows=len(found.corpus),
            limit=config.training.max_length,
        )
    problem = " ".join(notes_of(config, found)) or "data.filters leaves every row out."
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
