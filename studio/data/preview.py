"""Some rows as the trainer will see them, by the path that the run takes. Knows nothing of pages and of weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from studio.data.columns import Mapped
from studio.data.corpus import Corpus, open_corpus
from studio.data.formats import FORMATS
from studio.data.pipeline import Pipeline, Worked
from studio.data.rendering import Note
from studio.data.scan import facts_of
from studio.data.token_text import special_ids, token_texts
from studio.data.tokens import DIGEST_ROWS, DIGEST_WINDOW, digest
from studio.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from transformers import PreTrainedTokenizerBase

    from studio.config import RunConfig
    from studio.methods.base import Encoded, Lane
    from studio.settings import Settings

__all__ = ["LaneRow", "Preview", "TokenRow", "preview", "token_rows"]


@dataclass(frozen=True)
class LaneRow:
    """One sequence of a row. Tokens outside [start, end) are cut; the first `shared` are those of the other lanes."""

    name: str
    ids: list[int]
    texts: list[str]
    supervised: list[bool]
    special: list[bool]
    start: int
    end: int
    shared: int = 0

    @property
    def kept(self) -> int:
        return self.end - self.start

    def as_json(self, start: int | None = None, end: int | None = None) -> dict[str, Any]:
        """The stable face: the tokens that the trainer sees, and how many were cut. Or those of a piece."""
        start, end = self.start if start is None else start, self.end if end is None else end
        columns = zip(self.ids, self.texts, self.supervised, self.special, strict=True)
        names = ("id", "text", "supervised", "special")
        return {
            "tokens": [dict(zip(names, token, strict=True)) for token in columns][start:end],
            "supervised": sum(self.supervised[start:end]),
            "total": end - start,
            "truncated": len(self.ids) - (end - start),
        }


@dataclass(frozen=True)
class TokenRow:
    """One row's tokens: `row` is its number in its source, from 0, `where` its name in sentences."""

    position: int
    row: int
    where: str
    lanes: tuple[LaneRow, ...]
    extra: dict[str, Any]
    raw: dict[str, Any]
    text: tuple[str, ...]
    kept: bool = True  # whether the trainer keeps the row

    def piece(self, start: int, end: int) -> dict[str, Any]:
        """The stable face of some tokens of a row with one lane."""
        return {"row": self.row, **self.lanes[0].as_json(start, end)}

    def rendered(self) -> dict[str, Any]:
        """The row as its source has it, and the text that its tokens are of: one, or one for each lane."""
        texts = dict(zip((lane.name for lane in self.lanes), self.text, strict=True))
        return {"row": self.row, "raw": self.raw, "text": self.text[0] if len(texts) == 1 else texts}

    def as_json(self) -> dict[str, Any]:
        """The stable face. One lane's tokens stand in the row itself; several stand under their names."""
        face: dict[str, Any] = {"row": self.row}
        if len(self.lanes) == 1:
            face |= self.lanes[0].as_json()
        else:
            lanes = {lane.name: {**lane.as_json(), "shared": lane.shared} for lane in self.lanes}
            face |= {
                "lanes": lanes,
                **{name: sum(lane[name] for lane in lanes.values()) for name in ("supervised", "total", "truncated")},
            }
        face |= {name: self.extra[name] for name in ("label", "reference", "reference_column") if name in self.extra}
        return face if self.kept else face | {"trained": False}


