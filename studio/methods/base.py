"""What a training method is: its settings, the rows it takes, how they become tokens, and its trainer.

Knows nothing of files, pages or threads. A method is a Section, so its settings are knobs like any other.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from studio.errors import DataError
from studio.section import Section

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt
    from datasets import Dataset
    from peft import PeftConfig
    from transformers import (
        PreTrainedModel,
        PreTrainedTokenizerBase,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

    from studio.methods.encoding import Encoder

    Lengths = Sequence[int] | npt.NDArray[np.integer[Any]]

# The field's names for what a row of a data set holds (TRL, "Dataset formats and types"); "tokenized" rows bring
# their own token ids.
DatasetType = Literal[
    "language-modeling", "prompt-completion", "preference", "unpaired-preference", "prompt-only", "tokenized"
]


@dataclass(frozen=True, slots=True)
class Lane:
    """One sequence of tokens, not cut. `spans` are the ranges in the loss, flat: start, end, start, end, ..."""

    ids: list[int]
    spans: tuple[int, ...]

    def trained(self) -> list[bool]:
        """For each token whether it is in the loss."""
        made = [False] * len(self.ids)
        for first, last in zip(self.spans[0::2], self.spans[1::2], strict=True):
            made[first:last] = [True] * (last - first)
        return made


@dataclass(frozen=True, slots=True)
class Encoded:
    """One row as a method trains on it: a lane for each name in `Method.lanes`, and what the trainer takes besides."""

    lanes: tuple[Lane, ...]
    texts: tuple[str, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Question:
    """What a row asks, as tokens, and what it has for the right answer: tokens, a text, or neither."""

    prompt: list[int]
    answer: list[int] = field(default_factory=list)
    text: str = ""


@dataclass(frozen=True)
class LaneFacts:
    """Figures of many rows, arrays of shape (rows, lanes). `first` is where the first span starts (the lane's length
    where there is none), `last` is where the last one ends (0 where there is none)."""

    length: npt.NDArray[np.int32]
    supervised: npt.NDArray[np.int32]
    first: npt.NDArray[np.int32]
    last: npt.NDArray[np.int32]


@dataclass(frozen=True)
class Parts:
    """What `build_trainer` is given. `train` and `eval` hold what the same method's `trainer_rows` gave, cut."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    train: Dataset
    eval: Dataset | None
    peft_config: PeftConfig | None
    arguments: dict[str, Any]
    output_dir: Path
    device: str
    callbacks: tuple[TrainerCallback, ...] = ()
    reference: PreTrainedModel | None = None  # what answers are measured against, where it is a model of its own
    scorer: Callable[[Sequence[tuple[Any, str]]], list[float]] | None = None  # (prompt, answer) pairs -> their scores


@dataclass(frozen=True, slots=True)
class Sample:
    """What a model wrote to a prompt while a run trained, what the row has as the answer, and what each reward gave."""

    prompt: str
    policy: str
    reference: str = ""
    rewards: dict[str, float | None] = field(default_factory=dict)


