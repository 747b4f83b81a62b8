"""The order of roles in a conversation. Reads no text."""

from __future__ import annotations

from studio.data.doctor.base import Check, Chunk, Context, Finding, Marks, View, marked
from studio.data.doctor.reading import Roles
from studio.errors import DataError

KNOWN = frozenset({"system", "developer", "user", "assistant", "tool"})
FINE, UNKNOWN, ORDER, LAST = 0, 1, 2, 3
_BEFORE = {
    "user": ("", "system", "developer", "assistant", "tool"),
    "assistant": ("user", "tool"),
    "tool": ("assistant", "tool"),
}


class RoleOrder(Check):
    """After an optional system turn, user and assistant in turn (tools between), an answer last."""

    name = "roles"

    def look(self, chunk: Chunk, context: Context) -> Marks:
        prompts = context.dataset_type == "prompt-only"
        known: dict[tuple[Roles, ...], int] = {(): FINE}
        rows, kinds = [], []
        for number, conversations in enumerate(chunk.reading.roles):
            kind = known.get(conversations)
            if kind is None:
                kind = max((fault(roles, prompts=prompts) for roles in conversations), default=FINE)
                known[conversations] = kind
            if kind:
                rows.append(number)
                kinds.append(kind)
        import numpy as np

        return {"position": chunk.mark(rows), "kind": np.asarray(kinds, dtype=np.int8)}

    def conclude(self, marks: Marks, view: View) -> list[Finding]:
        positions = marked(marks)
        if not len(positions):
            return []
        made = []
        levers = self.leave_out(view.within(positions), view)
        for kind in (UNKNOWN, ORDER, LAST):
            found = view.within(positions[marks["kind"] == kind])
            if len(found):
                sentence = _sentence(
                    kind, prompts=view.context.dataset_type == "prompt-only", count=len(found), rows=view.total
                )
                made.append(self.found(sentence, found, levers))
        return made


def fault(roles: Roles, *, prompts: bool = False) -> int:
    """What is wrong with the roles of one conversation. Where rows are prompts, the answer is not there yet."""
    if not roles:
        return FINE
    if not KNOWN.issuperset(roles):
        return UNKNOWN
    before = ""
    for number, role in enumerate(roles):
        allowed = _BEFORE.get(role)
        if (number > 0) if allowed is None else (before not in allowed):
            return ORDER
        before = role
    return FINE if (before == "assistant") is not prompts else LAST


def _sentence(kind: int, *, prompts: bool, **details: int) -> DataError:
    if kind == UNKNOWN:
        return DataError(
            "Unknown roles in {count} of {rows} rows: there are system, user, assistant and tool.", **details
        )
    if kind == ORDER:
        return DataError(
            "Turns out of order in {count} of {rows} rows: after an optional system turn, user and assistant "
            "alternate.",
            **details,
        )
    if prompts:
        return DataError(
            "Prompts that end with an answer in {count} of {rows} rows: the last turn should be the user's.", **details
        )
    return DataError(
        "No answer at the end in {count} of {rows} rows: the last turn should be the assistant's.", **details
    )
