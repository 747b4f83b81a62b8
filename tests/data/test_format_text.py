"""Plain text by a prompt template, placeholders, and rows that are tokens already."""

from __future__ import annotations

from typing import Any

import pytest
from format_rows import mapped, remarked, rendered, table, turns

from studio.config import DataConfig
from studio.data.columns import map_columns
from studio.data.formats.base import NothingToTrain
from studio.data.formats.prompt_template import read_template
from studio.errors import ConfigError, DataError

LONG = "Instruction: {instruction}\nInput: {input}\nResponse:"
SHORT = "Instruction: {instruction}\nResponse:"
ALPACA = {"instruction": "q", "input": "i", "output": "a"}


def templated(row: dict[str, Any], kind: Any = "prompt-completion", main: str = LONG, short: str | None = SHORT) -> Any:
    return remarked(row, kind, prompt_template=main, prompt_template_empty=short)


def test_a_prompt_template_makes_plain_text() -> None:
    filled = "Instruction: q\nInput: i\nResponse:"
    assert templated(ALPACA).columns == {"prompt": filled, "completion": "a"}
    assert templated(ALPACA, "language-modeling").columns == {"text": filled + "a"}
    compared = {"reference": {"output": "a"}, "answer_column": "output"}
    assert templated(ALPACA, "prompt-only").columns == {"prompt": filled, **compared}
    for empty in ("", " \n", None):
        assert templated({**ALPACA, "input": empty}).columns["prompt"] == "Instruction: q\nResponse:"
    assert templated({**ALPACA, "input": ""}, short=None).columns["prompt"] == "Instruction: q\nInput: \nResponse:"
    pair = {"prompt": "q", "chosen": "good", "rejected": "bad"}
    assert templated(pair, "preference", "Q: {prompt}\nA: ", None).columns == {**pair, "prompt": "Q: q\nA: "}
    judged = {"question": "q", "answer": "a", "label": False}
    made = templated(judged, "unpaired-preference", "{question}?", None).columns
    assert made == {"prompt": "q?", "completion": "a", "label": False}
    assert templated({"problem": "q"}, "prompt-only", "{prompt}?", None).columns["prompt"] == "q?"  # the role's name


def test_what_stands_in_a_value_is_not_read_as_a_template() -> None:
    row = {"instruction": "{input} {0.__class__} {{x}}", "input": "{instruction}", "output": "a"}
    made = templated(row, main="{instruction}|{input}", short=None)
    assert made.columns["prompt"] == "{input} {0.__class__} {{x}}|{instruction}"


def test_braces_placeholders_and_paths_in_a_template() -> None:
    row = {"instruction": "q", "meta": {"tags": ["t"]}, "output": "a"}
    main = '{{"x": 1}} {{who}} {meta.tags[0]} { instruction }'
    made = remarked(row, prompt_template=main, placeholders={"who": "Ann"})
    assert made.columns["prompt"] == '{"x": 1} Ann t q'


@pytest.mark.parametrize(
    "template",
    ["{instruction", "instruction}", "{}", "{instruction} {", "no field", "{{instruction}}"],
)
def test_a_template_that_is_no_template(template: str) -> None:
    with pytest.raises(ConfigError, match=r"data\.prompt_template (has a single|names no column)"):
        read_template(template, None)


@pytest.mark.parametrize(
    "field", ["instruction.__class__", "instruction!r", "instruction:>9", "0", "instruction[0]", "x"]
)
def test_a_field_is_a_column_and_nothing_else(field: str) -> None:
    config = DataConfig(source="rows.jsonl", prompt_template=f"{{{field}}} {{instruction}}")
    if field.startswith(("instruction.", "instruction[")):  # a path into a text leads nowhere
        assert map_columns(table(ALPACA), config).format == "alpaca"
        assert templated(ALPACA, main=config.prompt_template or "", short=None).columns["prompt"] == " q"
        return
    with pytest.raises(DataError, match="no such column"):
        map_columns(table(ALPACA), config)


def test_a_template_needs_columns_and_something_to_say() -> None:
    for row in ({"messages": turns("q", "a")}, {"text": "t"}, {"messages": turns("q", "a"), "label": True}):
        with pytest.raises(ConfigError, match="are no columns"):
            mapped(row, prompt_template="{messages}")
    with pytest.raises(ConfigError, match="prompt_template is not"):
        read_template(None, SHORT)
    with pytest.raises(DataError, match="nothing to hold: input, instruction"):
        templated({**ALPACA, "instruction": "", "input": " "})
    with pytest.raises(DataError, match="not text"):
        templated({**ALPACA, "instruction": 7})
    with pytest.raises(ConfigError, match=r"data\.system_prompt"):
        remarked(ALPACA, prompt_template=LONG, system_prompt="s")
    assert mapped({"question": "q", "answer": "a"}, prompt_template="{question}").reason.endswith("(plain text)")


def test_what_a_template_leaves_out_is_said() -> None:
    row = {**ALPACA, "system": "s", "history": [], "input": "i"}
    found = templated(row, main=SHORT, short=None)
    assert str(found.remarks[0]) == "The prompt template leaves out what is in input, system."
    assert not templated({**row, "system": ""}).remarks


def test_placeholders_are_filled() -> None:
    row = {"instruction": "Who is {{name}}?", "output": "I am {{ name }} of {{author}}."}
    found = remarked(row, system_prompt="Be {{name}}.", placeholders={"name": "{{author}}", "author": "Ann\\1"})
    assert [turn["content"] for turn in found.columns["prompt"]] == ["Be {{author}}.", "Who is {{author}}?"]
    assert found.columns["completion"][0]["content"] == "I am {{author}} of Ann\\1." and not found.remarks
    left = remarked(row, placeholders={"name": "Bo"})
    assert left.columns["completion"][0]["content"] == "I am Bo of {{author}}."
    assert "no value: {{author}}" in str(left.remarks[0])
    asked = remarked(row, "prompt-only", placeholders={"name": "Bo", "author": "Ann"})
    assert asked.columns["reference"] == {"output": "I am Bo of Ann."}


