"""What a check of the doctor is: what it looks at, what it marks, and what it finds. Opens no file and loads no model.

A check looks at every row once, chunk by chunk, and keeps small arrays (marks). What it finds is concluded from all
marks later, as often as `max_length` or the batch size is changed, without another look at the rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from studio.data.doctor.reading import Reading, read
from studio.data.doctor.text import TextBlock
from studio.errors import DataError, StudioError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from transformers import PreTrainedTokenizerBase

    from studio.methods import Method
    from studio.methods.base import DatasetType, Encoded, LaneFacts


Positions: TypeAlias = "npt.NDArray[np.int64]"
Mask: TypeAlias = "npt.NDArray[np.bool_]"
Severity = Literal["blocking", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("blocking", "warning", "note")
# Kept with the rows' figures. "position" holds flagged positions and the others are aligned with it;
# "row_*" hold one value a row, in the order of positions; "said_*" hold sentences.
Marks = dict[str, "npt.NDArray[Any]"]
# Positions -> the tokens of all their lanes, one after the other, and where each row begins and the last one ends.
Rows = Callable[["Positions"], tuple["npt.NDArray[np.int32]", "Positions"]]


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows as a check looks at them; None stands for a row that did not get so far.

    `ids` are the tokens of all lanes of all rows; lane l of row r is at offsets[r * lanes + l].
    """

    positions: Positions
    rows: Sequence[Mapping[str, Any] | None]
    rendered: Sequence[dict[str, Any] | None]
    encoded: Sequence[Encoded | None]
    ids: npt.NDArray[np.int32]
    offsets: Positions
    trained: Mask
    problems: Sequence[DataError | None]
    remarks: Sequence[tuple[DataError, ...]]

    @cached_property
    def reading(self) -> Reading:
        """Roles and texts of the rendered rows, read once for all checks."""
        return read(self.rendered)

    @cached_property
    def text(self) -> TextBlock:
        """All texts of the rendered rows, one after the other."""
        return TextBlock.of(self.reading.texts, self.reading.text_rows)

    @cached_property
    def row_offsets(self) -> Positions:
        """Where each row begins in `ids`, whatever its lanes."""
        lanes = (len(self.offsets) - 1) // max(len(self.positions), 1)
        return self.offsets[:: max(lanes, 1)]

    def mark(self, rows: npt.NDArray[Any] | Sequence[int]) -> Positions:
        """The positions of rows of this chunk, each once."""
        import numpy as np

        return self.positions[distinct(np.asarray(rows, dtype=np.int64))]


@dataclass(frozen=True)
class Context:
    """What a check must know of the tokenizer, its chat template and the method."""

    method: Method
    dataset_type: DatasetType
    format: str
    bos: int | None = None
    eos: int | None = None
    pad: int | None = None
    vocabulary: int = 0  # one more than the largest id the tokenizer makes
    embedding_size: int | None = None
    special_ids: frozenset[int] = frozenset()
    special_texts: tuple[str, ...] = ()
    end_of_turn: frozenset[int] = frozenset()
    template_pieces: tuple[tuple[str, int], ...] = ()  # control tokens of the template that fall apart, and in how many
    ignores_tools: bool = False  # the chat template writes no tools
    ignores_calls: bool = False  # nor the calls of them
    ignores_reasoning: bool = False  # nor the thoughts beside an answer
    ignores_earlier_reasoning: bool = False  # but for those of the last answer
    most_positions: int | None = None  # the longest row the model can take, where it says so

    @classmethod
    def of(
        cls,
        tokenizer: PreTrainedTokenizerBase,
        *,
        method: Method,
        dataset_type: DatasetType,
        format: str,
        embedding_size: int | None = None,
        most_positions: int | None = None,
    ) -> Context:
        """Read from a tokenizer, trying its chat template on a conversation of our own."""
        from studio.data.doctor.probe import facts_of_tokenizer

        return cls(
            method=method,
            dataset_type=dataset_type,
            format=format,
            embedding_size=embedding_size,
            most_positions=most_positions,
            **facts_of_tokenizer(tokenizer, answers=getattr(method, "assistant_only_loss", False)),
        )


