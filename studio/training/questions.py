"""Which validation rows a run's model answers at its evaluations, and what it is asked. Loads no weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from studio.config import RunConfig
from studio.data.pipeline import Pipeline
from studio.data.prepare import Prepared
from studio.errors import ConfigError, DataError
from studio.methods.base import Question

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from transformers import PreTrainedTokenizerBase

LOOKED_AT = 256  # rows among which one that can be answered has to be, before a run


@dataclass(frozen=True)
class Asked:
    """One question of a validation row. `shown` is its prompt as one reads it, `right` the row's own answer."""

    question: Question
    shown: str
    right: str


@dataclass(frozen=True)
class Questions:
    """Those whose answers are shown, and those whose answers are scored; both from the first rows on."""

    samples: tuple[Asked, ...] = ()
    scored: tuple[Asked, ...] = ()


def check_questions(config: RunConfig, prepared: Prepared) -> None:
    """A sentence where a run asks for answers and its validation rows ask nothing."""
    wanted = _wanted(config)
    if wanted is None:
        return
    if not len(prepared.eval_index):
        raise ConfigError(
            "evaluation.{name} has validation rows answered, and no rows are held out. Set data.eval_source or "
            "data.eval_fraction, or take evaluation.{name} out.",
            name=wanted,
        )
    scores = config.evaluation.predict_with_generate
    first = (one for _, one in _found(config, prepared, prepared.eval_index[:LOOKED_AT]))
    if not any(not scores or one.answer or one.text for one in first):
        raise DataError(
            "evaluation.{name} needs validation rows with a prompt and an answer to it, and these have no border "
            "between the two. Choose rows of a prompt and a completion, set method.completion_only_loss: true where "
            "there are such, or take evaluation.{name} out.",
            name=wanted,
        )


def questions(config: RunConfig, prepared: Prepared, tokenizer: PreTrainedTokenizerBase) -> Questions:
    """What is asked at each evaluation of a run."""
    if _wanted(config) is None:
        return Questions()
    section = config.evaluation
    most = (section.generate_rows or len(prepared.eval_index)) if section.predict_with_generate else 0
    positions: list[int] = []
    samples: list[Question] = []
    scored: list[Asked] = []
    for position, one in _found(config, prepared, prepared.eval_index):
        if len(samples) < section.generate_samples:
            positions.append(position)
            samples.append(one)
        if len(scored) < most and (one.answer or one.text):
            scored.append(Asked(one, "", right_of(one, tokenizer)))
        if len(samples) >= section.generate_samples and len(scored) >= most:
            break
    texts = _texts(config, prepared, positions, tokenizer=tokenizer, questions=samples)
    shown = [Asked(one, text, right_of(one, tokenizer)) for one, text in zip(samples, texts, strict=True)]
    return Questions(tuple(shown), tuple(scored))


def right_of(question: Question, tokenizer: PreTrainedTokenizerBase) -> str:
    """The row's own answer as text, without control tokens; "" where it has none."""
    if question.text or not question.answer:
        return question.text.strip()
    return str(tokenizer.decode(question.answer, skip_special_tokens=True)).strip()


def _wanted(config: RunConfig) -> str | None:
    """The setting that has validation rows answered."""
    section = config.evaluation
    if section.predict_with_generate:
        return "predict_with_generate"
    return "generate_samples" if section.generate_samples else None


def _found(config: RunConfig, prepared: Prepared, positions: npt.NDArray[np.int64]) -> Iterator[tuple[int, Question]]:
    """Position and question of each of these rows that asks something."""
    limit, mode = config.training.max_length, config.training.truncation_mode
    rows = prepared.scan.store.rows(positions)
    for position, row in zip(positions, rows, strict=True):
        question = config.method.question(row, max_length=limit, truncation_mode=mode)
        if question is not None:
            yield int(position), question


def _texts(
    config: RunConfig,
    prepared: Prepared,
    positions: Sequence[int],
    *,
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[Question],
) -> list[str]:
    """The prompts as one reads them: what was said last where all before it is a system prompt, else every turn."""
    try:
        rendered = Pipeline(prepared.corpus, method=config.method, tokenizer=tokenizer).work(positions).rendered
    except DataError:  # its file was written again since its tokens were kept
        rendered = [None] * len(positions)
    said = [_said(columns or {}) for columns in rendered]
    plain = [str(tokenizer.decode(one.prompt, skip_special_tokens=True)).strip() for one in questions]
    return [one or other for one, other in zip(said, plain, strict=True)]


def _said(columns: dict[str, Any]) -> str:
    """A rendered row's prompt, "" where the row has none apart."""
    prompt = columns.get("prompt")
    if isinstance(prompt, str):
        return prompt.strip()
    turns: list[dict[str, Any]] = prompt or columns.get("messages") or []
    if prompt is None:
        last = max((at for at, one in enumerate(turns) if one.get("role") == "assistant"), default=0)
        turns = turns[:last]
    turns = [one for one in turns if one.get("role") != "system"]
    texts = [one.get("content") or "" for one in turns]
    if not all(isinstance(one, str) for one in texts):
        return ""
    if len(turns) == 1:
        return str(texts[0])
    return "\n".join(f"{one['role']}: {text}" for one, text in zip(turns, texts, strict=True))
