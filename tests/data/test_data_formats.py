"""Each format renders its rows as the trainer's data set types, and refuses what it cannot render faithfully."""

from __future__ import annotations

from typing import Any

import pytest
from format_rows import mapped, rendered, shared, turns

from studio.data.formats import FORMATS
from studio.data.formats.base import NothingToTrain, Rendering
from studio.errors import ConfigError, DataError


def test_alpaca() -> None:
    row = {"instruction": "q", "input": "i", "output": "a", "system": "s", "history": [["h", "b"]]}
    whole = turns("h", "b", "q\ni", "a", system="s")
    assert rendered(row) == {"prompt": whole[:-1], "completion": whole[-1:]}
    assert rendered(row, "language-modeling") == {"messages": whole}
    plain = {"instruction": "q", "input": None, "output": "a", "system": "", "history": None}
    assert rendered(plain, system_prompt="p")["prompt"] == turns("q", system="p")
    assert rendered(row, system_prompt="p")["prompt"][0]["content"] == "s"  # the row's own wins
    assert rendered({"instruction": "", "input": "only", "output": "a"})["prompt"] == turns("only")
    as_text = {"instruction": "q", "output": "a", "history": '[["h", "b"]]'}  # as a CSV holds it
    assert rendered(as_text)["prompt"] == turns("h", "b", "q")


def test_sharegpt() -> None:
    row = shared(("system", "s"), ("human", "q"), ("gpt", "a"), ("user", "q2"), ("assistant", "a2"))
    whole = turns("q", "a", "q2", "a2", system="s")
    assert rendered(row, system_prompt="p") == {"prompt": whole[:-1], "completion": whole[-1:]}
    assert rendered(row, "language-modeling") == {"messages": whole}
    beside = shared(("human", "q"), ("gpt", "a"), system="s", tools="[]")
    assert rendered(beside)["prompt"] == turns("q", system="s")


def test_messages() -> None:
    parts = [{"type": "text", "text": "q"}, {"type": "text", "text": "!"}]
    row = {"messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": "a", "tool_calls": None}]}
    assert rendered(row) == {"prompt": turns("q!"), "completion": turns("", "a")[1:]}
    assert mapped({"conversations": turns("q", "a")}).format == "messages"
    as_text = {"messages": '[{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]'}
    assert rendered(as_text, "language-modeling") == {"messages": turns("q", "a")}


def test_prompt_and_completion_stay_plain_text() -> None:
    row = {"prompt": "once ", "completion": "upon"}
    assert rendered(row) == row
    assert rendered(row, "language-modeling") == {"text": "once upon"}
    assert mapped(row).reason == "detected: prompt, completion (plain text)"


@pytest.mark.parametrize(
    "names", [("question", "answer"), ("prompt", "response"), ("query", "response"), ("Problem", "Solution")]
)
def test_question_and_answer_are_a_conversation(names: tuple[str, str]) -> None:
    row = dict(zip(names, ("q", "a"), strict=True))
    assert rendered(row, system_prompt="p")["prompt"] == turns("q", system="p")
    assert mapped(row).reason == f"detected: {names[0]}, {names[1]} (a conversation)"


def test_a_system_column_makes_a_conversation() -> None:
    assert rendered({"prompt": "q", "completion": "a", "system": "s"})["prompt"] == turns("q", system="s")


def test_message_lists_in_prompt_and_completion() -> None:
    row = {"prompt": turns("q"), "completion": turns("", "a")[1:]}
    assert rendered(row) == row
    assert rendered(row, "language-modeling") == {"messages": turns("q", "a")}
    with pytest.raises(DataError, match="does not end with an assistant turn"):
        rendered({"prompt": turns("q", "a"), "completion": turns("q")})


def test_text() -> None:
    assert rendered({"text": "t"}) == {"text": "t"}
    assert FORMATS["text"].dataset_types == ("language-modeling",)


def test_an_empty_system_message_is_kept_and_wins() -> None:
    row = {"messages": turns("q", "a", system="")}
    assert rendered(row, "language-modeling", system_prompt="p") == row


def test_what_follows_the_last_answer_is_left_out_and_said() -> None:
    row = shared(("human", "q"), ("gpt", "a"), ("human", "and"))
    found = FORMATS["sharegpt"].render(row, Rendering({"conversations": "conversations"}))
    assert found.columns == {"prompt": turns("q"), "completion": turns("", "a")[1:]}
    assert "follows the last assistant turn" in str(found.remarks[0])
    assert rendered(row, "language-modeling") == {"messages": turns("q", "a", "and")}


