from __future__ import annotations

import pytest

from studio.adapters import ADAPTERS
from studio.config import RunConfig
from studio.config.files import anchor, build, dump, flat_flags, load, parse_set, parse_yaml, sections
from studio.errors import ConfigError
from studio.section import details

MISTAKES = {
    "unknown section": ({"trainning": {"learning_rate": 1}}, ["trainning", "training"]),
    "typo": ({"training": {"learning_rte": 1e-4}}, ["training.learning_rte", "learning_rate"]),
    "wrong place": ({"learning_rate": 1e-4}, ["learning_rate", "training.learning_rate"]),
    "wrong type": ({"training": {"learning_rate": "fast"}}, ["training.learning_rate", "fast"]),
    "negative": ({"training": {"per_device_train_batch_size": -1}}, ["per_device_train_batch_size", "-1"]),
    "unknown method": ({"method": "dqo"}, ["dqo", "sft"]),
    "adapter key": ({"adapter": {"type": "lora", "rank": 4}}, ["adapter.rank"]),
    "section as value": ({"model": 3}, ["model", "3"]),
    "packing without length": (
        {"method": {"packing": True}, "training": {"max_length": None}},
        ["packing", "max_length"],
    ),
    "quantized full": ({"model": {"quantization": "4-bit"}, "adapter": None}, ["4-bit", "adapter"]),
    "eval without steps": ({"training": {"eval_strategy": "steps"}}, ["eval_steps"]),
    "drop without max_length": (
        {"training": {"truncation_mode": "drop", "max_length": None}},
        ["truncation_mode", "max_length"],
    ),
    "zero steps": ({"training": {"max_steps": 0}}, ["max_steps"]),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence_that_names_the_key(name: str) -> None:
    data, words = MISTAKES[name]
    with pytest.raises(ConfigError) as caught:
        build(data, name="run.yaml")
    sentence = str(caught.value)
    assert sentence.startswith("run.yaml: ") and "\n" not in sentence and len(sentence) < 400
    assert all(word in sentence for word in words), sentence


def test_defaults_are_complete_and_load_again_unchanged() -> None:
    config = build({"method": "sft", "name": "one"})
    assert build(parse_yaml(dump(config), name="again")) == config
    assert dump(build(parse_yaml(dump(config), name="again"))) == dump(config)


def test_a_changed_config_survives_the_file() -> None:
    config = build(
        {
            "name": "名字",
            "adapter": {"type": "lora", "target_modules": ["q_proj", "v_proj"]},
            "data": {"columns": {"prompt": "question"}, "system_prompt": "no"},
            "training": {"extra": {"neftune_noise_alpha": 5}, "max_length": None},
        }
    )
    assert build(parse_yaml(dump(config), name="again")) == config


def test_yaml_scalars_are_those_of_yaml_1_2() -> None:
    data = parse_yaml("a: 1e-4\nb: no\nc: yes\nd: 0o7\ne: 1_000\nf: true\ng: null\nh: 2026-11-22\ni: 0777\n", name="x")
    assert data == {
        "a": 1e-4, "b": "no", "c": "yes", "d": "0o7", "e": "1_000", "f": True, "g": None, "h": "2026-11-22", "i": 777,
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "a: [1\n",
        "a: 1\na: 2\n",
        "!!python/object:os.system {}\n",
        "- 1\n",
        "a: &x [*x]\n",
        "? [a, b]\n: c\n",
        "a: &b 1\nc: *b\n",
    ],
)
def test_bad_yaml_is_a_config_error_with_the_name_of_the_file(text: str) -> None:
    with pytest.raises(ConfigError, match=r"run\.yaml"):
        build(parse_yaml(text, name="run.yaml"), name="run.yaml")


def test_an_empty_section_means_its_defaults_and_an_empty_adapter_none() -> None:
    config = build(parse_yaml("training:\nmodel:\nmethod:\ndata:\n", name="x"))
    assert config == RunConfig()
    assert build(parse_yaml("adapter:\n", name="x")).adapter is None
    assert build({"adapter": "lora"}) == RunConfig()


def test_set_and_flags_reach_every_setting() -> None:
    config = load(None, parse_set(["training.learning_rate=1e-4", "method.packing=true", "adapter=null", "name=2026"]))
    assert config.training.learning_rate == 1e-4 and config.method.packing and config.adapter is None
    assert config.name == "2026"
    reached = {dotted for dotted, _ in flat_flags().values()}
    for prefix, section in sections().items():
        for name in section.model_fields:
            assert (f"{prefix}.{name}" if prefix else name) in reached


def test_no_two_settings_share_a_flag() -> None:
    flags = [
        flag
        for section in sections().values()
        for name, field in section.knobs().items()
        for flag in (details(field).flag or name, *details(field).aliases)
    ]
    assert len(flags) == len(set(flags))


def test_local_paths_become_absolute(tmp_path, monkeypatch) -> None:
    (tmp_path / "rows.jsonl").write_text("{}\n")
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path)
    config = build({"data": {"source": "rows.jsonl"}, "model": {"model_name_or_path": "model"}})
    anchored = anchor(config)
    assert anchored.data.source == str(tmp_path / "rows.jsonl")
    assert anchored.model.model_name_or_path == str(tmp_path / "model")
    assert anchor(RunConfig()) == RunConfig()


def test_a_link_keeps_its_name(tmp_path, monkeypatch) -> None:
    """A hub's cache links `train.jsonl` to a file whose name says nothing of its kind."""
    (tmp_path / "0a1b2c3d").write_text('{"prompt": "q", "completion": "a"}\n')
    (tmp_path / "train.jsonl").symlink_to(tmp_path / "0a1b2c3d")
    monkeypatch.chdir(tmp_path)
    assert anchor(build({"data": {"source": " train.jsonl"}})).data.source == str(tmp_path / "train.jsonl")


def test_names_are_those_of_the_installed_libraries() -> None:
    """A rename upstream must fail here, not at a user's."""
    from dataclasses import fields
    from inspect import signature

    from peft import PEFT_TYPE_TO_CONFIG_MAPPING, PeftType
    from transformers import EarlyStoppingCallback, GenerationConfig
    from trl import SFTConfig

    ours = RunConfig()
    trainer = {field.name for field in fields(SFTConfig)}
    of_a_callback = set(signature(EarlyStoppingCallback).parameters)
    of_our_keeper = {"extra", "save_minutes", "on_divergence", "spike_factor"}
    assert set(type(ours.training).model_fields) - of_our_keeper <= trainer | of_a_callback
    assert set(type(ours.tracking).model_fields) <= trainer
    assert set(type(ours.method).model_fields) - {"type"} <= trainer
    of_ours = {"type", "adapter_name_or_path", "loraplus_lr_ratio"}
    for kind in ADAPTERS.values():
        if kind.peft_type:
            names = {field.name for field in fields(PEFT_TYPE_TO_CONFIG_MAPPING[PeftType[kind.peft_type]])}
            assert set(kind.model_fields) - of_ours <= names, kind
            assert {name for name, check in kind.saved.items() if check} <= names, kind
    assert set(type(ours.generation).model_fields) - {"seed"} <= set(GenerationConfig().to_dict())
