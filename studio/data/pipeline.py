"""Positions -> raw rows -> rendered rows -> token ids: the one path that preview, doctor and run share.

Names the rows that a format, a template or a tokenizer refuses. Counts nothing and keeps nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from studio.data.corpus import Corpus
from studio.data.formats.base import NothingToTrain
from studio.errors import DataError, StudioError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from studio.methods import Method
    from studio.methods.base import Encoded

PROBED = 64  # rows all over the corpus: where each is refused alike, it is no fault of the rows


@dataclass
class Worked:
    """What became of each row asked for; lists are as long as `positions`, None where a row did not get so far."""

    positions: Sequence[int]
    raw: list[dict[str, Any] | None] = field(default_factory=list)
    rendered: list[dict[str, Any] | None] = field(default_factory=list)
    encoded: list[Encoded | None] = field(default_factory=list)
    problems: list[DataError | None] = field(default_factory=list)  # the row cannot be used
    left_out: list[DataError | None] = field(default_factory=list)  # a sound row with nothing to train
    remarks: list[tuple[DataError, ...]] = field(default_factory=list)


class Pipeline:
    """Renders and encodes rows of one corpus for one method and tokenizer. Safe to use from several threads."""

    def __init__(self, corpus: Corpus, *, method: Method, tokenizer: PreTrainedTokenizerBase) -> None:
        from studio.methods.encoding import encoder_of

        self.corpus, self.method, self.tokenizer = corpus, method, tokenizer
        self.encoder = encoder_of(tokenizer)
        self._some_pass = False  # rows are known that are not refused

    def work(self, positions: Sequence[int]) -> Worked:
        """These rows, as far as each of them gets. A StudioError where the fault is not the rows'."""
        done = self._rendered(positions)
        places = [place for place, columns in enumerate(done.rendered) if columns is not None]
        made, refused = _by_halves([done.rendered[place] for place in places], self._encode)
        if refused and not made and not self._some_pass and isinstance(refused[0], StudioError):
            self._refuse_all(refused[0])
        self._some_pass = self._some_pass or bool(made)
        done.encoded = [None] * len(positions)
        for number, place in enumerate(places):
            if number in made:
                done.encoded[place] = made[number]
            else:
                done.problems[place] = _sentence(refused[number])
        return done

    def _rendered(self, positions: Sequence[int]) -> Worked:
        done = Worked(positions)
        for position, row in zip(positions, self.corpus.raw(positions), strict=True):
            self._render(done, int(position), row)
        return done

    def _refuse_all(self, error: StudioError) -> None:
        """Raise what refused some rows where it refuses all there are; rows from all over the corpus stand for them."""
        spread = range(0, len(self.corpus), max(1, len(self.corpus) // PROBED))
        rows = [one for one in self._rendered(spread).rendered if one is not None]
        made, refused = _by_halves(rows, self._encode)
        self._some_pass = bool(made)
        if not made and len(refused) > 1 and {_alike(one) for one in refused.values()} == {_alike(error)}:
            raise error

    def _render(self, done: Worked, position: int, row: dict[str, Any] | DataError) -> None:
        problem: DataError | None = None
        nothing: DataError | None = None
        columns: dict[str, Any] | None = None
        remarks: tuple[DataError, ...] = ()
        if isinstance(row, DataError):
            problem = row
        else:
            try:
                made = self.corpus.renderer_of(position).render(row)
                columns, remarks = made.columns, made.remarks
            except NothingToTrain as reason:
                nothing = reason
            except DataError as error:
                problem = error
        done.raw.append(None if isinstance(row, DataError) else row)
        done.rendered.append(columns)
        done.problems.append(problem)
        done.left_out.append(nothing)
        done.remarks.append(remarks)

    def _encode(self, rows: Sequence[Any]) -> list[Encoded]:
        return self.method.encode(rows, self.encoder)


def _by_halves(
    rows: Sequence[Any], encode: Callable[[Sequence[Any]], list[Encoded]]
) -> tuple[dict[int, Encoded], dict[int, Exception]]:
    """Every row's tokens, or what refused it, at about the price of one refused batch more for each such row."""
    from jinja2 import TemplateError

    # A chat template is somebody's program, and can fail in as many ways.
    refusals = (
        DataError, TemplateError, ValueError, TypeError, RuntimeError, ArithmeticError, LookupError, AttributeError,
    )  # fmt: skip
    made: dict[int, Encoded] = {}
    refused: dict[int, Exception] = {}
    waiting = [(0, len(rows))] if rows else []
    while waiting:
        first, last = waiting.pop()
        try:
            found = encode(rows[first:last])
        except refusals as error:
            if last - first == 1:
                refused[first] = error
            else:
                middle = (first + last) // 2
                waiting += [(middle, last), (first, middle)]
        else:
            made.update(zip(range(first, last), found, strict=True))
    return made, refused


def _alike(error: Exception) -> str:
    return error.template if isinstance(error, StudioError) else f"{type(error).__name__} {error}"


def _sentence(error: Exception) -> DataError:
    if isinstance(error, DataError):
        return error
    return DataError(
        "The model's chat template or tokenizer refuses the row ({problem}). "
        "Fix the row or remove it, or choose another template.",
        problem=str(error).strip()[:300] or type(error).__name__,
    )
