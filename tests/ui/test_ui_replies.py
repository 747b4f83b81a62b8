"""What two sides said: the growing text of the panes, and the history each model is given."""

from __future__ import annotations

import json

from studio.ui.replies import Conversation


def steps(talk: Conversation) -> list[list]:
    return [json.loads(line) for line in talk.text.split("\n") if line]


def answered(question: str = "Hello?") -> Conversation:
    talk = Conversation()
    talk.ask(question)
    for piece in ("I am ", "small."):
        talk.piece("base", piece)
    talk.piece("adapter", "Arr!")
    talk.done("base", tokens=4, seconds=0.1)
    talk.done("adapter", tokens=2, seconds=0.1)
    talk.settle()
    return talk


def test_the_text_only_grows_so_that_only_what_is_new_is_sent() -> None:
    talk, seen = Conversation(), ""
    for act in (
        lambda: talk.ask("你好"),
        lambda: talk.state("loading"),
        lambda: talk.heading("adapter", "a run"),
        lambda: talk.piece("base", "巴"),
        lambda: talk.done("base", tokens=1, seconds=0.2),
        lambda: talk.settle(),
        lambda: talk.fail("The model is busy."),
    ):
        act()
        assert talk.text.startswith(seen)
        assert len(talk.text) > len(seen)
        seen = talk.text
    assert [step[0] for step in steps(talk)] == ["ask", "state", "head", "piece", "done", "settle", "error"]


def test_each_side_keeps_its_own_history_over_the_turns() -> None:
    talk = answered()
    talk.ask("And you?")
    assert [one["content"] for one in talk.messages("base", "")] == ["Hello?", "I am small.", "And you?"]
    assert [one["content"] for one in talk.messages("adapter", "")] == ["Hello?", "Arr!", "And you?"]
    assert talk.messages("adapter", " Be brief. ")[0] == {"role": "system", "content": " Be brief. "}
    assert talk.messages("adapter", "  ")[0]["role"] == "user"


def test_a_side_that_was_stopped_keeps_what_it_said() -> None:
    talk = Conversation()
    talk.ask("Hello?")
    talk.piece("base", "I am")
    assert talk.settle()
    assert talk.history["base"][-1] == {"role": "assistant", "content": "I am"}
    assert talk.history["adapter"] == [], "a side that said nothing forgets the question"


def test_a_question_nobody_answered_can_be_asked_again() -> None:
    talk = answered()
    talk.ask("More?")
    assert talk.settle() is False
    assert talk.history == answered().history
    assert talk.settle() is True


def test_an_empty_reply_that_ended_is_an_answer() -> None:
    talk = Conversation()
    talk.ask("Hello?")
    talk.done("base", tokens=0, seconds=0.1)
    assert talk.settle()
    assert talk.history["base"][-1] == {"role": "assistant", "content": ""}


def test_markup_is_carried_as_text() -> None:
    talk = Conversation()
    talk.ask("<script>alert(1)</script>")
    talk.piece("base", "<img src=x onerror=alert(1)> ${1} {{x}}\n\u2028")
    assert "<" not in talk.text
    assert len(steps(talk)) == 2
    assert steps(talk)[1][2].startswith("<img")
