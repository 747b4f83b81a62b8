"""Exports that cannot be: one sentence each, and nothing at the target, whatever goes wrong in the middle."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio.config.files import build
from studio.errors import ConfigError, ModelError, StudioError, WorkspaceError
from studio.export import EXPORTERS, export, fitting
from studio.export.adapter import AdapterAlone
from studio.export.merged import MergedModel
from studio.runs import RunRecord
from studio.runs.store import hold
from studio.settings import Settings


def test_what_cannot_be_is_one_sentence(runs: Any, tmp_path: Path, said: Any) -> None:
    run_id, bare = runs["lora"].run_id, runs.store.create(build({"name": "bare"})).name
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "file").write_text("", encoding="utf-8")
    for words, sentence in (
        (["../x"], "There is no run '../x'"),
        ([bare], "has nothing to export: it is running and has saved no weights"),
        ([run_id, "--as", "gguf"], "'gguf' is no form that a run can be exported in; there are: adapter, merged."),
        ([run_id, "--to", str(tmp_path / "taken")], "is there already."),
        ([run_id, "--to", str(tmp_path / "file")], "is there already."),
        ([run_id, "--to", str(tmp_path / "file" / "below")], "Cannot write"),
        ([runs["full"].run_id, "--as", "adapter"], "has no adapter. Export it as merged."),
    ):
        code, out, err = said(*words)
        assert code == 2 and out == "" and sentence in err and len(err.splitlines()) == 1, err
    assert [one.name for one in (tmp_path / "taken").iterdir()] == ["mine.txt"]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "taken"]


def test_each_run_has_the_forms_that_are_true_to_it(runs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    record = runs["lora"]
    assert fitting(record) == ["adapter", "merged"] and fitting(runs["freeze"]) == ["merged"]
    for sections, left in (
        ({"model": {"merged_adapters": ["other"]}}, ["merged"]),
        ({"adapter": {"type": "lora", "init_lora_weights": "loftq"}, "model": {"quantization": "4-bit"}}, ["adapter"]),
    ):
        monkeypatch.setattr(RunRecord, "config", lambda _, sections=sections: build(sections))
        assert fitting(record) == left


def test_a_space_writes_into_its_workspace_alone(runs: Any, tmp_path: Path) -> None:
    public = Settings(mode="space", workspace=runs.settings.workspace, cache=runs.settings.cache)
    with pytest.raises(WorkspaceError, match="a public Space writes into its workspace alone"):
        export(runs["lora"], "adapter", tmp_path / "x", public)
    assert export(runs["lora"], "adapter", public.exports_dir / "in-space", public).path.is_dir()


def half_done(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"half")


def full(*_: Any) -> None:
    raise OSError(28, "No space left on device")


def ended(*_: Any) -> None:
    raise KeyboardInterrupt


def odd(*_: Any) -> None:
    raise ValueError("odd")


def damaged(self: Any, record: RunRecord, folder: Path, settings: Settings) -> None:
    """Written, but for one weight that turned out otherwise."""
    written(self, record, folder, settings)
    file = folder / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[-200_000:] = bytes(200_000)
    file.write_bytes(data)


written: Callable[..., None] = MergedModel.write


@pytest.mark.parametrize(
    ("fault", "kind", "sentence"),
    [
        (full, WorkspaceError, r"not enough room on the disk .*another disk with --to"),
        (ended, KeyboardInterrupt, None),
        (odd, ModelError, r"The exporter merged failed with .*: ValueError: odd"),
        (damaged, ModelError, r"cannot be used, so nothing of it is kept\. The logits of a short text differ by"),
    ],
)
def test_a_crash_in_the_middle_leaves_nothing(
    runs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Any, kind: Any, sentence: str | None
) -> None:
    def write(self: Any, record: RunRecord, folder: Path, settings: Settings) -> None:
        half_done(folder)
        fault(self, record, folder, settings)

    monkeypatch.setattr(MergedModel, "write", write)
    (tmp_path / "empty").mkdir()
    with pytest.raises(kind, match=sentence):
        export(runs["lora"], "merged", tmp_path / "empty", runs.settings)
    assert [one.name for one in tmp_path.rglob("*")] == ["empty"]


def test_what_a_killed_export_left_goes_with_the_next(runs: Any, tmp_path: Path) -> None:
    left, busy, other = (tmp_path / f".{name}.part-{end}" for name, end in (("a", "1"), ("a", "2"), ("b", "1")))
    for folder in (left, busy, other):
        (folder / "a").mkdir(parents=True)
        os.utime(folder, (0, 0))
    with hold(busy):
        os.utime(busy, (0, 0))
        export(runs["lora"], "adapter", tmp_path / "a", runs.settings)
    assert sorted(one.name for one in tmp_path.iterdir()) == [".a.part-2", ".b.part-1", "a"]


def test_what_came_there_meanwhile_is_not_touched(runs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "taken"

    def prove(*_: Any) -> dict[str, Any]:
        target.mkdir()
        (target / "theirs").touch()
        return {}

    monkeypatch.setattr(AdapterAlone, "prove", prove)
    with pytest.raises(StudioError, match="Cannot write"):
        export(runs["lora"], "adapter", target, runs.settings)
    assert [one.name for one in tmp_path.rglob("*")] == ["taken", "theirs"]


def test_the_default_folder_is_the_workspaces(runs: Any, said: Any) -> None:
    record = runs["full"]
    code, out, _ = said(record.run_id)
    target = runs.settings.exports_dir / f"{record.run_id}-merged"
    assert code == 0 and target.is_dir() and out.startswith(f"{target}: ") and "loaded again: tokens" in out
    assert said(record.run_id)[0] == 2  # it is there now


def test_an_unknown_form_is_a_mistake_of_settings(runs: Any, tmp_path: Path) -> None:
    assert list(EXPORTERS)[:2] == ["adapter", "merged"]
    with pytest.raises(ConfigError):
        export(runs["lora"], "../x", tmp_path / "x", runs.settings)
