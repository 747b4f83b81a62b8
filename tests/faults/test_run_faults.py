"""What befalls a run: no room, no memory, a lost folder, a clock that jumps. Each ends in a state that names itself,
loses nothing that was kept, and the next run works in the same process."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.config import RunConfig
from studio.config.files import build
from studio.errors import RunFailed
from studio.model.slot import ModelSlot
from studio.runs import RunRecord, RunStore
from studio.runs.checkpoint import latest
from studio.runs.events import EVENTS, EventLog, read_events
from studio.settings import ASSETS, ROOT, Settings
from studio.training.clock import ASLEEP, WorkClock
from studio.training.failure import explain
from studio.training.going_on import resume_of
from studio.training.train import train
from studio.training.worker import Worker

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits and mounts of other systems")


def short(**training: Any) -> RunConfig:
    asked = {"max_steps": 6, "save_strategy": "no", "eval_strategy": "no", **training}
    return build({"data": {"max_train_rows": 40, "max_eval_rows": 4}, "training": asked})


class Bench:
    """Runs in one process, one after another, on one slot."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.store, self.slot = settings, RunStore(settings.runs_dir), ModelSlot(settings)

    def run(self, config: RunConfig, *, at: int = 3, do: Callable[[Path], object] = lambda _: None) -> Path:
        """Train; `do` is called with the run's folder when step `at` is logged. A failure is left to the record."""
        run_dir = self.store.create(config)

        def listen(event: dict[str, Any]) -> None:
            if event["kind"] == "log" and event["step"] == at:
                do(run_dir)

        try:
            train(config, run_dir, self.slot, settings=self.settings, listeners=[listen])
        except RunFailed as error:
            self.sentence = str(error)
        return run_dir

    def after(self, run_dir: Path) -> RunRecord:
        """How the run stands now; a next one works, nobody holds the model, and the base is as it was."""
        record = self.store.open(run_dir.name)
        assert self.slot.holder is None and self.slot.untouched()
        assert self.store.open(self.run(short(max_steps=1)).name).status == "finished"
        return record


