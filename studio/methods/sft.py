"""Supervised fine-tuning with `trl.SFTTrainer`. Source: https://huggingface.co/docs/trl/sft_trainer"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from studio.errors import DataError
from studio.methods.backend import Ranges, without
from studio.methods.base import (
    DatasetType,
    Encoded,
    Lane,
    LaneFacts,
    Method,
    Parts,
    fits,
    pin,
    pinned,
    types_of,
    window,
)
from studio.methods.encoding import Coded, Encoder, Job
from studio.methods.labels import MASKED
from studio.methods.packing import Block, Strategy, packed
from studio.section import knob

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from trl import SFTTrainer

    from studio.methods.base import Lengths

LONGEST = 2**31  # longer than any row


class SFT(Method):
    """Loss on the completion (default), on every assistant turn, or (both off) on all tokens."""

    type: Literal["sft"] = knob("sft", flag="method")
    completion_only_loss: bool = knob(True)
    assistant_only_loss: bool = knob(False)
    packing: bool = knob(False, advanced=True)
    packing_strategy: Strategy = knob("bfd", advanced=True)
    padding_free: bool = knob(False, advanced=True)
    loss_type: Literal["nll", "dft"] = knob("nll", advanced=True)
    neftune_noise_alpha: float | None = knob(None, ge=0, advanced=True)
    use_liger_kernel: bool = knob(False, advanced=True)

    shapes_tokens: ClassVar[tuple[str, ...]] = ("completion_only_loss", "assistant_only_loss")
    shapes_cuts: ClassVar[tuple[str, ...]] = ("packing", "packing_strategy", "padding_free")
    dataset_types: ClassVar[tuple[DatasetType, ...]] = ("prompt-completion", "language-modeling", "tokenized")
    groups_by_length: ClassVar[bool] = True

    def wanted_types(self) -> tuple[DatasetType, ...]:
        """Prompt-completion where the loss needs the border; else whole conversations or text."""
        if self.completion_only_loss and not self.assistant_only_loss:
            return self.dataset_types
        return ("language-modeling", "prompt-completion", "tokenized")

    def encode(self, rows: Sequence[dict[str, Any]], encoder: Encoder) -> list[Encoded]:
        """Rows of one of `dataset_types` -> a lane of tokens each; `encoder` finds borders and turns as TRL does."""
        made: list[Encoded | None] = [_own_tokens(row) if "input_ids" in row else None for row in rows]
        places = [place for place, one in enumerate(made) if one is None]
        jobs = [self._job(rows[place], encoder) for place in places]
        coded = encoder.encode(jobs, answers=self.assistant_only_loss)
        for place, job, one in zip(places, jobs, coded, strict=True):
            made[place] = Encoded((Lane(one.ids, self._spans(job, one)),), (one.text,))
        return [one for one in made if one is not None]

    def _job(self, row: dict[str, Any], encoder: Encoder) -> Job:
        tools, extra = row.get("tools"), row.get("chat_template_kwargs")
        if "messages" in row:
            return Job(row["messages"], tools=tools, extra=extra, since=0)
        whole = row["text"] if "text" in row else row["prompt"]
        if isinstance(whole, str):
            if self.assistant_only_loss:
                raise DataError(
                    "assistant_only_loss needs conversations, but these rows are plain text. "
                    "Turn assistant_only_loss off, or choose a data set of messages."
                )
            if "text" in row:
                return Job(encoder.ended(whole))
            return Job(whole + encoder.ended(row["completion"]), whole)
        since = len(whole) if self.completion_only_loss else 0
        return Job([*whole, *row["completion"]], whole, tools, extra, since=since)

    def _spans(self, job: Job, coded: Coded) -> tuple[int, ...]:
        """What is in the loss: the answers, behind the border where that counts, but for turns switched off."""
        start = coded.border if self.completion_only_loss and job.prompt is not None else 0
        length = len(coded.ids)
        ranges: Ranges = coded.answers if coded.answers is not None else [(0, length)] if length else []
        taken = [(0, start), *coded.off] if start else list(coded.off)
        return tuple(number for span in without(ranges, taken) for number in span)

    def survives(self, facts: LaneFacts, *, max_length: int | None, truncation_mode: str) -> npt.NDArray[np.bool_]:
        """All without a limit; else rows that keep a trained token. Packing keeps every token, so every row."""
        import numpy as np

        length = facts.length[:, 0]
        if max_length is None:
            return np.ones(len(length), dtype=bool)
        left = fits(facts, max_length=max_length) if truncation_mode == "drop" else length > 0
        if self.packing:
            return left
        if truncation_mode == "keep_end":
            seen = facts.last[:, 0] > length - max_length
        else:
            seen = facts.first[:, 0] < max_length
        return left & seen & (facts.supervised[:, 0] > 0)

    def trainer_rows(
        self, rows: Sequence[Encoded], *, max_length: int | None, truncation_mode: str
    ) -> dict[str, list[Any]]:
        """`input_ids` and `labels`, cut as `shown` says."""
        ids, labels = [], []
        for row in rows:
            lane = row.lanes[0]
            start, end = self.shown(lane, max_length=max_length, truncation_mode=truncation_mode)
            made = [MASKED] * len(lane.ids)
            for first, last in zip(lane.spans[0::2], lane.spans[1::2], strict=True):
                made[first:last] = lane.ids[first:last]
            ids.append(lane.ids[start:end])
            labels.append(made[start:end])
        return {"input_ids": ids, "labels": labels}

    def shown(self, lane: Lane, *, max_length: int | None, truncation_mode: str) -> tuple[int, int]:
        """A cut, except by the packing that loses no token: it goes on in the next block."""
        if self.packing and self.packing_strategy != "bfd":
            return 0, len(lane.ids)
        return window(len(lane.ids), max_length=max_length, truncation_mode=truncation_mode)

    def begins(self, length: Any, *, max_length: int | None, truncation_mode: str) -> tuple[Any, int] | None:
        """Of the packing that keeps rows apart, `wrapped` lets each go on where the one before it ends; and of rows
        in a line without padding."""
        packed = self.packing and max_length is not None and self.packing_strategy != "wrapped"
        if not packed and not self.padding_free:
            return None
        if max_length is None:
            return 0 * length, LONGEST
        over = (length > max_length) * (length - max_length)
        if packed and self.packing_strategy == "bfd_split":
            return 0 * over, max_length
        return (over if truncation_mode == "keep_end" else 0 * over), LONGEST

    def blocks(self, lengths: Lengths, *, max_length: int, truncation_mode: str = "keep_start") -> Iterator[Block]:
        """What packing makes of rows of these lengths: blocks of (row position, start, end of its tokens)."""
        for block in packed(lengths, max_length=max_length, strategy=self.packing_strategy):
            if truncation_mode == "keep_end" and self.packing_strategy == "bfd":
                block = [(row, int(lengths[row]) - end + start, int(lengths[row])) for row, start, end in block]
            yield block

    def sequences(self, lengths: Lengths, *, max_length: int | None, batch_size: int = 1, accumulation: int = 1) -> int:
        """Rows, or the blocks that packing makes of them."""
        if not self.packing or max_length is None:
            return len(lengths)
        return sum(1 for _ in self.blocks(lengths, max_length=max_length))

    def build_trainer(self, parts: Parts) -> SFTTrainer:
        """An SFTTrainer over finished rows: it packs and batches them."""
        from datasets import disable_progress_bars
        from trl import SFTConfig, SFTTrainer

        disable_progress_bars()  # of the packing
        arguments = dict(parts.arguments)
        max_length = arguments.pop("max_length", None)
        arguments.pop("truncation_mode", None)
        with pinned(parts.device):
            args = SFTConfig(
                output_dir=str(parts.output_dir),
                max_length=max_length if self.packing else None,  # without packing the rows are cut already
                completion_only_loss=self.completion_only_loss,
                assistant_only_loss=False,  # the rows are tokenized and carry their labels
                packing=self.packing,
                packing_strategy=self.packing_strategy,
                padding_free=self.padding_free,
                loss_type=self.loss_type,
                neftune_noise_alpha=self.neftune_noise_alpha,
                use_liger_kernel=self.use_liger_kernel,
                **arguments,
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
        from trl import SFTConfig

        return types_of(SFTConfig)


def _own_tokens(row: dict[str, Any]) -> Encoded:
    """A row that brings its token ids, and labels that say which of them are trained."""
    ids, labels = row["input_ids"], row.get("labels")
    if labels is None:
        labels = ids
    if len(labels) != len(ids):
        raise DataError(
            "labels has {labels} entries and input_ids has {ids}; every token needs one label. "
            "Write the token's id where it is trained, and -100 where it is not.",
            labels=len(labels),
            ids=len(ids),
        )
    spans: list[int] = []
    for at, (number, label) in enumerate(zip(ids, labels, strict=True)):
        if label not in (number, MASKED):
            raise DataError(
                "labels says {label} at token {at}, where input_ids has {number}. A label is the token's own id where "
                "it is trained, and -100 where it is not; the trainer shifts them itself.",
                label=label,
                at=at + 1,
                number=number,
            )
        if (label == MASKED) == bool(len(spans) % 2):
            spans.append(at)
    if len(spans) % 2:
        spans.append(len(ids))
    return Encoded((Lane(list(ids), tuple(spans)),), ("",))