ALPACA = {"instruction": "q", "output": "a"}
BAD: list[tuple[dict[str, Any], str]] = [
    ({**ALPACA, "output": None}, "'output' has no value"),
    ({**ALPACA, "output": " \n"}, "'output' is empty"),
    ({**ALPACA, "instruction": ""}, "'instruction' is empty"),
    ({**ALPACA, "output": 42}, r"'output' is 42 \(int\), not text"),
    ({**ALPACA, "output": "\ud83d"}, "half of a surrogate pair"),
    ({**ALPACA, "history": [["q"]]}, "history is not a list of pairs"),
    ({**ALPACA, "history": "nothing"}, "history is not a list of pairs"),
    ({**ALPACA, "history": [["q", None]]}, "assistant turn has no text"),
    (shared(("human", "q"), ("human", "q"), ("gpt", "a")), "out of order: one of user"),
    (shared(("gpt", "a"), ("human", "q")), "out of order: one of assistant"),
    (shared(("human", "q"), ("system", "s"), ("gpt", "a")), "out of order"),
    (shared(("human", "q"), ("gpt", "")), "assistant turn is empty"),
    (shared(("human", None), ("gpt", "a")), "user turn has no text"),
    (shared(("human", "q"), ("parrot", "a")), "role 'parrot'"),
    (shared(("human", "q"), ("gpt", "a"), ("function_call", '{"name": "f"}')), "out of order: one of assistant"),
    (shared(("human", "q"), ("observation", "o")), "out of order: one of tool"),
    ({"conversations": [{"from": "human"}, {"from": "gpt", "value": "a"}]}, "a turn has no 'value'"),
    ({"messages": [{"role": "user", "content": "q"}, {"content": "a"}]}, "a turn has no 'role'"),
    ({"messages": [*turns("q"), {"role": ["user"], "content": "a"}]}, "role "),
    ({"messages": [{"role": "user", "content": [{"type": "image"}]}, *turns("", "a")[1:]]}, "type 'image'"),
    ({"messages": [*turns("q"), {"role": "assistant", "content": "a", "thinking": 7}]}, r"7 \(int\), not text"),
    ({"messages": [*turns("q"), {"role": "assistant", "content": "", "thinking": "hm"}]}, "assistant turn is empty"),
    ({"messages": [*turns("q"), {"role": "assistant", "content": "a", "train": "no"}]}, "train: 'no'"),
    ({"messages": [*turns("q"), {"role": "assistant", "content": "a", "training": "yes"}]}, "training: 'yes'"),
    ({"messages": [*turns("q"), {"role": "assistant", "content": "a", "loss": 0}]}, "loss: 0; there are true"),
    ({"messages": [*turns("q"), {"role": "assistant", "content": "a", "masked": 1}]}, "masked: 1; there are true"),
    ({"messages": [*turns("q"), {"role": "assistant", "content": "a", "weight": 0.5}]}, "weight: 0.5"),
    ({"messages": [{"role": "assistant", "content": "a"}]}, "nothing before its last answer"),
    ({"prompt": "", "completion": "a"}, "'prompt' is empty"),
    ({"prompt": "p", "completion": None}, "'completion' has no value"),
    ({"text": ""}, "'text' is empty"),
]


@pytest.mark.parametrize(("row", "sentence"), BAD, ids=lambda value: value[:30] if isinstance(value, str) else "")
def test_a_row_that_cannot_be_rendered_says_why(row: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        rendered(row)


def test_a_later_row_of_another_shape_is_refused() -> None:
    found = mapped({"messages": turns("q", "a")})
    for cell in ("text", 7, [], ["text"], {"role": "user"}, "[broken"):
        with pytest.raises(DataError):
            FORMATS[found.format].render({"messages": cell}, Rendering(found.columns))


def test_no_answer_is_nothing_to_train() -> None:
    for dataset_type in ("prompt-completion", "language-modeling"):
        with pytest.raises(NothingToTrain, match="without an assistant turn"):
            rendered({"messages": turns("q")}, dataset_type)


def test_columns_are_found_whatever_their_case_and_overridden() -> None:
    assert mapped({"Instruction": "q", "Output": "a"}).columns == {"instruction": "Instruction", "output": "Output"}
    row = {"q": "x", "a": "y", "note": "n"}
    found = mapped(row, columns={"prompt": "q", "completion": "a"})
    assert (found.format, found.columns) == ("prompt-completion", {"prompt": "q", "completion": "a"})
    without = mapped({**ALPACA, "system": "s"}, columns={"system": ""})
    assert without.columns == {"instruction": "instruction", "output": "output"}
    assert mapped({"body": "t", "id": 1}, columns={"text": "body"}).format == "text"
    assert (
        mapped({"prompt": "p", "completion": "c"}, format="text", columns={"text": "prompt"}).reason == "chosen: text"
    )


@pytest.mark.parametrize(
    ("row", "data", "sentence"),
    [
        (ALPACA, {"columns": {"output": "reply"}}, "no column 'reply'.*There are: instruction, output"),
        (ALPACA, {"columns": {"outputs": "output"}}, "role 'outputs'.*There are: .*instruction"),
        (ALPACA, {"format": "alpacca"}, "did you mean alpaca"),
        (ALPACA, {"format": "text"}, "text needs a column for text"),
        (ALPACA, {"columns": {"input": "output"}}, "both taken from the column 'output'"),
        ({"a": "1", "b": "2"}, {}, r"columns \(a, b\) fit no known format"),
        ({"conversations": "text"}, {}, "fit no known format"),
        (
            {"messages": turns("q", "a"), "label": "x"},
            {"format": "unpaired-preference", "columns": {"messages": ""}},
            "needs a column for prompt, completion",
        ),
    ],
)
def test_columns_that_do_not_fit_are_named(row: dict[str, Any], data: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        mapped(row, **data)


def test_system_prompt_needs_turns() -> None:
    for row in ({"text": "t"}, {"prompt": "p", "completion": "c"}):
        with pytest.raises(ConfigError, match=r"data\.system_prompt"):
            rendered(row, system_prompt="p")