@dataclass(frozen=True)
class Preview:
    """Some rows as the trainer will see them; `of` is how many rows there are to train on.

    `problems` are rows that were asked for and have no tokens: position -> the sentence why.
    """

    rows: tuple[TokenRow, ...]
    digest: str
    of: int
    mapped: Mapped
    dataset_type: str
    notes: tuple[str, ...]
    problems: dict[int, DataError]
    places: dict[int, str]  # what sentences call those rows

    def among(self, trained: npt.NDArray[np.int64], *, digest: str) -> Preview:
        """With what only a look at all rows tells: which of them are trained, and their digest."""
        rows = tuple(replace(row, kept=bool((trained == row.position).any())) for row in self.rows)
        return replace(self, rows=rows, digest=digest)

    def as_json(self) -> dict[str, Any]:
        """The stable face of `preview --json`."""
        return {
            "rows": [row.as_json() for row in self.rows],
            "rendered": [row.rendered() for row in self.rows],
            "digest": self.digest,
            "of": self.of,
            "format": self.mapped.format,
            "columns": self.mapped.columns,
            "dataset_type": self.dataset_type,
            "notes": list(self.notes),
            "problems": [
                {"row": self.places[at], "text": str(problem)} for at, problem in sorted(self.problems.items())
            ],
        }


def preview(
    config: RunConfig,
    *,
    settings: Settings,
    tokenizer: PreTrainedTokenizerBase,
    rows: int = 4,
    start: int = 0,
    positions: Sequence[int] | None = None,
) -> Preview:
    """The tokens of a few rows to train on, from the `start`-th, or of the rows at `positions` of the corpus.

    Renders only these and the digest's. With `data.filters` the digest is that of the rows before any is left out,
    so it is not given.
    """
    corpus = open_corpus(config, settings)
    pipeline = Pipeline(corpus, method=config.method, tokenizer=tokenizer)
    if positions is None:
        start = max(0, min(start, len(corpus.train) - 1))
        positions = [int(one) for one in corpus.train[start : start + max(rows, 1)]]
    positions = [one for one in positions if 0 <= one < len(corpus)]
    first, worked = _first_rows(pipeline, corpus), pipeline.work(positions)
    problems = {
        int(position): told
        for position, problem, nothing in zip(positions, worked.problems, worked.left_out, strict=True)
        if (told := problem or nothing) is not None
    }
    cut: Any = {"max_length": config.training.max_length, "truncation_mode": config.training.truncation_mode}
    shown = tuple(token_rows(worked, pipeline, **cut))
    if not shown and not first and config.data.bad_rows == "refuse":
        raise _nothing(config, corpus, problems)
    return Preview(
        rows=shown,
        digest="" if config.data.filters else digest(first, method=config.method, **cut),
        of=len(corpus.train),
        mapped=corpus.renderer.mapped,
        dataset_type=corpus.renderer.how.dataset_type,
        notes=(*(Note(one) for one in corpus.notes), *_remarks(corpus, worked), *_notes(corpus, shown, config)),
        problems=problems,
        places={at: corpus.where(at) for at in problems},
    )


def _first_rows(pipeline: Pipeline, corpus: Corpus) -> list[Encoded]:
    """The first rows that are trained on, for the digest; those that cannot be used are passed over."""
    found: list[Encoded] = []
    for start in range(0, min(len(corpus.train), DIGEST_WINDOW), DIGEST_ROWS):
        worked = pipeline.work([int(one) for one in corpus.train[start : start + DIGEST_ROWS]])
        found.extend(one for one in worked.encoded if one is not None)
        if len(found) >= DIGEST_ROWS:
            break
    return found[:DIGEST_ROWS]


def _nothing(config: RunConfig, corpus: Corpus, problems: dict[int, DataError]) -> DataError:
    problem = next(iter(problems.values()), None)
    rows = corpus.named(list(problems))
    return DataError(
        "{file}: none of the first rows can be used. {problem} Rows: {rows}.",
        file=corpus.name, problem=problem or config.data.source, rows=rows,
    )  # fmt: skip


