"""Rendered rows -> what the doctor's checks look at, through the real tokenizer of the starter and a real method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from studio.data.doctor import CHECKS
from studio.data.doctor.base import Chunk, Context, Finding, Marks, View
from studio.errors import DataError
from studio.methods import METHODS
from studio.methods.base import Encoded, Lane, LaneFacts
from studio.methods.encoding import encoder_of

STARTER = Path(__file__).resolve().parents[3] / "assets" / "starter"
TYPES = {"sft": "prompt-completion", "dpo": "preference", "kto": "unpaired-preference", "grpo": "prompt-only"}


@cache
def starter() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(STARTER)


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


def pair(question: str, answer: str, system: str = "") -> dict[str, Any]:
    """A prompt-completion row."""
    before = [{"role": "system", "content": system}] if system else []
    return {"prompt": [*before, user(question)], "completion": [assistant(answer)]}


def context_for(
    name: str = "sft", *, dataset_type: str = "", tokenizer: Any = None, method: Any = None, **changes: Any
) -> Context:
    made = Context.of(
        tokenizer or starter(),
        method=method or METHODS[name](),
        dataset_type=dataset_type or TYPES[name],  # type: ignore[arg-type]
        format=changes.pop("format", "messages"),
        embedding_size=changes.pop("embedding_size", None),
    )
    return replace(made, **changes)


class Patient:
    """Rows that were looked at: marks of every check, and a view of them."""

    def __init__(
        self,
        rows: Sequence[dict[str, Any] | None],
        context: Context | None = None,
        *,
        chunk_rows: int = 1000,
        encoded: Sequence[Encoded | None] | None = None,
        problems: dict[int, DataError] | None = None,
        remarks: dict[int, DataError] | None = None,
        tokenizer: Any = None,
    ) -> None:
        self.context = context or context_for(tokenizer=tokenizer)
        self.problems, self.remarks = problems or {}, remarks or {}
        self.rendered = list(rows)
        self.encoded = list(encoded) if encoded is not None else self._encode(tokenizer or starter())
        self.lanes = len(self.context.method.lanes)
        self.marks: dict[str, Marks] = {name: {} for name in CHECKS}
        pieces: list[dict[str, Marks]] = []
        for start in range(0, len(self.rendered), chunk_rows):
            chunk = self.chunk(start, min(start + chunk_rows, len(self.rendered)))
            pieces.append({name: check.look(chunk, self.context) for name, check in CHECKS.items()})
        for name in CHECKS:
            keys = dict.fromkeys(key for piece in pieces for key in piece[name])
            self.marks[name] = {
                key: np.concatenate([piece[name][key] for piece in pieces if key in piece[name]]) for key in keys
            }
        self.facts = facts_of(self.encoded, self.lanes)

    def _encode(self, tokenizer: Any) -> list[Encoded | None]:
        some = [number for number, row in enumerate(self.rendered) if row is not None]
        made = self.context.method.encode([self.rendered[one] for one in some], encoder_of(tokenizer))
        found: list[Encoded | None] = [None] * len(self.rendered)
        for number, one in zip(some, made, strict=True):
            found[number] = one
        return found

    def chunk(self, start: int, end: int) -> Chunk:
        flat = [
            one.lanes[lane] if one is not None else Lane([], ())
            for one in self.encoded[start:end]
            for lane in range(self.lanes)
        ]
        offsets = np.concatenate([[0], np.cumsum([len(one.ids) for one in flat])]).astype(np.int64)
        trained = np.zeros(int(offsets[-1]), dtype=bool)
        for at, one in zip(offsets, flat, strict=False):
            for begin, stop in zip(one.spans[0::2], one.spans[1::2], strict=True):
                trained[at + begin : at + stop] = True
        return Chunk(
            positions=np.arange(start, end, dtype=np.int64),
            rows=[None if number in self.problems else {"raw": number} for number in range(start, end)],
            rendered=self.rendered[start:end],
            encoded=self.encoded[start:end],
            ids=np.array([token for one in flat for token in one.ids], dtype=np.int32),
            offsets=offsets,
            trained=trained,
            problems=[self.problems.get(number) for number in range(start, end)],
            remarks=[(self.remarks[number],) if number in self.remarks else () for number in range(start, end)],
        )

    def rows(self, positions: Any) -> tuple[Any, Any]:
        made = [self.encoded[int(position)] for position in positions]
        ids = [[token for lane in one.lanes for token in lane.ids] if one is not None else [] for one in made]
        offsets = np.concatenate([[0], np.cumsum([len(one) for one in ids])]).astype(np.int64)
        return np.array([token for one in ids for token in one], dtype=np.int32), offsets

    def view(self, *, eval: Sequence[int] = (), **changes: Any) -> View:
        every = np.arange(len(self.rendered), dtype=np.int64)
        held_out = np.array(sorted(eval), dtype=np.int64)
        return View(
            facts=self.facts,
            train=np.setdiff1d(every, held_out),
            eval=held_out,
            method=changes.pop("method", self.context.method),
            context=self.context,
            marks=self.marks,
            rows=self.rows,
            **changes,
        )

    def findings(self, name: str, **changes: Any) -> list[Finding]:
        """What one check concludes."""
        return CHECKS[name].conclude(self.marks[name], self.view(**changes))

    def positions(self, name: str, **changes: Any) -> list[int]:
        """Positions in all findings of a check, and proof that its filter flags the same."""
        found = sorted({int(one) for finding in self.findings(name, **changes) for one in finding.positions})
        flagged = CHECKS[name].flagged(self.marks[name], self.view(**changes))
        assert set(found) <= {int(one) for one in flagged} or name in {"template_tokens", "label_balance"}
        return found


def facts_of(encoded: Sequence[Encoded | None], lanes: int) -> LaneFacts:
    shape = (len(encoded), lanes)
    length, supervised, first, last = (np.zeros(shape, dtype=np.int32) for _ in range(4))
    for row, one in enumerate(encoded):
        for lane, part in enumerate(one.lanes if one is not None else ()):
            length[row, lane] = first[row, lane] = len(part.ids)
            if part.spans:
                first[row, lane], last[row, lane] = part.spans[0], part.spans[-1]
                supervised[row, lane] = sum(part.spans[1::2]) - sum(part.spans[0::2])
    return LaneFacts(length=length, supervised=supervised, first=first, last=last)


def one_lane(ids: Sequence[int], *spans: int) -> Encoded:
    return Encoded((Lane(list(ids), tuple(spans)),))
