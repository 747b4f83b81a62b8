"""What the methods over answers to a prompt share: their lanes, their cuts, and trainers that take finished rows.

Knows nothing of losses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from studio.methods.base import DatasetType, Encoded, Lane, LaneFacts, Method, Parts, fits, pin, pinned
from studio.methods.encoding import Coded, Encoder, Job

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from transformers import Trainer
    from trl.trainer.dpo_trainer import DataCollatorForPreference

Kind = TypeVar("Kind", bound=type)


class PairMethod(Method):
    """A method over a better and a worse answer to one prompt."""

    dataset_types: ClassVar[tuple[DatasetType, ...]] = ("preference",)
    lanes: ClassVar[tuple[str, ...]] = ("chosen", "rejected")

    def encode(self, rows: Sequence[dict[str, Any]], encoder: Encoder) -> list[Encoded]:
        return [with_answers(pair) for pair in answer_lanes(rows, encoder, names=self.lanes)]

    def survives(self, facts: LaneFacts, *, max_length: int | None, truncation_mode: str) -> npt.NDArray[np.bool_]:
        return keeps_an_answer(facts, max_length=max_length, truncation_mode=truncation_mode)

    def trainer_rows(
        self, rows: Sequence[Encoded], *, max_length: int | None, truncation_mode: str
    ) -> dict[str, list[Any]]:
        """The prompt's tokens and those of each answer; the collator cuts, for each lane may lose others."""
        return pair_columns(rows)


def answer_lanes(rows: Sequence[dict[str, Any]], encoder: Encoder, *, names: tuple[str, ...]) -> list[list[Coded]]:
    """For each row, the prompt with each of its answers; their common border is the prompt's end, as TRL has it."""
    coded = encoder.encode([_job(row, name, encoder) for row in rows for name in names])
    return [coded[at : at + len(names)] for at in range(0, len(coded), len(names))]


def _job(row: dict[str, Any], name: str, encoder: Encoder) -> Job:
    prompt, answer = row["prompt"], row[name]
    if isinstance(prompt, str):
        return Job(prompt + encoder.ended(answer), prompt)
    return Job([*prompt, *answer], prompt, row.get("tools"), row.get("chat_template_kwargs"))


def with_answers(coded: Sequence[Coded], extra: dict[str, Any] | None = None) -> Encoded:
    """Lanes whose loss is on what follows the shared prompt."""
    border = min(one.border for one in coded)
    lanes = tuple(Lane(one.ids, (border, len(one.ids)) if border < len(one.ids) else ()) for one in coded)
    return Encoded(lanes, tuple(one.text for one in coded), extra or {})


def border_of(lane: Lane) -> int:
    """Where the prompt ends: all of the lane is prompt where the answer is empty."""
    return lane.spans[0] if lane.spans else len(lane.ids)


def keeps_an_answer(facts: LaneFacts, *, max_length: int | None, truncation_mode: str) -> npt.NDArray[np.bool_]:
    """Rows whose prompt leaves room for an answer; the answer's end is always kept by `keep_end`."""
    import numpy as np

    left = np.ones(len(facts.length), dtype=bool)
    if max_length is None or truncation_mode == "keep_end":
        return left
    left = facts.first.min(axis=1) < max_length
    return left & fits(facts, max_length=max_length) if truncation_mode == "drop" else left


def pair_columns(rows: Sequence[Encoded]) -> dict[str, list[Any]]:
    """The prompt's tokens and those of each answer, not cut, as `pair_collator` takes them."""
    borders = [border_of(row.lanes[-1]) for row in rows]  # of the chosen one the prompt may be trained too
    return {
        "prompt_ids": [row.lanes[0].ids[:border] for row, border in zip(rows, borders, strict=True)],
        "chosen_ids": [row.lanes[0].ids[border:] for row, border in zip(rows, borders, strict=True)],
        "rejected_ids": [row.lanes[1].ids[border:] for row, border in zip(rows, borders, strict=True)],
    }


def pair_collator(parts: Parts) -> DataCollatorForPreference:
    """Cuts each answer with its prompt, for each may lose other tokens; chosen ones first, then rejected ones."""
    from trl.trainer.dpo_trainer import DataCollatorForPreference

    given = parts.arguments
    keeps_end = given.get("truncation_mode") == "keep_end"  # with `drop` no row is left to cut
    return DataCollatorForPreference(
        pad_token_id=parts.tokenizer.pad_token_id,
        max_length=given.get("max_length"),
        pad_to_multiple_of=given.get("pad_to_multiple_of"),
        truncation_mode="keep_end" if keeps_end else "keep_start",
    )


def takes_finished_rows(kind: Kind) -> Kind:
    """A trainer of this kind that uses its rows as they are, in place of tokenizing them itself."""

    def prepare(self: Any, dataset: Any, *_: Any, **__: Any) -> Any:
        return dataset

    return type(kind.__name__, (kind,), {"_prepare_dataset": prepare})  # type: ignore[return-value]


def build(trainer: type[Trainer], config: type, parts: Parts, arguments: dict[str, Any], **more: Any) -> Trainer:
    """A trainer of TRL's over `parts`, with these arguments for its config class."""
    with pinned(parts.device):
        args = config(output_dir=str(parts.output_dir), **arguments)
        pin(args, parts.device)
        return trainer(
            model=more.pop("model", parts.model),
            args=args,
            train_dataset=parts.train,
            eval_dataset=parts.eval,
            processing_class=parts.tokenizer,
            peft_config=more.pop("peft_config", parts.peft_config),
            callbacks=list(parts.callbacks),
            **more,
        )


def without_cuts(parts: Parts) -> dict[str, Any]:
    """The run's arguments less those that say how rows are cut."""
    return {name: value for name, value in parts.arguments.items() if name not in ("max_length", "truncation_mode")}
