"""ONE set of base weights in memory, shared by training and chat, and the adapters on it. Knows nothing of runs.

What is handed out is never the base's own module tree: trainers and PEFT patch what they are given. Each gets a tree
of its own over the same storages, made by copying the modules and sharing the tensors (20 ms for SmolLM2).
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from studio.config import ModelConfig
from studio.errors import BusyError, ModelError
from studio.model.attach import answering, scoring
from studio.model.load import LoadedModel, load_model
from studio.model.progress import Progress
from studio.model.share import fingerprint, private_copy, shared_copy
from studio.settings import Settings

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

MOST_ADAPTERS = 8  # the one attached longest ago goes first


class ModelSlot:
    """Load, lend, and attach. Every change waits for, or refuses, whoever holds the lease."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.loaded: LoadedModel | None = None
        self._first = ""
        self._adapted: dict[str, tuple[PeftModel | PreTrainedModel, object]] = {}  # with its folder.s mark
        self._free = threading.Condition()
        self._holder: str | None = None
        self._thread: int | None = None
        self._depth = 0

    @property
    def holder(self) -> str | None:
        """Who holds the lease, in words for the page."""
        return self._holder

    @property
    def adapters(self) -> tuple[str, ...]:
        """Ids of the attached adapters, the oldest first."""
        return tuple(self._adapted)

    @contextmanager
    def lease(self, holder: str, *, wait: bool = False, roaming: bool = False) -> Iterator[None]:
        """Keep the slot to oneself. The same thread may take it again, unless it was taken `roaming`:
        a generator may be resumed in any thread, so its lease belongs to none."""
        self._take(holder, wait=wait, roaming=roaming)
        try:
            yield
        finally:
            with self._free:
                self._depth -= 1
                if self._depth == 0:
                    self._holder = self._thread = None
                    self._free.notify()

    def _take(self, holder: str, *, wait: bool, roaming: bool) -> None:
        me = threading.get_ident()
        with self._free:
            while self._holder is not None and self._thread != me:
                if not wait:
                    raise BusyError(
                        "The model is in use by {holder}. Wait until that is done, or stop it.", holder=self._holder
                    )
                self._free.wait()
            if self._depth == 0:
                self._holder = holder
                self._thread = None if roaming else me
            self._depth += 1

    def load(self, config: ModelConfig, *, progress: Progress | None = None) -> LoadedModel:
        """Bring a model into memory; nothing happens where it is there already. The old one goes first."""
        with self.lease("loading a model"):
            if self.loaded is not None and self.loaded.config == config:
                return self.loaded
            self._drop()
            self.loaded = load_model(config, self.settings, progress=progress)
            self._first = fingerprint(self.loaded.model)
            return self.loaded

    def unload(self) -> None:
        """Give the memory back: the base and every adapter on it."""
        with self.lease("unloading the model"):
            self._drop()

    def _drop(self) -> None:
        import torch

        self.loaded = None
        self._adapted.clear()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _base(self) -> LoadedModel:
        if self.loaded is None:
            raise ModelError("No model is loaded. Load one in the Model tab.")
        return self.loaded

    def base_model(self) -> PreTrainedModel:
        """The base for reading: generation and evaluation. Never hand it to a trainer."""
        return self._base().model

    def trainee(self, *, copy: bool = False, own: Collection[str] = ()) -> PreTrainedModel:
        """A module tree of one's own over the base's storages, frozen; `copy` gives storages too (full fine-tuning),
        and `own` those of the parameters that it names."""
        return private_copy(self._base().model) if copy else shared_copy(self._base().model, own=own)

    def attach(self, adapter_id: str, folder: Path, *, scores: bool = False) -> None:
        """Put a saved adapter on the base under `adapter_id`, in place of one of that name.

        A folder of all weights (full fine-tuning) is loaded beside the base, in memory of its own.
        `scores`: what a reward run has saved, with its head.
        """
        with self.lease("loading an adapter"):
            base, mark = self._base(), _mark(folder)
            adapted = scoring(base, folder) if scores else answering(base, folder, self.settings)
            self._adapted.pop(adapter_id, None)
            while len(self._adapted) >= MOST_ADAPTERS:
                self._adapted.pop(next(iter(self._adapted)))
            self._adapted[adapter_id] = adapted, mark

    def holds(self, adapter_id: str, folder: Path) -> bool:
        """Whether this adapter is attached as its folder is now: another process may have trained it further."""
        found = self._adapted.get(adapter_id)
        return found is not None and found[1] == _mark(folder)

    def detach(self, adapter_id: str) -> None:
        """Forget an adapter; one that is not there is no mistake."""
        with self.lease("removing an adapter"):
            self._adapted.pop(adapter_id, None)

    def adapted_model(self, adapter_id: str) -> PeftModel | PreTrainedModel:
        """The base with one adapter (or what full fine-tuning made of it), for reading."""
        self._base()
        found = self._adapted.get(adapter_id)
        if found is None:
            raise ModelError("The adapter {adapter} is not loaded. Choose its run again.", adapter=adapter_id)
        return found[0]

    def fingerprint(self) -> str:
        """SHA-256 of the base's logits on a fixed prompt: equal means untouched, bit for bit."""
        return fingerprint(self._base().model)

    def untouched(self) -> bool:
        """Whether the base still gives the logits it gave when it was loaded, bit for bit."""
        with self.lease("checking the base"):
            return self.fingerprint() == self._first


def _mark(folder: Path) -> object:
    """Another value wherever a folder was put in the place of the one before."""
    try:
        known = folder.stat()
    except OSError:
        return None
    return known.st_ino, known.st_mtime_ns
