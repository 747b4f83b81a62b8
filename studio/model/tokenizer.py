"""Tokenizers as training and chat need them: with a pad token and, where asked, a chat template. Loads no weights."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING

from studio.config import ModelConfig
from studio.errors import ModelError
from studio.model.folder import explained, read_config
from studio.model.locate import resolve
from studio.model.progress import Progress, without_bars
from studio.settings import Settings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "tokenizer.model", "vocab.json")
# Tokens that some models bring for padding without saying so, before the last resort: end of sequence.
PADS = ("<pad>", "[PAD]", "<|pad|>", "<|endoftext|>", "<|finetune_right_pad_id|>", "<|vision_pad|>", "<unk>")

# The border of the supervised part lies behind the end of turn, and each prefix of turns is a prefix of the text.
CHATML = (
    "{%- for message in messages -%}"
    "{{- '<|im_start|>' + message['role'] + '\\n' -}}"
    "{%- if message['role'] == 'assistant' -%}"
    "{% generation %}{{- message['content'] + END -}}{% endgeneration %}"
    "{%- else -%}"
    "{{- message['content'] + END -}}"
    "{%- endif -%}"
    "{{- '\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"
)


def load_tokenizer(
    config: ModelConfig, settings: Settings, *, progress: Progress | None = None
) -> PreTrainedTokenizerBase:
    """The model's tokenizer with a pad token; cached, so the same object comes back until its files change."""
    folder = Path(resolve(config, settings, progress=progress, weights=False))
    name = config.model_name_or_path
    raw = read_config(folder, name=name, trust_remote_code=settings.trust_remote_code)
    changed = tuple(file.stat().st_mtime_ns for one in FILES if (file := folder / one).is_file())
    tokenizer = _load(str(folder), name, config.chat_template, settings.trust_remote_code, changed)
    if isinstance(raw.get("vocab_size"), int):
        check_ids(tokenizer, raw["vocab_size"], name=name)
    return tokenizer


@functools.lru_cache(maxsize=8)
def _load(
    folder: str, name: str, chat_template: str | None, trust_remote_code: bool, changed: tuple[int, ...]
) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    if not changed:
        raise ModelError("{model} has no tokenizer files. Copy them from its base model into the folder.", model=name)
    with explained("tokenizer", name=name), without_bars():
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code, local_files_only=True)
    notes: list[str] = []
    if chat_template == "chatml":
        notes.append(_set_chatml(tokenizer))
    elif not tokenizer.chat_template:
        notes.append(
            "This model has no chat template. Set model.chat_template: chatml to train on conversations and chat."
        )
    if tokenizer.pad_token_id is None:
        notes.append(_set_pad(tokenizer, name))
    tokenizer.tunefork_notes = tuple(notes)
    tokenizer.tunefork_largest_id = max(tokenizer.get_vocab().values(), default=0)
    return tokenizer


def tokenizer_notes(tokenizer: PreTrainedTokenizerBase, config: ModelConfig) -> list[str]:
    """Sentences on what was chosen for the person: the pad token, the chat template."""
    return list(getattr(tokenizer, "tunefork_notes", ()))


def _set_chatml(tokenizer: PreTrainedTokenizerBase) -> str:
    """ChatML, ended by a token the model has: its own `<|im_end|>`, else its end of sequence."""
    known = "<|im_end|>" in tokenizer.get_vocab()
    end = "<|im_end|>" if known or not tokenizer.eos_token else tokenizer.eos_token
    tokenizer.chat_template = CHATML.replace("END", json.dumps(end))
    return f"The chat template is ChatML, its turns ended by {end}."


def _set_pad(tokenizer: PreTrainedTokenizerBase, name: str) -> str:
    """Choose a pad token among those there are: the embedding keeps its size."""
    vocabulary = tokenizer.get_vocab()
    pad = next((token for token in PADS if token in vocabulary and token != tokenizer.eos_token), tokenizer.eos_token)
    if pad is None:
        raise ModelError("{model}: its tokenizer has neither a pad token nor an end of sequence token.", model=name)
    tokenizer.pad_token = pad
    return f"The tokenizer has no pad token; {pad} is used, and never counts in the loss."


def check_ids(tokenizer: PreTrainedTokenizerBase, embeddings: int, *, name: str) -> None:
    """Every id that the tokenizer can make must have a row in the embedding."""
    largest = tokenizer.tunefork_largest_id
    if largest >= embeddings:
        raise ModelError(
            "{model}: its tokenizer makes ids up to {largest}, but the model has {embeddings} embeddings. "
            "The tokenizer belongs to another model; copy the right one into the folder.",
            model=name,
            largest=largest,
            embeddings=embeddings,
        )
