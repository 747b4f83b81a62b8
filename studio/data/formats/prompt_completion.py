"""prompt and completion: plain text under these two names, a conversation under any others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from studio.data.formats.base import Columns, Format, Rendered, Rendering, Role, Row
from studio.data.formats.conversation import checked, with_system
from studio.data.formats.turns import Message, read_turns
from studio.errors import ConfigError, DataError


class PromptCompletion(Format):
    """Text in columns named prompt and completion is the trainer's own standard format and stays plain text,
    which needs no chat template. Question and answer, query and response and the like are a user's and an
    assistant's turn, as are lists of messages."""

    name: ClassVar[str] = "prompt-completion"
    roles: ClassVar[tuple[Role, ...]] = (
        Role("prompt", True, ("prompt", "question", "query", "instruction", "problem")),
        Role("completion", True, ("completion", "answer", "response", "output", "solution")),
        Role("system", False, ("system", "system_prompt")),
    )

    def fits(self, columns: Columns, sample: Sequence[Row]) -> bool:
        cells = [row.get(columns[role]) for row in sample for role in ("prompt", "completion")]
        present = [value for value in cells if value is not None]
        return bool(present) and all(isinstance(value, str | list) for value in present)

    def detect(
        self, available: Sequence[str], sample: Sequence[Row], *, overrides: Columns | None = None
    ) -> str | None:
        reason = super().detect(available, sample, overrides=overrides)
        if reason is None:
            return None
        columns = self.assign(available, overrides or {})
        lists = any(isinstance(row.get(columns["prompt"]), list) for row in sample)
        return f"{reason} ({'plain text' if is_plain(columns) and not lists else 'a conversation'})"

    def render(self, row: Row, how: Rendering) -> Rendered:
        lists = isinstance(how.cell(row, "prompt"), list) or isinstance(how.cell(row, "completion"), list)
        if is_plain(how.columns) and not lists:
            return _plain(row, how)
        asked = _turns(row, how, "prompt", speaker="user")
        answer = _turns(row, how, "completion", speaker="assistant")
        turns = with_system([*asked, *answer], how.text(row, "system", required=False))
        turns, remarks = checked(turns, system_prompt=how.system_prompt)
        if how.dataset_type == "language-modeling":
            return Rendered({"messages": turns}, remarks)
        if answer[-1]["role"] != "assistant":
            raise DataError("The completion does not end with an assistant turn.")
        border = len(turns) - len(answer)
        return Rendered({"prompt": turns[:border], "completion": turns[border:]}, remarks)


def is_plain(columns: Columns) -> bool:
    """Whether text in these columns is plain text. A system column makes it a conversation."""
    named = columns["prompt"].lower() == "prompt" and columns["completion"].lower() == "completion"
    return named and "system" not in columns


def refuse_system_prompt(how: Rendering) -> None:
    """Plain text has no system message, and one that was set must not be ignored in silence."""
    if how.system_prompt:
        raise ConfigError(
            "data.system_prompt is set, but these rows are plain text, which has no system message. "
            "Remove data.system_prompt, or use conversations."
        )


def _plain(row: Row, how: Rendering) -> Rendered:
    refuse_system_prompt(how)
    prompt, completion = how.text(row, "prompt"), how.text(row, "completion")
    if how.dataset_type == "language-modeling":
        return Rendered({"text": prompt + completion})
    return Rendered({"prompt": prompt, "completion": completion})


def _turns(row: Row, how: Rendering, role: str, *, speaker: str) -> list[Message]:
    if isinstance(how.cell(row, role), list):
        return read_turns(row, how.columns[role])
    return [{"role": speaker, "content": how.text(row, role)}]
