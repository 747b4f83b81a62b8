"""Columns and turns are known by the names that data sets give them, and no name takes rows from another format."""

from __future__ import annotations

from typing import Any

import pytest
from format_rows import mapped, rendered, table, turns

from studio.data.columns import dataset_type_of
from studio.data.formats.base import Rendering
from studio.errors import DataError
from studio.methods import METHODS


@pytest.mark.parametrize(
    ("names", "format"),
    [
        (("指令", "输出"), "alpaca"),
        (("问题", "答案"), "prompt-completion"),
        (("问题", "回答"), "prompt-completion"),
        (("提示", "回复"), "prompt-completion"),
        (("输入", "输出"), "prompt-completion"),
        (("q", "a"), "prompt-completion"),
        (("user", "assistant"), "prompt-completion"),
        (("Human", "Assistant"), "prompt-completion"),
        (("document", "summary"), "prompt-completion"),
        (("article", "summary"), "prompt-completion"),
        (("text", "summary"), "prompt-completion"),
        (("dialogue", "summary"), "prompt-completion"),
        (("content", "summary"), "prompt-completion"),
    ],
)
def test_a_question_and_its_answer_under_other_names(names: tuple[str, str], format: str) -> None:
    row = dict(zip(names, ("q", "a"), strict=True))
    assert mapped({"id": "1", **row}).format == format
    assert rendered(row, "language-modeling") == {"messages": turns("q", "a")}


def test_chinese_alpaca_with_its_input() -> None:
    assert rendered({"指令": "q", "输入": "i", "输出": "a"})["prompt"] == turns("q\ni")


@pytest.mark.parametrize(
    ("row", "format"),
    [
        ({"text": "t", "user": "bob"}, "text"),
        ({"document": "t", "title": "x"}, "text"),
        ({"content": "t", "q": "x"}, "text"),
        ({"text": "t", "prompt": "p", "summary": "s"}, "text"),
        ({"user": "bob", "question": "q", "answer": "a"}, "prompt-completion"),
        ({"text": "t", "summary": "s", "question": "q", "answer": "a"}, "prompt-completion"),
        ({"user": "bob", "assistant": "x", "messages": turns("q", "a")}, "messages"),
        ({"user": "bob", "chosen": "x y", "rejected": "x z"}, "preference"),
    ],
)
def test_names_that_mean_it_only_side_by_side(row: dict[str, Any], format: str) -> None:
    found = mapped(row)
    assert found.format == format
    assert not {"user", "assistant", "q", "summary", "document", "text", "content"} & {
        column for role, column in found.columns.items() if role in ("prompt", "completion")
    }
    with pytest.raises(DataError, match="fit no known format"):
        mapped({"user": "bob", "answer": "x"})


def test_columns_that_are_chosen_go_before_a_pair() -> None:
    row = {"q": "x", "a": "y", "note": "n"}
    assert mapped(row, columns={"prompt": "a", "completion": "note"}).columns == {"prompt": "a", "completion": "note"}


@pytest.mark.parametrize(
    "row",
    [
        {"question": "q", "context": "i", "answer": "a"},
        {"instruction": "q", "input": "i", "answer": "a"},
        {"instruction": "q", "input": "i", "completion": "a"},
        {"问题": "q", "context": "i", "答案": "a"},
        {"q": "q", "context": "i", "a": "a"},
        {"prompt": "q", "input": "i", "response": "a"},
    ],
)
def test_the_input_joins_the_question_as_in_alpaca(row: dict[str, Any]) -> None:
    assert rendered(row) == {"prompt": turns("q\ni"), "completion": turns("", "a")[1:]}
    assert rendered(row, "prompt-only")["prompt"] == turns("q\ni")
    assert rendered({name: value if value != "i" else None for name, value in row.items()})["prompt"] == turns("q")
    left_out = rendered(row, columns={"input": ""})
    assert left_out["prompt"] == turns("q")


def test_prompt_and_completion_stay_as_they_are_beside_a_context() -> None:
    row = {"prompt": "once ", "completion": "upon", "context": "a time"}
    assert rendered(row) == {"prompt": "once ", "completion": "upon"}
    assert mapped(row).reason == "detected: prompt, completion (plain text)"
    assert rendered(row, columns={"input": "context"})["prompt"] == turns("once \na time")
    with_system = rendered({**row, "system": "s"})["prompt"]
    assert with_system == turns("once \na time", system="s")


def parts(text: str) -> list[dict[str, Any]]:
    return [{"text": text}]


