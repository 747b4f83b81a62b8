"""Writes a few of the answers that a trainer generates into the run's event log. Knows no method and no reward."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback  # noqa: TID253 - this module is imported only where training starts

from studio.methods.base import Sample
from studio.runs.events import EventLog

MOST_MOMENTS = 100  # in a run, however often it logs
LONGEST = 2000  # characters of a text


class SampleCallback(TrainerCallback):
    """`sample` events with `prompt`, `policy` (the answer), `reference` and `rewards`, beside the logs."""

    def __init__(self, log: EventLog, draw: Callable[[], list[Sample]]) -> None:
        """`draw` gives what was generated last."""
        self._log, self._draw = log, draw
        self._before: list[Sample] = []
        self._next = 0

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        if "loss" not in (logs or {}) or state.global_step < self._next:
            return
        drawn = self._draw()
        if not drawn or drawn == self._before:  # answers that are learned from several times
            return
        self._before = drawn
        self._next = state.global_step + -(-max(state.max_steps, 1) // MOST_MOMENTS)
        for one in drawn:
            fields = dataclasses.asdict(one)
            cut = {name: text[:LONGEST] for name, text in fields.items() if isinstance(text, str)}
            self._log.write("sample", state.global_step, **{**fields, **cut})
