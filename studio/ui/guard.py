"""The edge where errors become sentences on the page. Knows nothing of what a handler does."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
from gradio.context import LocalContext

from studio.errors import StudioError
from studio.ui.words import Language, language, say, translate

log = logging.getLogger("studio.ui")

VISITOR = "tunefork_visitor"


def here() -> Language:
    """The language of the visitor whose event is being handled."""
    return language(LocalContext.request.get(None))


def visitor() -> str:
    """Which browser's event is being handled, by the cookie its first page set; empty where it keeps none."""
    request = LocalContext.request.get(None)
    return str((getattr(request, "cookies", None) or {}).get(VISITOR, ""))


def sentence(error: Exception) -> str:
    """What to tell the visitor: a StudioError's sentence, else a plain one while the traceback is logged."""
    if isinstance(error, StudioError):
        return translate(here(), error)
    log.error("unexpected error in a handler", exc_info=error)
    return say(here(), "app.unexpected", kind=type(error).__name__, reason=str(error)[:300])


def guard(handler: Callable[..., Any]) -> Callable[..., Any]:
    """A handler (or generator) whose errors reach the visitor as one sentence, in their language."""
    if inspect.isgeneratorfunction(handler):

        @functools.wraps(handler)
        def stream(*args: Any, **kwargs: Any) -> Iterator[Any]:
            try:
                yield from handler(*args, **kwargs)
            except gr.Error:
                raise
            except Exception as error:  # noqa: BLE001 - the edge: nothing may leave the page silent
                raise shown(error) from None

        return stream

    @functools.wraps(handler)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return handler(*args, **kwargs)
        except gr.Error:
            raise
        except Exception as error:  # noqa: BLE001 - the edge: nothing may leave the page silent
            raise shown(error) from None

    return call


def shown(error: Exception) -> gr.Error:
    """An error as Gradio shows it: a toast with a title and one sentence, no traceback."""
    known = isinstance(error, StudioError)
    title = say(here(), f"app.titles.{type(error).__name__}" if known else "app.titles.unexpected")
    return gr.Error(sentence(error), title=title, print_exception=False, duration=None if not known else 12)
