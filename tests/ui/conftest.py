"""What the tests of the page share: the page built once, and once more served."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.services import Services, build_services
from studio.settings import Settings


def services_in(folder: Path) -> Services:
    return build_services(Settings(mode="local", workspace=folder, cache=folder / "cache"))


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The Page that the tabs were built with; nothing is served."""
    from studio.ui.app import build_page

    with pytest.MonkeyPatch.context() as patch:  # where uploads go is the process's: it stays that of `served`
        patch.setenv("GRADIO_TEMP_DIR", "")
        return build_page(services_in(tmp_path_factory.mktemp("page")))[1]


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running studio with warmed libraries."""
    from studio.ui.app import build_app, launch

    services = services_in(tmp_path_factory.mktemp("served"))
    blocks = build_app(services)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = launch(blocks, services.settings, port=port)
    services.warm()
    yield url.rstrip("/")
    blocks.close()
