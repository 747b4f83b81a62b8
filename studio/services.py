"""What the page works with: settings, runs, the model in memory, the training thread. Built once, passed down."""

from __future__ import annotations

import importlib
import logging
import threading
import time
from dataclasses import dataclass, field

from studio.model.slot import ModelSlot
from studio.runs.store import RunStore
from studio.settings import Settings
from studio.training.worker import Worker

logger = logging.getLogger(__name__)

# In the order a newcomer needs them: the preview (tokenizer, TRL's preparation), then model and trainer.
HEAVY = ("torch", "transformers", "datasets", "peft", "trl", "trl.trainer.sft_trainer")


@dataclass(frozen=True)
class Services:
    """The studio's parts. None of them knows a page."""

    settings: Settings
    store: RunStore
    slot: ModelSlot
    worker: Worker
    warmed: threading.Event = field(default_factory=threading.Event)

    def warm(self) -> threading.Thread:
        """Import the heavy libraries in the background, so that the first click does not wait for them."""
        thread = threading.Thread(target=self._warm, name="warm", daemon=True)
        thread.start()
        return thread

    def _warm(self) -> None:
        began = time.monotonic()
        try:
            for name in HEAVY:
                importlib.import_module(name)
        except ImportError:
            logger.exception("A library could not be imported; the first use will say so again")
        finally:
            self.warmed.set()
            logger.info("libraries ready after %.1f s", time.monotonic() - began)


def build_services(settings: Settings) -> Services:
    """Make the workspace ready and put the parts together."""
    settings.prepare_workspace()
    store = RunStore(settings.runs_dir)
    slot = ModelSlot(settings)
    return Services(settings=settings, store=store, slot=slot, worker=Worker(store, slot, settings))
