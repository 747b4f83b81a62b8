"""The columns offered beside the preview, also where the mapping is wrong: what was chosen can be chosen anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from studio.config import RunConfig
from studio.settings import Settings
from studio.ui.preview import ROLES, _role_updates


def offered(settings: Settings, path: Path, **data: Any) -> dict[str, list[str]]:
    """Role -> the columns its dropdown offers, for the roles that are shown."""
    config = RunConfig.model_validate({"data": {"source": str(path), **data}})
    updates = dict(zip(ROLES, _role_updates(config, settings, {}), strict=True))
    return {role: [value for _, value in one["choices"][1:]] for role, one in updates.items() if one.get("visible")}


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    line = json.dumps({"instruction": "Say hello", "input": "", "output": "Hello", "note": "x"})
    path.write_text(f"{line}\n" * 4, encoding="utf-8")
    return path


@pytest.mark.parametrize("columns", [{}, {"instruction": "output"}, {"instruction": "gone"}])
def test_a_wrong_column_leaves_the_dropdowns_where_they_are(settings: Settings, rows: Path, columns: Any) -> None:
    shown = offered(settings, rows, columns=columns)
    assert {"instruction", "input", "output"} <= set(shown)
    assert shown["instruction"] == ["instruction", "input", "output", "note"]


def test_a_chosen_format_shows_its_own_roles(settings: Settings, rows: Path) -> None:
    shown = set(offered(settings, rows, format="prompt-completion"))
    assert {"prompt", "completion"} <= shown and "instruction" not in shown
