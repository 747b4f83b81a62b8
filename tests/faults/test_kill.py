"""Cases 1 and 6: killed while it saves, or at any moment, a run goes on from a whole checkpoint to the same curve; and
a checkpoint that holds a pickle is refused unread.

Real processes, killed with SIGKILL.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import pickle
import random
import signal
import sys
import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest
import yaml

from studio.cli import main
from studio.config.files import dump
from studio.errors import WorkspaceError
from studio.runs import RunStore
from studio.runs.checkpoint import whole
from studio.settings import ASSETS, Settings
from studio.training import keeper
from tests.training.conftest import Bench, asking, assert_same

posix = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
PAIRS = {"method": "dpo", "data": {"source": str(ASSETS / "samples" / "captain_byte_pairs.jsonl")}}
REWARD = {**PAIRS, "method": "reward"}
PACKING = {"method": {"type": "sft", "packing": True}}
FORKS = multiprocessing.get_context("forkserver")  # each run a process of its own, the libraries read once
FORKS.set_forkserver_preload(["tests.faults.test_kill", "studio.training.train", "trl.trainer.sft_trainer"])


def begin(place: str, nth: int, log: Path, verb: list[str]) -> None:
    """The program of such a process: it kills itself at the n-th time that it forces a file below `place` to disk."""
    left, fsync = nth, os.fsync

    def counted(handle: int) -> None:
        nonlocal left
        fsync(handle)
        if left and place in str(Path(f"/proc/self/fd/{handle}").readlink()):
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.fsync = counted
    keeper.MOST_COST = 1e9  # checkpoints of steps this short would cost more than 2% of the time and come seldom
    sys.exit(main(verb))


class Killer:
    """One run after another in processes of their own, each killed where it is asked for."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench, self.folder = bench, folder
        self.store: RunStore = bench.store

    def start(self, *verb: str, place: str = "", nth: int = 0) -> ForkServerProcess:
        command = ["train", *verb, "--workspace", str(self.bench.settings.workspace)]
        process = FORKS.Process(target=begin, args=(place, nth, self.folder / "out.log", command))
        process.start()
        return process

    def ended(self, process: ForkServerProcess) -> int | None:
        """Its exit code, once it has one; -9 where it was killed."""
        process.join(300)
        return process.exitcode

    def yaml(self, **given: Any) -> str:
        path = self.folder / "run.yaml"
        path.write_text(dump(self.bench.config(**given)), encoding="utf-8")
        return str(path)

    def newest(self) -> Path:
        return self.store.list()[0].path

    def said(self) -> str:
        return (self.folder / "out.log").read_text(encoding="utf-8")[-3000:]

    def unbroken(self, path: str) -> Path:
        assert self.ended(self.start(path)) == 0, self.said()
        return self.newest()

    def kill_at(self, process: ForkServerProcess, step: int, seconds: float, before: set[Path]) -> Path | None:
        """Kill so long after a step's log; None where the process was quicker."""
        until = time.monotonic() + 300
        while process.is_alive() and time.monotonic() < until:
            for run in self.store.list():
                if run.path not in before and run.steps >= step:
                    time.sleep(seconds)
                    process.kill()
                    process.join()
                    return run.path
            time.sleep(0.01)
        process.join(10)
        return None


@pytest.fixture
def killer(settings: Settings, tmp_path: Path) -> Killer:
    return Killer(Bench(settings), tmp_path)


TRAINING = {"save_strategy": "steps", "save_steps": 1, "save_total_limit": 3}


@posix
@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="what a handle is of is read in /proc")
@pytest.mark.parametrize("nth", [1, 9])
def test_killed_while_checkpoint_2_is_written_it_goes_on_from_checkpoint_1(killer: Killer, nth: int) -> None:
    path = killer.yaml(training=TRAINING)
    unbroken = killer.unbroken(path)
    process = killer.start(path, place=".staged-2-", nth=nth)
    assert killer.ended(process) == -signal.SIGKILL, killer.said()
    run = killer.newest()
    assert run != unbroken and killer.store.open(run.name).status == "interrupted"
    assert [one.step for one in whole(run)] == [1]
    assert any(one.name.startswith(".staged-2-") for one in (run / "checkpoints").iterdir())
    assert killer.ended(killer.start("--resume", run.name)) == 0, killer.said()
    told = [one["step"] for one in killer.store.open(run.name).events()[0] if one["kind"] == "resumed"]
    assert told == [1] and killer.store.open(run.name).status == "finished"
    assert all(one.name.startswith("checkpoint-") for one in (run / "checkpoints").iterdir())
    assert_same(killer.store, unbroken, run)


