"""What a training method is: its settings, the rows it takes, how they become tokens, and its trainer.

Knows nothing of files, pages or threads. A method is a Section, so its settings are knobs like any other.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from studio.section import Section

if TYPE_CHECKING:
    from pathlib import Path

    from datasets import Dataset
    from peft import PeftConfig
    from transformers import (
        PreTrainedModel,
        PreTrainedTokenizerBase,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

# The field's names for what a row of a data set holds (TRL, "Dataset formats and types").
DatasetType = Literal["language-modeling", "prompt-completion"]


@dataclass(frozen=True)
class Parts:
    """What `build_trainer` is given. `train` and `eval` are already tokenized by the same method's `tokenize`."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    train: Dataset
    eval: Dataset | None
    peft_config: PeftConfig | None
    arguments: dict[str, Any]
    output_dir: Path
    device: str
    callbacks: tuple[TrainerCallback, ...] = ()


class Method(Section, ABC):
    """One way to train. `type` is its key in METHODS."""

    type: str
    dataset_types: ClassVar[tuple[DatasetType, ...]] = ()

    @abstractmethod
    def dataset_type(self, available: tuple[DatasetType, ...]) -> DatasetType:
        """The type a format should render rows to, given those it can, for this method and its loss setting."""

    @abstractmethod
    def tokenize(self, rows: Dataset, *, tokenizer: PreTrainedTokenizerBase) -> Dataset:
        """Rows of one of `dataset_types` -> columns `input_ids` and `labels` (-100: masked), not yet truncated.

        Runs the trainer's own preparation, so that a preview and a run cannot differ.
        """

    @abstractmethod
    def sequences(self, rows: Dataset, *, max_length: int | None) -> int:
        """How many sequences the trainer batches: rows that keep a supervised token, or packed blocks of them."""

    @abstractmethod
    def build_trainer(self, parts: Parts) -> Trainer:
        """The trainer, ready for `.train()`."""

    @abstractmethod
    def argument_types(self) -> dict[str, Any]:
        """Name -> type of what `training.extra` may hold: the fields of the trainer's own config class."""


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
