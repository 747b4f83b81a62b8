"""Packed blocks shown are the trainer's batches: the same rows, the same borders, the same position ids."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio.cli import main
from studio.config import RunConfig
from studio.data.blocks import packed_blocks
from studio.methods.base import Parts
from studio.settings import Settings
from studio.training.arguments import trainer_arguments
from studio.training.stage import stage

Make = Callable[..., RunConfig]


def rows(count: int) -> list[dict[str, Any]]:
    return [{"prompt": f"q{n}", "completion": "the cat said hello " * (n * 7 % 11 + 1)} for n in range(count)]


@pytest.mark.parametrize("mode", ["keep_start", "keep_end", "drop"])
@pytest.mark.parametrize("strategy", ["bfd", "bfd_split", "wrapped"])
def test_a_block_is_what_the_trainer_batches(
    strategy: str, mode: str, run_config: Make, settings: Settings, tmp_path: Path
) -> None:
    from studio.model.slot import ModelSlot

    config = run_config(
        rows(30), method={"packing": True, "packing_strategy": strategy}, data={"eval_fraction": 0.2},
        training={"max_length": 48, "truncation_mode": mode, "per_device_train_batch_size": 1},
    )  # fmt: skip
    staged = stage(config, settings)
    prepared, slot = staged.prepared, ModelSlot(settings)
    slot.load(config.model)
    parts = Parts(
        model=slot.trainee(), tokenizer=staged.tokenizer, train=prepared.train, eval=prepared.eval, peft_config=None,
        arguments=trainer_arguments(config, device="cpu", dtype="float32", has_eval=True),
        output_dir=tmp_path, device="cpu",
    )  # fmt: skip
    trainer: Any = config.method.build_trainer(parts)
    packed = trainer.train_dataset
    blocks = list(packed_blocks(config, prepared, tokenizer=staged.tokenizer, count=10_000))
    assert len(blocks) == len(packed) > 1 and len(trainer.eval_dataset) >= 1
    for block, theirs in zip(blocks, packed, strict=True):
        ids = [one for piece in block.pieces for one in piece.row.lanes[0].ids[piece.start : piece.end]]
        assert ids == theirs["input_ids"]
        batch = trainer.data_collator([theirs])
        spans = [piece.as_json()["position_ids"] for piece in block.pieces]
        shown = [at for first, last in spans for at in range(first, last + 1)]
        assert shown == (batch["position_ids"][0].tolist() if "position_ids" in batch else list(range(len(ids))))
    assert not list(packed_blocks(config, prepared, tokenizer=staged.tokenizer, start=len(blocks), count=2))


def test_a_filtered_row_is_shown_as_not_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows(3), *rows(2)]), encoding="utf-8")
    given = ["--source", str(path), "--eval_fraction", "0", "--workspace", str(tmp_path / "workspace")]
    assert main(["preview", *given, "--filters", "duplicates", "--rows", "5", "--json"]) == 0
    face = json.loads(capsys.readouterr().out)
    assert [row.get("trained", True) for row in face["rows"]] == [True, True, True, False, False]
    assert main(["check", *given, "--filters", "duplicates", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["plan"]["digest"] == face["digest"]
