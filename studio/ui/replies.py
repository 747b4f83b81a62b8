"""Two replies side by side: what was said on each side, and the component that shows it. Knows nothing of models.

The component's value is a growing text of small JSON lines. Gradio sends only what was appended, so a streamed
token costs its own bytes, however long the conversation is. The script sets everything as text.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

import gradio as gr

from studio.ui.plots import script

Side = Literal["base", "adapter"]
SIDES: tuple[Side, ...] = ("base", "adapter")
Message = dict[str, str]


def reply_panes(elem_id: str = "replies") -> gr.HTML:
    """Base on the left, adapter on the right; its value is a `Conversation.text`."""
    return gr.HTML(
        "",
        elem_id=elem_id,
        html_template="<div class='tf-panes'></div>",
        js_on_load=script("live.js", "replies.js"),
        apply_default_css=False,
    )


@dataclass
class Conversation:
    """What one visitor and both sides have said. `text` is what the panes show, `history` what the models are given.

    `checked` names the base and adapters for which the proof above the base's side was made.
    """

    text: str = ""
    history: dict[str, list[Message]] = field(default_factory=lambda: {side: [] for side in SIDES})
    checked: object = None
    _open: dict[str, str] = field(default_factory=dict)
    _ended: set[str] = field(default_factory=set)

    def ask(self, question: str) -> None:
        """The visitor speaks to both sides."""
        for side in SIDES:
            self.history[side].append({"role": "user", "content": question})
        self._open, self._ended = dict.fromkeys(SIDES, ""), set()
        self._add("ask", question)

    def messages(self, side: Side, system: str) -> list[Message]:
        """A side's conversation so far, behind a system prompt if there is one."""
        opening = [{"role": "system", "content": system}] if system.strip() else []
        return opening + self.history[side]

    def piece(self, side: str, text: str) -> None:
        """A side says some more."""
        self._open[side] = self._open.get(side, "") + text
        self._add("piece", side, text)

    def done(self, side: str, *, tokens: int, seconds: float, ended: str = "end") -> None:
        """A side has finished its reply; `ended` says why: end, length, context, stopped."""
        self._ended.add(side)
        self._add("done", side, tokens, round(seconds, 3), ended)

    def heading(self, side: Side, name: str, *, proof: str = "") -> None:
        """What stands above a side; `proof` is the key of a text of the section "chat"."""
        self._add("head", side, name, proof)

    def state(self, key: str) -> None:
        """What is being done before a reply can begin: a key of the texts, "" for nothing."""
        self._add("state", key)

    def note(self, sentence: str) -> None:
        """The same in words, such as how far a download is."""
        self._add("note", sentence)

    def settle(self) -> bool:
        """The turn is over: what was said becomes history, a side that said nothing forgets the question.

        False where no side said anything: the question can be asked again.
        """
        answered = not self._open or bool(self._ended) or any(self._open.values())
        for side, reply in self._open.items():
            if reply or side in self._ended:
                self.history[side].append({"role": "assistant", "content": reply})
            elif self.history[side] and self.history[side][-1]["role"] == "user":
                self.history[side].pop()
        if self._open:
            self._add("settle")
        self._open = {}
        return answered

    def fail(self, sentence: str) -> None:
        """The turn could not be answered, and why."""
        self._add("error", sentence)

    def _add(self, *parts: Any) -> None:
        # "<" is written as an escape: a value with "<script" in it would make Gradio warn.
        self.text += json.dumps(parts, ensure_ascii=False).replace("<", "\\u003c") + "\n"