def token_rows(worked: Worked, pipeline: Pipeline, *, max_length: int | None, truncation_mode: str) -> list[TokenRow]:
    """Those of the rows that have tokens, each with what a cut leaves of it."""
    corpus, found = pipeline.corpus, []
    facts, _ = facts_of(worked, lanes=len(pipeline.method.lanes))
    kept = pipeline.method.survives(facts, max_length=max_length, truncation_mode=truncation_mode)
    for place, position in enumerate(worked.positions):
        made, raw = worked.encoded[place], worked.raw[place]
        if made is None or raw is None:
            continue
        shared = _shared([lane.ids for lane in made.lanes]) if len(made.lanes) > 1 else 0
        lanes = tuple(
            _lane_row(
                name, lane, pipeline, shared=shared,
                window=pipeline.method.shown(lane, max_length=max_length, truncation_mode=truncation_mode),
                begins=pipeline.method.begins(len(lane.ids), max_length=max_length, truncation_mode=truncation_mode),
            )
            for name, lane in zip(pipeline.method.lanes, made.lanes, strict=True)
        )  # fmt: skip
        found.append(
            TokenRow(
                position=int(position), row=int(corpus.row[position]), where=corpus.where(int(position)), lanes=lanes,
                extra=made.extra, raw=raw, text=made.texts,
                kept=bool(kept[place]),
            )
        )  # fmt: skip
    return found


def _lane_row(
    name: str, lane: Lane, pipeline: Pipeline, *, shared: int, window: tuple[int, int], begins: tuple[int, int] | None
) -> LaneRow:
    control = special_ids(pipeline.tokenizer)
    supervised = lane.trained()
    if begins is not None:
        offset, step = begins
        for at in range(offset, len(supervised), step):
            supervised[at] = False
    return LaneRow(
        name=name, ids=lane.ids, texts=token_texts(lane.ids, pipeline.tokenizer), supervised=supervised,
        special=[one in control for one in lane.ids], start=window[0], end=window[1], shared=shared,
    )  # fmt: skip


def _shared(lanes: list[list[int]]) -> int:
    """How many tokens all lanes begin with."""
    count = 0
    for tokens in zip(*lanes, strict=False):
        if len(set(tokens)) > 1:
            break
        count += 1
    return count


def _remarks(corpus: Corpus, worked: Worked) -> list[Note]:
    told: dict[str, tuple[DataError, list[int]]] = {}
    for place, position in enumerate(worked.positions):
        nothing = worked.left_out[place]
        for one in (*worked.remarks[place], *((nothing,) if nothing else ())):
            told.setdefault(one.template, (one, []))[1].append(int(position))
    return [
        Note(
            DataError(
                "{problem} Rows: {rows} ({count} in all).",
                problem=one, rows=corpus.named(positions), count=len(positions),
            )
        )
        for one, positions in told.values()
    ]  # fmt: skip


def _notes(corpus: Corpus, shown: Sequence[TokenRow], config: RunConfig) -> list[Note]:
    """What is worth knowing of the tokens shown: rows that the trainer leaves out, and where all tokens are trained."""
    found: list[Note] = []
    limit, drops = config.training.max_length, config.training.truncation_mode == "drop"
    lost = {
        row.position: drops and any(len(lane.ids) > (limit or 0) for lane in row.lanes) for row in shown if not row.kept
    }
    long, empty = ([one for one, is_long in lost.items() if is_long == wanted] for wanted in (True, False))
    if long:
        found.append(
            Note(
                DataError(
                    "Rows longer than max_length {limit} are left out of training (training.truncation_mode: drop): "
                    "{rows}.",
                    limit=limit,
                    rows=corpus.named(long),
                )
            )
        )
    if empty:
        found.append(
            Note(
                DataError(
                    "Rows without a trainable token within max_length {limit} are left out of training: {rows}.",
                    limit=limit,
                    rows=corpus.named(empty),
                )
            )
        )
    wanted = getattr(config.method, "completion_only_loss", False)
    if wanted and not {"prompt-completion", "tokenized"} & set(FORMATS[corpus.renderer.mapped.format].dataset_types):
        found.append(Note(DataError("These rows are text without a prompt, so every token is trained.")))
    return found
