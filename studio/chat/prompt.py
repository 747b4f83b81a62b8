"""Messages -> the tokens a reply starts from, and the tokens it ends at. Knows nothing of sampling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from studio.errors import DataError, ModelError
from studio.methods.template import Watch
from studio.model.folder import first_line
from studio.model.templates.facts import FAULTS, template_facts

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Message = Mapping[str, str]  # {"role": "user", "content": "..."}
LONGEST = 5.0  # seconds for the template; it takes milliseconds


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
            encoded = Watch(LONGEST).run(lambda: _templated(tokenizer, messages))
        except DataError as error:
            raise ModelError(
                "The chat template did not finish within {seconds} seconds: it may never end. "
                "Choose another in model.chat_template.",
                seconds=f"{LONGEST:g}",
            ) from error
        except (TemplateError, *FAULTS) as error:
            raise ModelError(
                "The model's chat template refuses this conversation ({reason}). "
                "Remove the system prompt, or clear the conversation.",
                reason=first_line(error),
            ) from error
        ids: list[int] = encoded["input_ids"]
    else:
        ids = tokenizer("\n\n".join(message["content"] for message in messages))["input_ids"]
    if not ids:
        raise ModelError("There is nothing to answer: the message is empty.")
    return torch.tensor([ids], dtype=torch.long)


def _templated(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> Mapping[str, list[int]]:
    turns = [dict(message) for message in messages]
    encoded: Mapping[str, list[int]] = tokenizer.apply_chat_template(
        turns, add_generation_prompt=True, return_dict=True
    )
    return encoded


def end_tokens(model: PreTrainedModel | PeftModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Ids that end a reply: the model's, the tokenizer's, and what the template writes after an assistant's turn."""
    generation = getattr(model, "generation_config", None)
    found = [getattr(generation, "eos_token_id", None), model.config.eos_token_id, tokenizer.eos_token_id]
    flat = [one for ids in found for one in (ids if isinstance(ids, list | tuple) else [ids]) if one is not None]
    return frozenset(int(one) for one in (*flat, *template_facts(tokenizer).end_of_turn_ids))
