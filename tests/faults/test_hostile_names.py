"""Names and ids that would lead out of the workspace: as a run's name, as an id in every verb and every handler of the
page that takes one."""

from __future__ import annotations

import argparse
import inspect
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from studio.cli import main
from studio.config.files import load
from studio.errors import ConfigError
from studio.runs import RunStore
from studio.services import build_services
from studio.settings import Settings
from studio.verbs import VERBS

HOSTILE = ("../../x", "/etc/x", "a\0b", "x" * 300, "", "CON", ".", "..", "../x", "x/../../x", "..\\x", "\u202e名", "~")
SECRET = "a-secret-that-no-run-holds"


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Path]:
    """A workspace, and folders like runs wherever the ids would lead; they must be neither read nor touched."""
    workspace = tmp_path / "a" / "workspace"
    decoys = [tmp_path / "a" / "x", workspace / "x", tmp_path / "x", workspace]
    (workspace / "runs").mkdir(parents=True)
    for folder in decoys:
        (folder / "adapter").mkdir(parents=True, exist_ok=True)
        (folder / "run.yaml").write_text(f"name: {SECRET}\n")
        (folder / "events.jsonl").write_text(json.dumps({"time": 1, "kind": "log", "step": 1, "note": SECRET}) + "\n")
        (folder / "adapter" / "adapter_model.safetensors").write_text(SECRET)
    before = _listed(tmp_path, decoys)
    yield workspace
    assert _listed(tmp_path, decoys) == before


def _listed(top: Path, decoys: list[Path]) -> list[tuple[str, bytes]]:
    files = [path for folder in decoys for path in folder.rglob("*") if "runs" not in path.parts]
    return sorted({(str(one.relative_to(top)), one.read_bytes()) for one in files if one.is_file() and SECRET in
                   one.read_text(errors="replace")})  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_stays_inside_the_folder_of_runs(name: str, workspace: Path) -> None:
    """As a flag, and as a run file; where it is refused, one sentence names the setting."""
    file = workspace.parent / "run.yaml"
    file.write_text(f"name: {json.dumps(name)}\n", encoding="utf-8")
    store, made = RunStore(workspace / "runs"), 0
    for changes, path in ({"name": name}, None), ({}, file):
        try:
            config = load(path, changes)
        except ConfigError as error:
            assert "name" in str(error) and len(name) > 80
            continue
        folder = store.create(config)
        made += 1
        assert folder.parent == workspace / "runs" and len(folder.name) < 80 and folder.name.isascii()
        assert store.open(folder.name).config() == config
    assert len(store.list()) == made == len(list((workspace / "runs").iterdir()))


def test_a_run_with_such_a_name_trains(workspace: Path, capsys: Any) -> None:
    short = ["--max_steps", "1", "--eval_strategy", "no", "--save_strategy", "no", "--workspace", str(workspace)]
    assert main(["train", "--name", "../../x", *short]) == 0
    [run] = RunStore(workspace / "runs").list()
    assert run.saved and run.name == "../../x" and run.path.parent == workspace / "runs"


def _flags_of(verb: str) -> list[list[str]]:
    """Command lines of a verb with ID in each place that takes the id of a run."""
    parser = argparse.ArgumentParser()
    VERBS[verb].add(parser)  # type: ignore[arg-type]
    found: list[list[str]] = []
    actions = [one for one in parser._actions if one.dest != "help"]
    needed = [part for one in actions if one.option_strings and one.required for part in (one.option_strings[-1], "t")]
    plain = [one for one in actions if not one.option_strings and "ID" in str(one.metavar or "")]
    if plain:
        found.append(["ID"] * len(plain) + needed)
    for one in actions:
        if one.option_strings and "RUN_ID" in str(one.metavar or ""):
            found.append([one.option_strings[-1], "ID", *needed])
    return found


VERBS_OF_RUNS = [(verb, flags) for verb in VERBS if verb not in ("ui", "train") for flags in _flags_of(verb)]


def test_the_verbs_that_take_an_id_are_found() -> None:
    assert {"chat", "score", "report", "metrics", "diff"} <= {verb for verb, _ in VERBS_OF_RUNS}


