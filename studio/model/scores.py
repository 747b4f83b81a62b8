"""A trained reward model at work: one number for a reply to a prompt, tokenized as its training rows were.

Shares the base's weights where the reward model was trained on that base. Knows nothing of runs, pages and trainers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from studio.errors import ModelError
from studio.methods.encoding import encoder_of
from studio.methods.pairs import answer_lanes, with_answers
from studio.model.hardware import Kind, threads_for
from studio.model.memory import context_length

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from studio.config import RunConfig

REPLY = "reply"
AT_ONCE = 8  # sequences in a batch

Prompt = str | Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Asked:
    """A prompt with one reply to it. `prompt` is messages, or the bare text where the reward rows were plain text."""

    prompt: Prompt
    reply: str


class Scorer:
    """The scoring model of one reward run. Holds no lock: whoever calls it holds the slot."""

    def __init__(
        self, model: PeftModel | PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, config: RunConfig
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._config = config
        pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
        model.config.get_text_config().pad_token_id = pad  # by it the model finds where a sequence ends
        self._pad = int(pad or 0)
        self._parameters = sum(one.numel() for one in model.parameters())

    def tokens(self, asked: Sequence[Asked]) -> list[list[int]]:
        """Token ids of each prompt with its reply, cut as the run cut its rows."""
        rows = [{"prompt": one.prompt, REPLY: _as_rows_have_it(one)} for one in asked]
        training = self._config.training
        made = []
        for coded in answer_lanes(rows, encoder_of(self._tokenizer), names=(REPLY,)):
            lane = with_answers(coded).lanes[0]
            start, end = self._config.method.shown(
                lane, max_length=training.max_length, truncation_mode=training.truncation_mode
            )
            made.append(lane.ids[start:end])
        return made

    def scores(self, asked: Sequence[Asked]) -> list[float]:
        """The more, the better the reply. Differences between replies to one prompt are what was trained."""
        ids = self.tokens(asked)
        self._fits(ids)
        found = []
        for at in range(0, len(ids), AT_ONCE):
            found += self._batch(ids[at : at + AT_ONCE])
        return found

    def _batch(self, ids: Sequence[list[int]]) -> list[float]:
        import torch
        from torch.nn.utils.rnn import pad_sequence

        rows = [torch.tensor(one) for one in ids]
        device = self._model.device
        given = pad_sequence(rows, batch_first=True, padding_value=self._pad).to(device)
        seen = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True).to(device)
        kind: Kind = "cpu" if device.type == "cpu" else "cuda"
        with threads_for(self._parameters, kind), torch.inference_mode():
            logits = self._model(input_ids=given, attention_mask=seen, use_cache=False).logits
        return [float(one) for one in logits.float().squeeze(-1)]

    def _fits(self, ids: Sequence[list[int]]) -> None:
        limit, longest = context_length(self._model), max(map(len, ids), default=0)
        if limit is not None and longest > limit:
            raise ModelError(
                "The prompt and the reply have {tokens} tokens, but the reward model reads {limit} at most. "
                "Shorten one of them.",
                tokens=longest,
                limit=limit,
            )


def _as_rows_have_it(asked: Asked) -> str | list[dict[str, str]]:
    """Text beside a text, a turn behind turns."""
    if isinstance(asked.prompt, str):
        return asked.reply
    return [{"role": "assistant", "content": asked.reply}]
