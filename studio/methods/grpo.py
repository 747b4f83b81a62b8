"""Group relative policy optimization with `trl.GRPOTrainer`. Source: https://huggingface.co/docs/trl/grpo_trainer"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, create_model, model_validator
from pydantic.fields import FieldInfo

from studio.errors import ConfigError, DataError
from studio.methods.base import DatasetType, Encoded, Lane, LaneFacts, Method, Parts, Question, Sample, fits, types_of
from studio.methods.encoding import Encoder, Job
from studio.methods.generated import REFERENCE, best_and_worst, telling, with_reference
from studio.methods.pairs import build, without_cuts
from studio.methods.paths import cell_of
from studio.methods.reference import reference
from studio.methods.rewards import REWARDS, RewardFunction
from studio.section import MOST, figures_of, knob, names_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from trl import GRPOTrainer

    from studio.methods.base import Lengths

# What columns that hold the right answer are called, likeliest first; the last is verl's.
USUAL = (
    "answer", "solution", "ground_truth", "reference", "target", "label", "final_answer", "gold", "expected_answer",
    "output", "response", "completion", "答案", "reward_model.ground_truth",
)  # fmt: skip
OURS = ("type", "reward_funcs", "reference_column")  # what the trainer's own config does not have
SETTING = "reward_"  # what a reward's setting is called in a run begins so

Weights = Annotated[tuple[float, ...], BeforeValidator(figures_of)]


class GRPO(Method):
    """Lets the model answer each prompt several times, and makes those answers likelier that are worth more.

    `with_rewards` adds the settings of the rewards there are.
    """

    type: Literal["grpo"] = knob("grpo", flag="method")
    reward_funcs: tuple[str, ...] = knob(("exact_match",), min_length=1)
    reward_weights: Weights | None = knob(None, advanced=True)
    reference_column: str | None = knob(None, advanced=True)
    num_generations: int = knob(4, ge=2, le=MOST)
    max_completion_length: int = knob(256, ge=1, le=MOST)
    temperature: float = knob(1.0, gt=0, flag="sampling_temperature")
    beta: float = knob(0.0, ge=0)
    loss_type: Literal["dapo", "grpo", "dr_grpo", "bnpo", "cispo", "sapo", "luspo", "vespo"] = knob(
        "dapo", advanced=True
    )
    epsilon: float = knob(0.2, gt=0, advanced=True)
    epsilon_high: float | None = knob(None, gt=0, advanced=True)
    scale_rewards: Literal["group", "batch", "none"] = knob("group", advanced=True)
    multi_objective_aggregation: Literal["sum_then_normalize", "normalize_then_sum"] = knob(
        "sum_then_normalize", advanced=True
    )
    importance_sampling_level: Literal["token", "sequence"] = knob("token", advanced=True)
    num_iterations: int = knob(1, ge=1, le=MOST, advanced=True)
    mask_truncated_completions: bool = knob(False, advanced=True)
    entropy_coef: float = knob(0.0, ge=0, advanced=True)
    top_p: float = knob(1.0, gt=0, le=1, flag="sampling_top_p", advanced=True)
    top_k: int = knob(0, ge=0, le=MOST, flag="sampling_top_k", advanced=True)
    min_p: float | None = knob(None, ge=0, le=1, flag="sampling_min_p", advanced=True)
    repetition_penalty: float = knob(1.0, gt=0, flag="sampling_repetition_penalty", advanced=True)

    shapes_tokens: ClassVar[tuple[str, ...]] = ("reference_column", "reward_funcs")  # some rewards need a reference
    dataset_types: ClassVar[tuple[DatasetType, ...]] = ("prompt-only",)
    lanes: ClassVar[tuple[str, ...]] = ("prompt",)
    generates: ClassVar[bool] = True

    @classmethod
    def knobs(cls) -> dict[str, FieldInfo]:
        """The rewards' own settings follow the choice of rewards."""
        fields, own = dict(cls.model_fields), _settings()
        names = [name for name in fields if name not in own]
        at = names.index("reward_weights") + 1
        return {name: fields[name] for name in (*names[:at], *own, *names[at:]) if name in fields}

    @model_validator(mode="after")
    def _rewards_can_be(self) -> GRPO:
        names = self.reward_funcs
        if len(set(names)) < len(names):
            raise ValueError(
                ConfigError(
                    "method.reward_funcs names a reward twice ({names}). Name each once.", names=", ".join(names)
                )
            )
        if self.reward_weights is not None and len(self.reward_weights) != len(names):
            raise ValueError(
                ConfigError(
                    "method.reward_weights has {weights} numbers for {rewards} rewards ({names}). "
                    "Give one for each reward of method.reward_funcs, or leave it out.",
                    weights=len(self.reward_weights),
                    rewards=len(names),
                    names=", ".join(names),
                )
            )
        self.rewards()
        return self

    def rewards(self) -> list[RewardFunction]:
        """The chosen rewards with their settings. Raises what these raise where they cannot be."""
        made = []
        for name in self.reward_funcs:
            kind = REWARDS[name]
            made.append(kind.model_validate({field: getattr(self, SETTING + field) for field in kind.model_fields}))
        return made

    @property
    def has_reference(self) -> bool:
        return self.beta > 0

    @property
    def rests(self) -> bool:
        """Answers that are all worth the same teach nothing."""
        return True

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
        """The text that an answer is compared with, "" where no reward needs one, and the column it is from."""
        columns: dict[str, Any] = row.get(REFERENCE) or {}
        name = self.reference_column or row.get("answer_column") or _usual(columns)
        found = None if name is None else cell_of(columns, name)
        text = str(found) if isinstance(found, str | int | float) else ""
        needing = next((one for one in self.reward_funcs if REWARDS[one].compares), None)
        if needing is not None and (not text or text.isspace()):
            raise _no_reference(needing, name, found, columns)
        return {REFERENCE: text} if name is None else {REFERENCE: text, "reference_column": name}

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

    def question(self, row: Encoded, *, max_length: int | None, truncation_mode: str) -> Question | None:
        """The whole prompt, and the reference as text."""
        return Question(row.lanes[0].ids, text=row.extra.get(REFERENCE, ""))

    def sequences(self, lengths: Lengths, *, max_length: int | None, batch_size: int = 1, accumulation: int = 1) -> int:
        """Answers of an epoch, each as often as it is learned from; prompts that do not fill a round of generation are
        left out of it."""
        round_size = self._round(batch_size, accumulation)
        return len(lengths) // (round_size // self.num_generations) * round_size * self.num_iterations

    def _round(self, batch_size: int, accumulation: int) -> int:
        """Answers generated at once: whole steps, and whole groups."""
        return math.lcm(batch_size * accumulation, self.num_generations)

    def build_trainer(self, parts: Parts) -> GRPOTrainer:
        """A GRPOTrainer over the chosen rewards."""
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
        judges = [one.trainer_function(parts) for one in self.rewards()]
        return build(
            with_reference(GRPOTrainer, reference(parts, ahead=self.beta == 0)),
            GRPOConfig,
            parts,
            {
                **arguments,
                **{name: value for name, value in self if name not in (*OURS, *_settings())},
                "num_generations_eval": evaluated,
                "generation_batch_size": size,
                "reward_weights": list(self.reward_weights) if self.reward_weights is not None else None,
            },
            reward_funcs=[telling(judges[0]), *judges[1:]],
        )

    def samples(self, trainer: Any) -> list[Sample]:
        """Of the answers generated last, the best and the worst to one prompt."""
        return best_and_worst(trainer, group=self.num_generations, weights=self.reward_weights)

    def argument_types(self) -> dict[str, Any]:
        from trl import GRPOConfig

        return types_of(GRPOConfig)


