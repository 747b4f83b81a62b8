"""What answers are worth, by each reward and by several together, and what cannot be set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from studio.config.files import build, load
from studio.errors import ConfigError, RunFailed
from studio.methods import METHODS
from studio.methods.rewards import REWARDS, Answer

SCHEMA = {"type": "object", "required": ["age"], "properties": {"age": {"$ref": "#/$defs/years"}}}
SCHEMA["$defs"] = {"years": {"type": "integer", "minimum": 0}}
FENCED = 'Here:\n```json\n{"age": 3}\n```\nand [1]'

CASES: list[tuple[str, dict[str, Any], str, str, float]] = [
    # reward, settings, answer, reference, worth
    ("exact_match", {}, " Paris\n", "paris", 1), ("exact_match", {}, "It is Paris", "Paris", 0),
    ("contains", {}, "It is  PARIS.", "Paris", 1), ("contains", {}, "x", "", 0),
    ("last_number", {}, "2 + 2 = 1,004", "#### 1004", 1), ("last_number", {}, "none", "4", 0),
    ("last_number", {}, "5", "", 0),
    ("length", {"length": 10}, "x" * 10, "", 1), ("length", {"length": 10}, "", "", 0),
    ("length", {"length": 10}, "x" * 5, "", 0.5), ("length", {"length": 10}, "x" * 99, "", 0),
    ("regex", {"pattern": "<answer>.*</answer>"}, "so <answer>\n4</answer>", "", 1),
    ("regex", {"pattern": "<answer>.*</answer>"}, "4", "", 0),
    ("json_schema", {"json_schema": SCHEMA}, '{"age": 3}', "", 1),
    ("json_schema", {"json_schema": SCHEMA}, ' {"age": -1}', "", 0),
    ("json_schema", {"json_schema": SCHEMA}, FENCED, "", 1),
    ("json_schema", {"json_schema": SCHEMA}, 'It is {"age": 3}, I think.', "", 1),
    ("json_schema", {"json_schema": SCHEMA}, 'It is {"age": "3"} or {"age": 3}.', "", 0),  # the first one counts
    ("json_schema", {"json_schema": SCHEMA}, "no JSON {at all", "", 0),
    ("json_schema", {"json_schema": SCHEMA}, "[" * 9000, "", 0),
    ("think_format", {}, "<think>\nhm\n</think>\nYes", "", 1), ("think_format", {}, "<think>hm</think>", "", 1),
    ("think_format", {}, "Well <think>hm</think> Yes", "", 0), ("think_format", {}, "<think>hm", "", 0),
    ("think_format", {}, "<think>a<think>b</think>", "", 0), ("think_format", {}, "Yes", "", 0),
]  # fmt: skip


@pytest.mark.parametrize(("name", "settings", "text", "reference", "worth"), CASES)
def test_what_an_answer_is_worth(name: str, settings: dict[str, Any], text: str, reference: str, worth: float) -> None:
    answers = [Answer(text, "asked", reference)] * 2
    assert REWARDS[name](**settings).score(answers) == [worth, worth]


def test_every_reward_is_tried_and_thoughts_are_told_as_trl_tells_them() -> None:
    from trl.rewards import think_format_reward

    assert {case[0] for case in CASES} | {"reward_model"} == set(REWARDS)  # that one needs a run: test_judge.py
    for name, _, text, _, worth in CASES:
        if name == "think_format":
            assert think_format_reward([[{"content": text}]]) == [worth], text


def grpo(**settings: Any) -> Any:
    return build({"method": {"type": "grpo", **settings}}).method


@pytest.mark.parametrize("given", ["length,contains", ["length", "contains"], ("length", "contains")])
def test_several_rewards_each_with_its_settings_and_weight(given: Any) -> None:
    method = grpo(reward_funcs=given, reward_weights="1, 0.5", reward_length=7)
    assert (method.reward_funcs, method.reward_weights) == (("length", "contains"), (1.0, 0.5))
    assert [(one.name, one.model_dump()) for one in method.rewards()] == [("length", {"length": 7}), ("contains", {})]
    assert grpo(reward_funcs="length").reward_funcs == ("length",)
    assert list(METHODS["grpo"].knobs())[1:6] == [
        "reward_funcs", "reward_weights", "reward_length", "reward_pattern", "reward_json_schema",
    ]  # fmt: skip


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"reward_funcs": "regex"}, r"reward_funcs: regex needs method\.reward_pattern, which is empty"),
    ({"reward_funcs": "regex", "reward_pattern": "("}, r"reward_pattern is no regular expression \(missing"),
    ({"reward_funcs": ["lenght"]}, r"method\.reward_funcs is 'lenght'; there are: exact_match, contains"),
    ({"reward_funcs": []}, r"method\.reward_funcs is empty"),
    ({"reward_funcs": "length,length"}, r"names a reward twice \(length, length\)"),
    ({"reward_funcs": "length", "reward_weights": [1, 2]}, r"has 2 numbers for 1 rewards \(length\)"),
    ({"reward_funcs": "json_schema"}, r"json_schema needs method\.reward_json_schema, which is empty"),
    ({"reward_funcs": "json_schema", "reward_json_schema": "s.json"}, r"is 's\.json', which is not JSON .*required"),
    ({"reward_funcs": "json_schema", "reward_json_schema": '{"type": 3}'}, r"is no JSON schema \(3 is not valid"),
    (
        {"reward_funcs": "json_schema", "reward_json_schema": {"anyOf": [{"$ref": "https://example.com/s"}]}},
        r"refers to https://example\.com/s, which is not fetched",
    ),
    ({"reward_length": 0}, r"method\.reward_length must be at least 1"),
    ({"reward_func": "length"}, r"method\.reward_func is not a setting; did you mean reward_funcs\?"),
]


@pytest.mark.parametrize(("settings", "sentence"), WRONG)
def test_what_cannot_be_is_a_sentence(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        grpo(**settings)


def test_settings_of_rewards_that_are_not_chosen_are_not_looked_at() -> None:
    assert grpo(reward_funcs="length", reward_pattern="(").reward_pattern == "("


def test_a_schema_is_text_yaml_or_a_file_and_its_run_needs_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("age.json").write_text(json.dumps(SCHEMA), encoding="utf-8")
    Path("run.yaml").write_text(
        "method: {type: grpo, reward_funcs: json_schema, reward_json_schema: age.json}", encoding="utf-8"
    )
    read = [
        load(Path("run.yaml")).method,
        load(
            None, {"method.type": "grpo", "method.reward_funcs": "json_schema", "method.reward_json_schema": SCHEMA}
        ).method,
        grpo(reward_funcs="json_schema", reward_json_schema=json.dumps(SCHEMA)),
    ]
    assert {one.reward_json_schema for one in read} == {json.dumps(SCHEMA)}  # type: ignore[attr-defined]


def called(reward: Any, completions: list[Any]) -> Any:
    return reward.trainer_function(None)(
        prompts=["hi"] * len(completions),
        completions=completions,
        reference=["4"] * len(completions),
        trainer_state=None,
    )


def test_the_trainer_gives_texts_or_turns_and_a_reward_that_fails_is_named() -> None:
    class Odd(REWARDS["contains"]):  # type: ignore[misc]
        name = "odd"

        def score(self, answers: Any) -> Any:
            return [{"nan": float("nan"), "key": {}["x"] if one.text == "key" else 0}.get(one.text) for one in answers]

    turns = [[{"role": "assistant", "content": "it is 4"}], [{"role": "assistant", "content": "5"}]]
    assert called(REWARDS["contains"](), turns) == called(REWARDS["contains"](), ["it is 4", "5"]) == [1.0, 0.0]
    assert called(Odd(), ["a text"]) == [None]  # says nothing of it
    with pytest.raises(RunFailed, match="The reward odd failed: KeyError: 'x'"):
        called(Odd(), ["key"])
    with pytest.raises(RunFailed, match="The reward odd gave nan for an answer"):
        called(Odd(), ["nan"])
