"""Training on quantized weights goes on learning after an evaluation, which repacks them on some CPUs."""

import json

import pytest

from studio.chat.engine import stream
from studio.config.files import build
from studio.model.hardware import quantizations
from studio.model.slot import ModelSlot
from studio.runs import RunStore
from studio.training.train import train

STEPS, EVALUATED = 10, 4


@pytest.fixture
def config(tmp_path):
    """Four rows in every step, so that the loss of a run that learns falls with each."""
    rows = [{"prompt": f"The number after {n} is", "completion": f" {n + 1}, my captain"} for n in range(8)]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return {
        "data": {"source": str(path), "eval_fraction": 0.5},
        "adapter": {"type": "lora", "r": 8, "lora_dropout": 0},
        "training": {
            "learning_rate": 5e-4,
            "lr_scheduler_type": "constant",
            "max_steps": STEPS,
            "eval_strategy": "steps",
            "eval_steps": EVALUATED,
            "save_strategy": "no",
        },
        "generation": {"max_new_tokens": 8, "temperature": 0},
    }


CASES = [
    ("4-bit", "bfloat16", {}),
    ("4-bit", "float32", {}),
    ("8-bit", "bfloat16", {}),
    ("8-bit", "float32", {}),
    (
        "4-bit",
        "bfloat16",
        {"use_dora": True, "modules_to_save": ["lm_head"]},
    ),  # PEFT copies the weights to measure them
]


@pytest.mark.parametrize(("quantization", "dtype", "adapter"), CASES)
@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`:UserWarning")
def test_it_learns_on_after_an_evaluation(session_settings, config, quantization, dtype, adapter):
    reason = quantizations()[quantization]
    if reason:
        pytest.skip(reason)
    model = {"quantization": quantization, "dtype": dtype}
    run = build({**config, "model": model, "adapter": {**config["adapter"], **adapter}})
    slot, store = ModelSlot(session_settings), RunStore(session_settings.runs_dir)
    slot.load(run.model)
    before = slot.fingerprint()
    run_dir = store.create(run)
    train(run, run_dir, slot, settings=session_settings)

    events, _ = store.open(run_dir.name).events()
    logs = {event["step"]: event for event in events if event["kind"] == "log"}
    evaluated = [event["step"] for event in events if event["kind"] == "evaluated"]
    assert list(logs) == list(range(1, STEPS + 1)) and EVALUATED in evaluated
    assert all(logs[step]["grad_norm"] > 0 for step in logs)
    # The step behind the evaluation computes its gradient from the weights as the evaluation left them.
    assert logs[STEPS]["loss"] < logs[EVALUATED + 2]["loss"] < logs[EVALUATED]["loss"] < logs[1]["loss"]

    assert slot.fingerprint() == before
    messages = [{"role": "user", "content": "Hello, who are you?"}]
    tokenizer = slot.loaded.tokenizer
    for model in (slot.base_model(), slot.adapted_model(run_dir.name)):
        assert "".join(stream(model, tokenizer, messages, generation=run.generation)).strip()
    assert slot.untouched()