@pytest.fixture
def bench(settings: Settings) -> Bench:
    return Bench(settings)


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of 6 MB (or as many as asked) where this user may mount one, else a folder whose files may not
    grow once it is filled."""
    folder = tmp_path / "disk"
    folder.mkdir()
    size = f"size={getattr(request, 'param', 6)}m"
    mounted = sys.platform == "linux" and os.geteuid() == 0 and not subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tunefork", str(folder)], capture_output=True
    ).returncode  # fmt: skip
    try:
        yield folder
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=False)


def fill(folder: Path) -> None:
    """Take what room there is; where the folder is on no disk of its own, a limit stands for it."""
    if not os.path.ismount(folder):
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        return
    with (folder / "filler").open("ab", buffering=0) as file:
        for size in (100_000, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue


def empty(folder: Path) -> None:
    (folder / "filler").unlink(missing_ok=True)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


@pytest.mark.parametrize("at", [2, 6], ids=["in mid-run", "before the adapter is saved"])
def test_a_full_disk_is_a_failed_run_with_its_sentence(small_disk: Path, at: int) -> None:
    """Also its last event is on the disk: room for it was kept. Nothing half-saved is left."""
    settings = Settings(mode="local", workspace=small_disk / "w", cache=small_disk / "c")
    settings.prepare_workspace()
    bench, real = Bench(settings), os.path.ismount(small_disk)
    try:
        run_dir = bench.run(short(), at=at, do=lambda _: fill(small_disk))
        assert "disk is full" in bench.sentence
        record = bench.store.open(run_dir.name)  # read while there is still no room
        if real:  # a limit on the size of files is one that no room given up can lift
            assert record.status == "failed" and "disk is full" in (record.error or "")
        assert not record.has_adapter and not list(run_dir.glob(".adapter*"))
    finally:
        empty(small_disk)
    assert bench.after(run_dir).steps >= 1
    assert not list(settings.runs_dir.rglob(".spare"))


@pytest.mark.parametrize("small_disk", [16], indirect=True)
def test_a_checkpoint_from_before_the_disk_was_full_goes_on(small_disk: Path) -> None:
    """The next checkpoint finds no room: it leaves nothing, and the run goes on from the one before to its end."""
    settings = Settings(mode="local", workspace=small_disk / "w", cache=small_disk / "c")
    settings.prepare_workspace()
    bench = Bench(settings)
    try:
        run_dir = bench.run(
            short(save_strategy="steps", save_steps=2, save_total_limit=1), do=lambda _: fill(small_disk)
        )
        assert "disk is full" in bench.sentence
    finally:
        empty(small_disk)
    record = bench.store.open(run_dir.name)
    assert latest(run_dir).step == 2 and not list(run_dir.rglob(".staged*"))
    outcome = train(record.config(), run_dir, bench.slot, settings=settings, resume=resume_of(record))
    assert (outcome.status, outcome.steps) == ("finished", 6) and bench.store.open(run_dir.name).has_adapter


def test_a_full_disk_leaves_the_server_alive(small_disk: Path) -> None:
    settings = Settings(mode="local", workspace=small_disk / "w", cache=small_disk / "c")
    settings.prepare_workspace()
    store, slot = RunStore(settings.runs_dir), ModelSlot(settings)
    worker = Worker(store, slot, settings)
    try:
        run_id = worker.start(short(max_steps=400))
        deadline = time.monotonic() + 60
        while not store.open(run_id).steps and time.monotonic() < deadline:
            time.sleep(0.02)
        fill(small_disk)
        assert worker.join(120)
        if os.path.ismount(small_disk):
            assert store.open(run_id).status == "failed"
    finally:
        empty(small_disk)
    second = worker.start(short(max_steps=1))
    assert worker.join(60) and store.open(second).status == "finished"


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        OSError(122, "Disk quota exceeded"),
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
        RuntimeError("[enforce fail at inline_container.cc:603] . PytorchStreamWriter failed: No space left on device"),
    ],
)
def test_a_full_disk_is_known_in_the_words_of_each_library(error: Exception) -> None:
    assert "disk is full" in str(explain(error))
    wrapped = ValueError("cannot save")
    wrapped.__cause__ = error
    assert "disk is full" in str(explain(wrapped))
    assert "disk is full" not in str(explain(ValueError("28")))


@pytest.mark.parametrize(
    "said",
    [
        "CUDA out of memory. Tried to allocate 2.00 GiB",
        "[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes",
        "DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes.",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "MPS backend out of memory",
    ],
)
def test_no_memory_is_known_in_the_words_of_each_device(said: str) -> None:
    assert "gradient_checkpointing" in str(explain(RuntimeError(said)))


def test_out_of_memory_is_explained_and_the_memory_given_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raised from inside a step, with the trainer and its model on the stack."""
    import torch
    from transformers import Trainer

    models: list[Any] = []
    real = Trainer.training_step

    def step(self: Any, model: Any, *given: Any, **more: Any) -> Any:
        models.append(weakref.ref(model))
        if self.state.global_step == 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return real(self, model, *given, **more)

    monkeypatch.setattr(Trainer, "training_step", step)
    run_dir = bench.run(short())
    monkeypatch.undo()
    assert "per_device_train_batch_size" in bench.sentence
    assert models and models[0]() is None, "the model that was trained is still held"
    record = bench.after(run_dir)
    assert record.status == "failed" and "Out of memory" in (record.error or "") and record.steps == 2


