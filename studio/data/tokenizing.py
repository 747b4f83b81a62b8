"""Rendered rows -> `input_ids` and `labels` by a method's own path; names the rows that it refuses. Counts nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from studio.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

    from studio.methods import Method


def tokens_of(
    rows: Dataset, index: Sequence[int], name: str, *, method: Method, tokenizer: PreTrainedTokenizerBase
) -> Dataset:
    """The method's tokens; what a template or tokenizer refuses becomes a sentence that names the row."""
    from datasets import disable_progress_bars
    from jinja2 import TemplateError

    _check_tokenizer(rows[0], tokenizer)
    disable_progress_bars()
    # A chat template is somebody's program, and can fail in as many ways.
    refused = (TemplateError, ValueError, TypeError, RuntimeError, ArithmeticError, LookupError, AttributeError)
    try:
        return method.tokenize(rows, tokenizer=tokenizer)
    except refused as error:
        position = _first_refused(rows, refused, method=method, tokenizer=tokenizer)
        raise DataError(
            "{file}, row {row}: the model's chat template or tokenizer refuses it ({problem}). "
            "Fix the row or remove it, or choose another template.",
            file=name,
            row=index[position] + 1,
            problem=str(error).strip()[:300] or type(error).__name__,
        ) from error


def _first_refused(
    rows: Dataset,
    refused: tuple[type[Exception], ...],
    *,
    method: Method,
    tokenizer: PreTrainedTokenizerBase,
) -> int:
    """The position of the first row that cannot be tokenized, by halving: about as dear as tokenizing once more."""
    first, last = 0, len(rows) - 1
    while first < last:
        middle = (first + last) // 2
        try:
            method.tokenize(rows.select(range(first, middle + 1)), tokenizer=tokenizer)
        except refused:
            last = middle
        else:
            first = middle + 1
    return first


def _check_tokenizer(row: dict[str, Any], tokenizer: PreTrainedTokenizerBase) -> None:
    name = tokenizer.name_or_path or "This model"
    conversational = not isinstance(next(iter(row.values())), str)
    if conversational and not tokenizer.chat_template:
        raise DataError(
            "{model} has no chat template, which these conversations need. "
            "Set model.chat_template: chatml, or use plain text in columns named prompt and completion.",
            model=name,
        )
    if not conversational and not tokenizer.eos_token:
        raise DataError(
            "{model} has no end-of-text token, which plain text rows need. Choose another model, or conversations.",
            model=name,
        )
