from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from studio.config import RunConfig
from studio.config.files import build
from studio.errors import ConfigError
from studio.methods import Parts
from studio.model.adapter import peft_config
from studio.model.slot import ModelSlot
from studio.settings import Settings
from studio.training.arguments import RESERVED, check_arguments, steps_of, trainer_arguments
from studio.training.stage import stage

SHAPES = [
    {"num_train_epochs": 1},
    {"num_train_epochs": 2.5, "per_device_train_batch_size": 7},
    {"num_train_epochs": 3, "per_device_train_batch_size": 4, "gradient_accumulation_steps": 7},
    {"num_train_epochs": 0.1, "per_device_train_batch_size": 64},
    {"per_device_train_batch_size": 512, "gradient_accumulation_steps": 3},
    {"max_steps": 11},
]


@pytest.mark.parametrize("packing", [False, True], ids=["rows", "packed"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_planned_steps_are_the_trainers(
    shape: dict[str, Any], packing: bool, settings: Settings, tmp_path: Path
) -> None:
    """Against the real trainer's own count, for batches, accumulation, epochs, packing and odd remainders."""
    config = build({"method": {"packing": packing}, "training": {"max_length": 128, **shape}})
    staged, slot = stage(config, settings), ModelSlot(settings)
    slot.load(config.model)
    model = slot.trainee()
    trainer = config.method.build_trainer(
        Parts(
            model=model,
            tokenizer=staged.tokenizer,
            train=staged.prepared.train,
            eval=None,
            peft_config=peft_config(config.adapter, model),
            arguments=trainer_arguments(config, device="cpu", dtype="float32", has_eval=False),
            output_dir=tmp_path,
            device="cpu",
        )
    )
    *_, expected = trainer.set_initial_training_values(trainer.args, trainer.get_train_dataloader())
    sequences = config.method.sequences(staged.prepared.lengths, max_length=config.training.max_length)
    assert sequences == len(trainer.train_dataset)
    assert steps_of(config.training, sequences) == expected


@pytest.mark.parametrize(
    ("device", "dtype", "expected"),
    [
        ("cpu", "float32", {"use_cpu": True, "bf16": False, "fp16": False}),
        ("cpu", "bfloat16", {"use_cpu": True, "bf16": False, "fp16": False}),
        ("cuda:0", "bfloat16", {"use_cpu": False, "bf16": True, "fp16": False}),
        ("cuda:1", "float16", {"use_cpu": False, "bf16": False, "fp16": True}),
        ("cuda:0", "float32", {"use_cpu": False, "bf16": False, "fp16": False}),
        ("mps:0", "float16", {"use_cpu": False, "bf16": False, "fp16": False}),
    ],
)
def test_precision_follows_weights_and_device(device: str, dtype: str, expected: dict[str, bool]) -> None:
    made = trainer_arguments(RunConfig(), device=device, dtype=dtype, has_eval=True)
    assert {name: made[name] for name in expected} == expected


def test_without_held_out_rows_nothing_is_evaluated() -> None:
    assert trainer_arguments(RunConfig(), device="cpu", dtype="float32", has_eval=False)["eval_strategy"] == "no"


def test_extra_reaches_the_trainer_and_wins_nothing_it_must_not() -> None:
    config = build({"training": {"extra": {"adam_epsilon": 5, "adam_beta2": 0.95}}})
    made = trainer_arguments(config, device="cpu", dtype="float32", has_eval=True)
    assert made["adam_epsilon"] == 5 and made["adam_beta2"] == 0.95
    for name in RESERVED:
        with pytest.raises(ConfigError, match=name):
            check_arguments(build({"training": {"extra": {name: "x"}}}))
    with pytest.raises(ConfigError, match=r"set training\.learning_rate"):
        check_arguments(build({"training": {"extra": {"learning_rate": 1}}}))
    with pytest.raises(ConfigError, match=r"set method\.packing"):
        check_arguments(build({"training": {"extra": {"packing": True}}}))
