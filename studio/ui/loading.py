"""A model brought into memory while the visitor is told how far it is. Knows nothing of tabs."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from studio.config import ModelConfig
    from studio.services import Services


def load(services: Services, model: ModelConfig) -> Iterator[str]:
    """Load a model in a thread of its own; yields what is being fetched, so that a long download can be followed."""
    told: list[str] = []

    def tell(doing: str, fraction: float | None = None) -> None:
        told.append(doing if fraction is None else f"{doing} {fraction:.0%}")

    services.warmed.wait(timeout=120)
    pool = ThreadPoolExecutor(1, thread_name_prefix="load-for-chat")
    loading = pool.submit(services.slot.load, model, progress=tell)
    pool.shutdown(wait=False)
    shown = 0
    while not loading.done():
        wait([loading], timeout=0.25)
        if len(told) > shown:
            shown = len(told)
            yield told[-1]
    loading.result()
