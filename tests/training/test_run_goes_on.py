"""How a run is stopped, and how it goes on: paused, abandoned, longer, another way, from before it went wrong."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from studio.cli import main
from studio.errors import RunFailed, StudioError, WorkspaceError
from studio.model.slot import ModelSlot
from studio.runs.checkpoint import whole
from studio.runs.stopping import ask_to_stop
from studio.settings import ASSETS
from studio.training import build as building
from studio.training import callback
from studio.training.going_on import branch, changed_config, resume_of
from studio.training.train import train
from tests.training.conftest import Bench, asking, assert_same, curve

SAVING = {"save_strategy": "steps", "save_steps": 1, "save_total_limit": None, "save_minutes": None}
STEADY = {**SAVING, "lr_scheduler_type": "constant", "eval_strategy": "no", "gradient_accumulation_steps": 1}


@pytest.fixture(autouse=True)
def at_any_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps take milliseconds here, so that a checkpoint after each of them costs more than 2% of the time."""
    monkeypatch.setattr("studio.training.keeper.MOST_COST", 1e9)


def sentences(bench: Bench, run_dir: Path, kind: str = "warning") -> str:
    return "\n".join(one["message"] for one in bench.store.open(run_dir.name).events()[0] if one["kind"] == kind)


def steps(run_dir: Path) -> list[int]:
    return [one.step for one in whole(run_dir)]


def fingerprint(folder: Path) -> dict[str, str]:
    files = (one for one in folder.rglob("*") if one.is_file())
    return {str(one): hashlib.sha256(one.read_bytes()).hexdigest() for one in files}


def poisoned(monkeypatch: pytest.MonkeyPatch, at: int, *, times: int, factor: float = float("nan")) -> list[int]:
    """After step `at` what is trained is multiplied, so many times in all."""
    seen: list[int] = []
    obey = callback.RecordCallback.on_step_end

    def on_step_end(self: Any, args: Any, state: Any, control: Any, *, model: Any, **kwargs: Any) -> None:
        obey(self, args, state, control, model=model, **kwargs)
        if state.global_step == at and len(seen) < times:
            seen.append(at)
            for parameter in (one for one in model.parameters() if one.requires_grad):
                parameter.data.mul_(factor)

    monkeypatch.setattr(callback.RecordCallback, "on_step_end", on_step_end)
    return seen


def test_a_pause_gives_the_memory_back_and_goes_on(bench: Bench) -> None:
    config = bench.config(training={**STEADY, "save_strategy": "no", "max_steps": 4})
    run_dir, slot = bench.store.create(config), ModelSlot(bench.settings)
    train(config, run_dir, slot, settings=bench.settings, listeners=[asking(run_dir, 2)])
    record = bench.store.open(run_dir.name)
    assert record.status == "paused" and slot.loaded is None and len(steps(run_dir)) == 1
    assert "can go on" in sentences(bench, run_dir, "paused")
    assert bench.go_on(run_dir).status == "finished"
    assert [one["step"] for one in curve(bench.store, run_dir)] == [1, 2, 3, 4]
    assert bench.store.open(run_dir.name).status == "finished"


def test_what_is_abandoned_leaves_neither_checkpoint_nor_adapter(bench: Bench) -> None:
    config = bench.config(training={**STEADY, "max_steps": 6})
    run_dir = bench.store.create(config)
    _, outcome = bench.run(config, run_dir, listeners=[asking(run_dir, 3, "abandon")])
    record = bench.store.open(run_dir.name)
    assert outcome.status == record.status == "stopped" and steps(run_dir) == []
    assert record.saved is None and list((run_dir / "checkpoints").iterdir()) == []
    with pytest.raises(WorkspaceError, match="no checkpoint to go on from"):
        resume_of(record)


def test_what_an_earlier_sitting_saved_is_abandoned_too(bench: Bench) -> None:
    config = bench.config(training={**STEADY, "max_steps": 6})
    run_dir = bench.store.create(config)
    bench.run(config, run_dir, listeners=[asking(run_dir, 2, "keep")])
    assert bench.store.open(run_dir.name).saved == run_dir / "adapter"
    bench.go_on(run_dir, listeners=[asking(run_dir, 4, "abandon")])
    assert bench.store.open(run_dir.name).saved is None and steps(run_dir) == []


def test_a_damaged_checkpoint_is_no_beginning_of_a_branch(bench: Bench) -> None:
    """Its copy would have hashes of its own, which say that all is well."""
    parent, _ = bench.run(bench.config(training={**STEADY, "max_steps": 2}))
    path = whole(parent)[0].path / "trained.safetensors"
    path.write_bytes(path.read_bytes()[:-4] + b"\x00\x01\x02\x03")
    with pytest.raises(WorkspaceError, match=r"trained\.safetensors is not what was written"):
        branch(bench.store, bench.store.open(parent.name), {"training.learning_rate": 3e-4}, step=1)
    assert [run.run_id for run in bench.store.list()] == [parent.name], "no half-made run is left"


