"""Each method's settings, the rows it takes and keeps, and that its names are the installed trainer's own."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any, get_args

import numpy as np
import pytest
from small_chats import chat_tokenizer, turns

from studio.config.files import build
from studio.errors import ConfigError, DataError
from studio.methods import METHODS, Method
from studio.methods.base import DatasetType, Lane, LaneFacts, window
from studio.methods.contrast import experimental
from studio.methods.dpo import LossType
from studio.methods.encoding import encoder_of
from studio.methods.rewards import REWARDS

OURS = {"type", "reward_funcs", "reference_column"}
OURS |= {f"reward_{field}" for reward in REWARDS.values() for field in reward.model_fields}
REFERENCE = {"ref_model_name_or_path"}  # which TRL is given loaded
OURS_ALONE = {"dpo": REFERENCE, "kto": REFERENCE, "orpo": {"completion_only_loss"}}
SAMPLES: dict[DatasetType, dict[str, Any]] = {
    "language-modeling": {"messages": turns("hi", "there")},
    "prompt-completion": {"prompt": turns("hi"), "completion": turns("hi", "there")[1:]},
    "preference": {"prompt": turns("hi"), "chosen": turns("", "yes")[1:], "rejected": turns("", "no")[1:]},
    "unpaired-preference": {"prompt": turns("hi"), "completion": turns("", "yes")[1:], "label": True},
    "prompt-only": {"prompt": turns("hi"), "reference": {"answer": "hello"}},
    "tokenized": {"input_ids": [5, 6, 7], "labels": [-100, 6, 7]},
}


@pytest.mark.parametrize("name", METHODS)
def test_settings_are_named_as_the_trainers_own(name: str) -> None:
    method = METHODS[name]()
    known = method.argument_types()
    for setting in METHODS[name].model_fields:
        assert setting in {*OURS, *OURS_ALONE.get(name, ())} | known.keys(), f"{name}.{setting} is no argument of TRL's"
    assert method.type == name
    assert {"learning_rate", "per_device_train_batch_size", "seed", "bf16"} <= set(known)


def test_losses_are_the_installed_trainers() -> None:
    from trl import GRPOConfig, KTOConfig, SFTConfig
    from trl.trainer import dpo_trainer, grpo_trainer

    source = inspect.getsource(dpo_trainer)
    for loss in get_args(LossType):
        assert f'loss_type == "{loss}"' in source, loss
    choices = {one.name: one.metadata.get("choices") for one in KTOConfig.__dataclass_fields__.values()}
    assert set(get_args(METHODS["kto"].model_fields["loss_type"].annotation)) == set(choices["loss_type"])
    strategies = {one.name: one.metadata.get("choices") for one in SFTConfig.__dataclass_fields__.values()}
    assert set(get_args(METHODS["sft"].model_fields["packing_strategy"].annotation)) == set(
        strategies["packing_strategy"]
    )
    choices = {one.name: one.metadata.get("choices") for one in fields(experimental("cpo").CPOConfig)}
    ours = get_args(METHODS["cpo"].model_fields["loss_type"].annotation)
    assert {*ours, "alphapo"} == set(choices["loss_type"])  # which is simpo with `training.extra.alpha`
    assert "max_length" not in GRPOConfig.__dataclass_fields__  # a prompt is never cut
    names = get_args(METHODS["grpo"].model_fields["reward_funcs"].annotation)[0]
    assert get_args(names) == tuple(REWARDS)
    source = inspect.getsource(grpo_trainer)
    for name in ("loss_type", "scale_rewards", "multi_objective_aggregation", "importance_sampling_level"):
        for value in get_args(METHODS["grpo"].model_fields[name].annotation):
            assert f'"{value}"' in source, (name, value)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_encodes_every_type_it_takes(name: str) -> None:
    method, encoder = METHODS[name](), encoder_of(chat_tokenizer())
    for kind in method.dataset_types:
        made = method.encode([SAMPLES[kind]] * 2, encoder)
        assert len(made) == 2 and all(len(one.lanes) == len(method.lanes) for one in made)
        assert all(len(one.texts) == len(one.lanes) for one in made)
        columns = method.trainer_rows(made, max_length=None, truncation_mode="keep_start")
        assert all(len(values) == 2 for values in columns.values())


def test_rows_of_another_type_name_the_methods_for_them() -> None:
    with pytest.raises(DataError, match=r"type preference, which method sft.*for them: dpo, orpo, cpo, reward"):
        METHODS["sft"]().dataset_type(("preference",))
    with pytest.raises(DataError, match=r"method dpo does not.*takes preference.*Methods for them: sft"):
        METHODS["dpo"]().dataset_type(("prompt-completion", "language-modeling"))
    assert METHODS["sft"]().dataset_type(("language-modeling", "prompt-completion")) == "prompt-completion"
    whole = METHODS["sft"](completion_only_loss=False)
    assert whole.dataset_type(("prompt-completion", "language-modeling")) == "language-modeling"
    assert METHODS["sft"]().dataset_type(("tokenized",)) == "tokenized"


def test_own_tokens_are_taken_as_they_are_or_refused_with_the_place() -> None:
    method, encoder = METHODS["sft"](), encoder_of(chat_tokenizer())
    rows = [
        ({"input_ids": [5, 6, 7, 8], "labels": [-100, 6, -100, 8]}, (1, 2, 3, 4)),
        ({"input_ids": [5, 6]}, (0, 2)),
        ({"input_ids": [5, 6], "labels": [-100, -100]}, ()),
        ({"input_ids": [5, 6, 7], "labels": [5, 6, -100]}, (0, 2)),
        ({"input_ids": []}, ()),
    ]
    for row, spans in rows:
        made = method.encode([row], encoder)[0]
        assert made.lanes[0].spans == spans
        labels = method.trainer_rows([made], max_length=None, truncation_mode="keep_start")["labels"][0]
        assert labels == row.get("labels", row["input_ids"])
    with pytest.raises(DataError, match="labels says 9 at token 2, where input_ids has 6"):
        method.encode([{"input_ids": [5, 6], "labels": [5, 9]}], encoder)
    with pytest.raises(DataError, match="labels has 1 entries and input_ids has 2"):
        method.encode([{"input_ids": [5, 6], "labels": [5]}], encoder)


def test_plain_text_needs_an_end_and_assistant_loss_needs_turns() -> None:
    import copy

    endless = copy.deepcopy(chat_tokenizer())
    endless.eos_token = None
    with pytest.raises(DataError, match="no end-of-text token"):
        METHODS["sft"]().encode([{"text": "hi"}], encoder_of(endless))
    with pytest.raises(DataError, match="assistant_only_loss needs conversations"):
        METHODS["sft"](assistant_only_loss=True).encode([{"text": "hi"}], encoder_of(chat_tokenizer()))


def test_windows() -> None:
    assert window(10, max_length=None, truncation_mode="keep_end") == (0, 10)
    assert window(10, max_length=10, truncation_mode="keep_end") == (0, 10)
    assert window(10, max_length=4, truncation_mode="keep_start") == (0, 4)
    assert window(10, max_length=4, truncation_mode="keep_end") == (6, 10)


@pytest.mark.parametrize("mode", ["keep_start", "keep_end", "drop"])
def test_sft_keeps_the_rows_that_keep_a_trained_token(mode: str) -> None:
    """Against a count of the labels that are left."""
    drawn, method = np.random.default_rng(3), METHODS["sft"]()
    lanes = []
    for _ in range(300):
        length = int(drawn.integers(1, 20))
        spans = sorted({int(one) for one in drawn.integers(0, length + 1, size=4)})
        lanes.append(Lane(list(range(length)), tuple(spans[: len(spans) // 2 * 2])))
    table = [
        [len(one.ids), sum(one.spans[1::2]) - sum(one.spans[0::2]), *(one.spans[:1] or [len(one.ids)])] for one in lanes
    ]
    length, supervised, first = (np.array(column, dtype=np.int32)[:, None] for column in zip(*table, strict=True))
    last = np.array([[one.spans[-1] if one.spans else 0] for one in lanes], dtype=np.int32)
    kept = method.survives(LaneFacts(length, supervised, first, last), max_length=8, truncation_mode=mode)
    for lane, keep in zip(lanes, kept, strict=True):
        start, end = method.shown(lane, max_length=8, truncation_mode=mode)
        left = any(start <= at < end for one, two in _pairs(lane) for at in range(one, two))
        assert keep == (left and not (mode == "drop" and len(lane.ids) > 8))


def _pairs(lane: Lane) -> list[tuple[int, int]]:
    return list(zip(lane.spans[0::2], lane.spans[1::2], strict=True))


def test_settings_that_cannot_be_are_sentences() -> None:
    with pytest.raises(ConfigError, match=r"exo_pair needs method\.label_smoothing"):
        build({"method": {"type": "dpo", "loss_type": "exo_pair"}})
    with pytest.raises(ConfigError, match=r"regex needs method\.reward_pattern"):
        build({"method": {"type": "grpo", "reward_funcs": "regex"}})
    with pytest.raises(ConfigError, match=r"reward_pattern is no regular expression"):
        build({"method": {"type": "grpo", "reward_funcs": "regex", "reward_pattern": "("}})
    with pytest.raises(ConfigError, match=r"hinge knows no method\.label_smoothing, which is 0\.1"):
        build({"method": {"type": "cpo", "loss_type": "hinge", "label_smoothing": 0.1}})
    for name in METHODS:
        assert build({"method": name}).method == METHODS[name]()


# --- references


VERL = {"data_source": "x", "reward_model": {"style": "rule", "ground_truth": "3"}}
COMPARED: list[tuple[dict[str, Any], dict[str, Any], str | None, str, str]] = [
    # settings, columns, the column that is the answer, the one that is taken, and its text
    ({}, {"id": "7", "answer": 4, "hint": "even"}, None, "answer", "4"),
    ({}, {"id": "7", "reply": "r", "answer": "4"}, "reply", "reply", "r"),
    ({"reference_column": "hint"}, {"answer": 4, "hint": "even"}, "answer", "hint", "even"),
    ({"reference_column": "a[1].b"}, {"a": [{}, {"b": 2.5}], "answer": "4"}, "answer", "a[1].b", "2.5"),
    ({"reference_column": "a.b"}, {"a.b": "of that name", "a": {"b": "x"}}, None, "a.b", "of that name"),
    ({}, VERL, None, "reward_model.ground_truth", "3"),
    ({}, {"source": "x", "Final_Answer": " 3 "}, None, "Final_Answer", " 3 "),
    ({}, {"completion": "c", "label": "l", "ground_truth": "g", "solution": "s"}, None, "solution", "s"),
    ({"reward_funcs": "length"}, {"answer": {"text": "4"}}, None, "answer", ""),
]


def compared(method: Method, row: dict[str, Any]) -> tuple[str | None, str]:
    extra = method.encode([{"prompt": turns("2+2?"), **row}], encoder_of(chat_tokenizer()))[0].extra
    return extra.get("reference_column"), extra["reference"]


@pytest.mark.parametrize(("settings", "columns", "answer", "name", "text"), COMPARED)
def test_a_reference_is_the_named_column_the_answers_or_one_of_a_usual_name(
    settings: dict[str, Any], columns: dict[str, Any], answer: str | None, name: str, text: str
) -> None:
    row = {"reference": columns} | ({} if answer is None else {"answer_column": answer})
    assert compared(METHODS["grpo"](**settings), row) == (name, text)


@pytest.mark.parametrize(
    ("columns", "settings", "sentence"),
    [
        ({"id": "7", "title": "t", "answers": {"text": ["a"]}}, {}, r"no column is known.*there are: id, title, ans"),
        ({}, {}, r"no column is known.*there are: none"),
        ({"answer": "4", "hint": "even"}, {"reference_column": "no"}, r"with no, which has no value.*\(answer, hint"),
        ({"answer": None, "solution": "4"}, {}, r"with answer, which has no value"),
        ({"answer": " ", "solution": "4"}, {}, r"with answer, which has no value"),
        ({"answer": {"value": "4"}}, {}, r"is {'value': '4'} \(dict\) and no text.*such as answer\.value"),
        ({"gold": ["4"]}, {"reference_column": "gold"}, r"is \['4'\] \(list\) and no text.*such as gold\[0\]"),
    ],
)
def test_no_reference_is_a_sentence_not_another_column(
    columns: dict[str, Any], settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(DataError, match=sentence):
        compared(METHODS["grpo"](**settings), {"reference": columns})


def test_grpo_needs_no_reference_for_a_rule_and_takes_no_tools() -> None:
    assert compared(METHODS["grpo"](reward_funcs="length"), {}) == (None, "")
    with pytest.raises(DataError, match="asks its prompts without tools"):
        compared(METHODS["grpo"](), {"reference": {"answer": "4"}, "tools": [{}]})
