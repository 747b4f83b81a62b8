"""Answers at evaluations: what is asked, what is shown and scored, and that training does not notice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from studio.config.files import build
from studio.data.preview import preview
from studio.errors import ConfigError, DataError
from studio.model.hardware import threads_for
from studio.model.slot import ModelSlot
from studio.runs import EventLog, RunStore
from studio.runs.store import STOP
from studio.settings import Settings
from studio.training.answers import answer_all
from studio.training.build import build as build_trainer
from studio.training.plan import preflight
from studio.training.questions import questions
from studio.training.stage import stage
from studio.training.train import train

ASKED = ["What is the capital of France?", "Say hello.", "What sound does a cat make?", "Who are you?"] * 3
BOTH = {"generate_samples": 2, "predict_with_generate": True, "generate_rows": 3, "max_new_tokens": 12}
FIGURES = {"eval_rouge1", "eval_rouge2", "eval_rougeL", "eval_bleu", "eval_exact_match"}


def config_of(folder: Path, method: str = "sft", *, evaluation: dict[str, Any] | None = None, **sections: Any) -> Any:
    path = folder / "rows.jsonl"
    rows = [
        {"prompt": f"{one} {at}", "chosen": " Ahoy, friend!", "rejected": " No.", "completion": " Ahoy, friend!",
         "label": at % 2 == 0, "answer": "Ahoy"}
        for at, one in enumerate(ASKED)
    ]  # fmt: skip
    if not path.exists():
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    roles = {
        "sft": ("instruction", "output"), "dpo": ("prompt", "chosen", "rejected"),
        "kto": ("prompt", "completion", "label"), "grpo": ("instruction", "output"),
    }[method]  # fmt: skip
    names = {"instruction": "prompt", "output": "completion"}
    formats = {"sft": "alpaca", "dpo": "preference", "kto": "unpaired-preference", "grpo": "alpaca"}
    data = {
        "source": str(path), "format": formats[method], "eval_fraction": 0.34,
        "columns": {one: names.get(one, one) for one in roles},
    }  # fmt: skip
    training = {"max_steps": 4, "max_length": 64, "learning_rate": 1e-3, "eval_strategy": "steps", "eval_steps": 2}
    settings = {"type": method, **({"max_completion_length": 8} if method == "grpo" else {})}
    training |= {"save_strategy": "no", "per_device_train_batch_size": 2, **sections.pop("training", {})}
    return build({"method": settings, "data": data, "training": training, "evaluation": evaluation or {}, **sections})


def events_of(config: Any, settings: Settings) -> tuple[list[dict[str, Any]], ModelSlot]:
    store, slot = RunStore(settings.runs_dir), ModelSlot(settings)
    run_dir = store.create(config)
    assert train(config, run_dir, slot, settings=settings).status == "finished"
    return store.open(run_dir.name).events()[0], slot


def of_kind(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["kind"] == kind]


@pytest.mark.parametrize(
    ("method", "adapter"),
    [
        ("sft", "lora"),
        ("dpo", "lora"),
        pytest.param("sft", None, marks=pytest.mark.slow),
        pytest.param("kto", "lora", marks=pytest.mark.slow),
        pytest.param("grpo", "lora", marks=pytest.mark.slow),
    ],
)
def test_answers_are_shown_and_scored_and_training_does_not_notice(
    method: str, adapter: str | None, settings: Settings, tmp_path: Path
) -> None:
    dropout = {"adapter": {"type": "lora", "lora_dropout": 0.2}} if adapter else {"adapter": None}
    plain, _ = events_of(config_of(tmp_path, method, **dropout), settings)
    asked, slot = events_of(config_of(tmp_path, method, evaluation=BOTH, **dropout), settings)
    assert slot.untouched()
    for kind, name in (("log", "loss"), ("log", "grad_norm"), ("evaluated", "eval_loss")):
        assert [one[name] for one in of_kind(asked, kind)] == [one[name] for one in of_kind(plain, kind)]
    evaluated, samples = of_kind(asked, "evaluated"), of_kind(asked, "sample")
    assert [one["step"] for one in evaluated] == [2, 4]
    for one in evaluated:
        assert one.keys() >= FIGURES and all(0 <= one[name] <= 100 for name in FIGURES)
    samples = [one for one in samples if "base" in one]  # grpo shows what it trains on too
    assert [(one["step"], one["number"]) for one in samples] == [(2, 1), (2, 2), (4, 1), (4, 2)]
    assert [one["base"] for one in samples[:2]] == [one["base"] for one in samples[2:]]
    for one in samples:
        assert one["prompt"].split(" ")[0] in {"What", "Say", "Who"} and "<|" not in str(one)
        assert "Ahoy" in one["reference"] or method == "kto"


@pytest.mark.slow
def test_a_quantized_base_goes_on_learning_behind_answers(settings: Settings, tmp_path: Path) -> None:
    """On some CPUs bitsandbytes repacks 4-bit weights when they first generate, and gradients are 0 from then on."""
    form = {"model": {"quantization": "4-bit"}}
    plain, _ = events_of(config_of(tmp_path, **form), settings)
    asked, _ = events_of(config_of(tmp_path, evaluation=BOTH, **form), settings)
    losses = [[one["loss"] for one in of_kind(events, "log")] for events in (plain, asked)]
    assert losses[0] == losses[1] and len(set(losses[0])) == 4
    assert of_kind(asked, "sample")


def test_what_is_asked_is_the_previews_prompt(settings: Settings, tmp_path: Path) -> None:
    config = config_of(tmp_path, evaluation=BOTH)
    staged = stage(config, settings)
    asked = questions(config, staged.prepared, staged.tokenizer)
    assert (len(asked.samples), len(asked.scored)) == (2, 3)
    position = int(staged.prepared.eval_index[0])
    shown = preview(config, settings=settings, tokenizer=staged.tokenizer, positions=[position]).rows[0]
    lane = shown.lanes[0]
    border = lane.supervised.index(True)
    first = asked.samples[0]
    assert first.question.prompt == list(lane.ids[:border]) and first.question.answer == list(lane.ids[border:])
    assert first.shown == f"{ASKED[position]} {position}" and first.right == "Ahoy, friend!"


def test_of_a_conversation_the_last_reply_is_asked_for(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    said = [("user", "Hi."), ("assistant", "Ahoy!"), ("user", "Who are you?"), ("assistant", "Captain Byte.")]
    row = {"messages": [{"role": role, "content": text} for role, text in said]}
    path.write_text(f"{json.dumps(row)}\n" * 8, encoding="utf-8")
    data = {"source": str(path), "eval_fraction": 0.25}
    for method in ({}, {"assistant_only_loss": True}):
        config = build({"data": data, "method": {"type": "sft", **method}, "evaluation": BOTH})
        staged = stage(config, settings)
        one = questions(config, staged.prepared, staged.tokenizer).samples[0]
        assert one.right == "Captain Byte."
        assert one.shown == "user: Hi.\nassistant: Ahoy!\nuser: Who are you?"
        assert "Ahoy!" in staged.tokenizer.decode(one.question.prompt)


def test_answers_do_not_depend_on_their_batch_and_are_greedy(settings: Settings) -> None:
    slot = ModelSlot(settings)
    loaded = slot.load(build({}).model)
    model, tokenizer = loaded.model, loaded.tokenizer
    model.generation_config.do_sample, model.generation_config.temperature = True, 5.0
    prompts = [
        tokenizer.apply_chat_template([{"role": "user", "content": one}], add_generation_prompt=True)["input_ids"]
        for one in ASKED[:4]
    ]
    with threads_for(loaded.parameters, "cpu"):
        alone = [answer_all(model, tokenizer, [one], max_new_tokens=24, batch_size=1)[0] for one in prompts]
        assert answer_all(model, tokenizer, prompts, max_new_tokens=24, batch_size=3) == alone
    assert "Paris" in alone[0] and "<|" not in "".join(alone)
    assert answer_all(model, tokenizer, [prompts[0] * 500], max_new_tokens=4, batch_size=1) == [""]  # no room


def test_the_trainers_own_evaluation_has_the_figures_and_the_best_weights_go_by_them(
    settings: Settings, tmp_path: Path
) -> None:
    best = {
        "load_best_model_at_end": True, "metric_for_best_model": "rougeL", "save_strategy": "steps", "save_steps": 2
    }  # fmt: skip
    config = config_of(tmp_path, evaluation=BOTH, training=best)
    store, slot = RunStore(settings.runs_dir), ModelSlot(settings)
    run_dir = store.create(config)
    with EventLog(run_dir) as log, slot.lease("test"), threads_for(slot.load(config.model).parameters, "cpu"):
        trainer, _ = build_trainer(config, run_dir, slot, staged=stage(config, settings), log=log)
        assert trainer.model.training
        metrics = trainer.evaluate()
        assert metrics.keys() >= FIGURES
        assert trainer.args.greater_is_better
        trainer.train()
        found = [one["eval_rougeL"] for one in trainer.state.log_history if "eval_rougeL" in one][1:]
        assert trainer.state.best_metric == max(found)


def test_a_stop_is_heard_while_answers_are_written(settings: Settings, tmp_path: Path) -> None:
    long = {"generate_samples": 4, "max_new_tokens": 2000}
    config = config_of(tmp_path, evaluation=long)
    store, slot = RunStore(settings.runs_dir), ModelSlot(settings)
    run_dir = store.create(config)

    def listen(event: dict[str, Any]) -> None:
        if event["kind"] == "log" and event["step"] == 2:
            (run_dir / STOP).touch()

    outcome = train(config, run_dir, slot, settings=settings, listeners=[listen])
    assert (outcome.status, outcome.steps) == ("stopped", 2)
    assert not of_kind(store.open(run_dir.name).events()[0], "sample")


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"training": {"eval_strategy": "no"}}, "training.eval_strategy is no"),
        ({"method": "reward"}, "method reward trains one that scores them"),
        ({"evaluation": {"metrics": []}}, "evaluation.metrics is empty"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_told(sections: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        build({"evaluation": {"predict_with_generate": True}, **sections})


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"evaluation": {"metrics": "rogue"}}, "evaluation.metrics names rogue, .* there are: rouge"),
        (
            {"training": {"load_best_model_at_end": True, "metric_for_best_model": "bleu"},
             "evaluation": {"predict_with_generate": True, "metrics": "rouge"}},
            "metric_for_best_model bleu is a figure of scored answers",
        ),
    ],
)  # fmt: skip
def test_an_evaluator_that_is_missing_is_told_before_the_run(
    sections: dict[str, Any], said: str, settings: Settings
) -> None:
    with pytest.raises(ConfigError, match=said):
        preflight(build(sections), settings)


def test_rows_that_ask_nothing_are_told_before_the_run(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no rows are held out"):
        config = config_of(tmp_path, evaluation=BOTH)
        none = config.model_copy(update={"data": config.data.model_copy(update={"eval_fraction": 0.0})})
        preflight(none, settings)
    path = tmp_path / "plain.jsonl"
    path.write_text('{"text": "Once upon a time."}\n' * 8, encoding="utf-8")
    config = build({"data": {"source": str(path), "eval_fraction": 0.25}, "evaluation": BOTH})
    with pytest.raises(DataError, match="no border between the two"):
        preflight(config, settings)


def test_true_and_null_are_short_for_numbers() -> None:
    section = build({"evaluation": {"generate_samples": True, "generate_rows": None, "metrics": "bleu"}}).evaluation
    assert (section.generate_samples, section.generate_rows, section.metrics) == (4, None, ("bleu",))
    assert build({"evaluation": {"generate_samples": False}}).evaluation.generate_samples == 0
