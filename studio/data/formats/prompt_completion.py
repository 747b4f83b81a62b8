"""prompt and completion: plain text under these two names, a conversation under any others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from studio.data.formats.alpaca import asked, read_history
from studio.data.formats.base import (
    HISTORY_ROLE,
    INPUT_ROLE,
    SYSTEM_ROLE,
    TOOLS_ROLE,
    Columns,
    Format,
    Rendered,
    Rendering,
    Role,
    Row,
    cells_are,
)
from studio.data.formats.conversation import check_answer, checked, extras_of, nonempty, with_system
from studio.data.formats.plain import as_text, refuse_turns, templated
from studio.data.formats.turns import Message, is_turns, read_prompt, read_turns, turns_or_text
from studio.methods.base import DatasetType
from studio.methods.paths import cell_of

PROMPTS = (
    "prompt", "question", "query", "instruction", "problem", "input", "inputs",
    "提示", "问题", "指令", "输入",
)  # fmt: skip
COMPLETIONS = (
    "completion", "answer", "response", "output", "solution", "target", "targets",
    "回复", "回答", "答案", "输出",
)  # fmt: skip
# Columns that are a prompt and its completion only side by side: alone a text is a document, and a user has a name.
PAIRS = (
    ("q", "a"), ("user", "assistant"), ("human", "assistant"), ("document", "summary"), ("article", "summary"),
    ("dialogue", "summary"), ("text", "summary"), ("content", "summary"),
)  # fmt: skip
_TURNS = frozenset({"system", "history", "tools", "input"})  # roles that only conversations have


class PromptCompletion(Format):
    """Text in columns named prompt and completion is the trainer's own standard format and stays plain text,
    which needs no chat template. Question and answer, query and response and the like are a user's and an
    assistant's turn, as are lists of messages."""

    name: ClassVar[str] = "prompt-completion"
    dataset_types: ClassVar[tuple[DatasetType, ...]] = ("prompt-completion", "language-modeling", "prompt-only")
    takes_template: ClassVar[bool] = True
    roles: ClassVar[tuple[Role, ...]] = (
        Role("prompt", True, PROMPTS),
        Role("completion", True, COMPLETIONS),
        INPUT_ROLE,
        SYSTEM_ROLE,
        HISTORY_ROLE,
        TOOLS_ROLE,
    )

    def assign(self, available: Sequence[str], overrides: Columns) -> dict[str, str]:
        """An input joins a question, not the text of columns named prompt and completion, unless it is chosen."""
        found = paired(super().assign(available, overrides), available, overrides)
        alone = {role: column for role, column in found.items() if role != "input"}
        return alone if "input" not in overrides and is_plain(alone, "completion") else found

    def fits(self, columns: Columns, sample: Sequence[Row]) -> bool:
        return cells_are(str | list, columns, sample, "prompt", "completion")

    def kind(self, columns: Columns, sample: Sequence[Row]) -> str:
        return kind_of(columns, sample, "completion")

    def render(self, row: Row, how: Rendering) -> Rendered:
        if how.template is not None:
            return templated(row, how, answer="completion")
        question = turns_or_text(how.cell(row, "prompt"))
        answered = turns_or_text(how.cell(row, "completion"))
        if is_plain(how.columns, "completion") and not is_turns(question) and not is_turns(answered):
            return _plain(row, how)
        prompt = prompt_turns(question, row, how)
        if how.dataset_type == "prompt-only":
            extras, remarks = extras_of(prompt, row, how)
            compared = how.reference(row, answer="completion")
            return Rendered.of({"prompt": nonempty(prompt), **compared, **extras}, how, remarks)
        answer = answer_turns(answered, row, how, "completion")
        turns = [*prompt, *answer]
        remarks = checked(turns)
        extras, more = extras_of(turns, row, how)
        if how.dataset_type == "language-modeling":
            return Rendered.of({"messages": turns, **extras}, how, remarks + more)
        return Rendered.of({"prompt": prompt, "completion": answer, **extras}, how, remarks + more)


def paired(found: dict[str, str], available: Sequence[str], overrides: Columns) -> dict[str, str]:
    """With two columns that are prompt and completion side by side, where neither is found under a name of its own."""
    if {"prompt", "completion", "messages"} & (found.keys() | overrides.keys()):
        return found
    by_name = {column.strip().lower(): column for column in reversed(available)}
    for prompt, completion in PAIRS:
        if prompt in by_name and completion in by_name:
            return {"prompt": by_name[prompt], "completion": by_name[completion], **found}
    return found


def is_plain(columns: Columns, *answers: str) -> bool:
    """Whether text in these columns is plain text, as the trainers' own names say.

    A column that only conversations have makes it one.
    """
    named = all(columns.get(role, role).lower() == role for role in ("prompt", *answers))
    return named and not _TURNS & columns.keys()


def kind_of(columns: Columns, sample: Sequence[Row], *answers: str) -> str:
    """Whether these rows are plain text or conversations."""
    used = [columns[role] for role in ("prompt", *answers) if role in columns]
    lists = any(is_turns(turns_or_text(cell_of(row, column))) for row in sample for column in used)
    return "plain text" if is_plain(columns, *answers) and not lists else "a conversation"


def prompt_turns(value: Any, row: Row, how: Rendering) -> list[Message]:
    """System prompt, earlier turns and the question; `value` is the prompt's cell, text or turns."""
    if not is_turns(value):
        return with_system(asked(row, how, "prompt", "input"), how.system_prompt)
    turns = read_prompt(value, where=how.columns["prompt"])
    if "history" in how.columns:
        own = 1 if turns[0]["role"] == "system" else 0
        turns[own:own] = read_history(how.cell(row, "history"))
    if "system" in how.columns:
        turns = with_system(turns, how.text(row, "system", required=False))
    return with_system(turns, how.system_prompt)


def answer_turns(value: Any, row: Row, how: Rendering, role: str) -> list[Message]:
    """An answer that ends with an assistant turn which says something; `value` is its cell, text or turns."""
    if not is_turns(value):
        return [{"role": "assistant", "content": how.text(row, role)}]
    turns = read_turns(value, where=how.columns[role], whole=False)
    check_answer(turns[-1], role)
    return turns


def _plain(row: Row, how: Rendering) -> Rendered:
    refuse_turns(how)
    prompt = how.text(row, "prompt")
    if how.dataset_type == "prompt-only":
        return Rendered.of({"prompt": prompt, **how.reference(row, answer="completion")}, how)
    return as_text(prompt, how.text(row, "completion"), how)
