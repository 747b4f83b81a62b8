"""Every method through the one function that trains: what it leaves, and that the base is never touched."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from small_chats import chat_tokenizer, turns

from studio.config.files import build
from studio.errors import ConfigError, DataError
from studio.methods import METHODS, Parts
from studio.methods.encoding import encoder_of
from studio.methods.scoring import adapter_for_scores, scoring_model
from studio.model.slot import ModelSlot
from studio.runs import RunStore
from studio.settings import ASSETS, Settings
from studio.training.arguments import steps_of, trainer_arguments
from studio.training.train import train

ASKED = ["What is the capital of France?", "Say hello.", "What sound does a cat make?", "Who are you?"] * 3
FILES: dict[str, list[dict[str, Any]]] = {
    "sft": [{"instruction": one, "output": "Ahoy!"} for one in ASKED],
    "dpo": [{"prompt": one, "chosen": " Ahoy!", "rejected": " No."} for one in ASKED],
    "kto": [{"prompt": one, "completion": " Ahoy!", "label": at % 2 == 0} for at, one in enumerate(ASKED)],
    "grpo": [{"prompt": one, "answer": "Ahoy!"} for one in ASKED],
}
FILES |= dict.fromkeys(("orpo", "cpo", "reward"), FILES["dpo"])
SETTINGS: dict[str, dict[str, Any]] = {
    "grpo": {"reward_funcs": "length", "max_completion_length": 8},
    "sft": {"packing": True},
}


def run_of(name: str, folder: Path, **sections: Any) -> Any:
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in FILES[name]), encoding="utf-8")
    training = {"max_steps": 5, "max_length": 64, "save_strategy": "no", "learning_rate": 1e-3}
    return build(
        {
            "method": {"type": name, **SETTINGS.get(name, {})},
            "data": {"source": str(path), "eval_fraction": 0.25},
            "training": {**training, **sections.pop("training", {})},
            **sections,
        }
    )


@pytest.mark.parametrize("name", METHODS)
def test_five_steps_leave_an_adapter_and_an_untouched_base(
    name: str, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slot, store = ModelSlot(settings), RunStore(settings.runs_dir)
    config = run_of(name, tmp_path)
    run_dir = store.create(config)
    outcome = train(config, run_dir, slot, settings=settings)
    assert (outcome.status, outcome.steps) == ("finished", 5)
    assert slot.untouched()
    record = store.open(run_dir.name)
    assert record.has_adapter
    events = record.events()[0]
    losses = [event["loss"] for event in events if event["kind"] == "log"]
    assert len(losses) == 5 and all(math.isfinite(one) for one in losses)
    assert any(event["kind"] == "evaluated" for event in events)
    assert (run_dir.name in slot.adapters) == METHODS[name].chats
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["dpo", "kto"])
def test_full_fine_tuning_measures_against_a_copy(name: str, settings: Settings, tmp_path: Path) -> None:
    slot, store = ModelSlot(settings), RunStore(settings.runs_dir)
    config = run_of(name, tmp_path, adapter=None, training={"max_steps": 2})
    run_dir = store.create(config)
    assert train(config, run_dir, slot, settings=settings).status == "finished"
    first = next(event for event in store.open(run_dir.name).events()[0] if event["kind"] == "log")
    assert abs(first["loss"] - (math.log(2) if name == "dpo" else 0.5)) < 1e-3  # still the reference itself
    assert slot.untouched()


def loaded(settings: Settings) -> ModelSlot:
    slot = ModelSlot(settings)
    slot.load(build({}).model)
    return slot


def test_a_reward_model_shares_the_weights_and_learns_what_is_chosen(settings: Settings, tmp_path: Path) -> None:
    """The saved adapter gives the trained scores again, on the base as transformers loads it for scores."""
    import torch
    from datasets import Dataset
    from peft import PeftModel
    from transformers import AutoModelForSequenceClassification

    from studio.model.adapter import peft_config

    slot = loaded(settings)
    base = slot.base_model()
    tokenizer, method = chat_tokenizer(), METHODS["reward"]()
    rows = [{"prompt": turns(one), "chosen": turns("", "Ahoy!")[1:], "rejected": turns("", "No.")[1:]} for one in ASKED]
    made = method.encode(rows, encoder_of(tokenizer))
    columns = method.trainer_rows(made, max_length=64, truncation_mode="keep_start")
    model = slot.trainee()
    config = build({"training": {"max_steps": 15, "learning_rate": 5e-3, "save_strategy": "no"}})
    parts = Parts(
        model=model,
        tokenizer=tokenizer,
        train=Dataset.from_dict(columns),
        eval=None,
        peft_config=peft_config(config.adapter, model),  # type: ignore[arg-type]
        arguments=trainer_arguments(config, device="cpu", dtype="float32", has_eval=False),
        output_dir=tmp_path,
        device="cpu",
    )
    trainer: Any = method.build_trainer(parts)
    shared = {one.data_ptr() for one in base.parameters()}
    frozen = [one for name, one in trainer.model.named_parameters() if "lora_" not in name and "score" not in name]
    assert frozen and all(one.data_ptr() in shared for one in frozen)
    trainer.train()
    trainer.model.eval().save_pretrained(tmp_path / "saved")
    again = AutoModelForSequenceClassification.from_pretrained(ASSETS / "starter", num_labels=1, dtype=base.dtype)
    again.config.pad_token_id = tokenizer.pad_token_id
    saved = PeftModel.from_pretrained(again, tmp_path / "saved").eval()
    with torch.inference_mode():
        for row in made[:4]:
            scores = []
            for lane in row.lanes:
                ids = torch.tensor([lane.ids])
                score = trainer.model(input_ids=ids).logits
                assert torch.allclose(score, saved(input_ids=ids).logits, atol=1e-3)
                scores.append(float(score))
            assert scores[0] > scores[1]
    assert slot.untouched()


def test_scores_need_a_form_of_the_model_and_modules_that_it_has(settings: Settings) -> None:
    from peft import LoraConfig

    model, heads = scoring_model(loaded(settings).trainee(), seed=1)
    assert heads == ("score",) and model.config.num_labels == 1
    adapted: Any = adapter_for_scores(LoraConfig(task_type="CAUSAL_LM", modules_to_save=["embed_tokens"]), model, heads)
    assert (adapted.task_type, adapted.modules_to_save) == ("SEQ_CLS", ["embed_tokens"])
    with pytest.raises(ConfigError, match="lm_head, which a reward model does not have"):
        adapter_for_scores(LoraConfig(modules_to_save=["lm_head"]), model, heads)


@pytest.mark.parametrize(
    "shape",
    [
        {"num_train_epochs": 2},
        {"num_train_epochs": 1, "per_device_train_batch_size": 3},
        {"num_train_epochs": 3, "per_device_train_batch_size": 2, "gradient_accumulation_steps": 3},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", [name for name in METHODS if name != "sft"])
def test_the_steps_are_the_trainers(name: str, shape: dict[str, Any], settings: Settings, tmp_path: Path) -> None:
    from datasets import Dataset

    method = METHODS[name](**SETTINGS.get(name, {}))
    rows = [{"prompt": turns(one), "label": True, "reference": {}} for one in [*ASKED, "one more"]]
    for row in rows:
        row.update(dict.fromkeys(("chosen", "rejected", "completion"), turns("", "Yes")[1:]))
    columns = method.trainer_rows(
        method.encode(rows, encoder_of(chat_tokenizer())), max_length=64, truncation_mode="keep_start"
    )
    config = build({"method": {"type": name, **SETTINGS.get(name, {})}, "training": {"save_strategy": "no", **shape}})
    parts = Parts(
        model=loaded(settings).trainee(),
        tokenizer=chat_tokenizer(),
        train=Dataset.from_dict(columns),
        eval=None,
        peft_config=None,
        arguments=trainer_arguments(config, device="cpu", dtype="float32", has_eval=False),
        output_dir=tmp_path,
        device="cpu",
    )
    trainer: Any = method.build_trainer(parts)
    *_, expected = trainer.set_initial_training_values(trainer.args, trainer.get_train_dataloader())
    training = config.training
    sequences = method.sequences(
        parts.train,
        max_length=64,
        batch_size=training.per_device_train_batch_size,
        accumulation=training.gradient_accumulation_steps,
    )
    assert steps_of(training, sequences) == expected


def test_too_few_prompts_for_a_round_are_told(tmp_path: Path) -> None:
    from datasets import Dataset

    method = METHODS["grpo"]()
    parts = Parts(
        model=None,  # type: ignore[arg-type]
        tokenizer=chat_tokenizer(),
        train=Dataset.from_dict({"prompt": ["hi"], "reference": [""]}),
        eval=None,
        peft_config=None,
        arguments={"per_device_train_batch_size": 8},
        output_dir=tmp_path,
        device="cpu",
    )
    with pytest.raises(DataError, match="1 prompts are fewer than the 2 that a round of generation takes"):
        method.build_trainer(parts)
