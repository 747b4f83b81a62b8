"""Two replies weighed by a reward run: which one wins, and what is told where none can."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from studio.chat.verdict import Verdict, judge
from studio.cli import main
from studio.config.files import build
from studio.errors import BusyError, ModelError, WorkspaceError
from studio.methods.encoding import encoder_of
from studio.model.slot import ModelSlot
from studio.runs import RunRecord, RunStore
from studio.settings import Settings
from studio.training.train import train

QUESTIONS = ["What is the capital of France?", "Say hello.", "What sound does a cat make?", "Who are you?"] * 5


def reward_run(settings: Settings, *, turns: bool, **sections: Any) -> RunRecord:
    """A short run that learns to like a pirate's manner; its rows are turns, or plain text."""
    path = settings.workspace / f"pairs-{turns}.jsonl"
    names = ("question", "response_chosen", "response_rejected") if turns else ("prompt", "chosen", "rejected")
    rows = [dict(zip(names, (one, f" Ahoy! {at}", f" No. {at}"), strict=True)) for at, one in enumerate(QUESTIONS)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    training = {"max_steps": 10, "learning_rate": 2e-3, "save_strategy": "no", "eval_strategy": "no"}
    config = build({"method": "reward", "data": {"source": str(path)}, "training": training, **sections})
    store = RunStore(settings.runs_dir)
    run_dir = store.create(config)
    train(config, run_dir, ModelSlot(settings), settings=settings)
    return store.open(run_dir.name)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, RunRecord]:
    workspace = tmp_path_factory.mktemp("workspace")
    settings = Settings(mode="local", workspace=workspace, cache=workspace)
    settings.prepare_workspace()
    return settings, reward_run(settings, turns=True)


def test_a_verdict_names_the_best_and_the_chance() -> None:
    verdict = Verdict((2.0, 0.5))
    assert (verdict.best, verdict.difference) == (0, 1.5)
    assert verdict.chance == pytest.approx(1 / (1 + math.exp(-1.5)))
    assert verdict.as_json() == {"scores": [2.0, 0.5], "best": 0, "difference": 1.5, "chance": verdict.chance}
    assert Verdict((1.0, 1.0)).best is None and Verdict((1.0, 1.0)).chance == 0.5
    assert Verdict((0.0, 9999.0)).chance == pytest.approx(0) and Verdict((1.0, 3.0, 2.0)).as_json() == {
        "scores": [1.0, 3.0, 2.0],
        "best": 1,
    }


def test_the_better_reply_wins_and_the_base_is_untouched(trained: tuple[Settings, RunRecord]) -> None:
    settings, record = trained
    assert record.turns and record.trained is None and record.saved == record.path / "adapter"
    slot = ModelSlot(settings)
    verdict = judge(slot, record, prompt="What is the capital of France?", replies=["Ahoy! 3", "No. 3"])
    assert verdict.best == 0 and verdict.chance > 0.6
    turned = judge(slot, record, prompt="What is the capital of France?", replies=["No. 3", "Ahoy! 3"])
    assert turned.best == 1 and turned.chance == pytest.approx(1 - verdict.chance, abs=1e-6)
    other = judge(
        slot, record, prompt="What is the capital of France?", replies=["No. 3", "Ahoy! 3"], system="Be kind."
    )
    assert other.scores != turned.scores
    assert slot.untouched() and slot.holder is None


def test_plain_text_rows_are_scored_as_plain_text(settings: Settings) -> None:
    """No template stands around what was trained without one."""
    record = reward_run(settings, turns=False)
    assert not record.turns
    slot = ModelSlot(settings)
    loaded = slot.load(record.config().model)
    seen: list[Any] = []
    encoder = encoder_of(loaded.tokenizer)
    before = encoder.encode
    encoder.encode = lambda jobs, **more: (seen.extend(job.whole for job in jobs), before(jobs, **more))[1]  # type: ignore[method-assign]
    try:
        verdict = judge(slot, record, prompt="Say hello.", replies=[" Ahoy! 1", " No. 1"])
    finally:
        del encoder.encode
    assert seen == [f"Say hello. Ahoy! 1{loaded.tokenizer.eos_token}", f"Say hello. No. 1{loaded.tokenizer.eos_token}"]
    assert verdict.best == 0


def test_what_cannot_be_weighed_is_told(trained: tuple[Settings, RunRecord]) -> None:
    settings, record = trained
    slot = ModelSlot(settings)
    with pytest.raises(ModelError, match="the prompt is empty"):
        judge(slot, record, prompt=" ", replies=["a", "b"])
    with pytest.raises(ModelError, match="a reply is empty"):
        judge(slot, record, prompt="x", replies=["a", " "])
    with slot.lease("the run other", roaming=True), pytest.raises(BusyError, match="in use by the run other"):
        judge(slot, record, prompt="x", replies=["a", "b"])
    with pytest.raises(WorkspaceError, match="scores replies and writes none"):
        record.weights()
    sft = RunStore(settings.runs_dir).create(build({}))
    with pytest.raises(WorkspaceError, match="is of method sft, whose model writes replies"):
        judge(slot, RunStore(settings.runs_dir).open(sft.name), prompt="x", replies=["a", "b"])
    empty = RunStore(settings.runs_dir).create(build({"method": "reward"}))
    with pytest.raises(WorkspaceError, match="has no reward model to score with"):
        judge(slot, RunStore(settings.runs_dir).open(empty.name), prompt="x", replies=["a", "b"])


def test_the_command_line_scores_any_number_of_replies(
    trained: tuple[Settings, RunRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    settings, record = trained
    given = ["score", record.run_id, "--workspace", str(settings.workspace), "--prompt", "Say hello."]
    assert main([*given, "--reply", "Ahoy! 1", "--reply", "No. 1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["best"] == 0 and set(told) == {"scores", "best", "difference", "chance"}
    assert main([*given, "--reply", "Ahoy! 1"]) == 0
    assert capsys.readouterr().out.startswith("best")
    assert main([*given, "--reply", ""]) == 2
    assert "a reply is empty" in capsys.readouterr().err
