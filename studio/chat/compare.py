"""Base and adapter answer side by side, one token each in turn. Knows nothing of pages."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from studio.chat.engine import Ended, Reply
from studio.chat.prompt import Message
from studio.config import GenerationConfig
from studio.errors import ModelError
from studio.model.slot import ModelSlot

Side = Literal["base", "adapter"]


@dataclass(frozen=True)
class Turn:
    """A piece of one side's reply. `tokens` and `seconds` are that side's so far; `ended` says why it is done."""

    side: Side
    text: str
    done: bool
    tokens: int
    seconds: float
    ended: Ended | None = None


def compare(
    slot: ModelSlot,
    base_messages: Sequence[Message],
    adapter_messages: Sequence[Message],
    *,
    adapter_id: str | None,
    generation: GenerationConfig,
    stop: threading.Event | None = None,
) -> Iterator[Turn]:
    """Both replies from the same seed; without `adapter_id` the base alone. Each side ends on its own."""
    with slot.lease("chat", roaming=True):
        if slot.loaded is None:
            raise ModelError("No model is loaded. Load one in the Model tab.")
        tokenizer = slot.loaded.tokenizer
        going: dict[Side, Reply] = {"base": Reply(slot.base_model(), tokenizer, base_messages, generation=generation)}
        if adapter_id is not None:
            adapted = slot.adapted_model(adapter_id)
            going["adapter"] = Reply(adapted, tokenizer, adapter_messages, generation=generation)
        while going:
            for side, reply in list(going.items()):
                if stop is not None and stop.is_set():
                    reply.stop()
                text = reply.step()
                if reply.ended:
                    del going[side]
                if text or reply.ended:
                    yield Turn(side, text, bool(reply.ended), reply.tokens, reply.seconds, reply.ended)
