"""What the data tests share: runs over rows that a test writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio.config import RunConfig
from studio.config.files import build


@pytest.fixture
def run_config(tmp_path: Path) -> Callable[..., RunConfig]:
    """`run_config(rows_or_path, method={...}, data={...}, training={...})`; rows are written as JSON lines."""

    def make(source: Any, **sections: Any) -> RunConfig:
        if isinstance(source, list):
            path = tmp_path / "rows.jsonl"
            path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in source), encoding="utf-8")
            source = path
        data = {"source": str(source), **sections.pop("data", {})}
        return build({"data": data, **sections})

    return make