def test_a_stop_is_heard_inside_a_long_step(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every layer sleeps, four micro-batches make a step: it would take more than ten times as long as the stop may."""
    config = bench.config(training={**STEADY, "gradient_accumulation_steps": 8, "max_steps": 2})
    run_dir, asked, look = bench.store.create(config), list[float](), building.look_between_layers

    def slowly(model: Any, heed: Any) -> int:
        def sleep(module: Any, inputs: Any) -> None:
            time.sleep(0.25)
            if not asked:
                ask_to_stop(run_dir)
                asked.append(time.time())

        for layer in next(one for one in model.modules() if type(one).__name__ == "ModuleList"):
            layer.register_forward_pre_hook(sleep)
        return look(model, heed)

    monkeypatch.setattr(building, "look_between_layers", slowly)
    _, outcome = bench.run(config, run_dir)
    ended = bench.store.open(run_dir.name).events()[0][-1]
    assert outcome.steps == 0 and ended["kind"] == "stopped" and ended["time"] - asked[0] < 2.5
    assert "nothing was learned" in ended["message"]


def test_a_finished_run_goes_on_for_more_steps_as_if_it_had_been_longer(bench: Bench) -> None:
    longer, _ = bench.run(bench.config(training={**STEADY, "max_steps": 5}))
    run_dir, _ = bench.run(bench.config(training={**STEADY, "max_steps": 3}))
    record = bench.store.open(run_dir.name)
    with pytest.raises(WorkspaceError, match=r"at its last step, 3.*--max_steps 6"):
        resume_of(record)
    before = (run_dir / "run.yaml").read_text()
    for changes in ({"training.max_steps": 2}, {"training.max_steps": 3, "training.learning_rate": 0.01}):
        with pytest.raises(WorkspaceError, match=r"at its last step, 3"):
            resume_of(record, config=changed_config(record, changes))
    assert (run_dir / "run.yaml").read_text() == before
    assert bench.go_on(run_dir, changes={"training.max_steps": 5}).steps == 5
    assert "training.max_steps" in sentences(bench, run_dir)
    assert_same(bench.store, longer, run_dir)
    assert bench.store.open(run_dir.name).total_steps == 5


def test_a_branch_has_its_own_rate_and_leaves_its_parent_alone(bench: Bench) -> None:
    parent, _ = bench.run(bench.config(training={**STEADY, "max_steps": 4, "learning_rate": 1e-4}))
    before = fingerprint(parent)
    child = branch(bench.store, bench.store.open(parent.name), {"training.learning_rate": 3e-4}, step=2)
    assert json.loads((child / "origin.json").read_text()) == {"run_id": parent.name, "step": 2, "kind": "branch"}
    assert bench.go_on(child).steps == 4
    rates = {one["step"]: one["learning_rate"] for one in curve(bench.store, child)}
    assert rates == {3: pytest.approx(3e-4), 4: pytest.approx(3e-4)}
    first, second = (curve(bench.store, run)[at] for run, at in ((parent, 2), (child, 0)))
    assert first["loss"] == second["loss"], "the same weights and rows at its first step"
    last, other = (curve(bench.store, run)[-1] for run in (parent, child))
    assert last["step"] == other["step"] == 4 and last["loss"] != other["loss"]
    shutil.rmtree(child)
    assert fingerprint(parent) == before


def test_from_an_earlier_step_the_later_ones_are_trained_anew(bench: Bench) -> None:
    config = bench.config(training={**STEADY, "max_steps": 4})
    unbroken, _ = bench.run(config)
    run_dir, _ = bench.run(config)
    assert steps(run_dir) == [1, 2, 3, 4]
    with pytest.raises(WorkspaceError, match="no checkpoint of step 9; there are those of steps 1, 2, 3, 4"):
        resume_of(bench.store.open(run_dir.name), step=9)
    seen: list[list[int]] = []
    bench.go_on(run_dir, step=2, listeners=[lambda one: seen.append(steps(run_dir)) if one["kind"] == "resumed" else 0])
    assert seen == [[1, 2]] and "steps 3, 4 are removed" in sentences(bench, run_dir)
    assert_same(bench.store, unbroken, run_dir)


def test_each_step_is_saved_once_and_after_its_evaluation(bench: Bench) -> None:
    config = bench.config(training=SAVING)
    unbroken, _ = bench.run(config)
    events = bench.store.open(unbroken.name).events()[0]
    order = [(one["kind"], one["step"]) for one in events if one["kind"] in ("log", "evaluated", "checkpoint")]
    assert [step for kind, step in order if kind == "checkpoint"] == [1, 2, 3, 4, 5, 6]
    assert all(order.index(("checkpoint", step)) > order.index(("evaluated", step)) for step in (3, 6))
    before = curve(bench.store, unbroken)
    bench.go_on(unbroken, step=3)
    assert curve(bench.store, unbroken) == before, "nothing is evaluated twice"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"adapter.r": 4}, "adapter.r"),
        ({"training.seed": 7, "training.learning_rate": 1e-3}, "training.seed"),
        ({"data.source": str(ASSETS / "samples" / "captain_byte_instructions.jsonl")}, "data.source"),
        ({"training.per_device_train_batch_size": 2, "training.max_length": 64},
         "training.max_length, training.per_device_train_batch_size"),
    ],
)  # fmt: skip
def test_what_cannot_change_is_named(bench: Bench, changes: dict[str, Any], named: str) -> None:
    run_dir, _ = bench.run(bench.config(training={**STEADY, "max_steps": 1}))
    record, before = bench.store.open(run_dir.name), (run_dir / "run.yaml").read_text()
    for act in (
        lambda: resume_of(record, config=changed_config(record, changes)),
        lambda: branch(bench.store, record, changes),
    ):
        with pytest.raises(WorkspaceError, match=f"; {named} cannot change"):
            act()
    assert (run_dir / "run.yaml").read_text() == before and len(bench.store.list()) == 1


def test_other_rows_are_refused_or_told(bench: Bench, tmp_path: Path) -> None:
    rows = (ASSETS / "samples" / "captain_byte.jsonl").read_text(encoding="utf-8").splitlines()[:12]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(rows), encoding="utf-8")
    config = bench.config(data={"source": str(path)}, training={**STEADY, "max_steps": 3})
    run_dir = bench.store.create(config)
    bench.run(config, run_dir, listeners=[asking(run_dir, 1)])
    path.write_text("\n".join(rows[::-1]), encoding="utf-8")
    with pytest.raises(WorkspaceError, match="no longer what the checkpoint of step"):
        bench.go_on(run_dir)
    assert bench.store.open(run_dir.name).status == "paused" and len(steps(run_dir)) >= 1
    assert bench.go_on(run_dir, despite=["data"]).status == "finished"
    assert "without, or with another: data" in sentences(bench, run_dir)
    path.write_text("\n".join(rows), encoding="utf-8")
    before, settings = bench.store.open(run_dir.name), (run_dir / "run.yaml").read_text()
    with pytest.raises(WorkspaceError, match="no longer what the checkpoint of step"):
        bench.go_on(run_dir, changes={"training.max_steps": 5})
    after = bench.store.open(run_dir.name)
    assert (after.status, after.steps, after.total_steps) == ("finished", 3, 3) and after.metrics == before.metrics
    said = bench.store.open(run_dir.name).events()[0][-1]["message"]
    assert said.startswith("It did not go on, and is as it was. The data is no longer")
    assert (run_dir / "run.yaml").read_text() == settings


def test_what_another_process_trains_is_left_to_it(bench: Bench) -> None:
    """Seen only once the lock is asked for: both have looked at the run before one of them began."""
    run_dir, _ = bench.run(bench.config(training={**STEADY, "max_steps": 1}))
    settings, events = (run_dir / "run.yaml").read_text(), (run_dir / "events.jsonl").read_text()
    code = "import sys, filelock; lock = filelock.FileLock(sys.argv[1]); lock.acquire(); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code, run_dir / "lock"], stdin=-1, stdout=-1) as other:
        assert other.stdout and other.stdout.readline()
        resume = resume_of(bench.store.open(run_dir.name), config=bench.config(training={**STEADY, "max_steps": 2}))
        with pytest.raises(WorkspaceError, match="is training now"):
            bench.run(bench.config(training={**STEADY, "max_steps": 2}), run_dir, resume=resume)
        other.kill()
    assert (run_dir / "run.yaml").read_text() == settings and (run_dir / "events.jsonl").read_text() == events


@pytest.mark.parametrize("missing", [True, False])
def test_a_lost_optimizer_is_refused_or_told(bench: Bench, missing: bool) -> None:
    config = bench.config(training={**STEADY, "max_steps": 4, "lr_scheduler_type": "linear", "save_total_limit": 1})
    unbroken, _ = bench.run(config)
    run_dir = bench.store.create(config)
    stopped = bench.run(config, run_dir, listeners=[asking(run_dir, 2)])[1].steps
    file = whole(run_dir)[-1].path / "optimizer.safetensors"
    if missing:
        file.unlink()
    else:
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
    with pytest.raises(WorkspaceError, match=r"optimizer.safetensors is (missing|not what).*--despite optimizer"):
        bench.go_on(run_dir)
    record, slower = bench.store.open(run_dir.name), {"training.learning_rate": 3e-5}
    with pytest.raises(WorkspaceError, match="--despite optimizer"):
        branch(bench.store, record, slower)
    child = branch(bench.store, record, slower, despite=["optimizer"])
    assert not list(child.rglob("optimizer*")) and bench.go_on(child, despite=["optimizer"]).steps == 4
    assert bench.go_on(run_dir, despite=["optimizer"]).status == "finished"
    told = sentences(bench, run_dir)
    assert "without, or with another: optimizer" in told and (not missing or "optimizer.safetensors is missing" in told)
    whole_run, without = curve(bench.store, unbroken), curve(bench.store, run_dir)
    assert [one["learning_rate"] for one in whole_run] == [one["learning_rate"] for one in without]
    assert whole_run[stopped]["loss"] == without[stopped]["loss"], "the weights are those of the checkpoint"


def test_only_what_may_be_missing_can_be_waived(bench: Bench) -> None:
    run_dir, _ = bench.run(bench.config(training={**STEADY, "max_steps": 2}))
    record = bench.store.open(run_dir.name)
    with pytest.raises(StudioError, match="--despite takes optimizer, data; got weights"):
        resume_of(record, step=1, despite=["weights"])
    (whole(run_dir)[0].path / "trained.safetensors").unlink()
    with pytest.raises(WorkspaceError, match=r"trained.safetensors is missing\. Go on from another one"):
        resume_of(record, step=1, despite=["optimizer", "data"])


def test_a_run_that_diverges_goes_back_with_half_the_rate(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    poisoned(monkeypatch, 3, times=1)
    training = {**STEADY, "save_steps": 2, "max_steps": 6, "on_divergence": "go_back", "learning_rate": 1e-3}
    run_dir, outcome = bench.run(bench.config(training=training))
    assert outcome.status == "finished" and outcome.steps == 6
    told = sentences(bench, run_dir)
    assert "no longer a number" in told and "goes back to step 2 with 0.5 of the learning rate" in told
    found = {one["step"]: one for one in curve(bench.store, run_dir)}
    assert [found[step]["learning_rate"] for step in range(1, 7)] == [1e-3] * 2 + [5e-4] * 4
    assert all(isinstance(one["loss"], float) for one in found.values())


def test_it_goes_back_three_times_at_most(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = poisoned(monkeypatch, 2, times=99)
    training = {**STEADY, "max_steps": 5, "save_steps": 1, "on_divergence": "go_back"}
    config = bench.config(training=training)
    run_dir = bench.store.create(config)
    with pytest.raises(RunFailed, match="no longer a number"):
        bench.run(config, run_dir)
    told = sentences(bench, run_dir)
    assert [share in told for share in ("0.5 of", "0.25 of", "0.125 of")] == [True] * 3 and len(seen) == 4
    assert bench.store.open(run_dir.name).status == "failed" and steps(run_dir) == [1]


def test_by_default_it_stops_at_the_step_and_can_go_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    poisoned(monkeypatch, 3, times=1)
    config = bench.config(training={**STEADY, "max_steps": 5, "save_steps": 2})
    run_dir = bench.store.create(config)
    with pytest.raises(RunFailed, match="no longer a number at step 4"):
        bench.run(config, run_dir)
    assert steps(run_dir) == [2] and bench.go_on(run_dir).status == "finished"


def test_a_spike_is_told_with_its_size(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callback, "USUAL", 3)
    poisoned(monkeypatch, 4, times=1, factor=1e3)
    config = bench.config(training={**STEADY, "max_steps": 8, "learning_rate": 1e-3, "spike_factor": 2.5})
    with pytest.raises(RunFailed, match=r"at step 5, .* times what was usual"):
        bench.run(config)


def test_a_runs_own_file_repeats_it_and_says_what_it_was(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    config = bench.config(training={**STEADY, "save_strategy": "no", "max_steps": 3})
    run_dir, _ = bench.run(config)
    workspace = str(bench.settings.workspace)
    assert main(["train", str(run_dir / "run.yaml"), "--workspace", workspace, "--json"]) == 0
    again = bench.store.runs_dir / json.loads(capsys.readouterr().out)["run_id"]
    assert again != run_dir
    assert_same(bench.store, run_dir, again)
    started = [bench.store.open(one.name).events()[0] for one in (run_dir, again)]
    first, second = (next(one for one in events if one["kind"] == "started") for events in started)
    for name in ("versions", "hardware", "data", "digest", "device", "dtype"):
        assert first[name] and first[name] == second[name]
    assert {"torch", "transformers", "trl", "peft", "python"} <= set(first["versions"])
    assert all(len(one["identity"]) >= 32 for one in first["data"])
