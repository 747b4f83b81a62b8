"""Progress of long work: ours is a callback, the libraries' own bars are kept quiet. Knows nothing of pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Progress = Callable[[str, float | None], None]  # (sentence, fraction done or None)


def quiet(sentence: str, fraction: float | None) -> None:
    """The callback of somebody who does not listen."""


def megabytes(size: float) -> int:
    return round(size / 1_000_000)


@contextmanager
def without_bars() -> Iterator[None]:
    """Keep transformers from drawing bars and hints on stderr, and put its settings back afterwards."""
    from transformers.utils import logging

    drawn, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if drawn:
            logging.enable_progress_bar()


def reporting_bar(name: str, say: Progress) -> Any:
    """A tqdm class for huggingface_hub that draws nothing and reports the bytes of all files together."""
    from tqdm.auto import tqdm  # type: ignore[import-untyped]

    class Bar(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)
            self.counts_bytes = kwargs.get("unit") == "B"
            super().__init__(*args, **{**kwargs, "disable": False, "file": _Nowhere(), "mininterval": 0.2})

        def update(self, n: float | None = 1) -> bool | None:
            drawn = super().update(n)
            if self.counts_bytes and self.total:
                done, total = megabytes(self.n), megabytes(self.total)
                say(f"Fetching {name} from the Hugging Face Hub: {done} of {total} MB.", min(1.0, self.n / self.total))
            return drawn

    return Bar


class _Nowhere:
    """A stream that keeps nothing."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""
