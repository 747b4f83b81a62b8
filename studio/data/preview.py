"""Rendered rows -> tokens and loss mask, by the trainer's own preparation: one path for run, check and preview.

Knows nothing of pages and of weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from studio.data.columns import Mapped
from studio.data.formats import FORMATS
from studio.data.prepare import PreparedData, make_renderer, nothing_left, open_table, split_rows
from studio.data.rendering import Note, Renderer, to_dataset
from studio.data.token_text import special_ids, token_texts
from studio.data.tokenizing import tokens_of
from studio.data.tokens import DIGEST_ROWS, MASKED, count, digest
from studio.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

    from studio.config import RunConfig
    from studio.methods import Method
    from studio.settings import Settings

__all__ = ["DIGEST_ROWS", "Preview", "TokenRow", "Tokenized", "digest", "preview", "tokenize"]


@dataclass(frozen=True)
class Tokenized:
    """Rows as `input_ids` and `labels`, not yet truncated, with the figures of what truncation leaves.

    `dropped` are source rows that keep no trained token within max_length, which the trainer leaves out.
    `eval` is None too where no held-out row keeps one.
    """

    train: Dataset
    eval: Dataset | None
    index: tuple[int, ...]
    supervised: int
    total: int
    truncated_rows: int
    dropped: tuple[int, ...]
    digest: str


@dataclass(frozen=True)
class TokenRow:
    """One row's tokens. `row` is its number in the source, from 0; from `kept` on they are cut by max_length."""

    row: int
    ids: list[int]
    texts: list[str]
    supervised: list[bool]
    special: list[bool]
    kept: int

    def as_json(self) -> dict[str, Any]:
        """The stable face: the tokens that the trainer sees, and how many were cut."""
        columns = zip(self.ids, self.texts, self.supervised, self.special, strict=True)
        names = ("id", "text", "supervised", "special")
        return {
            "row": self.row,
            "tokens": [dict(zip(names, token, strict=True)) for token in columns][: self.kept],
            "supervised": sum(self.supervised[: self.kept]),
            "total": self.kept,
            "truncated": len(self.ids) - self.kept,
        }


@dataclass(frozen=True)
class Preview:
    """Some rows as the trainer will see them; `of` is how many rows there are to train on."""

    rows: tuple[TokenRow, ...]
    digest: str
    of: int
    raw: tuple[dict[str, Any], ...]
    text: tuple[str, ...]
    mapped: Mapped
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The stable face of `preview --json`."""
        return {"rows": [row.as_json() for row in self.rows], "digest": self.digest}


def tokenize(
    prepared: PreparedData, *, method: Method, tokenizer: PreTrainedTokenizerBase, max_length: int | None
) -> Tokenized:
    """Every row's tokens and labels, by the method. DataError where none would be trained."""
    train = tokens_of(prepared.train, prepared.train_index, prepared.table.name, method=method, tokenizer=tokenizer)
    held_out = None
    if prepared.eval is not None:
        name = (prepared.eval_table or prepared.table).name
        held_out = tokens_of(prepared.eval, prepared.eval_index, name, method=method, tokenizer=tokenizer)
        if not count(held_out, max_length=max_length).supervised:
            held_out = None
    counts = count(train, max_length=max_length)
    if not counts.supervised:
        # Rows held out of the same source that fare no better are rows of the data set, as people count them.
        also = len(prepared.eval_index) if held_out is None and prepared.eval_table is None else 0
        raise DataError(
            "0 of {rows} rows keep a trainable token at max_length {limit}. "
            "Raise training.max_length, or choose rows whose prompts are shorter.",
            rows=len(train) + also,
            limit=max_length,
        )
    return Tokenized(
        train=train,
        eval=held_out,
        index=prepared.train_index,
        supervised=counts.supervised,
        total=counts.total,
        truncated_rows=counts.truncated_rows,
        dropped=tuple(prepared.train_index[position] for position in counts.dropped),
        digest=digest(train, max_length=max_length),
    )


def preview(
    config: RunConfig,
    *,
    settings: Settings,
    tokenizer: PreTrainedTokenizerBase,
    rows: int = 4,
    start: int = 0,
) -> Preview:
    """The tokens of a few rows to train on, from the `start`-th. Renders only these and the digest's."""
    table = open_table(config.data.source, config.data.split, settings)
    renderer = make_renderer(config, table)
    index, _ = split_rows(len(table.rows), data=config.data, seed=config.training.seed)
    start = max(0, min(start, len(index) - 1))
    first = renderer.rows(index, of=len(index), most=DIGEST_ROWS)
    if not first.rows:
        raise nothing_left(renderer, first)
    shown = renderer.rows(index[start : start + max(rows, 1)], of=len(index))
    rendered = {**first.rows, **shown.rows}
    made = tokens_of(
        to_dataset(list(rendered.values())), tuple(rendered), table.name, method=config.method, tokenizer=tokenizer
    )
    max_length = config.training.max_length
    cut = [
        _token_row(row, number=number, tokenizer=tokenizer, max_length=max_length)
        for number, row in zip(rendered, made, strict=True)
        if number in shown.rows
    ]
    found = sorted(cut, key=lambda row: row.row)
    return Preview(
        rows=tuple(found),
        digest=digest(made, max_length=max_length),
        of=len(index),
        raw=tuple(table.rows[row.row] for row in found),
        text=tuple("".join(row.texts) for row in found),
        mapped=renderer.mapped,
        notes=(*shown.notes, *_notes(renderer, found, config)),
    )


def _token_row(
    row: dict[str, list[int]], *, number: int, tokenizer: PreTrainedTokenizerBase, max_length: int | None
) -> TokenRow:
    ids = row["input_ids"]
    control = special_ids(tokenizer)
    return TokenRow(
        row=number,
        ids=ids,
        texts=token_texts(ids, tokenizer),
        supervised=[label != MASKED for label in row["labels"]],
        special=[one in control for one in ids],
        kept=len(ids) if max_length is None else min(len(ids), max_length),
    )


def _notes(renderer: Renderer, shown: Sequence[TokenRow], config: RunConfig) -> list[Note]:
    """What is worth knowing of the tokens shown: rows that the trainer leaves out, and where all tokens are trained."""
    found: list[Note] = []
    empty = [row.row for row in shown if not any(row.supervised[: row.kept])]
    if empty:
        found.append(
            Note(
                DataError(
                    "Rows without a trainable token within max_length {limit} are left out of training: {rows}.",
                    limit=config.training.max_length,
                    rows=renderer.named(empty),
                )
            )
        )
    wanted = getattr(config.method, "completion_only_loss", False)
    if wanted and "prompt-completion" not in FORMATS[renderer.mapped.format].dataset_types:
        found.append(Note(DataError("These rows are text without a prompt, so every token is trained.")))
    return found
