"""What the tests of exports share: short runs of each kind, trained when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio.cli import main
from studio.config.files import build
from studio.model.slot import ModelSlot
from studio.runs import RunRecord, RunStore
from studio.settings import ASSETS, Settings
from studio.training.train import train

SHORT = {"max_steps": 2, "learning_rate": 5e-3, "save_strategy": "no", "eval_strategy": "no"}
PAIRS = {"source": str(ASSETS / "samples" / "captain_byte_pairs.jsonl"), "max_train_rows": 16}
LORA = {"type": "lora", "r": 4, "bias": "all"}
RUNS: dict[str, dict[str, Any]] = {
    "lora": {"adapter": LORA},
    "tokens": {"adapter": LORA, "model": {"chat_template": "llama-3", "add_template_tokens": True}},
    "half": {"adapter": {"type": "lora", "r": 4, "modules_to_save": ["norm"]}, "model": {"dtype": "bfloat16"}},
    "4-bit": {"adapter": {"type": "lora", "r": 4}, "model": {"quantization": "4-bit"}},
    "freeze": {"adapter": {"type": "freeze", "trainable_layers": 1}},
    "full": {"adapter": None},
    "reward": {"adapter": LORA, "method": "reward", "data": PAIRS},
}


class Workspace:
    """Runs of two steps on the starter, each trained when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(mode="local", workspace=folder, cache=folder / "cache")
        self.settings.prepare_workspace()
        self.store = RunStore(self.settings.runs_dir)
        self._made: dict[str, str] = {}

    def __getitem__(self, name: str) -> RunRecord:
        if name not in self._made:
            self._made[name] = self.train(RUNS[name]).run_id
        return self.store.open(self._made[name])

    def train(self, sections: dict[str, Any]) -> RunRecord:
        config = build({"training": SHORT, "data": {"max_train_rows": 16}, **sections})
        run_dir = self.store.create(config)
        train(config, run_dir, ModelSlot(self.settings), settings=self.settings)
        return self.store.open(run_dir.name)


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("workspace"))


@pytest.fixture
def said(runs: Workspace, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """said("RUN_ID", "--as", "merged"): exit code, stdout and stderr of the verb."""

    def ask(*words: str) -> tuple[int, str, str]:
        code = main(["export", *words, "--workspace", str(runs.settings.workspace)])
        out, err = capsys.readouterr()
        return code, out, err

    return ask
