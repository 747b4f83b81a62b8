"""Group relative policy optimization with `trl.GRPOTrainer`. Source: https://huggingface.co/docs/trl/grpo_trainer"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import model_validator

from studio.errors import ConfigError, DataError
from studio.methods.base import DatasetType, Encoded, Lane, LaneFacts, Method, Parts, fits, types_of
from studio.methods.encoding import Encoder, Job
from studio.methods.pairs import build, without_cuts
from studio.methods.paths import cell_of
from studio.methods.rewards import NEED_REFERENCE, REWARDS, Rule
from studio.section import knob

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from trl import GRPOTrainer

    from studio.methods.base import Lengths

REFERENCE = "reference"
# What columns that hold the right answer are called, likeliest first; the last is verl's.
USUAL = (
    "answer", "solution", "ground_truth", "reference", "target", "label", "final_answer", "gold", "expected_answer",
    "output", "response", "completion", "答案", "reward_model.ground_truth",
)  # fmt: skip


class GRPO(Method):
    """Lets the model answer each prompt several times, and makes those answers likelier that are worth more."""

    type: Literal["grpo"] = knob("grpo", flag="method")
    reward_func: Literal["exact_match", "contains", "last_number", "length", "regex"] = knob("exact_match")
    reward_pattern: str = knob("")
    reward_length: int = knob(200, ge=1, advanced=True)
    reference_column: str | None = knob(None, advanced=True)
    num_generations: int = knob(4, ge=2)
    max_completion_length: int = knob(256, ge=1)
    temperature: float = knob(1.0, gt=0, flag="sampling_temperature")
    beta: float = knob(0.0, ge=0)

    shapes_tokens: ClassVar[tuple[str, ...]] = ("reference_column", "reward_func")  # some rewards need a reference
    dataset_types: ClassVar[tuple[DatasetType, ...]] = ("prompt-only",)
    lanes: ClassVar[tuple[str, ...]] = ("prompt",)
    generates: ClassVar[bool] = True

    @model_validator(mode="after")
    def _pattern_where_needed(self) -> GRPO:
        if self.reward_func == "regex":
            if not self.reward_pattern:
                raise ValueError(ConfigError("method.reward_func: regex needs method.reward_pattern, which is empty."))
            try:
                re.compile(self.reward_pattern)
            except re.error as error:
                raise ValueError(
                    ConfigError("method.reward_pattern is no regular expression ({problem}).", problem=error)
                ) from error
        return self

    def encode(self, rows: Sequence[dict[str, Any]], encoder: Encoder) -> list[Encoded]:
        """The prompt as the model is asked it. Nothing of it is in the loss: that is on what the model will answer."""
        for row in rows:
            if row.get("tools") or row.get("chat_template_kwargs"):
                raise DataError(
                    "Method grpo asks its prompts without tools and without chat_template_kwargs, which this row has. "
                    "Remove them, or choose method sft."
                )
        coded = encoder.encode([Job(row["prompt"], asking=True) for row in rows])
        return [
            Encoded((Lane(one.ids, ()),), (one.text,), {"prompt": row["prompt"], **self._compared(row)})
            for row, one in zip(rows, coded, strict=True)
        ]

    def _compared(self, row: dict[str, Any]) -> dict[str, str]:
        """The text that an answer is compared with, "" where the reward needs none, and the column it is from."""
        columns: dict[str, Any] = row.get(REFERENCE) or {}
        name = self.reference_column or row.get("answer_column") or _usual(columns)
        found = None if name is None else cell_of(columns, name)
        text = str(found) if isinstance(found, str | int | float) else ""
        if self.reward_func in NEED_REFERENCE and (not text or text.isspace()):
            raise self._no_reference(name, found, columns)
        return {REFERENCE: text} if name is None else {REFERENCE: text, "reference_column": name}

    def _no_reference(self, name: str | None, found: Any, columns: dict[str, Any]) -> DataError:
        """Why a row has nothing that an answer can be compared with."""
        details = {"reward": self.reward_func, "columns": ", ".join(columns) or "none"}
        if name is None:
            return DataError(
                "method.reward_func: {reward} compares an answer with a reference, and no column is known to be one "
                "(there are: {columns}). Set method.reference_column to the column, or choose another reward.",
                **details,
            )
        if isinstance(found, dict | list) and found:
            inner = f"{name}[0]" if isinstance(found, list) else f"{name}.{next(iter(found))}"
            return DataError(
                "method.reward_func: {reward} compares an answer with {column}, which is {value} ({kind}) and no text. "
                "Set method.reference_column to a path in it, such as {inner}, or choose another reward.",
                reward=self.reward_func, column=name, value=repr(found)[:40], kind=type(found).__name__, inner=inner,
            )  # fmt: skip
        return DataError(
            "method.reward_func: {reward} compares an answer with {column}, which has no value among the columns "
            "beside the prompt ({columns}). Fill it, set method.reference_column to another, or choose another reward.",
            column=name,
            **details,
        )

    def survives(self, facts: LaneFacts, *, max_length: int | None, truncation_mode: str) -> npt.NDArray[np.bool_]:
        """A prompt is never cut: asked to `drop`, those longer than max_length are left out."""
        import numpy as np

        if max_length is None or truncation_mode != "drop":
            return np.ones(len(facts.length), dtype=bool)
        return fits(facts, max_length=max_length)

    def shown(self, lane: Lane, *, max_length: int | None, truncation_mode: str) -> tuple[int, int]:
        return 0, len(lane.ids)

    def trainer_rows(
        self, rows: Sequence[Encoded], *, max_length: int | None, truncation_mode: str
    ) -> dict[str, list[Any]]:
        """Prompts as they are, and their references: the trainer renders them itself."""
        return {name: [row.extra[name] for row in rows] for name in ("prompt", REFERENCE)}

    def sequences(self, lengths: Lengths, *, max_length: int | None, batch_size: int = 1, accumulation: int = 1) -> int:
        """Answers of an epoch; prompts that do not fill a round of generation are left out of it."""
        round_size = self._round(batch_size, accumulation)
        return len(lengths) // (round_size // self.num_generations) * round_size

    def _round(self, batch_size: int, accumulation: int) -> int:
        """Answers generated at once: whole steps, and whole groups."""
        return math.lcm(batch_size * accumulation, self.num_generations)

    def build_trainer(self, parts: Parts) -> GRPOTrainer:
        """A GRPOTrainer whose rewards are rules."""
        from trl import GRPOConfig, GRPOTrainer

        arguments = without_cuts(parts)
        batch_size = int(arguments.get("per_device_train_batch_size", 8))
        size = self._round(batch_size, int(arguments.get("gradient_accumulation_steps", 1)))
        if len(parts.train) * self.num_generations < size:
            raise DataError(
                "{rows} prompts are fewer than the {needed} that a round of generation takes. Lower "
                "training.per_device_train_batch_size or gradient_accumulation_steps, or bring more rows.",
                rows=len(parts.train),
                needed=size // self.num_generations,
            )
        evaluated = math.gcd(int(arguments.get("per_device_eval_batch_size", 8)), self.num_generations)
        return build(
            GRPOTrainer,
            GRPOConfig,
            parts,
            {
                **arguments,
                "num_generations": self.num_generations,
                "num_generations_eval": evaluated,
                "generation_batch_size": size,
                "max_completion_length": self.max_completion_length,
                "temperature": self.temperature,
                "beta": self.beta,
            },
            reward_funcs=[self._judge()],
        )

    def _judge(self) -> Any:
        """The reward as the trainer calls it: answers are texts, or conversations of one turn."""
        rule = Rule(pattern=self.reward_pattern, length=self.reward_length)
        judge = REWARDS[self.reward_func]

        def judged(completions: list[Any], reference: list[str], **_: Any) -> list[float]:
            texts = [one if isinstance(one, str) else str(one[-1]["content"]) for one in completions]
            return judge(texts, reference, rule)

        judged.__name__ = self.reward_func
        return judged

    def argument_types(self) -> dict[str, Any]:
        from trl import GRPOConfig

        return types_of(GRPOConfig)


def _usual(columns: dict[str, Any]) -> str | None:
    """The column, or the path in one, that goes by a usual name for the right answer."""
    by_name = {column.strip().lower(): column for column in reversed(columns)}
    for name in USUAL:
        if name in by_name:
            return by_name[name]
        if cell_of(columns, name) is not None:
            return name
    return None
