"""A run of ours is a run of TRL's: with the same data, seed and settings every loss and gradient is bit-equal.

TRL's trainer gets the raw rows and a LoraConfig, as a script of a few lines would give them to it. CPU, float32.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.config.files import build
from studio.model.slot import ModelSlot
from studio.runs import RunStore
from studio.settings import ASSETS, Settings
from studio.training.train import train

STEPS = 8
LORA = {"r": 8, "lora_alpha": 16, "lora_dropout": 0.1, "target_modules": ["q_proj", "v_proj"]}
SHARED = {
    "max_steps": STEPS, "learning_rate": 1e-3, "per_device_train_batch_size": 2, "gradient_accumulation_steps": 2,
    "max_length": 64, "seed": 7, "lr_scheduler_type": "cosine", "warmup_steps": 2, "weight_decay": 0.01,
    "logging_steps": 1, "save_strategy": "no", "optim": "adamw_torch",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """As our runs compute so small a model; with more threads, sums are added in another order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def rows(tmp_path: Path) -> list[dict[str, Any]]:
    """Conversations with one answer, some longer than max_length, as TRL's prompt-completion type and as a file."""
    text = (ASSETS / "samples" / "captain_byte.jsonl").read_text(encoding="utf-8")
    turns = [json.loads(line)["messages"] for line in text.splitlines()[:40]]
    turns[3][1]["content"] = " ".join([turns[3][1]["content"]] * 6)
    found = [{"prompt": asked[:-1], "completion": asked[-1:]} for asked in turns]
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in found)
    (tmp_path / "rows.jsonl").write_text("".join(lines), encoding="utf-8")
    return found


def ours(settings: Settings, path: Path, method: dict[str, Any]) -> list[tuple[float, float]]:
    config = build(
        {
            "method": {"type": "sft", **method},
            "model": {"model_name_or_path": "starter", "dtype": "float32"},
            "data": {"source": str(path), "eval_fraction": 0},
            "adapter": {"type": "lora", **LORA},
            "training": SHARED,
        }
    )
    store = RunStore(settings.runs_dir)
    run_dir = store.create(config)
    assert train(config, run_dir, ModelSlot(settings), settings=settings).status == "finished"
    lines = (run_dir / "events.jsonl").read_text(encoding="utf-8").splitlines()
    return [(one["loss"], one["grad_norm"]) for one in map(json.loads, lines) if one["kind"] == "log"]


def bare(folder: Path, rows: list[dict[str, Any]], method: dict[str, Any]) -> list[tuple[float, float]]:
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(ASSETS / "starter", dtype=torch.float32),
        args=SFTConfig(
            output_dir=str(folder), use_cpu=True, bf16=False, activation_checkpointing=False, report_to=[],
            disable_tqdm=True, dataloader_pin_memory=False, **SHARED, **method,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(ASSETS / "starter"),
        peft_config=LoraConfig(task_type="CAUSAL_LM", **LORA),
    )  # fmt: skip
    trainer.train()
    return [(one["loss"], one["grad_norm"]) for one in trainer.state.log_history if "loss" in one]


@pytest.mark.parametrize(
    "method",
    [
        {},
        {"completion_only_loss": False},
        {"packing": True},
        {"packing": True, "packing_strategy": "bfd_split"},
        {"packing": True, "packing_strategy": "wrapped"},
    ],
    ids=lambda method: "-".join(map(str, method.values())) or "plain",
)
def test_every_step_is_bit_equal(
    method: dict[str, Any], rows: list[dict[str, Any]], settings: Settings, tmp_path: Path
) -> None:
    found = ours(settings, tmp_path / "rows.jsonl", method)
    assert len(found) == STEPS and len(set(found)) == STEPS
    assert found == bare(tmp_path / "bare", rows, method)
