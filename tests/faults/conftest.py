"""A user at the command line and one at the page, for the tests of faults."""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from studio.cli import main
from studio.config.files import build
from studio.services import Services, build_services
from studio.settings import Settings


class Told:
    """What the command line said."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.err = code, err.strip()
        self.face: Any = json.loads(out) if out.strip() else None

    @property
    def sentence(self) -> str:
        return self.err.splitlines()[-1]


@pytest.fixture
def say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """`say("check", path, "--max_length", 64)`; `--json` and a workspace of its own are added."""

    def run(verb: str, path: Path, *more: object) -> Told:
        workspace = tmp_path / "workspace"
        code = main([verb, "--source", str(path), "--workspace", str(workspace), *map(str, more), "--json"])
        out = capsys.readouterr()
        assert "Traceback" not in out.err
        return Told(code, out.out, out.err)

    return run


class Desk:
    """The page's own handlers over real services, called as a click would; nothing is served."""

    def __init__(self, services: Services) -> None:
        from studio.ui.app import build_page

        self.services = services
        self.blocks, self.page = build_page(services)

    def handler(self, name: str, module: str) -> Any:
        """The first handler of that name in `studio.ui.<module>`, and what it takes."""
        return next(
            one
            for one in self.blocks.fns.values()
            if one.fn is not None and one.fn.__name__ == name and one.fn.__module__ == f"studio.ui.{module}"
        )

    def values(self, fn: Any, changes: dict[str, Any], config: dict[str, Any]) -> list[Any]:
        """What a browser sends: the form of `config`, every other widget as it begins, and `changes` by elem_id."""
        shown = {one: update["value"] for one, update in self.page.draft.fill(build(config)).items()}
        names = [getattr(one, "elem_id", None) for one in fn.inputs]
        return [
            changes[name] if name in changes else shown.get(one, copy.deepcopy(getattr(one, "value", None)))
            for name, one in zip(names, fn.inputs, strict=True)
        ]

    def press(
        self, name: str, module: str, changes: dict[str, Any] | None = None, *, visitor: str = "one", **config: Any
    ) -> list[Any]:
        """What the handler answers, each yield; an error of it is its sentence, as the page would show it."""
        import gradio as gr

        fn = self.handler(name, module)
        values = self.values(fn, changes or {}, config)
        given: list[Any] = [dict(zip(fn.inputs, values, strict=True))] if fn.inputs_as_dict else values
        if "request" in inspect.signature(fn.fn).parameters:
            given.append(SimpleNamespace(session_hash=visitor, cookies={}, headers={}))
        try:
            answer = fn.fn(*given)
            return list(answer) if inspect.isgenerator(answer) else [answer]
        except gr.Error as error:
            return [str(error)]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A page over the workspace that `say` uses."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    folder = tmp_path / "workspace"
    made = Desk(build_services(Settings(mode="local", workspace=folder, cache=tmp_path / "cache")))
    made.services.warmed.set()
    yield made
    made.services.worker.shutdown()