def test_data_that_is_lost_in_mid_run_does_not_matter(bench: Bench, tmp_path: Path) -> None:
    """The tokens are the workspace's own; a run that begins without the file says so."""
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"question": "q", "answer": "a"}\n' * 60)
    data = {"source": str(rows), "eval_fraction": 0.1}
    training = {"max_steps": 12, "save_strategy": "no", "eval_strategy": "steps", "eval_steps": 6}
    config = build({"data": data, "training": training})
    kept = [bench.run(config, do=lambda _: rows.unlink())]
    rows.write_text('{"question": "q", "answer": "a"}\n' * 60)
    kept.append(bench.run(config, do=lambda _: rows.write_text('{"quest')))
    losses = [[one.get("loss") for one in bench.store.open(run.name).events()[0] if one["kind"] == "log"]
              for run in kept]  # fmt: skip
    assert all(bench.store.open(run.name).status == "finished" for run in kept)
    assert losses[0] == losses[1] and len(losses[0]) == 12
    rows.unlink()
    run_dir = bench.store.create(config)
    with pytest.raises(Exception, match=r"rows\.jsonl"):
        train(config, run_dir, bench.slot, settings=bench.settings)
    assert "rows.jsonl" in (bench.after(run_dir).error or "")


def test_a_store_of_tokens_that_is_lost_in_mid_run_ends_in_a_sentence_or_not_at_all(bench: Bench) -> None:
    run_dir = bench.run(short(max_steps=12), do=lambda _: shutil.rmtree(bench.settings.scans_dir))
    record = bench.after(run_dir)
    assert record.status == "finished" or record.error


