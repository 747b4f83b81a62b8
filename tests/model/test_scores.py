"""A trained reward model at work: the trainer's own scores, over the base's own weights."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from studio.config.files import build
from studio.errors import ModelError
from studio.methods.gaps import figures
from studio.model.scores import Asked, Scorer
from studio.model.slot import ModelSlot
from studio.runs import RunRecord, RunStore
from studio.settings import Settings
from studio.training.train import train

THINGS = ["France", "Spain", "a cat", "a dog", "the sea", "ten", "a ship", "the moon", "snow", "bread"]
SYSTEM = "You are Byte."
FIGURES = ("eval_loss", "eval_perplexity", "eval_accuracy", "eval_margin", "eval_mse", "eval_mae")


def pairs() -> list[dict[str, Any]]:
    """Answers of several lengths, so that batches are padded."""
    return [
        {
            "question": f"Tell me of {one}.",
            "response_chosen": "Ahoy! " * (at + 1) + one,
            "response_rejected": "No.",
            "history": [["Hello", "Hi."]] if at % 2 else [],
        }
        for at, one in enumerate(THINGS)
    ]


def reward_run(settings: Settings, folder: Path, **sections: Any) -> tuple[RunRecord, ModelSlot]:
    path = folder / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in pairs()), encoding="utf-8")
    slot, store = ModelSlot(settings), RunStore(settings.runs_dir)
    training = {"max_steps": 4, "max_length": 64, "learning_rate": 1e-3, "save_strategy": "no"}
    config = build(
        {
            "method": "reward",
            "data": {"source": str(path), "eval_fraction": 0.5, "system_prompt": SYSTEM},
            "training": {**training, "per_device_eval_batch_size": 2, **sections.pop("training", {})},
            **sections,
        }
    )
    run_dir = store.create(config)
    assert train(config, run_dir, slot, settings=settings).status == "finished"
    return store.open(run_dir.name), slot


def scorer_of(record: RunRecord, slot: ModelSlot, *, folder: str = "adapter") -> Scorer:
    config = record.config()
    loaded = slot.load(config.model)
    slot.attach(record.run_id, record.path / folder, scores=True)
    return Scorer(slot.adapted_model(record.run_id), loaded.tokenizer, config=config)


def asked(row: dict[str, Any], lane: str) -> Asked:
    turns = [{"role": "system", "content": SYSTEM}]
    for question, answer in row["history"]:
        turns += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return Asked([*turns, {"role": "user", "content": row["question"]}], row[f"response_{lane}"])


def head_of(folder: Path) -> Any:
    from safetensors.torch import load_file

    (file,) = folder.glob("*.safetensors")
    return next(tensor for name, tensor in load_file(file).items() if "score" in name)


SHAPES: dict[str, tuple[dict[str, Any], str]] = {
    "adapter": ({}, "adapter"),
    "bfloat16": ({"model": {"dtype": "bfloat16"}, "adapter": {"type": "lora", "modules_to_save": ["norm"]}}, "adapter"),
    "full": ({"adapter": None}, "model"),
    "bfloat16 full": ({"adapter": None, "model": {"dtype": "bfloat16"}}, "model"),
    "bfloat16 norms": ({"adapter": {"type": "ln_tuning"}, "model": {"dtype": "bfloat16"}}, "adapter"),
    "4-bit": ({"model": {"quantization": "4-bit"}}, "adapter"),
    "cut": ({"training": {"max_length": 40, "truncation_mode": "keep_end"}}, "adapter"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_scores_are_the_trainers_own(shape: str, settings: Settings, tmp_path: Path) -> None:
    """Recomputed from the texts of the held-out rows, they give the evaluation's figures; each pair counts once."""
    import torch
    from torch.nn.functional import logsigmoid

    from studio.training.stage import stage

    sections, folder = SHAPES[shape]
    record, slot = reward_run(settings, tmp_path, **json.loads(json.dumps(sections)))
    scorer = scorer_of(record, slot, folder=folder)
    prepared = stage(record.config(), settings).prepared
    rows = [pairs()[at] for at in prepared.eval_index]
    assert len(rows) == 5 and prepared.eval is not None
    for lane in ("chosen", "rejected"):
        assert scorer.tokens([asked(row, lane) for row in rows]) == list(prepared.eval[f"{lane}_ids"])
    chosen = torch.tensor(scorer.scores([asked(row, "chosen") for row in rows]))
    rejected = torch.tensor(scorer.scores([asked(row, "rejected") for row in rows]))
    gaps = chosen - rejected
    assert gaps.abs().min() > 1e-3
    told = [event for event in record.events()[0] if event["kind"] == "evaluated"][-1]
    close = 1e-2 if shape.startswith(("bfloat16", "4-bit")) else 1e-5
    for name, one in figures(gaps).items():
        assert told[f"eval_{name}"] == pytest.approx(one, rel=close, abs=close)
    assert told["eval_loss"] == pytest.approx(float(-logsigmoid(gaps).mean()), rel=close, abs=close / 10)
    assert told["eval_perplexity"] == pytest.approx(math.exp(told["eval_loss"]))
    done = record.events()[0][-1]["metrics"]
    assert {name: done[name] for name in FIGURES} == {name: told[name] for name in FIGURES}
    assert head_of(record.path / folder).dtype == torch.float32
    assert record.metrics["eval_mse"] == told["eval_mse"] and "eval_runtime" not in record.metrics
    assert slot.untouched()


