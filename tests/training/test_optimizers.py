"""Every optimizer that the form lists trains here, or says which package it needs."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from studio.config.files import build
from studio.config.training import OPTIMIZERS
from studio.errors import ConfigError
from studio.model.slot import ModelSlot
from studio.runs import RunStore
from studio.settings import Settings
from studio.training.arguments import check_arguments
from studio.training.train import train

NEEDS = {"galore_adamw": "galore_torch", "schedule_free_adamw": "schedulefree"}


@pytest.mark.filterwarnings("ignore:Paged optimizers are not supported on CPU")  # they train as unpaged ones
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_trains_or_names_its_package(settings: Settings, name: str) -> None:
    training = {"max_steps": 6, "optim": name, "learning_rate": 1e-3, "save_strategy": "no", "eval_strategy": "no"}
    config = build({"training": training})
    if name in NEEDS and find_spec(NEEDS[name]) is None:
        with pytest.raises(ConfigError, match="pip install"):
            check_arguments(config)
        return
    store = RunStore(settings.runs_dir)
    run_dir = store.create(config)
    train(config, run_dir, ModelSlot(settings), settings=settings)
    losses = [one["loss"] for one in store.open(run_dir.name).events()[0] if one["kind"] == "log"]
    assert losses[-1] != losses[0] and len(set(losses)) == 6


def test_an_optimizer_that_is_none_is_named() -> None:
    with pytest.raises(ConfigError, match=r"adamw_torsch.*adamw_torch"):
        check_arguments(build({"training": {"optim": "adamw_torsch"}}))