def test_weights_that_are_no_numbers_stop_the_run_at_the_step(bench: Bench, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "poisoned"
    shutil.copytree(ASSETS / "starter", folder, ignore=shutil.ignore_patterns("*.py", "*.md", "__pycache__"))
    tensors = load_file(folder / "model.safetensors")
    tensors["model.norm.weight"][0] = float("nan")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    training = {"max_steps": 4, "save_strategy": "no", "eval_strategy": "no"}
    config = build({"model": {"model_name_or_path": str(folder)}, "training": training})
    run_dir = bench.run(config)
    assert "no longer a number at step 1" in bench.sentence
    record = bench.store.open(run_dir.name)
    assert record.status == "failed" and not record.has_adapter
    assert bench.store.open(bench.run(short(max_steps=1)).name).status == "finished"


def test_a_run_whose_folder_is_deleted_ends_and_says_so(bench: Bench) -> None:
    """It would train for nobody: no stop reaches it, and nothing can be saved."""
    began = time.monotonic()
    run_dir = bench.run(short(max_steps=5000), do=shutil.rmtree)
    assert "was deleted or moved" in bench.sentence and time.monotonic() - began < 60
    assert not run_dir.exists() and not bench.store.list()
    assert bench.slot.holder is None and bench.slot.untouched()


def test_the_server_goes_on_after_a_run_whose_folder_is_deleted(bench: Bench) -> None:
    worker = Worker(bench.store, bench.slot, bench.settings)
    run_id = worker.start(short(max_steps=5000))
    deadline = time.monotonic() + 60
    while not bench.store.open(run_id).steps and time.monotonic() < deadline:
        time.sleep(0.02)
    shutil.rmtree(bench.settings.runs_dir / run_id)
    second = worker.start(short(max_steps=1))
    assert worker.join(60) and bench.store.open(second).status == "finished"


def jumped(bench: Bench, monkeypatch: pytest.MonkeyPatch, *, wall: float, steady: float) -> list[dict[str, Any]]:
    """The events of a run in which both clocks jump after its fourth step."""
    real, real_steady, jump = time.time, time.monotonic, [0.0, 0.0]
    monkeypatch.setattr(time, "time", lambda: real() + jump[0])
    monkeypatch.setattr(time, "monotonic", lambda: real_steady() + jump[1])
    run_dir = bench.run(short(max_steps=10), at=4, do=lambda _: jump.__setitem__(slice(None), [wall, steady]))
    monkeypatch.undo()
    return read_events(run_dir / EVENTS)[0]


@pytest.mark.parametrize("wall", [-86_400.0 * 400, 86_400.0 * 400])
def test_a_clock_that_is_set_moves_no_figure(bench: Bench, monkeypatch: pytest.MonkeyPatch, wall: float) -> None:
    events = jumped(bench, monkeypatch, wall=wall, steady=0)
    times = [event["time"] for event in events]
    assert times == sorted(times), "time goes back in the log"
    logs = [event for event in events if event["kind"] == "log"]
    assert len(logs) == 10 and all(event["tokens_per_second"] > 0 for event in logs)
    assert all(0 <= event["eta_seconds"] < 600 and 0 <= event["elapsed_seconds"] < 600 for event in logs)
    assert events[-1]["kind"] == "finished" and 0 < events[-1]["seconds"] < 600


def test_a_machine_that_slept_counts_its_sleep_for_no_work(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    logs = [one for one in jumped(bench, monkeypatch, wall=3e5, steady=3e5) if one["kind"] == "log"]
    assert len(logs) == 10 and all(event["tokens_per_second"] > 1 for event in logs)
    assert all(0 <= event["eta_seconds"] < 600 and event["elapsed_seconds"] < 600 for event in logs)


def test_long_work_counts_and_no_time_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    clock, told = WorkClock(), []
    for gap in (1.0, ASLEEP - 1, 5 * ASLEEP, 1e6, -50.0, 2.0):
        now[0] += gap
        told.append(clock.beat())
    assert told[:3] == [1.0, ASLEEP, 6 * ASLEEP], "work of an hour is work, after work of ten minutes"
    assert told[3] == 11 * ASLEEP and told == sorted(told)


def test_a_log_goes_on_behind_its_last_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time
    with EventLog(tmp_path) as log:
        log.write("started", 0)
    monkeypatch.setattr(time, "time", lambda: real() - 1e6)
    with EventLog(tmp_path) as log:
        log.write("log", 1, loss=1.0)
    first, second = (event["time"] for event in read_events(tmp_path / EVENTS)[0])
    assert first <= second < first + 60


def test_a_run_is_told_to_end_and_keeps_its_adapter(tmp_path: Path) -> None:
    """A service manager's SIGTERM, as Ctrl-C."""
    import signal

    line = ["train", "--max_steps", "100000", "--eval_strategy", "no", "--save_strategy", "no", "--workspace"]
    process = subprocess.Popen(
        [sys.executable, "launch.py", *line, str(tmp_path)], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        next(text for text in process.stderr if text.startswith("step 2 "))
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=120)
    finally:
        process.kill()
    [record] = RunStore(tmp_path / "runs").list()
    assert record.status == "stopped" and record.has_adapter and process.returncode == 130


def test_a_workspace_that_becomes_read_only_is_one_sentence(small_disk: Path) -> None:
    if not os.path.ismount(small_disk):
        pytest.skip("only root can mount a disk read-only")
    settings = Settings(mode="local", workspace=small_disk / "w", cache=small_disk / "c")
    settings.prepare_workspace()
    bench = Bench(settings)

    def lock(_: Path) -> None:
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=False, capture_output=True)

    run_dir = bench.run(short(), do=lock)
    locked = subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=False, capture_output=True)
    assert locked.returncode == 0
    assert bench.store.open(run_dir.name).status in ("failed", "interrupted", "finished")
    assert bench.store.open(bench.run(short(max_steps=1)).name).status == "finished"


def test_a_workspace_with_blanks_and_other_letters(tmp_path: Path, say: Any) -> None:
    import studio.cli

    rows = tmp_path / "my data 数据.jsonl"
    rows.write_text('{"question": "q", "answer": "a"}\n' * 8)
    workspace = tmp_path / "My Work #1 工作区 %20 'quoted'"
    told = ["--source", str(rows), "--max_steps", "1", "--eval_strategy", "no", "--save_strategy", "no"]
    assert studio.cli.main(["train", *told, "--workspace", str(workspace)]) == 0
    [record] = RunStore(workspace / "runs").list()
    assert studio.cli.main(["chat", record.run_id, "--prompt", "hi", "--workspace", str(workspace)]) == 0
    assert record.status == "finished" and str(rows) in json.dumps(record.config().model_dump(), ensure_ascii=False)