@pytest.mark.parametrize(("verb", "flags"), VERBS_OF_RUNS, ids=[f"{v} {' '.join(f)}" for v, f in VERBS_OF_RUNS])
def test_an_id_on_the_command_line_is_never_a_path(verb: str, flags: list[str], workspace: Path, capsys: Any) -> None:
    for hostile in HOSTILE:
        line = [hostile if one == "ID" else one for one in flags]
        code = main([verb, "--workspace", str(workspace), "--json", *line])
        out = capsys.readouterr()
        assert code == 2, (line, out)
        assert "Traceback" not in out.err and SECRET not in out.err + out.out
        assert len(out.err.strip().splitlines()[-1]) < 500


@pytest.fixture(scope="module")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from studio.ui.app import build_page

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", "")
        folder = tmp_path_factory.mktemp("names") / "a" / "workspace"
        services = build_services(Settings(mode="local", workspace=folder, cache=folder / "cache"))
        services.warmed.set()
        decoys = (folder.parent / "x", folder.parent.parent / "x", folder / "x", folder)
        for decoy in decoys:
            (decoy / "adapter").mkdir(parents=True, exist_ok=True)
            (decoy / "run.yaml").write_text(f"name: {SECRET}\n")
            (decoy / "events.jsonl").write_text(json.dumps({"time": 1, "kind": "log", "note": SECRET}) + "\n")
        made, _ = build_page(services)
        return SimpleNamespace(blocks=made, folder=folder, decoys=decoys)


IDS = ("chat-run", "runs-chosen", "runs-picked")
OF_THE_FORM = {"look", "examine", "treat", "change", "measure", "count", "remember"}  # they take no id of a run


def _given(fn: Any, hostile: str) -> list[Any] | None:
    """What a browser could send to a handler that takes an id, in a widget or in an event's data; None for others."""
    import gradio as gr

    ids = [getattr(one, "elem_id", None) for one in fn.inputs]
    takes = inspect.signature(fn.fn).parameters
    with_event = any("EventData" in str(one.annotation) for one in takes.values())
    if fn.fn.__name__ in OF_THE_FORM or not (with_event or set(IDS) & set(ids)):
        return None
    sent = {one: json.dumps([hostile]) if one == "runs-picked" else hostile for one in IDS}
    values = [sent.get(one) or _first(part) for one, part in zip(ids, fn.inputs, strict=True)]
    given: list[Any] = [dict(zip(fn.inputs, values, strict=True))] if fn.inputs_as_dict else values
    if "request" in takes:
        given.append(SimpleNamespace(session_hash="s", cookies={}, headers={}, query_params={}))
    if with_event:
        data: dict[str, Any] = dict.fromkeys(("run", "id", "to", "name"), hostile)
        data |= {name: [hostile] for name in ("runs", "entries", "picked")}
        given.append(gr.EventData(None, {**data, "do": "cancel", "step": 1}))
    return given


def _first(part: Any) -> Any:
    return "hello" if part.elem_id == "message" else getattr(part, "value", None)


def _answered(function: Any, given: list[Any]) -> str:
    """What a browser is told; a mistake in the code would be told as something unexpected."""
    import gradio as gr

    try:
        answer = function(*given)
        said = repr(list(answer)) if inspect.isgenerator(answer) else repr(answer)
    except gr.Error as error:
        said = str(error)
    assert "unexpected" not in said.lower(), (function.__name__, said)
    assert SECRET not in said, function.__name__
    return said


@pytest.mark.parametrize("hostile", HOSTILE)
def test_an_id_from_the_page_is_never_a_path(hostile: str, blocks: Any) -> None:
    """Every handler that takes one, whatever it is called."""
    asked = [
        _answered(fn.fn, given)
        for fn in blocks.blocks.fns.values()
        if fn.fn is not None and (given := _given(fn, hostile)) is not None
    ]
    assert len(asked) >= 10
    assert not os.path.lexists(blocks.folder / "runs" / "x")
    assert all(one.is_dir() and SECRET in (one / "run.yaml").read_text() for one in blocks.decoys)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_an_id_from_the_pages_scripts_is_never_a_path(hostile: str, blocks: Any) -> None:
    """The functions that scripts of the page call: anybody may call them with anything."""
    asks: tuple[Any, ...] = ({"run": hostile, "id": hostile, "step": 1, "offset": 1, "status": "running"}, hostile)
    asks += ({"runs": [hostile], "ids": [hostile], "run": [hostile]}, [hostile])
    functions = [one for part in blocks.blocks.blocks.values() for one in getattr(part, "server_fns", ()) or ()]
    assert len(functions) >= 5
    for function in functions:
        for one in asks:
            _answered(function, [one])
