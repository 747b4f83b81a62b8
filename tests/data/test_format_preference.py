"""Judged answers and prompts alone: every layout gives the same columns, and prompts are split off as TRL does."""

from __future__ import annotations

from typing import Any

import pytest
from format_rows import mapped, rendered, shared, turns

from studio.data.formats import FORMATS
from studio.data.formats.base import Rendering
from studio.data.formats.preference import extract_prompt
from studio.errors import DataError

GOOD, BAD = [{"role": "assistant", "content": "good"}], [{"role": "assistant", "content": "bad"}]
PAIR = {"prompt": turns("q"), "chosen": GOOD, "rejected": BAD}
ASKED = shared(("human", "q"))
PREFERENCE: dict[str, dict[str, Any]] = {
    "messages": PAIR,
    "one message": {"prompt": turns("q"), "chosen": GOOD[0], "rejected": BAD[0]},
    "implicit": {"chosen": [*turns("q"), *GOOD], "rejected": [*turns("q"), *BAD]},
    "implicit beside text": {"prompt": "q", "chosen": [*turns("q"), *GOOD], "rejected": [*turns("q"), *BAD]},
    "text and answers": {"prompt": "q", "chosen": GOOD, "rejected": BAD},
    "from objects": {**ASKED, "chosen": {"from": "gpt", "value": "good"}, "rejected": {"from": "gpt", "value": "bad"}},
    "from lists": {
        **ASKED,
        "chosen": [{"from": "gpt", "value": "good"}],
        "rejected": [{"from": "gpt", "value": "bad"}],
    },
    "texts": {**ASKED, "chosen": "good", "rejected": "bad"},
    "question": {"question": "q", "chosen": "good", "rejected": "bad"},
    "responses": {"system": "", "history": [], "question": "q", "response_chosen": "good", "response_rejected": "bad"},
    "alpaca": {"instruction": "q", "input": "", "chosen": "good", "rejected": "bad"},
    "stack exchange": {"question": "q", "response_j": "good", "response_k": "bad"},
    "openai": {"input": {"messages": turns("q"), "tools": []}, "preferred_output": GOOD, "non_preferred_output": BAD},
    "as a CSV holds it": {"prompt": '[{"role": "user", "content": "q"}]', "chosen": "good", "rejected": "bad"},
}


@pytest.mark.parametrize("row", PREFERENCE.values(), ids=PREFERENCE)
def test_pairs_of_answers(row: dict[str, Any]) -> None:
    assert mapped(row).format == "preference"
    assert rendered(row, "preference") == PAIR


def test_pairs_with_turns_around_them() -> None:
    row = {
        "system": "s",
        "history": [["h", "b"]],
        "question": "q",
        "response_chosen": "good",
        "response_rejected": "bad",
    }
    assert rendered(row, "preference") == {**PAIR, "prompt": turns("h", "b", "q", system="s")}
    assert rendered(ASKED | {"chosen": "good", "rejected": "bad"}, "preference", "p")["prompt"] == turns(
        "q", system="p"
    )
    implicit = {"system": "s", **PREFERENCE["implicit"]}
    assert rendered(implicit, "preference")["prompt"] == turns("q", system="s")
    longer = {"prompt": turns("q"), "chosen": [*GOOD, *turns("more", "yes")], "rejected": BAD}
    assert rendered(longer, "preference")["chosen"] == [*GOOD, *turns("more", "yes")]


def test_pairs_of_plain_text() -> None:
    row = {"prompt": "q: ", "chosen": "good", "rejected": "bad"}
    assert rendered(row, "preference") == row
    assert mapped(row).reason == "detected: prompt, chosen, rejected (plain text)"
    implicit = {"chosen": "Human: q\n\nAssistant: good", "rejected": "Human: q\n\nAssistant: bad"}
    made = rendered(implicit, "preference")
    assert made == {"prompt": "Human: q\n\nAssistant:", "chosen": " good", "rejected": " bad"}
    assert rendered({"chosen": "good", "rejected": "bad"}, "preference")["prompt"] == ""


