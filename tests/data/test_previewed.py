"""A source that changed since it was shown is noticed before a run trains on it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.config import RunConfig
from studio.data.corpus import open_corpus
from studio.data.previewed import FILE, KEPT, Previewed
from studio.errors import DataError
from studio.settings import Settings

Make = Callable[..., RunConfig]


@pytest.fixture
def config(run_config: Make, settings: Settings) -> RunConfig:
    settings.prepare_workspace()
    return run_config([{"prompt": f"q{n}", "completion": f"a{n}"} for n in range(300)])


def change(config: RunConfig, row: int = 200) -> None:
    path = Path(config.data.source)
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[row] = json.dumps({"prompt": "another", "completion": "other"})
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def show(config: RunConfig, settings: Settings) -> None:
    shown = Previewed(settings)
    shown.saw(config, open_corpus(config, settings))
    shown.keep()


def test_a_change_after_the_preview_is_named_and_told_once(config: RunConfig, settings: Settings) -> None:
    show(config, settings)
    assert not Previewed(settings).changed(config, open_corpus(config, settings))
    change(config)
    assert Previewed(settings).changed(config, open_corpus(config, settings)) == ["rows.jsonl"]
    with pytest.raises(DataError, match=r"changed since its preview: rows\.jsonl"):
        Previewed(settings).refuse_changed(config, open_corpus(config, settings))
    Previewed(settings).refuse_changed(config, open_corpus(config, settings))


def test_what_was_never_shown_has_not_changed(config: RunConfig, settings: Settings) -> None:
    change(config)
    assert not Previewed(settings).changed(config, open_corpus(config, settings))


def test_what_changed_between_preview_and_hash_is_not_taken_for_what_was_shown(
    config: RunConfig, settings: Settings
) -> None:
    shown = Previewed(settings)
    shown.saw(config, open_corpus(config, settings))
    change(config)
    shown.keep()
    kept = settings.workspace / FILE
    known = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    assert open_corpus(config, settings).table.identity not in known.values()


def test_a_validation_source_and_a_mix_are_watched_too(
    config: RunConfig, run_config: Make, settings: Settings, tmp_path: Path
) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text('{"prompt": "q", "completion": "a"}\n' * 3, encoding="utf-8")
    held = tmp_path / "held.jsonl"
    held.write_text('{"prompt": "h", "completion": "a"}\n' * 3, encoding="utf-8")
    both = run_config(Path(config.data.source), data={"mix": [{"source": str(other)}], "eval_source": str(held)})
    show(both, settings)
    for path in (other, held):
        path.write_text('{"prompt": "new", "completion": "a"}\n' * 4, encoding="utf-8")
    assert Previewed(settings).changed(both, open_corpus(both, settings)) == ["other.jsonl", "held.jsonl"]


def test_a_damaged_file_of_the_workspace_is_no_fault_and_an_old_source_makes_room(
    config: RunConfig, settings: Settings
) -> None:
    (settings.workspace / FILE).write_text("{half", encoding="utf-8")
    show(config, settings)
    known = json.loads((settings.workspace / FILE).read_text(encoding="utf-8"))
    assert len(known) == 1
    (settings.workspace / FILE).write_text(json.dumps({str(n): "x" for n in range(KEPT)} | known), encoding="utf-8")
    show(config, settings)
    again = json.loads((settings.workspace / FILE).read_text(encoding="utf-8"))
    assert len(again) == KEPT and "0" not in again and next(iter(known)) in again


def test_the_run_says_so_and_its_log_names_the_content(
    config: RunConfig, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    from studio.cli import main

    given = ["--source", config.data.source, "--workspace", str(settings.workspace)]
    assert main(["preview", *given]) == 0
    change(config)
    capsys.readouterr()
    assert main(["train", *given, "--max_steps", "1"]) == 0
    assert "changed since its preview: rows.jsonl" in capsys.readouterr().err
    (log,) = settings.runs_dir.glob("*/events.jsonl")
    events = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    (started,) = [one for one in events if one["kind"] == "started"]
    table = open_corpus(config, settings).table
    assert started["data"] == [{"name": "rows.jsonl", "rows": 300, "identity": table.identity}]
    assert any(one["kind"] == "warning" and "changed since" in one["message"] for one in events)
