"""Loads the chosen model in a thread of the server, so that a reload of the page loses nothing.

What it is doing, and what went wrong last, is read by the header's poll: in words by the browser that asked, by others
only how far it is.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from studio.errors import BusyError, RunFailed, StudioError
from studio.ui.words import Language, translate, translate_text

if TYPE_CHECKING:
    from studio.config import ModelConfig
    from studio.services import Services

log = logging.getLogger("studio.ui")


class Loader:
    """One loading at a time."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._doing: tuple[str, float | None] = ("", None)
        self._failed: StudioError | None = None
        self._visitor = ""

    def start(self, config: ModelConfig, visitor: str = "") -> None:
        """Fetch what is missing and load, for this browser; returns at once."""
        with self._lock:
            if self.busy:
                raise BusyError("A model is being loaded already. Wait until it is there.")
            self._doing, self._failed, self._visitor = ("", None), None, visitor
            self._thread = threading.Thread(target=self._load, args=(config,), name="load-model", daemon=True)
            self._thread.start()

    def unload(self) -> None:
        """Give the memory back; a BusyError while something uses the model."""
        if self.busy:
            raise BusyError("A model is being loaded already. Wait until it is there.")
        self._failed = None
        self._services.slot.unload()

    @property
    def busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def state(self, lang: Language, visitor: str = "") -> dict[str, Any]:
        """{loading: {sentence, fraction} or None, error: sentence or None}, as this browser may know it."""
        sentence, fraction = self._doing
        asked = visitor == self._visitor
        told = translate_text(lang, sentence) if asked else ""
        return {
            "loading": {"sentence": told, "fraction": fraction} if self.busy else None,
            "error": translate(lang, self._failed) if self._failed and asked else None,
        }

    def _load(self, config: ModelConfig) -> None:
        self._services.warmed.wait(timeout=300)
        try:
            self._services.slot.load(config, progress=self._note)
        except StudioError as error:
            self._failed = error
        except Exception as error:
            log.exception("loading %s failed", config.model_name_or_path)
            self._failed = RunFailed(
                "The model could not be loaded ({kind}: {reason}). The details are in the server's log.",
                kind=type(error).__name__,
                reason=str(error)[:300],
            )

    def _note(self, sentence: str, fraction: float | None = None) -> None:
        self._doing = (sentence, fraction)
