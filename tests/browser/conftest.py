"""A studio over a fresh workspace, for the page's tests. A file that needs runs in it has a `studio` of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.settings import Settings


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Any]]:
    """(address, services) of a page over a fresh workspace, its libraries warmed."""
    from studio.services import build_services
    from studio.ui.app import build_app, launch

    workspace = tmp_path_factory.mktemp("workspace")
    services = build_services(Settings(mode="local", workspace=workspace, cache=Path.home() / ".cache" / "tunefork"))
    blocks = build_app(services)
    url = launch(blocks, services.settings)
    services.warm().join(timeout=120)
    yield url, services
    services.worker.shutdown()
    blocks.close()


@pytest.fixture
def unhurried(studio: tuple[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step of a run rests a little, as on a GPU: two cores that train at full speed leave a browser none."""
    from transformers import Trainer

    real = Trainer.training_step

    def step(self: Any, *given: Any, **named: Any) -> Any:
        time.sleep(0.1)
        return real(self, *given, **named)

    monkeypatch.setattr(Trainer, "training_step", step)
