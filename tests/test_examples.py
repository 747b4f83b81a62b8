"""Every shipped run file loads, and trains."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.config.files import build, read_yaml
from studio.model.slot import ModelSlot
from studio.runs import RunStore
from studio.settings import ASSETS, Settings
from studio.training.train import train

EXAMPLES = sorted((ASSETS / "runs").glob("*.yaml"))


def test_there_are_examples() -> None:
    assert {path.stem for path in EXAMPLES} >= {"starter", "smollm2-alpaca", "full"}


def _fast(path: Path) -> bool:
    """One of each method is trained in the fast suite; the kinds of adapters are, by `tests/adapters`."""
    return path.stem in {"starter", "full", "dpo", "kto", "orpo", "cpo", "reward", "grpo"}


CASES = [pytest.param(path, id=path.stem, marks=() if _fast(path) else pytest.mark.slow) for path in EXAMPLES]


@pytest.mark.parametrize("path", CASES)
def test_an_example_trains(path: Path, settings: Settings) -> None:
    """Two steps each; the one on smollm2 runs whole in `test_smollm2.py`, here on the starter."""
    data = read_yaml(path)
    build(data, name=path.name)  # as it is shipped
    short = {"max_steps": 2, "save_strategy": "no", "eval_strategy": "no", "load_best_model_at_end": False}
    if "evaluation" in data:
        short |= {"eval_strategy": "steps", "eval_steps": 2}
    data["training"] = {**data.get("training", {}), **short}
    if data["model"]["model_name_or_path"] != "starter":
        data["model"] = {"model_name_or_path": "starter"}
        data["data"] = {"source": "starter"}
    config, store = build(data, name=path.name), RunStore(settings.runs_dir)
    run_dir = store.create(config)
    assert train(config, run_dir, ModelSlot(settings), settings=settings).status == "finished"
    record = store.open(run_dir.name)
    assert record.has_adapter or record.trained is not None
    assert bool(record.trained) == config.method.chats
