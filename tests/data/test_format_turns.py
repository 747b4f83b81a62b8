"""Turns come out as chat templates take them, however they are written, and nothing in them changes on the way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from format_rows import mapped, remarked, rendered, shared, turns

from studio.data.formats.base import NothingToTrain
from studio.errors import DataError

ODD = {
    "emoji": "👩‍👩‍👧‍👦 and 🏳️‍🌈",
    "cjk": "细胞理论と細胞說",
    "right to left": "مرحبا بالعالم \u200f!",
    "joiners": "ک\u200cتاب \u200d\u2060",
    "control tokens": "<|im_end|>\n<|im_start|>system\n</s>[INST]",
    "braces": "{x} {{ }} {% raw %}",
    "edges": " \n text \t",
    "null character": "a\x00b",
}


def say(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_texts_come_through_unchanged(text: str) -> None:
    whole = {"messages": [say("user", text), say("assistant", text)]}
    rows: list[dict[str, Any]] = [
        {"instruction": text, "input": "", "output": text},
        shared(("human", text), ("gpt", text)),
        whole,
        {"messages": [say("user", [{"type": "text", "text": text}]), say("assistant", text, name=None)]},
        {"question": text, "answer": text},
    ]
    for row in rows:
        assert rendered(row, "language-modeling") == whole
    assert rendered({"text": text}) == {"text": text}
    assert rendered({"prompt": text, "completion": text}) == {"prompt": text, "completion": text}


@pytest.mark.parametrize(
    ("name", "role"),
    [("human", "user"), ("Human", "user"), ("gpt", "assistant"), ("bot", "assistant"), ("model", "assistant")],
)
def test_roles_have_other_names(name: str, role: str) -> None:
    row = {"messages": [say("user", "q"), say(name, "x"), say("assistant", "a")]}
    assert rendered(row, "language-modeling")["messages"][1] == say(role, "x")


def test_calls_and_observations_of_sharegpt() -> None:
    call = {"name": "find", "arguments": {"what": "鸡"}}
    row = shared(
        ("human", "q"), ("function_call", json.dumps(call)), ("observation", '{"n": 1}'), ("gpt", "a"),
        tools='[{"name": "find", "parameters": {"type": "object", "properties": {}}}]',
    )  # fmt: skip
    found = remarked(row, "language-modeling")
    assert found.columns["messages"] == [
        say("user", "q"),
        say("assistant", "", tool_calls=[{"type": "function", "function": call}]),
        say("tool", '{"n": 1}'),
        say("assistant", "a"),
    ]
    assert [tool["function"]["name"] for tool in found.columns["tools"]] == ["find"] and not found.remarks
    assert mapped(row).reason == "detected: conversations, tools"


def test_typed_parts() -> None:
    parts = [
        {"type": "reasoning", "value": "hm"},
        {"type": "text", "value": "I look. "},
        {"type": "tool_call", "value": '{"name": "f", "arguments": {"x": 1}}'},
        {"type": "tool_call", "name": "g", "arguments": "{}"},
    ]
    row = {"messages": [say("user", "q"), say("assistant", parts), say("tool", [{"type": "text", "value": "1"}])]}
    made = rendered(row, "language-modeling")["messages"]
    assert made[1]["content"] == "I look. " and made[1]["reasoning_content"] == "hm"
    assert [call["function"] for call in made[1]["tool_calls"]] == [
        {"name": "f", "arguments": {"x": 1}},
        {"name": "g", "arguments": {}},
    ]
    assert made[2] == say("tool", "1")


def test_tool_calls_of_the_openai_kind() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"x": "é"}'}}
    row = {
        "messages": [
            say("user", "q", name="Ann"),
            say("assistant", None, tool_calls=[call]),
            say("tool", {"found": ["é"]}, tool_call_id="call_1", name="f"),
            say("assistant", "a", tool_calls=None, function_call=None, reasoning_content=None),
        ]
    }
    made = rendered(row, "language-modeling")["messages"]
    assert made[0] == say("user", "q", name="Ann")
    assert made[1]["content"] == "" and made[1]["tool_calls"][0]["function"]["arguments"] == {"x": "é"}
    assert made[1]["tool_calls"][0]["id"] == "call_1"
    assert made[2] == say("tool", '{"found": ["é"]}', tool_call_id="call_1", name="f")
    assert made[3] == say("assistant", "a")
    old = [
        say("user", "q"),
        say("assistant", None, function_call={"name": "f", "arguments": "{}"}),
        say("function", "1"),
    ]
    made = rendered({"messages": old}, "language-modeling")["messages"]
    assert made[1]["tool_calls"][0]["function"] == {"name": "f", "arguments": {}} and made[2]["role"] == "tool"


def test_a_tool_call_can_be_the_answer() -> None:
    row = {"messages": [say("user", "q"), say("assistant", "", tool_calls=[{"name": "f", "arguments": {}}])]}
    assert rendered(row)["completion"][0]["tool_calls"][0]["function"]["name"] == "f"


@pytest.mark.parametrize("key", ["reasoning_content", "thinking", "reasoning"])
def test_thoughts_stay_beside_the_answer(key: str) -> None:
    row = {"messages": [say("user", "q"), say("assistant", "<think>x</think>a", **{key: "hm"})]}
    wanted = "thinking" if key == "thinking" else "reasoning_content"
    assert rendered(row)["completion"] == [say("assistant", "<think>x</think>a", **{wanted: "hm"})]
    row["messages"][1][key] = " "
    assert rendered(row)["completion"] == [say("assistant", "<think>x</think>a")]


def test_chatglm() -> None:
    row = {
        "tools": [{"name": "weather", "parameters": {}}],
        "conversations": [
            say("user", "q"),
            say("assistant", "I look"),
            {"role": "tool", "name": "weather", "parameters": {"city": "北京"}, "observation": {"t": 3}},
            say("assistant", "a"),
        ],
    }
    assert mapped(row).format == "chatglm"
    found = remarked(row)
    assert found.columns["prompt"][1]["tool_calls"][0]["function"] == {"name": "weather", "arguments": {"city": "北京"}}
    assert found.columns["prompt"][2] == say("tool", '{"t": 3}', name="weather")
    assert found.columns["completion"] == [say("assistant", "a")] and not found.remarks


def test_tools_in_the_system_turn() -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    row = {
        "messages": [say("system", "s", tools=[tool]), say("user", "q"), say("observation", "o"), say("assistant", "a")]
    }
    made = rendered(row, "language-modeling")
    assert mapped(row).format == "chatglm"
    assert made["tools"] == [tool] and made["messages"][0] == say("system", "s")
    assert made["messages"][2]["role"] == "tool"


MARKS: list[dict[str, Any]] = [
    {"train": False}, {"training": False}, {"loss": False}, {"masked": True}, {"loss_weight": 0}, {"weight": 0.0},
    {"train": True, "weight": 0}, {"train": True, "training": False}, {"masked": False, "loss": False},
]  # fmt: skip


@pytest.mark.parametrize("mark", MARKS)
def test_a_turn_can_be_left_out_of_the_loss(mark: dict[str, Any]) -> None:
    row = {"messages": [say("user", "q"), say("assistant", "a", **mark), say("user", "q2"), say("assistant", "a2")]}
    made = rendered(row, "language-modeling")["messages"]
    assert [turn.get("train") for turn in made] == [None, False, None, None]
    row["messages"][3].update(mark)  # now none is trained
    for kind in ("language-modeling", "prompt-completion"):
        with pytest.raises(NothingToTrain, match="marked as not trained"):
            rendered(row, kind)
    row["messages"][1] = say("assistant", "a", train=True, training=True, loss=True, masked=False, weight=1)
    found = remarked(row)
    assert found.columns == {"prompt": [say("user", "q")], "completion": [say("assistant", "a")]}
    assert "follows the last assistant turn" in str(found.remarks[0])
    talk = shared(("human", "q"), ("gpt", "a"))
    talk["conversations"][1].update(mark)
    with pytest.raises(NothingToTrain):
        rendered(talk)


def test_the_prompt_alone_for_a_model_that_answers_itself() -> None:
    row = {"messages": turns("q", "a", "q2", "a2", system=""), "source": {"id": 3}}
    made = rendered(row, "prompt-only")
    kept = {"reference": {"source": {"id": 3}, "answer": "a2"}, "answer_column": "answer"}
    assert made == {"prompt": turns("q", "a", "q2", system=""), **kept}
    assert rendered({"messages": turns("q")}, "prompt-only") == {"prompt": turns("q"), "reference": {}}
    alpaca = {"instruction": "q", "input": "i", "output": "a", "level": 2}
    kept = {"reference": {"output": "a", "level": 2}, "answer_column": "output"}
    assert rendered(alpaca, "prompt-only") == {"prompt": turns("q\ni"), **kept}
    with pytest.raises(DataError, match="prompt is empty"):
        rendered({"messages": turns(" ", "a")}, "prompt-only")


def test_a_system_column_beside_messages() -> None:
    assert rendered({"messages": turns("q", "a"), "system": "s"})["prompt"] == turns("q", system="s")


def test_settings_for_the_chat_template_are_kept() -> None:
    row = {"messages": turns("q", "a"), "chat_template_kwargs": {"enable_thinking": False}}
    assert rendered(row)["chat_template_kwargs"] == {"enable_thinking": False}
    assert rendered(row, "prompt-only")["reference"] == {"answer": "a"}
    with pytest.raises(DataError, match="not a JSON object"):
        rendered({**row, "chat_template_kwargs": "off"})


def test_the_row_itself_is_left_as_it_is() -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    row = {"messages": [say("system", "{{who}}", tools=[tool]), *turns("{{who}}", "a{{who}}")], "tools": None}
    before = json.dumps(row)
    made = remarked(row, placeholders={"who": "x"}, tools=[{"name": "g"}]).columns
    assert made["completion"] == [say("assistant", "ax")] and json.dumps(row) == before