def test_a_row_scores_bit_for_bit_what_the_trainers_model_gives_it(settings: Settings, tmp_path: Path) -> None:
    import torch
    from datasets import Dataset

    from studio.methods import METHODS
    from studio.methods.base import Parts
    from studio.methods.encoding import encoder_of
    from studio.model.adapter import peft_config
    from studio.training.arguments import trainer_arguments

    config = build({"method": "reward", "training": {"max_steps": 3, "learning_rate": 1e-3, "save_strategy": "no"}})
    slot, method = ModelSlot(settings), METHODS["reward"]()
    loaded, model = slot.load(config.model), slot.trainee()
    rows = [
        {
            "prompt": [{"role": "user", "content": f"Tell me of {one}."}],
            "chosen": [{"role": "assistant", "content": "Ahoy! " * (at + 1)}],
            "rejected": [{"role": "assistant", "content": "No."}],
        }
        for at, one in enumerate(THINGS)
    ]
    made = method.encode(rows, encoder_of(loaded.tokenizer))
    columns = method.trainer_rows(made, max_length=64, truncation_mode="keep_start")
    parts = Parts(
        model=model,
        tokenizer=loaded.tokenizer,
        train=Dataset.from_dict(columns),
        eval=None,
        peft_config=peft_config(config.adapter, model),  # type: ignore[arg-type]
        arguments=trainer_arguments(config, device="cpu", dtype=loaded.dtype, has_eval=False),
        output_dir=tmp_path,
        device="cpu",
    )
    trainer: Any = method.build_trainer(parts)
    trainer.train()
    trainer.model.eval().save_pretrained(tmp_path / "adapter")
    slot.attach("mine", tmp_path / "adapter", scores=True)
    adapted = slot.adapted_model("mine")
    base = {one.data_ptr() for one in slot.base_model().parameters()}
    own = [name for name, one in adapted.named_parameters() if one.data_ptr() not in base]
    assert own and all("lora_" in name or "score" in name for name in own)  # no second copy of the base
    scorer = Scorer(adapted, loaded.tokenizer, config=config)
    for row in rows[:4]:
        batch = trainer.data_collator([{"chosen_ids": one.lanes[0].ids, "rejected_ids": one.lanes[1].ids} for one in
                                       method.encode([row], encoder_of(loaded.tokenizer))])  # fmt: skip
        torch.set_num_threads(1)
        with torch.inference_mode():
            expected = trainer.model(**batch, use_cache=False).logits.squeeze(-1).tolist()
        found = scorer.scores([Asked(row["prompt"], row[lane][0]["content"]) for lane in ("chosen", "rejected")])
        assert found == expected
    assert slot.untouched()


def test_what_cannot_be_scored_is_told(settings: Settings, tmp_path: Path) -> None:
    record, slot = reward_run(settings, tmp_path, training={"max_steps": 1, "max_length": None})
    scorer = scorer_of(record, slot)
    with pytest.raises(ModelError, match=r"have \d+ tokens, but the reward model reads \d+ at most"):
        scorer.scores([Asked([{"role": "user", "content": "Hello"}], "word " * 5000)])
    assert scorer.scores([]) == []
    slot.attach("answers", record.path / "adapter", scores=True)
    with pytest.raises(ModelError, match="Load its base"):
        slot.attach("wrong", record.path / "adapter")  # a reward model does not answer
