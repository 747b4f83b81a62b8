"""Tokenizers as training and chat need them: with a pad token and a chat template. Loads no weights."""

from __future__ import annotations

import copy
import functools
from pathlib import Path
from typing import TYPE_CHECKING

from studio.config import ModelConfig
from studio.errors import ModelError
from studio.model.folder import explained, read_config
from studio.model.locate import resolve
from studio.model.new_tokens import add_tokens
from studio.model.progress import Progress, without_bars
from studio.model.templates import TEMPLATES, Template, detect, text_of
from studio.model.templates.choose import Choice, choose
from studio.model.templates.facts import template_facts
from studio.settings import Settings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "tokenizer.model", "vocab.json")
# Tokens that some models bring for padding without saying so, before the last resort: end of sequence.
PADS = ("<pad>", "[PAD]", "<|pad|>", "<|endoftext|>", "<|finetune_right_pad_id|>", "<|vision_pad|>", "<unk>")


def load_tokenizer(
    config: ModelConfig, settings: Settings, *, progress: Progress | None = None
) -> PreTrainedTokenizerBase:
    """The model's tokenizer with a pad token and its chat template; the same object until its files change."""
    choice = choose(config.chat_template, settings)
    folder = Path(resolve(config, settings, progress=progress, weights=False))
    name = config.model_name_or_path
    raw = read_config(folder, name=name, trust_remote_code=settings.trust_remote_code)
    changed = tuple(file.stat().st_mtime_ns for one in FILES if (file := folder / one).is_file())
    base = _load(str(folder), name, settings.trust_remote_code, changed)
    tokenizer = _with_template(base, raw["model_type"], choice, config.add_template_tokens)
    if isinstance(raw.get("vocab_size"), int):
        check_ids(tokenizer, raw["vocab_size"], name=name)
    return tokenizer


@functools.lru_cache(maxsize=8)
def _load(folder: str, name: str, trust_remote_code: bool, changed: tuple[int, ...]) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    if not changed:
        raise ModelError("{model} has no tokenizer files. Copy them from its base model into the folder.", model=name)
    with explained("tokenizer", name=name), without_bars():
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code, local_files_only=True)
    tokenizer.tunefork_notes = (_set_pad(tokenizer, name),) if tokenizer.pad_token_id is None else ()
    tokenizer.tunefork_largest_id = max(tokenizer.get_vocab().values(), default=0)
    return tokenizer


def tokenizer_notes(tokenizer: PreTrainedTokenizerBase, config: ModelConfig) -> list[str]:
    """Sentences on what was chosen for the person: the pad token, the chat template."""
    return list(getattr(tokenizer, "tunefork_notes", ()))


@functools.lru_cache(maxsize=32)
def _with_template(
    base: PreTrainedTokenizerBase, model_type: str, choice: Choice, add: bool
) -> PreTrainedTokenizerBase:
    """A tokenizer of its own over the same vocabulary, so that a template can be edited without loading anew."""
    tokenizer = copy.deepcopy(base) if add else copy.copy(base)  # a vocabulary that grows is shared with nobody
    tokenizer.tunefork_own_template = False
    notes: list[str] = []
    if choice.text is not None:
        tokenizer.chat_template = choice.text
        notes.append(f"The chat template is {choice.origin}." if choice.origin else "The chat template is your own.")
        if add:
            notes += _add(tokenizer, template_facts(tokenizer).unknown_tokens)
    elif choice.name is not None:
        notes.append(f"The chat template is {choice.name}.")
        notes += _write(tokenizer, TEMPLATES[choice.name], add=add)
    elif tokenizer.chat_template:
        tokenizer.tunefork_own_template = True
    else:
        notes += _detected(tokenizer, model_type, add=add)
    tokenizer.tunefork_notes = (*notes, *base.tunefork_notes)
    return tokenizer


def _detected(tokenizer: PreTrainedTokenizerBase, model_type: str, *, add: bool) -> list[str]:
    """Choose a named template for a model that brings none, and say which and why."""
    found = detect(model_type, frozenset(tokenizer.get_vocab()))
    if found is None:
        return [
            f"This model has no chat template, and none is known for its kind ({model_type}). "
            "Set model.chat_template to alpaca, vicuna or chatml to train on conversations and to chat."
        ]
    signs = [one for one in (*found.tokens, *found.signs) if not one.startswith(("▁", "Ġ"))]
    reason = f"its vocabulary has {', '.join(signs[:3])}" if signs else f"its kind is {model_type}"
    chosen = f"This model has no chat template, so {found.name} is used: {reason}. Set model.chat_template for another."
    return [chosen, *_write(tokenizer, found, add=add)]


def _write(tokenizer: PreTrainedTokenizerBase, template: Template, *, add: bool) -> list[str]:
    """Give the tokenizer a named template. What it lacks is added, or the end token replaced by its own."""
    end, vocabulary = template.end_of_turn, tokenizer.get_vocab()
    if tokenizer.eos_token is None and end is None:
        raise ModelError(
            "The chat template {name} ends turns with the end of sequence, and this tokenizer has none. "
            "Choose another in model.chat_template.",
            name=template.name,
        )
    wanted = dict.fromkeys((*template.tokens, *([end] if end else [])))
    missing = tuple(one for one in wanted if one not in vocabulary)
    replaced = end in missing and not add and tokenizer.eos_token is not None
    tokenizer.chat_template = text_of(template.name, end_of_turn=tokenizer.eos_token if replaced else None)
    if add:
        return _add(tokenizer, missing)
    notes = []
    if replaced:
        notes.append(
            f"The tokenizer does not have {end}, with which {template.name} ends turns; "
            f"{tokenizer.eos_token} stands in its place."
        )
    pieces = [one for one in missing if not (replaced and one == end)]
    if pieces:
        notes.append(
            f"The chat template {template.name} writes {', '.join(pieces)}, which this tokenizer reads as plain text, "
            "several tokens each. Turn model.add_template_tokens on to have them as tokens of their own."
        )
    return notes


def _add(tokenizer: PreTrainedTokenizerBase, tokens: tuple[str, ...]) -> list[str]:
    if not tokens:
        return []
    add_tokens(tokenizer, tokens)
    return [f"New tokens of the chat template, whose embeddings are trained: {', '.join(tokens)}."]


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
