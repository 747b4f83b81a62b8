"""What the page works with: settings, runs, the model in memory, the training thread. Built once, passed down."""

from __future__ import annotations

import gc
import importlib
import logging
import threading
import time
from dataclasses import dataclass, field

from studio.data.previewed import Previewed
from studio.errors import StudioError
from studio.model.slot import ModelSlot
from studio.runs.living import LivingRuns
from studio.runs.store import RunStore
from studio.settings import Settings
from studio.training.inspector import Inspector
from studio.training.worker import Worker

logger = logging.getLogger(__name__)

# In the order a newcomer needs them: the preview (tokenizer, packed blocks), then model and trainer.
HEAVY = ("torch", "transformers", "datasets", "peft", "trl", "trl.trainer.sft_trainer")


# Names that transformers imports only when they are first asked for.
LAZY = ("AutoConfig", "AutoTokenizer", "AutoModelForCausalLM", "LlamaForCausalLM", "Trainer", "GenerationConfig")


@dataclass(frozen=True)
class Warmth:
    """The heavy libraries' import in the background.

    Until it is done nobody else may import them: two threads that import such packages at once, each waiting for a
    module the other has begun, get half-made ones.
    """

    begun: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)

    def start(self) -> threading.Thread:
        """Import in a thread of its own, so that the first click does not wait for it."""
        self.begun.set()
        thread = threading.Thread(target=self._import, name="warm", daemon=True)
        thread.start()
        return thread

    def wait(self) -> None:
        """Until the import that was begun is over; at once where none was."""
        if self.begun.is_set():
            self.done.wait()

    def _import(self) -> None:
        began = time.monotonic()
        gc.disable()  # what is imported stays: looking for garbage in between takes a fourth of the time
        try:
            for name in HEAVY:
                importlib.import_module(name)
            transformers = importlib.import_module("transformers")
            for name in LAZY:
                getattr(transformers, name)
        except ImportError:
            logger.exception("A library could not be imported; the first use will say so again")
        finally:
            gc.enable()
            self.done.set()
            logger.info("libraries ready after %.1f s", time.monotonic() - began)


@dataclass(frozen=True)
class Services:
    """The studio's parts. None of them knows a page."""

    settings: Settings
    store: RunStore
    slot: ModelSlot
    worker: Worker
    living: LivingRuns
    inspector: Inspector
    previewed: Previewed
    warmth: Warmth
    notices: tuple[StudioError, ...] = ()  # what the visitor should know from the start, such as a broken plugin

    @property
    def warmed(self) -> threading.Event:
        """Set once the libraries are there."""
        return self.warmth.done

    def warm(self) -> threading.Thread:
        """Begin to import the heavy libraries."""
        return self.warmth.start()


def build_services(settings: Settings, *, notices: tuple[StudioError, ...] = ()) -> Services:
    """Make the workspace ready and put the parts together."""
    settings.prepare_workspace()
    store, slot, warmth = RunStore(settings.runs_dir), ModelSlot(settings), Warmth()
    worker = Worker(store, slot, settings, ready=warmth.wait)
    inspector = Inspector(settings, ready=warmth.wait)
    return Services(
        settings=settings, store=store, slot=slot, worker=worker, living=LivingRuns(settings.runs_dir),
        inspector=inspector, previewed=Previewed(settings), warmth=warmth, notices=notices,
    )  # fmt: skip
