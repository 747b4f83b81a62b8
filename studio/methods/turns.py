"""Where in a rendered conversation each turn's text is: by the template's own markers, or by rendering beginnings.

Exact or refused, never guessed. Knows nothing of tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from studio.errors import DataError
from studio.methods.template import Spans, Template, Turns

_SHOWN = 24  # characters of a text that a sentence quotes


@dataclass(frozen=True)
class Conversation:
    """One row's turns, and what else its template is given. Turns before `since` are never trained."""

    turns: Turns
    tools: Any = None
    extra: Mapping[str, Any] | None = None
    since: int = 0

    @property
    def switched(self) -> list[int]:
        """The turns that would be trained, were they not switched off with `train: false`."""
        return [at for at in range(self.since, len(self.turns)) if self.turns[at].get("train") is False]


def marked_answers(row: Conversation, template: Template) -> tuple[str, Spans]:
    """The text and its {% generation %} blocks, but for those of turns that are switched off."""
    text, spans = template.marked(row.turns, tools=row.tools, extra=row.extra)
    if row.switched:
        off = switched_off(row, text, template)
        spans = [span for span in spans if not any(start < span[1] and span[0] < end for start, end in off)]
    return text, spans


def answers_by_beginnings(row: Conversation, template: Template, ends: tuple[str, ...]) -> tuple[str, Spans]:
    """The text and the assistant's part of each of its turns, for a template without markers.

    A turn begins where the text goes on behind the generation prompt, as the border of a completion does; it ends
    behind the control token (one of `ends`) that closes it, or with its whole text where none does.
    """
    beginnings = _Beginnings(row, template)
    spans = []
    for number in range(row.since, len(row.turns)):
        turn = row.turns[number]
        if turn.get("role") == "assistant" and turn.get("train") is not False:
            start, end = beginnings.asked(number), beginnings.length(number + 1)
            closed = beginnings.text[start:end].rstrip()
            spans.append((start, start + len(closed) if closed.endswith(ends) else end))
    return beginnings.text, spans


def switched_off(row: Conversation, text: str, template: Template) -> Spans:
    """The whole text of each turn with `train: false`, its header included."""
    beginnings = _Beginnings(row, template, text)
    return [(beginnings.length(number), beginnings.length(number + 1)) for number in row.switched]


class _Beginnings:
    """Renders the first turns of a conversation alone, each of which must be how the whole text begins."""

    def __init__(self, row: Conversation, template: Template, text: str | None = None) -> None:
        self._row, self._template = row, template
        self._known: dict[int, int] = {0: 0}
        self.text = self._render(len(row.turns)) if text is None else text

    def length(self, count: int) -> int:
        """How much of the text the first `count` turns are."""
        if count == len(self._row.turns):
            return len(self.text)
        if count not in self._known:
            alone = self._render(count)
            if not self.text.startswith(alone):
                same = _shared(alone, self.text)
                raise DataError(
                    "The chat template writes turn {turn} otherwise when more turns follow it ({alone}, but then "
                    "{whole}), so which tokens are whose cannot be said exactly. Turn method.assistant_only_loss off "
                    "(completion_only_loss trains the last answer), take train: false out of the rows, "
                    "or choose a model whose template marks the assistant's turns.",
                    turn=count,
                    alone=repr(alone[same : same + _SHOWN]),
                    whole=repr(self.text[same : same + _SHOWN]),
                )
            self._known[count] = len(alone)
        return self._known[count]

    def asked(self, count: int) -> int:
        """Where the text goes on behind the first `count` turns and the generation prompt."""
        if count == 0:  # nothing can be asked before the first turn
            return 0
        asking = self._render(count, add_generation_prompt=True)
        if self.text.startswith(asking):
            return len(asking)
        return max(self.length(count), _shared(asking, self.text))

    def _render(self, count: int, *, add_generation_prompt: bool = False) -> str:
        from jinja2 import TemplateError

        row = self._row
        try:
            return self._template.render(
                row.turns[:count], tools=row.tools, extra=row.extra, add_generation_prompt=add_generation_prompt
            )
        except TemplateError as error:
            if count == len(row.turns):
                raise
            raise DataError(
                "The chat template does not write the first {turns} turns alone ({problem}), so which tokens are "
                "whose cannot be said exactly. Turn method.assistant_only_loss off (completion_only_loss trains the "
                "last answer), take train: false out of the rows, or choose another model.",
                turns=count,
                problem=str(error).strip()[:200],
            ) from error


def _shared(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    if other.startswith(one):
        return len(one)
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
