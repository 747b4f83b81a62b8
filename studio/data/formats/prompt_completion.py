"""prompt and completion: plain text under these two names, a conversation under any others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from studio.data.formats.base import Columns, Format, Rendered, Role, cell, text
from studio.data.formats.conversation import conversation
from studio.data.formats.messages import read_messages
from studio.errors import ConfigError, DataError
from studio.methods.base import DatasetType


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

    def fits(self, columns: Columns, sample: Sequence[Mapping[str, Any]]) -> bool:
        cells = [row.get(columns[role]) for row in sample for role in ("prompt", "completion")]
        present = [value for value in cells if value is not None]
        return bool(present) and all(isinstance(value, str | list) for value in present)

    def detect(
        self, available: Sequence[str], sample: Sequence[Mapping[str, Any]], *, overrides: Columns | None = None
    ) -> str | None:
        reason = super().detect(available, sample, overrides=overrides)
        if reason is None:
            return None
        columns = self.assign(available, overrides or {})
        lists = any(isinstance(row.get(columns["prompt"]), list) for row in sample)
        return f"{reason} ({'plain text' if is_plain(columns) and not lists else 'a conversation'})"

    def render(
        self,
        row: Mapping[str, Any],
        *,
        columns: Columns,
        system_prompt: str | None,
        dataset_type: DatasetType,
        remarks: list[DataError] | None = None,
    ) -> Rendered:
        prompt, completion = cell(row, columns, "prompt"), cell(row, columns, "completion")
        if is_plain(columns) and not isinstance(prompt, list) and not isinstance(completion, list):
            return _plain(row, columns, system_prompt=system_prompt, dataset_type=dataset_type)
        turns = _turns(row, columns, "prompt", speaker="user")
        system = text(row, columns, "system", required=False)
        if system and not any(turn["role"] == "system" for turn in turns):
            turns.insert(0, {"role": "system", "content": system})
        answer = _turns(row, columns, "completion", speaker="assistant")
        rendered = conversation(
            [*turns, *answer], system_prompt=system_prompt, dataset_type="language-modeling", remarks=remarks
        )
        if dataset_type == "language-modeling":
            return rendered
        if answer[-1]["role"] != "assistant":
            raise DataError("The completion does not end with an assistant turn.")
        border = len(rendered["messages"]) - len(answer)
        return {"prompt": rendered["messages"][:border], "completion": answer}


def is_plain(columns: Columns) -> bool:
    """Whether text in these columns is plain text. A system column makes it a conversation."""
    named = columns["prompt"].lower() == "prompt" and columns["completion"].lower() == "completion"
    return named and "system" not in columns


def no_system_prompt() -> ConfigError:
    return ConfigError(
        "data.system_prompt is set, but these rows are plain text, which has no system message. "
        "Remove data.system_prompt, or use conversations."
    )


def _plain(
    row: Mapping[str, Any], columns: Columns, *, system_prompt: str | None, dataset_type: DatasetType
) -> Rendered:
    if system_prompt:
        raise no_system_prompt()
    prompt, completion = text(row, columns, "prompt"), text(row, columns, "completion")
    if dataset_type == "language-modeling":
        return {"text": prompt + completion}
    return {"prompt": prompt, "completion": completion}


def _turns(row: Mapping[str, Any], columns: Columns, role: str, *, speaker: str) -> list[dict[str, str]]:
    value = cell(row, columns, role)
    if isinstance(value, list):
        return read_messages(value, where=columns[role])
    return [{"role": speaker, "content": text(row, columns, role)}]
