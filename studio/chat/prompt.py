"""Messages -> the tokens a reply starts from, and the tokens it ends at. Knows nothing of sampling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from studio.errors import ModelError
from studio.model.folder import first_line

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Message = Mapping[str, str]  # {"role": "user", "content": "..."}
# A chat template is somebody's program, and can fail in as many ways.
FAULTS = (ValueError, TypeError, RuntimeError, ArithmeticError, LookupError, AttributeError)
_PROBE = "Qzx7"  # a content that no template writes by itself


def prompt_note(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """A sentence where the prompt is not what a chat model expects."""
    if tokenizer.chat_template:
        return None
    return "This model has no chat template, so it gets the bare text and goes on writing from there."


def encode(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> Tensor:
    """Token ids of shape (1, n), the model's turn to speak at the end."""
    import torch
    from jinja2 import TemplateError

    if not any(message["content"].strip() for message in messages):
        raise ModelError("There is nothing to answer: the message is empty.")
    if tokenizer.chat_template:
        try:
            encoded = tokenizer.apply_chat_template(
                [dict(message) for message in messages], add_generation_prompt=True, return_dict=True
            )
        except (TemplateError, *FAULTS) as error:
            raise ModelError(
                "The model's chat template refuses this conversation ({reason}). "
                "Remove the system prompt, or clear the conversation.",
                reason=first_line(error),
            ) from error
        ids = encoded["input_ids"]
    else:
        ids = tokenizer("\n\n".join(message["content"] for message in messages))["input_ids"]
    if not ids:
        raise ModelError("There is nothing to answer: the message is empty.")
    return torch.tensor([ids], dtype=torch.long)


def end_tokens(model: PreTrainedModel | PeftModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Ids that end a reply: the model's, the tokenizer's, and what the template writes after an assistant's turn."""
    generation = getattr(model, "generation_config", None)
    found = [getattr(generation, "eos_token_id", None), model.config.eos_token_id, tokenizer.eos_token_id]
    flat = [one for ids in found for one in (ids if isinstance(ids, list | tuple) else [ids]) if one is not None]
    turn = _end_of_turn(tokenizer)
    return frozenset(int(one) for one in (*flat, *([turn] if turn is not None else [])))


def _end_of_turn(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The special token right behind an assistant's content, where the template writes one."""
    from jinja2 import TemplateError

    if not tokenizer.chat_template:
        return None
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": _PROBE}]
    try:
        text = tokenizer.apply_chat_template(turns, tokenize=False)
    except (TemplateError, *FAULTS):
        return None  # `encode` will say what the template has against a conversation
    behind = text.rpartition(_PROBE)[2].lstrip()
    for token, index in tokenizer.get_added_vocab().items():
        if behind.startswith(token):
            return index
    return None