def test_the_prompt_is_split_off_as_trl_does() -> None:
    from trl.data_utils import extract_prompt as theirs

    pairs: list[tuple[Any, Any]] = [
        ("ab", "ac"), ("the sky is blue", "the sky is green"), ("abc", "abcdef"), ("abcdef", "abc"), ("same", "same"),
        ("é 👩‍👩‍👧 x", "é 👩‍👩‍👧 y"), ("a b", "a c"), (" x", " y"), ([*turns("q"), *GOOD], [*turns("q"), *BAD]),
        (turns("q", "a"), turns("q", "a", "q2", "a2")), (turns("q", "a", "b", "c"), turns("q", "a", "x", "c")),
    ]  # fmt: skip
    for chosen, rejected in pairs:
        border = extract_prompt(chosen, rejected)
        made = {"prompt": chosen[:border], "chosen": chosen[border:], "rejected": rejected[border:]}
        assert made == theirs({"chosen": chosen, "rejected": rejected}), (chosen, rejected)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"prompt": "q", "chosen": "", "rejected": "b"}, "'chosen' is empty"),
        ({"prompt": "q", "chosen": "a", "rejected": None}, "'rejected' has no value"),
        ({"prompt": "q", "chosen": "a", "rejected": 7}, r"'rejected' is 7 \(int\), not text"),
        ({"prompt": " ", "chosen": "a", "rejected": "b"}, "'prompt' is empty"),
        ({"prompt": turns(" "), "chosen": GOOD, "rejected": BAD}, "prompt is empty"),
        ({"chosen": GOOD, "rejected": BAD}, "There is no prompt"),
        ({"chosen": [*turns("q"), *GOOD], "rejected": [*turns("other"), *BAD]}, "There is no prompt"),
        ({"prompt": turns("q"), "chosen": turns("x"), "rejected": BAD}, "chosen does not end with an assistant turn"),
        ({"prompt": turns("q"), "chosen": GOOD, "rejected": turns("", " ")[1:]}, "assistant turn is empty"),
        (shared(("human", "q"), ("gpt", "a"), chosen="a", rejected="b"), "prompt ends with an answer"),
    ],
)
def test_pairs_that_cannot_be_used_say_why(row: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        rendered(row, "preference")


def test_an_answer_that_is_json_stays_text() -> None:
    for text in ('{"role": "admin", "content": 1}', '[{"from": "Rome"}]', "[INST] x", "{", '[{"role": "user"}]'):
        made = rendered({"question": "q", "chosen": text, "rejected": "b"}, "preference")
        assert made["chosen"] == [{"role": "assistant", "content": text}]


@pytest.mark.parametrize("label", [True, False, 1, 0, 1.0, 0.0, "true", "False", "1", "0.0"])
def test_single_answers_with_a_label(label: Any) -> None:
    wanted = {"prompt": turns("q"), "completion": GOOD, "label": str(label).lower() in ("true", "1", "1.0")}
    rows: list[dict[str, Any]] = [
        {"messages": [*turns("q"), *GOOD], "label": label},
        {**shared(("human", "q"), ("gpt", "good")), "kto_tag": label},
        {"prompt": turns("q"), "completion": GOOD, "label": label},
        {"question": "q", "answer": "good", "label": label},
        {"q": "q", "a": "good", "label": label},
        {"instruction": "q", "input": "", "output": "good", "kto_tag": label},
    ]
    for row in rows:
        assert mapped(row).format == "unpaired-preference"
        made = rendered(row, "unpaired-preference")
        assert made == wanted and type(made["label"]) is bool
    plain = {"prompt": "q", "completion": "good", "label": label}
    assert rendered(plain, "unpaired-preference") == {**plain, "label": wanted["label"]}


def test_the_tools_of_a_request_are_the_rows() -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    row = {"input": {"messages": turns("q"), "tools": [tool]}, "preferred_output": GOOD, "non_preferred_output": BAD}
    assert rendered(row, "preference") == {**PAIR, "tools": [tool]}


@pytest.mark.parametrize(("good", "bad"), [("good", "bad"), (1, -1), ("Desirable", "undesirable"), ("1", "-1")])
def test_a_judgement_in_other_words_is_refused_not_taught(good: Any, bad: Any) -> None:
    """As a plain answer the bad one would be trained, too."""
    rows = [{"prompt": "q", "completion": "a", "label": label} for label in (good, bad)]
    found = mapped(*rows)
    assert found.format == "unpaired-preference"
    with pytest.raises(DataError, match=r"neither true nor false\. Write true"):
        FORMATS[found.format].render(rows[1], Rendering(found.columns, "unpaired-preference"))


def test_a_label_of_classes_is_no_judgement() -> None:
    assert mapped({"messages": turns("q", "a"), "label": "sports"}).format == "messages"
    row = {"messages": turns("q", "a"), "label": None}
    assert mapped({"prompt": "q", "completion": "a", "label": 3}).format == "prompt-completion"
    with pytest.raises(DataError, match="label is None"):
        rendered(row, "unpaired-preference", format="unpaired-preference")
    with pytest.raises(DataError, match="conversation does not end with an assistant turn"):
        rendered({"messages": turns("q", "a", "q"), "label": True}, "unpaired-preference")
    with pytest.raises(DataError, match="prompt is empty"):
        rendered({"messages": turns("", "a")[1:], "label": True}, "unpaired-preference")


def test_a_prompt_and_what_a_reward_compares_with() -> None:
    assert rendered({"question": "q", "answer": "42", "level": 3}, "prompt-only") == {
        "prompt": turns("q"),
        "reference": {"answer": "42", "level": 3},
        "answer_column": "answer",
    }
    assert rendered({"prompt": "p", "completion": "c"}, "prompt-only") == {
        "prompt": "p",
        "reference": {"completion": "c"},
        "answer_column": "completion",
    }
    alone = {"prompt": turns("q", system="s"), "ground_truth": [1, 2]}
    assert mapped(alone).format == "prompt-only"
    assert rendered(alone, "prompt-only") == {"prompt": turns("q", system="s"), "reference": {"ground_truth": [1, 2]}}
    assert rendered({"prompt": "p"}, "prompt-only") == {"prompt": "p", "reference": {}}
    assert rendered({"problem": "q", "system": "s"}, "prompt-only")["prompt"] == turns("q", system="s")
    nested = {"question": "q", "gold": {"text": "a"}}
    made = rendered(nested, "prompt-only", columns={"completion": "gold.text"})
    assert made["reference"] == {"gold": {"text": "a"}, "gold.text": "a"} and made["answer_column"] == "gold.text"