class Method(Section, ABC):
    """One way to train. `type` is its key in METHODS."""

    type: str
    dataset_types: ClassVar[tuple[DatasetType, ...]] = ()
    lanes: ClassVar[tuple[str, ...]] = ("text",)
    shapes_tokens: ClassVar[tuple[str, ...]] = ()  # the settings of which a row's tokens or spans depend
    shapes_cuts: ClassVar[tuple[str, ...]] = ()  # those of which it depends what a trainer is given of them
    generates: ClassVar[bool] = False  # whether it trains on what the model writes, which takes most of its time
    groups_by_length: ClassVar[bool] = False  # whether the trainer can see how long a row is
    chats: ClassVar[bool] = True  # whether what it trains answers in words, so that Chat can hold it against the base

    def dataset_type(self, available: tuple[DatasetType, ...]) -> DatasetType:
        """The type a format should render rows to, given those it can, for this method and its settings."""
        for wanted in self.wanted_types():
            if wanted in available:
                return wanted
        raise DataError(
            "These rows are of the type {available}, which method {method} does not train on (it takes {wanted}). "
            "Methods for them: {fitting}. Set method to one of these, or choose another format or source.",
            available=", ".join(available),
            method=self.type,
            wanted=", ".join(self.dataset_types),
            fitting=", ".join(methods_for(available)) or "none",
        )

    @property
    def has_reference(self) -> bool:
        """Whether answers are measured against the base, or what the adapter was at first."""
        return False

    @property
    def rests(self) -> bool:
        """Whether a step without any gradient can be right, such as when every answer is worth the same."""
        return False

    def wanted_types(self) -> tuple[DatasetType, ...]:
        """The types this method takes, the one its settings need first."""
        return self.dataset_types

    @abstractmethod
    def encode(self, rows: Sequence[dict[str, Any]], encoder: Encoder) -> list[Encoded]:
        """Rendered rows -> their lanes, not cut. Raises what a chat template or tokenizer raises."""

    @abstractmethod
    def survives(self, facts: LaneFacts, *, max_length: int | None, truncation_mode: str) -> npt.NDArray[np.bool_]:
        """Which rows the trainer keeps."""

    @abstractmethod
    def trainer_rows(
        self, rows: Sequence[Encoded], *, max_length: int | None, truncation_mode: str
    ) -> dict[str, list[Any]]:
        """The columns that the trainer's collator takes, cut."""

    def shown(self, lane: Lane, *, max_length: int | None, truncation_mode: str) -> tuple[int, int]:
        """Which tokens of a lane the trainer sees: [start, end)."""
        return window(len(lane.ids), max_length=max_length, truncation_mode=truncation_mode)

    def question(self, row: Encoded, *, max_length: int | None, truncation_mode: str) -> Question | None:
        """What a row asks: of its first lane the last trained part is the answer (of a conversation, its last reply),
        and what the trainer sees before that the prompt. None where nothing stands before it."""
        lane = row.lanes[0]
        start, end = self.shown(lane, max_length=max_length, truncation_mode=truncation_mode)
        for first, last in reversed(list(zip(lane.spans[0::2], lane.spans[1::2], strict=True))):
            if start < first < end:
                return Question(lane.ids[start:first], lane.ids[first:last])
        return None

    def begins(self, length: Any, *, max_length: int | None, truncation_mode: str) -> tuple[Any, int] | None:
        """Where packed pieces of a row of this length begin: at a first token, and from there at every so many. Nothing
        predicts these tokens, so a trainer takes them out of the loss. None where rows are not packed. `length` may be
        an array; so is the first token then."""
        return None

    def sequences(self, lengths: Lengths, *, max_length: int | None, batch_size: int = 1, accumulation: int = 1) -> int:
        """How many sequences an epoch of the trainer has, given its rows' lengths: rows, packed blocks, or answers."""
        return len(lengths)

    @abstractmethod
    def build_trainer(self, parts: Parts) -> Trainer:
        """The trainer, ready for `.train()`."""

    def samples(self, trainer: Any) -> list[Sample]:
        """A few of the answers that the trainer generated last, in a method that generates."""
        return []

    @abstractmethod
    def argument_types(self) -> dict[str, Any]:
        """Name -> type of what `training.extra` may hold: the fields of the trainer's own config class."""


def methods_for(available: Sequence[DatasetType]) -> tuple[str, ...]:
    """Names of the methods that train on rows of one of these types."""
    from studio.methods import METHODS

    return tuple(name for name, method in METHODS.items() if set(method.dataset_types) & set(available))


def window(length: int, *, max_length: int | None, truncation_mode: str) -> tuple[int, int]:
    """What a cut leaves of a sequence: [start, end). A mode that drops long sequences cuts none."""
    if max_length is None or length <= max_length or truncation_mode == "drop":
        return 0, length
    return (length - max_length, length) if truncation_mode == "keep_end" else (0, max_length)


def fits(facts: LaneFacts, *, max_length: int) -> npt.NDArray[np.bool_]:
    """Rows of which no lane is longer."""
    longest: npt.NDArray[np.int32] = facts.length.max(axis=1)
    return longest <= max_length


def types_of(arguments: type) -> dict[str, Any]:
    """Name -> type of a trainer's config class, without constructing it: that would reset accelerate's state."""
    from dataclasses import fields
    from typing import get_type_hints

    kinds = get_type_hints(arguments)
    return {one.name: kinds[one.name] for one in fields(arguments)}


@contextmanager
def pinned(device: str) -> Iterator[None]:
    """While a trainer is built, accelerate takes `device` ("cuda:1") for its own, not the first GPU."""
    name = "ACCELERATE_TORCH_DEVICE"
    before = os.environ.get(name)
    if device.startswith("cuda"):
        os.environ[name] = device
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before


def pin(arguments: TrainingArguments, device: str) -> None:
    """Keep a trainer on one GPU: with several visible it would replicate the model over all of them."""
    if device.startswith("cuda"):
        import torch

        arguments.__dict__["_setup_devices"] = torch.device(device)
        arguments._n_gpu = 1