@dataclass(frozen=True)
class View:
    """The rows of a run and the settings they are judged by. `facts` has a line for every position.

    `marks` are those of all checks, by their names; `rows` gives the kept tokens of positions. `filters` names the
    checks whose rows the run leaves out.
    """

    facts: LaneFacts
    train: Positions
    eval: Positions
    method: Method
    context: Context
    marks: dict[str, Marks]
    max_length: int | None = None
    truncation_mode: str = "keep_start"
    batch_size: int = 1
    packing: bool = False
    bad_rows: str = "refuse"
    filters: tuple[str, ...] = ()
    where: Callable[[int], str] = field(default=lambda position: str(position + 1))
    rows: Rows | None = None

    @cached_property
    def usable(self) -> Mask:
        """Rows with tokens, by position."""
        import numpy as np

        return np.asarray(self.facts.length.any(axis=1))

    @cached_property
    def used(self) -> Mask:
        """Rows that are trained or evaluated on, by position."""
        import numpy as np

        found = np.zeros(len(self.facts.length), dtype=bool)
        found[self.train] = True
        found[self.eval] = True
        return found

    @cached_property
    def survives(self) -> Mask:
        """Rows the trainer keeps at this max_length, by position."""
        kept = self.method.survives(self.facts, max_length=self.max_length, truncation_mode=self.truncation_mode)
        both: Mask = kept & self.usable
        return both

    def within(self, positions: Positions) -> Positions:
        """Those of the positions that the run uses, in order."""
        found = distinct(positions)
        return found[self.used[found]]

    @property
    def total(self) -> int:
        """How many rows the run uses."""
        return int(self.used.sum())


@dataclass(frozen=True)
class Lever:
    """A change of settings that mends a finding: `{"training.max_length": 731}`; a key that ends in + appends."""

    template: str
    details: dict[str, object]
    changes: dict[str, Any]

    @classmethod
    def of(cls, label: DataError, changes: dict[str, Any]) -> Lever:
        return cls(label.template, label.details, changes)

    def as_json(self) -> dict[str, Any]:
        return {**said(self.template, self.details), "changes": self.changes}


@dataclass(frozen=True)
class Finding:
    """What a check has to say about `count` rows. `positions` are all of them, the plainest cases first."""

    check: str
    severity: Severity
    template: str
    details: dict[str, object]
    count: int
    positions: Positions
    levers: tuple[Lever, ...] = ()

    def __str__(self) -> str:
        return self.template.format(**self.details)

    def as_json(self, where: Callable[[int], str], *, examples: int = 3) -> dict[str, Any]:
        """The stable face; of the rows only the first few, with what a sentence calls them."""
        shown = [int(one) for one in self.positions[:examples]]
        return {
            "check": self.check,
            "severity": self.severity,
            **said(self.template, self.details),
            "count": self.count,
            "positions": shown,
            "where": [where(one) for one in shown],
            "levers": [lever.as_json() for lever in self.levers],
        }


def said(template: str, details: Mapping[str, object]) -> dict[str, Any]:
    """A sentence with what it was made of, so that a page can say it in another language."""
    plain = {
        name: said(value.template, value.details) if isinstance(value, StudioError) else value
        for name, value in details.items()
    }
    return {"text": template.format(**details), "template": template, "details": plain}


class Check(ABC):
    """One thing that can be wrong with rows. A new one is a file here and a line in CHECKS."""

    name: ClassVar[str]
    severity: ClassVar[Severity] = "warning"

    def applies(self, context: Context) -> bool:
        """Whether it makes sense for this method and these rows; where not, it is not among those that are fine."""
        return True

    def look(self, chunk: Chunk, context: Context) -> Marks:
        """What to keep of these rows. Fast: arrays, or one search over all texts at once."""
        return {}

    def settle(self, marks: Marks, rows: Rows) -> Marks:
        """Once, when all rows have been looked at: what needs all of them. The result takes the place of `marks`."""
        return marks

    @abstractmethod
    def conclude(self, marks: Marks, view: View) -> list[Finding]:
        """What is wrong, if anything, with the rows the view uses."""

    def flagged(self, marks: Marks, view: View) -> Positions:
        """The positions that `data.filters: [name]` leaves out: by default, those marked."""
        return marked(marks)

    def found(
        self,
        sentence: DataError,
        positions: Positions,
        levers: Sequence[Lever] = (),
        *,
        severity: Severity | None = None,
    ) -> Finding:
        return Finding(
            check=self.name,
            severity=severity or self.severity,
            template=sentence.template,
            details=sentence.details,
            count=len(positions),
            positions=positions,
            levers=tuple(levers),
        )

    def leave_out(self, positions: Positions, view: View) -> tuple[Lever, ...]:
        """The one-click filter; none where it would leave nothing to train on."""
        import numpy as np

        if np.isin(view.train, positions).all():
            return ()
        label = DataError("Leave out these rows ({rows})", rows=len(positions))
        return (Lever.of(label, {"data.filters+": self.name}),)


def marked(marks: Marks, key: str = "position") -> Positions:
    """The positions in marks; none where no chunk marked any."""
    import numpy as np

    found = marks.get(key)
    return np.empty(0, dtype=np.int64) if found is None else found.astype(np.int64)


def distinct(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Each value once, rising. By sorting: for numbers `numpy.unique` hashes, which takes ten times as long."""
    import numpy as np

    found = np.sort(values)
    if len(found) < 2:
        return found
    return found[np.concatenate([[True], found[1:] != found[:-1]])]
