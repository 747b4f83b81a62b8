"""Single answers, each with a label that says whether it is a good one."""

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
from studio.data.formats.prompt_completion import (
    COMPLETIONS,
    PROMPTS,
    answer_turns,
    is_plain,
    kind_of,
    paired,
    prompt_turns,
)
from studio.data.formats.turns import Message, first_turn, is_turns, read_turns, turns_or_text
from studio.errors import DataError
from studio.methods.base import DatasetType
from studio.methods.paths import cell_of

LABELS = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}  # as a CSV holds them
# What judges an answer too, but does not say so as true and false; other words may be of any kind (sports, politics).
JUDGEMENTS = frozenset({"good", "bad", "chosen", "rejected", "desirable", "undesirable", "-1", "-1.0"})


class UnpairedPreference(Format):
    """A whole conversation, whose last turn is judged, or a prompt and a completion."""

    name: ClassVar[str] = "unpaired-preference"
    dataset_types: ClassVar[tuple[DatasetType, ...]] = ("unpaired-preference",)
    takes_template: ClassVar[bool] = True
    roles: ClassVar[tuple[Role, ...]] = (
        Role("messages", False, ("messages", "conversations", "conversation")),
        Role("prompt", False, PROMPTS),
        Role("completion", False, COMPLETIONS),
        Role("label", True, ("label", "kto_tag")),
        INPUT_ROLE,
        SYSTEM_ROLE,
        HISTORY_ROLE,
        TOOLS_ROLE,
    )

    def missing(self, columns: Columns) -> list[str]:
        """The label, and the conversation or both its parts."""
        needed = ("label",) if "messages" in columns else ("prompt", "completion", "label")
        return [role for role in needed if role not in columns]

    def assign(self, available: Sequence[str], overrides: Columns) -> dict[str, str]:
        return paired(super().assign(available, overrides), available, overrides)

    def fits(self, columns: Columns, sample: Sequence[Row]) -> bool:
        """Also where the labels are no true and false, so that no bad answer is taught for want of a word."""
        labels = [cell_of(row, columns["label"]) for row in sample]
        present = [value for value in labels if value is not None]
        if not present or not all(is_judgement(value) for value in present):
            return False
        return "messages" not in columns or bool(first_turn(columns["messages"], sample))

    def kind(self, columns: Columns, sample: Sequence[Row]) -> str:
        return "" if "messages" in columns else kind_of(columns, sample, "completion")

    def render(self, row: Row, how: Rendering) -> Rendered:
        label = label_of(how.cell(row, "label"))
        if label is None:
            raise DataError(
                "The label is {value}, which is neither true nor false. "
                "Write true (or 1) for a good answer, and false (or 0) for a bad one.",
                value=repr(how.cell(row, "label"))[:40],
            )
        if "messages" in how.columns:
            prompt, completion = _judged(row, how)
        elif how.template is not None:
            text, remarks = templated_prompt(row, how)
            return Rendered.of(
                {"prompt": text, "completion": how.text(row, "completion"), "label": label}, how, remarks
            )
        else:
            asked, answered = (turns_or_text(how.cell(row, role)) for role in ("prompt", "completion"))
            if is_plain(how.columns, "completion") and not is_turns(asked) and not is_turns(answered):
                refuse_turns(how)
                texts = {role: how.text(row, role) for role in ("prompt", "completion")}
                return Rendered.of({**texts, "label": label}, how)
            prompt = prompt_turns(asked, row, how)
            completion = answer_turns(answered, row, how, "completion")
        extras, remarks = extras_of([*prompt, *completion], row, how)
        columns = {"prompt": nonempty(prompt), "completion": completion, "label": label, **extras}
        return Rendered.of(columns, how, remarks)


def label_of(value: Any) -> bool | None:
    """true and false, 1 and 0 (also 1.0 and 0.0), or these as text; None for anything else."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return LABELS.get(value.strip().lower())
    return bool(value) if isinstance(value, int | float) and value in (0, 1) else None


def is_judgement(value: Any) -> bool:
    """Whether a label says that an answer is good or bad, in whatever words."""
    return label_of(value) is not None or str(value).strip().lower() in JUDGEMENTS


def _judged(row: Row, how: Rendering) -> tuple[list[Message], list[Message]]:
    turns = read_turns(how.cell(row, "messages"), where=how.columns["messages"])
    check_answer(turns[-1], "conversation")
    turns = with_system(turns, how.text(row, "system", required=False))
    turns = with_system(turns, how.system_prompt)
    return turns[:-1], turns[-1:]
