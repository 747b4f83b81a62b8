"""The columns offered beside the preview, also where the mapping is wrong: what was chosen can be chosen anew."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from studio.config import RunConfig
from studio.errors import DataError
from studio.settings import Settings
from studio.ui.doctor import Reports
from studio.ui.preview import ROLES, Previews, offers_for, role_updates
from studio.ui.tabs.train import _refuse_changed
from studio.ui.view import View


def offered(settings: Settings, path: Path, **data: Any) -> dict[str, list[str]]:
    """Role -> the columns its dropdown offers, for the roles that are shown."""
    config = RunConfig.model_validate({"data": {"source": str(path), **data}})
    updates = dict(zip(ROLES, role_updates(config, settings, {}), strict=True))
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


def test_columns_within_columns_are_offered_and_what_is_left_unset_is_marked(
    settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "nested.jsonl"
    row = {"instruction": "Say hello", "meta": {"answers": [{"text": "Hello"}]}}
    path.write_text(f"{json.dumps(row)}\n" * 4, encoding="utf-8")
    columns = {"output": "meta.answers[0].text"}
    assert "meta.answers[0].text" in offered(settings, path, format="alpaca", columns=columns)["output"]
    config = RunConfig.model_validate({"data": {"source": str(path), "format": "alpaca", "columns": columns}})
    updates = dict(zip(ROLES, role_updates(config, settings, {}), strict=True))
    unset = {role for role, one in updates.items() if one.get("visible") and "unset" in one["elem_classes"]}
    assert "system" in unset and not {"instruction", "output"} & unset


def test_rows_for_another_method_come_with_that_method(settings: Settings, rows: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.jsonl"
    line = json.dumps({"prompt": "Say hello", "chosen": "Hello", "rejected": "No"})
    pairs.write_text(f"{line}\n" * 4, encoding="utf-8")
    config = RunConfig.model_validate({"data": {"source": str(pairs)}})
    assert {one["changes"]["method.type"] for one in offers_for(config, settings)} == {"dpo", "orpo", "cpo", "reward"}
    assert (
        offers_for(config.model_copy(update={"data": config.data.model_copy(update={"source": str(rows)})}), settings)
        == []
    )


def test_rows_that_filters_leave_out_are_shown_as_such(page: Any, tmp_path: Path) -> None:
    """Once every row was looked at; the digest is then the run's."""
    from studio.training.stage import stage

    settings = page.services.settings
    path = tmp_path / "twice.jsonl"
    texts = ["one", "two", "two", "three"]
    path.write_text("".join(json.dumps({"prompt": one, "completion": one}) + "\n" for one in texts), encoding="utf-8")
    data = {"source": str(path), "eval_fraction": 0, "filters": ("duplicates",)}
    config = RunConfig.model_validate({"data": data})
    previews = Previews(page, roles={}, view=None, reports=Reports())
    run = stage(config, settings).prepared
    deadline = time.monotonic() + 60
    while page.services.inspector.ask(config).scan is None and time.monotonic() < deadline:
        time.sleep(0.05)
    card = json.loads(previews._card(config, View(rows=4)))
    assert [row["kept"] for row in card["rows"]] == [True, True, False, True]
    assert card["digest"] == run.digest


def test_what_was_shown_is_remembered_and_a_change_stops_the_first_click(page: Any, tmp_path: Path) -> None:
    services = page.services
    path = tmp_path / "moving.jsonl"
    path.write_text('{"prompt": "q", "completion": "a"}\n' * 3, encoding="utf-8")
    config = RunConfig.model_validate({"data": {"source": str(path)}})
    json.loads(Previews(page, roles={}, view=None, reports=Reports())._card(config, View()))
    services.previewed.keep()
    _refuse_changed(config, page)
    path.write_text('{"prompt": "q", "completion": "other"}\n' * 3, encoding="utf-8")
    with pytest.raises(DataError, match="changed since its preview"):
        _refuse_changed(config, page)
    _refuse_changed(config, page)