def test_placeholders_in_every_kind_of_text() -> None:
    known = {"名字": "Bo"}
    assert remarked({"text": "{{名字}}"}, placeholders=known).columns == {"text": "Bo"}
    pair = {"prompt": "{{名字}}", "chosen": "c{{名字}}", "rejected": "r"}
    assert remarked(pair, "preference", placeholders=known).columns == {
        "prompt": "Bo",
        "chosen": "cBo",
        "rejected": "r",
    }
    thought = {"role": "assistant", "content": "a", "thinking": "{{名字}}"}
    made = remarked({"messages": [*turns("q"), thought]}, placeholders=known).columns
    assert made["completion"][0]["thinking"] == "Bo"


def test_what_only_looks_like_a_placeholder_stays_and_is_not_told() -> None:
    text = "{{}} {{ 1 + 1 }} {{a.b}} {{1x}} { {x} } {{x"
    found = remarked({"text": text})
    assert found.columns == {"text": text} and not found.remarks


def test_tokens() -> None:
    assert mapped({"input_ids": [1, 2], "labels": [-100, 2]}).format == "tokenized"
    assert rendered({"input_ids": [1, 2], "labels": [-100, 2]}) == {"input_ids": [1, 2], "labels": [-100, 2]}
    assert rendered({"input_ids": [1, 2]}) == {"input_ids": [1, 2], "labels": [1, 2]}
    assert rendered({"input_ids": [1, 2], "labels": None, "attention_mask": [1, 1]})["labels"] == [1, 2]
    assert rendered({"input_ids": "[1, 2]"}) == {"input_ids": [1, 2], "labels": [1, 2]}  # as a CSV holds it
    padded = remarked({"input_ids": [0, 5, 6], "attention_mask": [0, 1, 1], "labels": [-100, -100, 6]})
    assert padded.columns == {"input_ids": [5, 6], "labels": [-100, 6]} and "padding" in str(padded.remarks[0])
    for empty in ({"input_ids": []}, {"input_ids": [5, 6], "attention_mask": [0, 0]}):
        with pytest.raises(NothingToTrain, match="without tokens"):
            rendered(empty)
    with pytest.raises(ConfigError, match="tokens already"):
        rendered({"input_ids": [1]}, system_prompt="s")


@pytest.mark.parametrize(
    ("beside", "labels"),
    [
        ({"completion_mask": [0, 0, 1, 1]}, [-100, -100, 7, 8]),
        ({"loss_mask": [False, False, True, True]}, [-100, -100, 7, 8]),
        ({"assistant_masks": [0, 1, 1, 0]}, [-100, 6, 7, -100]),
        ({"completion_mask": "[0, 0, 1, 1]"}, [-100, -100, 7, 8]),  # as a CSV holds it
        ({"completion_mask": [0, 0, 1, 1], "assistant_masks": [0, 1, 1, 0]}, [-100, -100, 7, -100]),
        ({"completion_mask": [1, 1, 1, 0], "labels": [-100, 6, 7, 8]}, [-100, 6, 7, -100]),
        ({"completion_mask": None, "labels": [-100, 6, 7, 8]}, [-100, 6, 7, 8]),
        ({"completion_mask": [0, 0, 0, 0]}, [-100] * 4),
    ],
)
def test_masks_leave_tokens_out_of_the_loss_as_in_trl(beside: dict[str, Any], labels: list[int]) -> None:
    row = {"input_ids": [5, 6, 7, 8], **beside}
    assert mapped(row).format == "tokenized"
    assert rendered(row) == {"input_ids": [5, 6, 7, 8], "labels": labels}
    padded = {**row, "attention_mask": [1, 1, 1, 0]}
    assert rendered(padded) == {"input_ids": [5, 6, 7], "labels": labels[:3]}


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"input_ids": [1, 2], "labels": [1]}, "'labels' has 1 numbers for 2 tokens"),
        ({"input_ids": [1, 2], "labels": [3, 4, 5]}, "labels hold the answer's tokens alone"),
        ({"input_ids": [1, 2], "attention_mask": [1, 1, 1]}, "'attention_mask' has 3 numbers"),
        ({"input_ids": [1, "2"]}, "'input_ids' is not a list of whole numbers"),
        ({"input_ids": [1, 2.0]}, "not a list of whole numbers"),
        ({"input_ids": [1, None]}, "not a list of whole numbers"),
        ({"input_ids": [1, -1]}, "'input_ids' holds -1, which is no token id"),
        ({"input_ids": [1, 2**40]}, "no token id"),
        ({"input_ids": [1], "labels": [-101]}, "'labels' holds -101"),
        ({"input_ids": [1, 2], "completion_mask": [1]}, "'completion_mask' has 1 numbers for 2 tokens"),
        ({"input_ids": [1, 2], "assistant_masks": [0, 2]}, "'assistant_masks' holds 2, and a mask has only 0 and 1"),
        ({"input_ids": [1, 2], "attention_mask": [1, -100]}, "'attention_mask' holds -100, and a mask"),
        ({"input_ids": [1, 2], "completion_mask": "01"}, "'completion_mask' is not a list"),
        ({"input_ids": [1, 2], "completion_mask": [0.0, 1.0]}, "'completion_mask' is not a list of whole numbers"),
        ({"input_ids": [1, 2], "completion_mask": None}, "'completion_mask' has no value"),
    ],
)
def test_tokens_that_are_none(row: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        rendered(row)
