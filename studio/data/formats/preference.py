"""Pairs of answers, chosen and rejected, to one prompt: text or turns, the prompt beside them or in both of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

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
)
from studio.data.formats.conversation import check_answer, extras_of, nonempty, with_system
from studio.data.formats.plain import refuse_turns, templated_prompt
from studio.data.formats.prompt_completion import PROMPTS, answer_turns, is_plain, kind_of, prompt_turns
from studio.data.formats.turns import ASSISTANT, ROLES, Message, is_turns, keys_of, read_turns, turns_or_text
from studio.errors import DataError
from studio.methods.base import DatasetType

LANES = ("chosen", "rejected")
CHOSEN = ("chosen", "response_chosen", "chosen_response", "answer_chosen", "response_j", "preferred_output")
REJECTED = (
    "rejected", "response_rejected", "rejected_response", "answer_rejected", "response_k", "non_preferred_output",
)  # fmt: skip


class Preference(Format):
    """Text in columns named prompt, chosen and rejected stays plain text; else these are turns."""

    name: ClassVar[str] = "preference"
    dataset_types: ClassVar[tuple[DatasetType, ...]] = ("preference",)
    takes_template: ClassVar[bool] = True
    roles: ClassVar[tuple[Role, ...]] = (
        Role("prompt", False, ("prompt", "conversations", "conversation", "messages", *PROMPTS[1:])),
        Role("chosen", True, CHOSEN),
        Role("rejected", True, REJECTED),
        INPUT_ROLE,
        SYSTEM_ROLE,
        HISTORY_ROLE,
        TOOLS_ROLE,
    )

    def kind(self, columns: Columns, sample: Sequence[Row]) -> str:
        return kind_of(columns, sample, *LANES)

    def render(self, row: Row, how: Rendering) -> Rendered:
        if how.template is not None:
            prompt, remarks = templated_prompt(row, how)
            return Rendered.of({"prompt": prompt, **_texts(row, how)}, how, remarks)
        cells = {lane: turns_or_text(how.cell(row, lane)) for lane in ("prompt", *LANES)}
        cells["prompt"], tools = asked_in(cells["prompt"])
        if is_plain(how.columns, *LANES) and not any(is_turns(value) for value in cells.values()):
            return _plain(row, how)
        if _holds_prompt(cells):
            shared, chosen, rejected = _unshared(cells, row, how)
        else:
            if "prompt" not in how.columns:
                raise DataError("There is no prompt: no column has it, and the two answers do not begin with it.")
            shared = prompt_turns(cells["prompt"], row, how)
            chosen, rejected = (answer_turns(cells[lane], row, how, lane) for lane in LANES)
        if tools:
            shared[0]["tools"] = tools
        extras, remarks = extras_of([*shared, *chosen, *rejected], row, how)
        columns = {"prompt": nonempty(shared), "chosen": chosen, "rejected": rejected, **extras}
        return Rendered.of(columns, how, remarks)


def asked_in(value: Any) -> tuple[Any, Any]:
    """A prompt's cell, and the tools beside its messages where it is a whole request: {"messages": ..., "tools": ...}.

    Source: https://platform.openai.com/docs/guides/direct-preference-optimization
    """
    if isinstance(value, dict) and isinstance(value.get("messages"), list):
        return value["messages"], value.get("tools")
    return value, None


def extract_prompt(chosen: Any, rejected: Any) -> int:
    """Where two sequences part, as TRL's `extract_prompt` has it: the last element is never shared, and a space
    before the parting belongs to the answers. Unlike there, what parts at the very first has no prompt at all."""
    most = min(len(chosen), len(rejected))
    low, high = 0, most
    while low < high:  # the longest equal beginning
        middle = (low + high + 1) // 2
        if chosen[low:middle] == rejected[low:middle]:
            low = middle
        else:
            high = middle - 1
    if low == most:
        return max(most - 1, 0)
    return low - 1 if low and chosen[low - 1] == " " else low


def _plain(row: Row, how: Rendering) -> Rendered:
    refuse_turns(how)
    answers = _texts(row, how)
    if "prompt" in how.columns:
        return Rendered.of({"prompt": how.text(row, "prompt"), **answers}, how)
    border = extract_prompt(answers["chosen"], answers["rejected"])
    prompt = answers["chosen"][:border]
    return Rendered.of({"prompt": prompt, **{lane: text[border:] for lane, text in answers.items()}}, how)


def _texts(row: Row, how: Rendering) -> dict[str, str]:
    return {lane: how.text(row, lane) for lane in LANES}


def _holds_prompt(cells: dict[str, Any]) -> bool:
    """Whether both answers are conversations that begin with the prompt, and no turns beside them are it."""
    if is_turns(cells["prompt"]):
        return False
    for lane in LANES:
        value = cells[lane]
        first = value[0] if isinstance(value, list) and value else value
        if not isinstance(first, dict) or ROLES.get(str(first.get(keys_of(first)[0]))) == ASSISTANT:
            return False
    return True


def _unshared(cells: dict[str, Any], row: Row, how: Rendering) -> tuple[list[Message], list[Message], list[Message]]:
    """The prompt that two conversations share, and what each goes on with."""
    chosen, rejected = (read_turns(cells[lane], where=how.columns[lane]) for lane in LANES)
    border = extract_prompt(chosen, rejected)
    if border == 0:
        raise DataError("There is no prompt: no column has it, and the two answers do not begin with it.")
    for lane, turns in zip(LANES, (chosen, rejected), strict=True):
        check_answer(turns[-1], lane)
    prompt = with_system(chosen[:border], how.text(row, "system", required=False))
    return with_system(prompt, how.system_prompt), chosen[border:], rejected[border:]