def with_rewards(rewards: Mapping[str, type[RewardFunction]] = REWARDS) -> type[GRPO]:
    """The method with these rewards to choose from, and with their settings."""
    fields: dict[str, Any] = {name: (field.annotation, field) for name, field in _settings(rewards).items()}
    one_of: Any = Literal
    several: Any = tuple
    names: Any = Annotated[several[one_of[tuple(rewards)], ...], BeforeValidator(names_of)]
    chosen: Any = (names, GRPO.model_fields["reward_funcs"])
    return create_model("GRPO", __base__=GRPO, __doc__=GRPO.__doc__, reward_funcs=chosen, **fields)


def _settings(rewards: Mapping[str, type[RewardFunction]] = REWARDS) -> dict[str, FieldInfo]:
    """What the rewards can be set to, by the names that a run's method has for it."""
    return {SETTING + name: field for kind in rewards.values() for name, field in kind.model_fields.items()}


def _usual(columns: dict[str, Any]) -> str | None:
    """The column, or the path in one, that goes by a usual name for the right answer."""
    by_name = {column.strip().lower(): column for column in reversed(columns)}
    for name in USUAL:
        if name in by_name:
            return by_name[name]
        if cell_of(columns, name) is not None:
            return name
    return None


def _no_reference(reward: str, name: str | None, found: Any, columns: dict[str, Any]) -> DataError:
    """Why a row has nothing that an answer can be compared with."""
    details = {"reward": reward, "columns": ", ".join(columns) or "none"}
    if name is None:
        return DataError(
            "method.reward_funcs: {reward} compares an answer with a reference, and no column is known to be one "
            "(there are: {columns}). Set method.reference_column to the column, or choose another reward.",
            **details,
        )
    if isinstance(found, dict | list) and found:
        inner = f"{name}[0]" if isinstance(found, list) else f"{name}.{next(iter(found))}"
        return DataError(
            "method.reward_funcs: {reward} compares an answer with {column}, which is {value} ({kind}) and no text. "
            "Set method.reference_column to a path in it, such as {inner}, or choose another reward.",
            reward=reward, column=name, value=repr(found)[:40], kind=type(found).__name__, inner=inner,
        )  # fmt: skip
    return DataError(
        "method.reward_funcs: {reward} compares an answer with {column}, which has no value among the columns "
        "beside the prompt ({columns}). Fill it, set method.reference_column to another, or choose another reward.",
        column=name,
        **details,
    )
