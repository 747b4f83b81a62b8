"""Tools and calls: every way to write them gives one form, and what is broken or unknown is named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from format_rows import remarked, rendered, shared, turns

from studio.data.formats.tools import parse_calls, parse_tools
from studio.errors import ConfigError, DataError

BARE = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {"x": {"type": "string"}}}}
TOOL = {"type": "function", "function": BARE}
TALK = shared(("human", "q"), ("gpt", "a"))


@pytest.mark.parametrize(
    "written",
    [[BARE], [TOOL], json.dumps([BARE]), json.dumps([TOOL]), [json.dumps(TOOL)], BARE, [{"function": BARE}]],
    ids=["bare", "wrapped", "text", "wrapped text", "list of texts", "one", "without a type"],
)
def test_one_form_of_tools(written: Any) -> None:
    assert parse_tools(written) == [TOOL]
    assert rendered({**TALK, "tools": written})["tools"] == [TOOL]


@pytest.mark.parametrize("written", [None, "", "[]", [], "null"])
def test_no_tools(written: Any) -> None:
    assert "tools" not in rendered({**TALK, "tools": written})


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ('[{"name": "f"', "tools are not valid JSON"),
        ('{"name": NaN}', "tools are not valid JSON"),
        ("[" * 5000, "tools are not valid JSON|nested"),
        ('"f"', "tools are str, not a list"),
        (7, "tools are int, not a list"),
        ([{"f": 1}], "A tool has no name: {'f': 1}"),
        (["f"], "A tool has no name: f"),
        ([{"name": ""}], "A tool has no name"),
        ([{"name": "f", "parameters": "x"}], "parameters of the tool 'f'"),
    ],
)
def test_broken_tools_are_named(written: Any, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        rendered({**TALK, "tools": written}, columns={"tools": "tools"})


CALL = {"type": "function", "function": {"name": "f", "arguments": {"x": "1"}}}


@pytest.mark.parametrize(
    "written",
    [
        {"name": "f", "arguments": {"x": "1"}},
        '{"name": "f", "arguments": {"x": "1"}}',
        [{"name": "f", "parameters": '{"x": "1"}'}],
        [CALL],
        json.dumps([CALL]),
        {"type": "tool_use", "name": "f", "input": {"x": "1"}},
    ],
)
def test_one_form_of_calls(written: Any) -> None:
    assert parse_calls(written) == [CALL]


def test_several_calls_in_a_turn() -> None:
    both = json.dumps([{"name": "f", "arguments": {}}, {"name": "g"}])
    row = shared(("human", "q"), ("function_call", both), tools=[BARE, {"name": "g"}])
    calls = rendered(row)["completion"][0]["tool_calls"]
    assert [call["function"] for call in calls] == [{"name": "f", "arguments": {}}, {"name": "g", "arguments": {}}]


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("look it up", "A tool call is not valid JSON .*look it up"),
        ('{"name": "f", "arguments": {"x": }}', "A tool call is not valid JSON"),
        ('{"arguments": {}}', "A tool call has no name"),
        ("[]", "holds none"),
        ('{"name": "f", "arguments": "{broken"}', "arguments in a call of 'f' are not a JSON object .*Expecting"),
        ('{"name": "f", "arguments": [1]}', "arguments in a call of 'f' are not a JSON object"),
    ],
)
def test_broken_calls_are_named(written: str, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        rendered(shared(("human", "q"), ("function_call", written), ("observation", "o"), ("gpt", "a"), tools=[BARE]))


def test_a_call_of_an_unknown_tool_is_trained_and_said() -> None:
    row = shared(("human", "q"), ("function_call", '{"name": "h"}'), ("observation", "o"), ("gpt", "a"), tools=[BARE])
    found = remarked(row)
    assert found.columns["completion"] == [{"role": "assistant", "content": "a"}]
    assert [str(one) for one in found.remarks] == ["The row calls tools that it does not list: h. It lists: f."]
    assert "h) but lists none" in str(remarked({**row, "tools": "[]"}).remarks[0])


def test_one_list_of_tools_for_all_rows() -> None:
    assert remarked(TALK, tools=[BARE]).columns["tools"] == [TOOL]
    own = {**TALK, "tools": [{"name": "own"}]}
    assert [tool["function"]["name"] for tool in remarked(own, tools=[BARE]).columns["tools"]] == ["own"]
    with pytest.raises(DataError, match="no name"):
        remarked(TALK, tools=[{"x": 1}])
    for plain in ({"text": "t"}, {"prompt": "p", "completion": "c"}):
        with pytest.raises(ConfigError, match=r"data\.tools"):
            remarked(plain, tools=[BARE])


def test_tools_beside_prompt_and_completion() -> None:
    row = {"prompt": turns("q"), "completion": turns("", "a")[1:], "tools": [BARE]}
    assert rendered(row) == {**row, "tools": [TOOL]}
    assert rendered({"prompt": "q", "completion": "a", "tools": [BARE]})["prompt"] == turns("q")
