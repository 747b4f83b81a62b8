"""Supervised fine-tuning with `trl.SFTTrainer`. Source: https://huggingface.co/docs/trl/sft_trainer"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from studio.errors import DataError
from studio.methods.base import DatasetType, Method, Parts, pin, pinned
from studio.section import knob

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase
    from trl import SFTTrainer


class SFT(Method):
    """Loss on the completion (default), on every assistant turn, or (both off) on all tokens."""

    type: Literal["sft"] = knob("sft", flag="method")
    completion_only_loss: bool = knob(True)
    assistant_only_loss: bool = knob(False)
    packing: bool = knob(False, advanced=True)

    dataset_types: ClassVar[tuple[DatasetType, ...]] = ("prompt-completion", "language-modeling")

    def dataset_type(self, available: tuple[DatasetType, ...]) -> DatasetType:
        """Prompt-completion where the loss needs the border; else whole conversations or text."""
        wanted: DatasetType = (
            "prompt-completion" if self.completion_only_loss and not self.assistant_only_loss else "language-modeling"
        )
        return wanted if wanted in available else available[0]

    def tokenize(self, rows: Dataset, *, tokenizer: PreTrainedTokenizerBase) -> Dataset:
        """The trainer's own preparation, without a model: (rows) -> input_ids, labels."""
        trainer = self._bare_trainer(rows, tokenizer)
        prepared = trainer._prepare_dataset(rows, tokenizer, trainer.args, False, None, "rows")
        return prepared.select_columns(["input_ids", "labels"])

    def _bare_trainer(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase) -> SFTTrainer:
        """An SFTTrainer with only what `_prepare_dataset` reads (trl 1.16), set as its constructor sets it."""
        from trl import SFTTrainer
        from trl.chat_template_utils import get_training_chat_template, has_generation_markers
        from trl.data_utils import is_conversational

        trainer = SFTTrainer.__new__(SFTTrainer)
        # Not an SFTConfig: constructing one resets accelerate's process-wide state under a run that is training.
        trainer.args = SimpleNamespace(
            assistant_only_loss=self.assistant_only_loss,
            dataset_num_proc=None,
            dataset_text_field="text",
            max_length=None,
            shuffle_dataset=False,
        )
        trainer._tokenizer = tokenizer
        trainer.completion_only_loss = self.completion_only_loss
        trainer.chat_template = None
        if self.assistant_only_loss:
            if not is_conversational(rows[0]):
                raise DataError(
                    "assistant_only_loss needs conversations, but these rows are plain text. "
                    "Turn assistant_only_loss off, or choose a data set of messages."
                )
            if not has_generation_markers(tokenizer.chat_template):
                try:
                    trainer.chat_template = get_training_chat_template(tokenizer)
                except ValueError as error:
                    raise DataError(
                        "assistant_only_loss needs a chat template that marks the assistant's turns, and this model's "
                        "does not. Turn assistant_only_loss off (completion_only_loss trains the last answer), "
                        "or choose a model whose template has {% generation %} markers."
                    ) from error
        return trainer

    def sequences(self, rows: Dataset, *, max_length: int | None) -> int:
        """Rows, or the blocks the trainer's own packing makes of them."""
        if not self.packing or max_length is None:
            return len(rows)
        from trl import pack_dataset

        return len(pack_dataset(rows, max_length, "bfd", {}))

    def build_trainer(self, parts: Parts) -> SFTTrainer:
        """An SFTTrainer over rows that `tokenize` made: it truncates, packs and batches them."""
        from trl import SFTConfig, SFTTrainer

        with pinned(parts.device):
            args = SFTConfig(
                output_dir=str(parts.output_dir),
                completion_only_loss=self.completion_only_loss,
                assistant_only_loss=False,  # the rows are tokenized and carry their labels
                packing=self.packing,
                **parts.arguments,
            )
            pin(args, parts.device)
            return SFTTrainer(
                model=parts.model,
                args=args,
                train_dataset=parts.train,
                eval_dataset=parts.eval,
                processing_class=parts.tokenizer,
                peft_config=parts.peft_config,
                callbacks=list(parts.callbacks),
            )

    def argument_types(self) -> dict[str, Any]:
        from dataclasses import fields
        from typing import get_type_hints

        from trl import SFTConfig

        kinds = get_type_hints(SFTConfig)
        return {field.name: kinds[field.name] for field in fields(SFTConfig)}
