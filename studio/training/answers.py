"""Answers to many prompts, greedy, a batch at a time, by a model as it is. Leaves model and chance as they were.

Knows nothing of rows, scores and events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from studio.chat.prompt import end_tokens
from studio.model.memory import context_length

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor
    from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase


HALF = "\ufffd"  # what is left of a character that the last token only began


def answer_all(
    model: PreTrainedModel | PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[list[int]],
    *,
    max_new_tokens: int,
    batch_size: int,
    heed: Callable[[], None] = lambda: None,
) -> list[str]:
    """The text of each answer, without control tokens; "" to a prompt that fills the model's context.

    `heed` is called before each token, and may raise.
    """
    made = [""] * len(prompts)
    limit = context_length(_inner(model))
    order = sorted(range(len(prompts)), key=lambda at: -len(prompts[at]))  # alike lengths, little padding
    with _at_rest(model):
        for start in range(0, len(order), batch_size):
            places = order[start : start + batch_size]
            room = max_new_tokens if limit is None else min(max_new_tokens, limit - len(prompts[places[0]]))
            heed()
            if room > 0:
                texts = _batch(model, tokenizer, [prompts[at] for at in places], room=room, heed=heed)
                for at, text in zip(places, texts, strict=True):
                    made[at] = text
    return made


def _batch(
    model: PreTrainedModel | PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[list[int]],
    *,
    room: int,
    heed: Callable[[], None],
) -> list[str]:
    import torch
    from transformers import StoppingCriteria, StoppingCriteriaList

    class Heeding(StoppingCriteria):
        def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:
            heed()
            return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)

    width = max(len(one) for one in prompts)
    device = _inner(model).device
    ends = end_tokens(_inner(model), tokenizer)
    pad = int(tokenizer.pad_token_id)
    ids = torch.tensor([[pad] * (width - len(one)) + one for one in prompts], device=device)
    seen = torch.tensor([[0] * (width - len(one)) + [1] * len(one) for one in prompts], device=device)
    written = model.generate(
        input_ids=ids,
        attention_mask=seen,
        generation_config=_greedy(room, ends=sorted(ends), pad=pad),
        stopping_criteria=StoppingCriteriaList([Heeding()]),
    )
    answers = [_until(row, ends) for row in written[:, width:].tolist()]
    texts = [str(tokenizer.decode(one, skip_special_tokens=True)) for one in answers]
    return [text.rstrip(HALF).strip() for text in texts]


def _greedy(room: int, *, ends: list[int], pad: int) -> GenerationConfig:
    """The likeliest token each time, whatever the model's own files say of sampling and penalties."""
    from transformers import GenerationConfig

    return GenerationConfig(
        max_new_tokens=room, do_sample=False, num_beams=1, temperature=1.0, top_k=50, top_p=1.0,
        repetition_penalty=1.0, no_repeat_ngram_size=0, eos_token_id=ends or None, pad_token_id=pad, use_cache=True,
    )  # fmt: skip


def _until(ids: list[int], ends: frozenset[int]) -> list[int]:
    stop = next((at for at, one in enumerate(ids) if one in ends), len(ids))
    return ids[:stop]


def _inner(model: PreTrainedModel | PeftModel) -> PreTrainedModel:
    return model.get_base_model() if hasattr(model, "get_base_model") else model


@contextmanager
def _at_rest(model: PreTrainedModel | PeftModel) -> Iterator[None]:
    """Evaluation mode (which also turns dropout and gradient checkpointing off), and chance kept as it is."""
    import torch

    training, device = model.training, _inner(model).device
    model.eval()
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), torch.no_grad():
            yield
    finally:
        model.train(training)
