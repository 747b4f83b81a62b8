"""One reply, token by token, by the model's own forward. Knows nothing of adapters, slots or pages."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from studio.chat.prompt import Message, encode, end_tokens
from studio.config import GenerationConfig
from studio.errors import ModelError
from studio.model.hardware import Kind, threads_for
from studio.model.memory import context_length

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import DynamicCache, LogitsProcessorList, PreTrainedModel, PreTrainedTokenizerBase

Ended = Literal["end", "length", "context", "stopped"]


def stream(
    model: PreTrainedModel | PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[Message],
    *,
    generation: GenerationConfig,
    stop: threading.Event | None = None,
) -> Iterator[str]:
    """Pieces of text of one reply. The same seed gives the same reply; a set `stop` ends it within one token."""
    reply = Reply(model, tokenizer, messages, generation=generation)
    while not reply.ended:
        if stop is not None and stop.is_set():
            reply.stop()
        piece = reply.step()
        if piece:
            yield piece


class Reply:
    """A reply in the making. Each `step()` computes one token; nothing is held between steps but its own cache,
    so replies of several models can take turns in one thread, and one reply can be resumed in another."""

    def __init__(
        self,
        model: PreTrainedModel | PeftModel,
        tokenizer: PreTrainedTokenizerBase,
        messages: Sequence[Message],
        *,
        generation: GenerationConfig,
    ) -> None:
        import torch

        self.tokens = 0
        self.seconds = 0.0  # spent computing this reply, not waiting for others
        self.ended: Ended | None = None
        self._model = model
        self._generation = generation
        self._ids = encode(tokenizer, messages).to(model.device)
        self._limit = context_length(model)
        if self._limit is not None and self._ids.shape[1] >= self._limit:
            raise ModelError(
                "The conversation has {tokens} tokens, but the model reads {limit} at most. "
                "Clear the conversation, or shorten the message.",
                tokens=self._ids.shape[1],
                limit=self._limit,
            )
        self._ends = end_tokens(model, tokenizer)
        self._choose = _processors(generation, device=str(model.device))
        self._random = torch.Generator(device=model.device).manual_seed(generation.seed)
        self._text = _Text(tokenizer)
        self._parameters = sum(parameter.numel() for parameter in model.parameters())
        self._device: Kind = "cpu" if model.device.type == "cpu" else "cuda"
        self._cache = _new_cache(model)
        self._options = _last_logits_only(model)

    def step(self) -> str:
        """Compute one token; the text it completes, which may be empty. Sets `ended` with the last piece."""
        if self.ended:
            return self._text.rest()
        started = time.perf_counter()
        token = self._next()
        self.seconds += time.perf_counter() - started
        if token in self._ends:
            self.ended = "end"
            return self._text.rest()
        self.tokens += 1
        piece = self._text.add(token)
        if self.tokens >= self._generation.max_new_tokens:
            self.ended = "length"
        elif self._limit is not None and self._ids.shape[1] >= self._limit:
            self.ended = "context"
        return piece + self._text.rest() if self.ended else piece

    def stop(self) -> None:
        """End here; the next `step()` gives what text is left."""
        self.ended = self.ended or "stopped"

    def _next(self) -> int:
        """One forward over what the cache has not seen, then one choice. No gradient, no state in the thread."""
        import torch

        seen = 0 if self._cache is None else self._cache.get_seq_length()
        with threads_for(self._parameters, self._device), torch.inference_mode():
            out = self._model(
                input_ids=self._ids[:, seen:],
                attention_mask=torch.ones_like(self._ids),
                past_key_values=self._cache,
                use_cache=self._cache is not None,
                **self._options,
            )
            scores = self._choose(self._ids, out.logits[:, -1, :].to(copy=True, dtype=torch.float32))
            if self._generation.temperature == 0:
                chosen = scores.argmax(dim=-1, keepdim=True)
            else:
                chosen = torch.multinomial(scores.softmax(dim=-1), 1, generator=self._random)
            self._ids = torch.cat([self._ids, chosen], dim=1)
        return int(chosen.item())


def _new_cache(model: PreTrainedModel | PeftModel) -> DynamicCache | None:
    """A key-value cache; None for models that keep state of another kind, which then read everything at each token."""
    from transformers import DynamicCache

    inner = _inner(model)
    return None if getattr(inner, "_is_stateful", False) else DynamicCache(config=inner.config)


def _inner(model: PreTrainedModel | PeftModel) -> PreTrainedModel:
    """The transformers model inside PEFT's wrapping."""
    return model.get_base_model() if hasattr(model, "peft_config") and hasattr(model, "get_base_model") else model


def _last_logits_only(model: PreTrainedModel | PeftModel) -> dict[str, int]:
    """Logits of a long prompt take more memory than the model; where it can leave them out, it does."""
    return {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(_inner(model).forward).parameters else {}


def _processors(generation: GenerationConfig, *, device: str) -> LogitsProcessorList:
    """transformers' own processors, in the order in which `generate` applies them."""
    from transformers import (
        LogitsProcessorList,
        RepetitionPenaltyLogitsProcessor,
        TemperatureLogitsWarper,
        TopKLogitsWarper,
        TopPLogitsWarper,
    )

    chain = LogitsProcessorList()
    if generation.repetition_penalty != 1.0:
        chain.append(RepetitionPenaltyLogitsProcessor(float(generation.repetition_penalty)))
    if generation.temperature > 0:
        if generation.temperature != 1.0:
            chain.append(TemperatureLogitsWarper(float(generation.temperature)))
        if generation.top_k > 0:
            chain.append(TopKLogitsWarper(generation.top_k))
        if generation.top_p < 1:
            chain.append(TopPLogitsWarper(float(generation.top_p)))
    return chain


class _Text:
    """Tokens -> text, never half a character: a token that ends inside one waits for the next."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._from = 0  # decoding starts here: some tokenizers need the token before to know of a space
        self._shown = 0  # tokens whose text has been given out

    def add(self, token: int) -> str:
        self._ids.append(token)
        before, now = self._decode(self._shown), self._decode(len(self._ids))
        if len(now) <= len(before) or now.endswith("\ufffd"):
            return ""
        self._from, self._shown = self._shown, len(self._ids)
        return now[len(before) :]

    def rest(self) -> str:
        """What is held back, at the end."""
        left = self._decode(len(self._ids))[len(self._decode(self._shown)) :]
        self._from = self._shown = len(self._ids)
        return left

    def _decode(self, until: int) -> str:
        return self._tokenizer.decode(
            self._ids[self._from : until], skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
