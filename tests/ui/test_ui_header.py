from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from studio.config import ModelConfig
from studio.errors import BusyError, ModelError
from studio.runs.living import LivingRuns
from studio.runs.queue import RunQueue
from studio.ui.header import short_name, status_of
from studio.ui.loader import Loader


class Slot:
    """A slot whose load waits for a sign, as a download would."""

    def __init__(self, error: Exception | None = None) -> None:
        self.go, self.error = threading.Event(), error
        self.loaded: Any = None
        self.holder = None
        self.adapters: tuple[str, ...] = ()

    def load(self, config: ModelConfig, *, progress: Any) -> None:
        progress("Asking the Hugging Face Hub for x/y.", 0.25)
        assert self.go.wait(10)
        if self.error:
            raise self.error
        self.loaded = SimpleNamespace(
            config=config, quantized=False, dtype="bfloat16", device="cpu", parameters=5, weight_bytes=10
        )

    def unload(self) -> None:
        self.loaded = None


def services(slot: Slot) -> Any:
    warmed = threading.Event()
    warmed.set()
    worker = SimpleNamespace(current=None, queue=RunQueue(Path("no-such-folder")))
    living = LivingRuns(Path("no-such-folder"))
    return SimpleNamespace(slot=slot, warmed=warmed, worker=worker, living=living, store=None, notices=())


def finish(loader: Loader, slot: Slot) -> None:
    slot.go.set()
    assert loader._thread is not None
    loader._thread.join(10)


def test_a_loading_is_seen_by_every_page_and_is_alone() -> None:
    slot = Slot()
    loader = Loader(services(slot))
    loader.start(ModelConfig(model_name_or_path="owner/Some-Model"))
    with pytest.raises(BusyError):
        loader.start(ModelConfig())
    with pytest.raises(BusyError):
        loader.unload()
    while not loader.state("en")["loading"]["sentence"]:
        pass
    assert loader.state("zh")["loading"] == {"sentence": "正在向 Hugging Face Hub 查询 x/y。", "fraction": 0.25}
    finish(loader, slot)
    state = status_of(services(slot), loader)
    assert state["loading"] is None and state["error"] is None
    assert (state["model"]["name"], state["model"]["dtype"], state["model"]["device"]) == ("Some-Model", "bf16", "CPU")
    loader.unload()
    assert status_of(services(slot), loader)["model"] is None


def test_a_failed_loading_says_so_until_the_next() -> None:
    slot = Slot(ModelError("{model} has no revision {revision}.", model="x", revision="y"))
    loader = Loader(services(slot))
    loader.start(ModelConfig())
    finish(loader, slot)
    assert loader.state("en")["error"] == "x has no revision y."
    assert loader.state("zh")["error"] != loader.state("en")["error"]
    slot.error = None
    loader.start(ModelConfig())
    finish(loader, slot)
    assert loader.state("en")["error"] is None


def test_what_one_browser_asked_for_is_not_told_to_another() -> None:
    slot = Slot(ModelError("{model} has no revision {revision}.", model="x", revision="y"))
    loader = Loader(services(slot))
    loader.start(ModelConfig(model_name_or_path="owner/Some-Model"), "one")
    while not loader.state("en", "one")["loading"]["sentence"]:
        pass
    assert loader.state("en", "two")["loading"] == {"sentence": "", "fraction": 0.25}
    finish(loader, slot)
    assert loader.state("en", "one")["error"] == "x has no revision y."
    assert loader.state("en", "two")["error"] is None and loader.state("en")["error"] is None


def test_names_are_short() -> None:
    assert short_name("starter") == "Starter" and short_name("smollm2") == "SmolLM2-135M"
    assert short_name("HuggingFaceTB/SmolLM2-135M") == "SmolLM2-135M"
    assert short_name(str(Path("/models/mine"))) == short_name("C:\\models\\mine\\") == "mine"