@pytest.mark.parametrize(
    "row",
    [
        {"conversations": [{"from": "human", "content": "q"}, {"from": "gpt", "content": "a"}]},
        {"conversations": [{"from": "human", "text": "q"}, {"from": "gpt", "text": "a"}]},
        {"conversations": [{"role": "user", "text": "q"}, {"role": "assistant", "text": "a"}]},
        {"messages": [{"role": "user", "value": "q"}, {"role": "assistant", "value": "a"}]},
        {"messages": [{"role": "user", "parts": parts("q")}, {"role": "model", "parts": parts("a")}]},
        {"contents": [{"role": "user", "parts": parts("q")}, {"role": "model", "parts": parts("a")}]},
    ],
)
def test_turns_with_other_keys(row: dict[str, Any]) -> None:
    assert rendered(row, "language-modeling") == {"messages": turns("q", "a")}


def test_turns_keyed_from_alternate_whatever_their_words_are_called() -> None:
    with pytest.raises(DataError, match="out of order"):
        rendered({"conversations": [{"from": "human", "content": "q"}, {"from": "human", "content": "a"}]})


def test_the_system_instruction_and_the_thoughts_of_gemini() -> None:
    answer = [{"text": "hm", "thought": True}, {"text": "a"}]
    row: dict[str, Any] = {
        "systemInstruction": {"role": "system", "parts": parts("s")},
        "contents": [{"role": "user", "parts": parts("q")}, {"role": "model", "parts": answer}],
    }
    made = rendered(row, "language-modeling")["messages"]
    assert made == [*turns("q", system="s"), {"role": "assistant", "content": "a", "reasoning_content": "hm"}]
    assert rendered({**row, "systemInstruction": "s"})["prompt"] == turns("q", system="s")
    row["contents"][1]["parts"] = [{"functionCall": {"name": "f"}}]
    with pytest.raises(DataError, match="part of the type 'functionCall'"):
        rendered(row)


@pytest.mark.parametrize(
    ("method", "needed"), [("sft", "completion"), ("dpo", "chosen, rejected"), ("kto", "completion, label")]
)
def test_where_only_a_question_is_found_the_other_columns_are_named(method: str, needed: str) -> None:
    row = {"id": "1", "context": "c", "question": "q", "answers": {"text": ["a"]}}
    rows, found = table(row), mapped(row)
    with pytest.raises(DataError, match=rf"found \(question\), and no {needed}.*role: id, answers\..*data\.columns"):
        dataset_type_of(METHODS[method](), found, rows)
    assert dataset_type_of(METHODS["grpo"](), found, rows) == "prompt-only"
    alone = {"question": "q"}
    with pytest.raises(DataError, match="are of the type prompt-only"):
        dataset_type_of(METHODS[method](), mapped(alone), table(alone))
    chosen = mapped(row, format="prompt-only")
    with pytest.raises(DataError, match="are of the type prompt-only"):
        dataset_type_of(METHODS[method](), chosen, rows)


def test_the_answer_of_a_nested_column_is_no_unused_column() -> None:
    row = {"question": "q", "answers": {"text": ["a"]}}
    columns = {"completion": "answers.text[0]"}
    found = mapped(row, columns=columns)
    assert dataset_type_of(METHODS["sft"](), found, table(row)) == "prompt-completion"
    assert rendered(row, columns=columns)["completion"] == turns("", "a")[1:]


REFERENCES: list[tuple[dict[str, Any], str, str]] = [
    ({"id": "id0", "question": "q", "answer": "a0"}, "answer", "a0"),
    ({"id": "id0", "question": "q", "answer": 3}, "answer", "3"),
    ({"instruction": "q", "input": "i", "output": "a", "level": 2}, "output", "a"),
    ({"source": "x", "messages": turns("q", "a")}, "answer", "a"),
    ({"source": "x", "prompt": turns("q"), "reward_model": {"ground_truth": "3"}}, "reward_model.ground_truth", "3"),
    ({"category": "x", "问题": "q", "答案": "a"}, "答案", "a"),
    ({"id": "7", "q": "q", "a": "x"}, "a", "x"),
    ({"problem": "q", "generated_solution": "long", "expected_answer": "3"}, "expected_answer", "3"),
]


@pytest.mark.parametrize(("row", "column", "text"), REFERENCES)
def test_grpo_compares_with_the_answer_not_with_the_first_column(row: dict[str, Any], column: str, text: str) -> None:
    from small_tokenizer import make_tokenizer

    from studio.data.formats import FORMATS
    from studio.methods.encoding import Encoder

    found = mapped(row)
    made = FORMATS[found.format].render(row, Rendering(found.columns, "prompt-only")).columns
    extra = METHODS["grpo"]().encode([made], Encoder(make_tokenizer()))[0].extra
    assert (extra["reference_column"], extra["reference"]) == (column, text)
