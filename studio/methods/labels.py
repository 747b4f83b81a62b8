"""Rows that bring token ids and labels: whether the labels are the row's own, or those of the answer alone.

A label stands where its token stands. Knows nothing of masks, formats and cuts.
"""

from __future__ import annotations

from collections.abc import Sequence

from studio.errors import DataError

MASKED = -100  # the label of a token that is not trained


def answer_alone(ids: Sequence[int], labels: Sequence[int]) -> bool:
    """Whether labels are another text's tokens than `input_ids`: a script has tokenized prompt and answer apart.

    Labels that are shifted by one, or wrong in places, are other mistakes.
    """
    if len(ids) == len(labels):
        if all(label in (token, MASKED) for token, label in zip(ids, labels, strict=True)):
            return False
        ids, labels = _unpadded(ids, labels)
    aligned = [(token, label) for token, label in zip(ids, labels, strict=False) if label != MASKED]
    if _alike(ids[1:], labels) or _alike(ids, labels[1:]):
        return False
    return bool(aligned) and 2 * sum(token == label for token, label in aligned) < len(aligned)


def _unpadded(ids: Sequence[int], labels: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
    """Without the token that both repeat at either end."""
    start, end = 0, len(ids)
    while start < end and ids[start] == labels[start] == ids[0]:
        start += 1
    while start < end and ids[end - 1] == labels[end - 1] == ids[-1]:
        end -= 1
    return ids[start:end], labels[start:end]


def _alike(ids: Sequence[int], labels: Sequence[int]) -> bool:
    """Whether the labels that are not masked are all the tokens they stand beside, as many as there are but for one."""
    beside = [token == label for token, label in zip(ids, labels, strict=False) if label != MASKED]
    return bool(beside) and all(beside) and abs(len(ids) - len(labels)) <= 1


def not_aligned() -> DataError:
    """The sentence for a row whose labels are its answer's alone."""
    return DataError(
        "labels hold the answer's tokens alone, tokenized apart from input_ids; a causal model needs one label for "
        "each token of input_ids. Join prompt and answer in input_ids, and let labels be -100 at the prompt's "
        "positions and then the answer's ids."
    )