@posix
@pytest.mark.slow
@pytest.mark.parametrize(("kind", "more"), [("sft", {}), ("packing", PACKING), ("dpo", PAIRS), ("reward", REWARD)])
def test_killed_at_any_moment_it_has_the_curve_of_the_unbroken_run(killer: Killer, kind: str, more: Any) -> None:
    """The moments are drawn anew from the seed: after a step's log and some of the time that a step or a save takes."""
    training = {**TRAINING, "num_train_epochs": 4, "max_length": 64 if kind == "packing" else 256}
    path = killer.yaml(**more, training=training)
    unbroken = killer.unbroken(path)
    total = killer.store.open(unbroken.name).steps
    chance, moments = random.Random(f"kill-{kind}"), []
    run: Path | None = None
    others = {unbroken}
    process = killer.start(path)
    for _ in range(3):
        step = (killer.store.open(run.name).steps if run else 0) + chance.randint(1, 2)
        moments.append((step, chance.random() * 0.4))
        if step >= total:
            break
        killed = killer.kill_at(process, *moments[-1], before=others)
        if killed is None:
            break
        run = killed
        assert killer.store.open(run.name).status == "interrupted"
        if not whole(run):
            assert killer.store.open(run.name).steps <= 1, "each step but the first was saved before the next"
            others.add(run)
            process, run = killer.start(path), None
            continue
        process = killer.start("--resume", run.name)
    assert killer.ended(process) == 0, (moments, killer.said())
    run = run or killer.newest()
    assert any(one["kind"] == "resumed" for one in killer.store.open(run.name).events()[0]), moments
    assert_same(killer.store, unbroken, run)


class Payload:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


@pytest.fixture
def paused(settings: Settings) -> tuple[Bench, Path]:
    bench = Bench(settings)
    config = bench.config(training={"max_steps": 4, "eval_strategy": "no", "gradient_accumulation_steps": 1})
    run_dir = bench.store.create(config)
    bench.run(config, run_dir, listeners=[asking(run_dir, 1)])
    return bench, run_dir


def test_a_pickle_in_a_checkpoint_is_refused_unread(paused: tuple[Bench, Path], tmp_path: Path) -> None:
    bench, run_dir = paused
    folder, marker = whole(run_dir)[0].path, tmp_path / "marker"
    payload = pickle.dumps(Payload(marker))
    for name in ("optimizer.pt", "rng_state.pth", "training_args.bin", "adapter/adapter_model.bin"):
        (folder / name).write_bytes(payload)
        with pytest.raises(WorkspaceError, match=f"holds {name}, which Tunefork did not write; nothing of it is read"):
            bench.go_on(run_dir)
        (folder / name).unlink()
    for name in ("optimizer.safetensors", "random.json", "trained.safetensors", "schedule.json"):
        before, manifest = (folder / name).read_bytes(), folder / "manifest.json"
        told = json.loads(manifest.read_text())
        (folder / name).write_bytes(payload)
        with pytest.raises(WorkspaceError, match=f"{name} is not as long as it was written"):
            bench.go_on(run_dir)
        kept = manifest.read_text()
        told["files"][name] = {"bytes": len(payload), "sha256": hashlib.sha256(payload).hexdigest()}
        manifest.write_text(json.dumps(told))  # whoever can write the file can write this one too
        with pytest.raises(WorkspaceError, match=f"{name} is not what a checkpoint holds"):
            bench.go_on(run_dir)
        manifest.write_text(kept)
        (folder / name).write_bytes(before)
    assert not marker.exists()
    pickle.loads(payload)
    assert marker.exists(), "the payload was a real one"
    assert bench.go_on(run_dir).status == "finished"


def test_a_checkpoint_holds_safetensors_and_json_alone(paused: tuple[Bench, Path]) -> None:
    _, run_dir = paused
    files = [one for one in whole(run_dir)[0].path.rglob("*") if one.is_file()]
    assert {one.suffix for one in files} <= {".safetensors", ".json", ".md"}
    for one in files:
        if one.suffix == ".json":
            json.loads(one.read_text(encoding="utf-8"))
    assert yaml.safe_load((run_dir / "run.yaml").read_text())
