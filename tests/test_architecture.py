"""The house's rules, checked: who may import whom, sizes, names, and what a light start leaves unimported."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted((ROOT / "studio").rglob("*.py"))
LEVELS = {
    "errors": 1, "section": 2, "settings": 2, "adapters": 3, "methods": 3, "config": 4, "data": 5, "model": 5,
    "runs": 5, "chat": 7, "evaluation": 7, "export": 7, "training": 8, "services": 9, "plugins": 9, "ui": 10,
    "flags": 11, "telling": 11, "verbs": 12, "cli": 13,
}  # fmt: skip
RAISED = {"Diverged", "ConfigError", "DataError", "ModelError", "WorkspaceError", "BusyError", "RunFailed"}
HEAVY = {"torch", "transformers", "trl", "peft", "datasets", "gradio", "bitsandbytes", "accelerate", "pandas"}


def room(path: Path) -> str:
    return path.relative_to(ROOT / "studio").parts[0].removesuffix(".py")


def imports(tree: ast.AST) -> Iterator[tuple[str, ast.stmt]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the room"
            yield node.module or "", node


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_only_from_lower_rooms(path: Path) -> None:
    here = room(path)
    if here == "__init__":
        return
    for module, _ in imports(parsed(path)):
        parts = module.split(".")
        if parts[0] == "gradio":
            assert here == "ui", f"{path} imports gradio"
        if parts[0] == "torch":
            assert here != "ui", f"{path} imports torch"
        if parts[0] != "studio" or len(parts) < 2 or parts[1] == here:
            continue
        assert LEVELS[parts[1]] < LEVELS[here], f"{path}: {here} may not import {module}"


def test_tabs_never_import_one_another() -> None:
    for path in (ROOT / "studio" / "ui" / "tabs").glob("*.py"):
        if path.stem != "__init__":
            assert not [name for name, _ in imports(parsed(path)) if name.startswith("studio.ui.tabs")]


def test_sizes_and_names() -> None:
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 400, path
        assert path.stem not in {"utils", "helpers", "common", "misc"}
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 60, f"{path}: {node.name} is long"
                assert len(node.args.posonlyargs + node.args.args) <= 6, f"{path}: {node.name} has many arguments"


def test_modules_say_what_they_are() -> None:
    for path in FILES:
        assert ast.get_docstring(parsed(path)), f"{path} has no docstring"


def test_the_command_line_imports_nothing_heavy() -> None:
    code = "import json, sys, studio.cli; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not HEAVY & set(json.loads(done.stdout))


def test_the_page_is_built_without_torch(tmp_path: Path) -> None:
    code = (
        "import json, sys; from studio.settings import read_settings; from studio.services import build_services\n"
        "from studio.ui.app import build_app\n"
        f"build_app(build_services(read_settings(workspace={str(tmp_path)!r})))\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    found = set(json.loads(done.stdout.splitlines()[-1]))
    assert "gradio" in found and not (HEAVY - {"gradio", "pandas"}) & found  # gradio itself brings pandas


def test_every_error_sentence_has_its_translation() -> None:
    raised: set[str] = set()
    for path in FILES:
        for node in ast.walk(parsed(path)):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or not node.args:
                continue
            name = node.func.id
            if name in RAISED:
                first = node.args[0]
                assert isinstance(first, ast.Constant) and isinstance(first.value, str), (
                    f"{path}:{node.lineno}: a sentence must be a plain template"
                )
                raised.add(first.value)
    assert raised
    for lang in ("en", "zh"):
        words = json.loads((ROOT / "studio" / "ui" / "locale" / f"{lang}.json").read_text(encoding="utf-8"))
        assert set(words["errors"]) == raised, (lang, set(words["errors"]) ^ raised)
