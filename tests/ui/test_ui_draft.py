from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from studio.config import RunConfig
from studio.config.files import build, sections
from studio.errors import ConfigError
from studio.ui.draft import Unfinished
from studio.ui.words import translate


def shown(page: Any, config: RunConfig) -> dict[Any, Any]:
    """What the widgets hold after a config was loaded into the form."""
    return {component: update["value"] for component, update in page.draft.fill(config).items()}


CONFIGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "full fine-tuning": {"adapter": None},
    "another model": {
        "model": {
            "model_name_or_path": "Qwen/Qwen3-0.6B", "revision": "abc", "dtype": "bfloat16", "device_map": "cuda:1",
            "quantization": "4-bit", "attn_implementation": "sdpa", "chat_template": "chatml",
        }
    },
    "a hub data set": {
        "data": {
            "source": "trl-lib/Capybara", "split": "test", "format": "messages", "columns": {"messages": "turns"},
            "system_prompt": "Be brief.", "eval_fraction": 0.125, "max_train_rows": 77, "eval_source": "rows.jsonl",
        }
    },
    "a path, a role left out": {
        "data": {"source": "/somewhere/rows.csv", "format": "alpaca", "columns": {"input": "", "output": "answer"}}
    },
    "assistant turns": {"method": {"type": "sft", "assistant_only_loss": True}},
    "assistant turns alone": {"method": {"assistant_only_loss": True, "completion_only_loss": False}},
    "all tokens, packed": {"method": {"completion_only_loss": False, "packing": True}},
    "packed otherwise": {"method": {"packing": True, "packing_strategy": "wrapped"}},
    "dpo": {"method": {"type": "dpo", "beta": 0.3, "loss_type": "ipo"}},
    "dpo of several losses": {
        "method": {
            "type": "dpo", "loss_type": ["sft", "sigmoid"], "loss_weights": [0.2, 0.8],
            "precompute_ref_log_probs": True, "ref_model_name_or_path": "smollm2",
        }
    },
    "kto": {"method": {"type": "kto", "beta": 0.2, "undesirable_weight": 1.5}},
    "orpo": {"method": {"type": "orpo", "beta": 0.2, "completion_only_loss": False}},
    "simpo": {"method": {"type": "cpo", "loss_type": "simpo", "beta": 2, "cpo_alpha": 0, "simpo_gamma": 1}},
    "reward": {"method": {"type": "reward", "center_rewards_coefficient": 0.01}},
    "grpo": {"method": {"type": "grpo", "reward_funcs": "regex", "reward_pattern": "a+", "num_generations": 2}},
    "all of data": {
        "data": {
            "source": "/rows.csv", "split": "train[:5%]", "delimiter": ";", "tools": "tools.json", "shuffle": True,
            "placeholders": {"name": "Byte", "author": "\u6211\u4eec"},
            "prompt_template": "Q: {q}\nA:", "bad_rows": "skip", "prompt_template_empty": "A:",
            "eval_split": "test", "max_eval_rows": 9, "filters": ["cut", "duplicates"],
        },
        "training": {"truncation_mode": "drop"},
    },
    "a template of one's own": {"model": {"chat_template": "{{ messages[0].role }}", "add_template_tokens": True}},
    "a mix": {
        "data": {
            "source": "a/one", "split": "train[:9]", "mix_weight": 2.5, "mix_strategy": "all_exhausted",
            "format": "alpaca",
            "mix": [{"source": "rows.jsonl", "weight": 1, "format": "messages", "columns": {"messages": "turns"}},
                    {"source": "starter", "split": "test"}],
        }
    },
    "picked modules": {
        "adapter": {
            "r": 7, "lora_alpha": 9.5, "lora_dropout": 0.0, "target_modules": ["q_proj", "v_proj"], "bias": "all",
            "use_rslora": True, "use_dora": True, "modules_to_save": ["lm_head", "embed_tokens"],
        }
    },
    "attention": {"adapter": {"target_modules": "attention"}},
    "all of training": {
        "name": "my run", "generation": {"temperature": 0, "seed": 5, "max_new_tokens": 9, "top_k": 4},
        "training": {
            "learning_rate": 3.3e-5, "num_train_epochs": 0.5, "max_steps": 17, "max_length": None, "seed": 7,
            "lr_scheduler_type": "cosine", "warmup_steps": 0.1, "eval_strategy": "steps", "eval_steps": 5,
            "save_strategy": "no", "save_total_limit": None, "gradient_checkpointing": True, "optim": "adafactor",
            "extra": {"adam_beta2": 0.98, "group_by_length": True}, "per_device_train_batch_size": 2,
        },
    },
}  # fmt: skip


@pytest.mark.parametrize("name", CONFIGS)
def test_a_loaded_config_comes_back_whole(page: Any, name: str) -> None:
    config = build(CONFIGS[name])
    assert page.draft.read(shown(page, config)) == config


def test_an_upload_is_shown_as_an_upload(page: Any) -> None:
    source = str(page.services.settings.uploads_dir / "rows-1234abcd.jsonl")
    config = build({"data": {"source": source}})
    values = shown(page, config)
    kind = next(one for one in values if getattr(one, "elem_id", "") == "data-kind")
    assert values[kind] == "file" and source in values.values() and page.draft.read(values) == config


def test_the_form_begins_with_the_defaults(page: Any) -> None:
    values = {component: component.value for component in page.draft.components()}
    assert page.draft.read(values) == RunConfig()


def test_what_is_shown_are_values_that_the_widgets_take(page: Any) -> None:
    """`read` runs on what Gradio hands over, so a shown value must survive Gradio's own checks."""
    for component, update in page.draft.fill(build(CONFIGS["all of training"])).items():
        component.preprocess(update["value"])


def test_every_setting_has_a_widget_or_is_known_to_have_none(page: Any) -> None:
    having = {name for entry in page.draft._entries for name in entry.names}
    settings = {
        f"{prefix}.{name}" if prefix else name for prefix, section in sections().items() for name in section.knobs()
    }
    without = {"adapter.type", "training.extra"}
    without |= {"generation.top_k", "generation.repetition_penalty"}  # kept in `rest`
    assert settings - having - {"adapter"} <= without


def test_a_part_can_be_read_while_another_is_wrong(page: Any) -> None:
    values = shown(page, RunConfig())
    rate = next(one for one in values if getattr(one, "elem_id", "") == "training-learning_rate")
    values[rate] = -1
    assert page.draft.read(values, "data", "model").data == RunConfig().data
    with pytest.raises(ConfigError, match=r"training\.learning_rate must be more than 0; it is -1"):
        page.draft.read(values)


@pytest.mark.parametrize(
    ("elem_id", "value", "sentence"),
    [
        ("training-max_length", "3", "at least 8"),
        ("training-max_length", "many", "a whole number"),
        ("training-num_train_epochs", None, "is empty"),
        ("adapter-r", 0, "at least 1"),
        ("training-per_device_train_batch_size", 1.5, "a whole number"),
    ],
)
def test_a_mistake_names_its_setting(page: Any, elem_id: str, value: Any, sentence: str) -> None:
    values = shown(page, RunConfig())
    values[next(one for one in values if getattr(one, "elem_id", "") == elem_id)] = value
    with pytest.raises(ConfigError, match=sentence) as caught:
        page.draft.read(values)
    assert caught.value.details["setting"] == elem_id.replace("-", ".")


@pytest.mark.parametrize("percent", [100, -5])
def test_a_held_out_share_is_named_as_it_was_typed(page: Any, percent: float) -> None:
    values = shown(page, RunConfig())
    values[next(one for one in values if getattr(one, "elem_id", "") == "data-eval_fraction")] = percent
    with pytest.raises(ConfigError, match=f"Hold out is {percent} %"):
        page.draft.read(values)


def test_a_broken_rule_keeps_its_sentence_for_other_languages(page: Any) -> None:
    values = shown(page, RunConfig())
    values[next(one for one in values if getattr(one, "elem_id", "") == "training-max_steps")] = 0
    with pytest.raises(ConfigError) as caught:
        page.draft.read(values)
    assert "最多步数为 0" in translate("zh", caught.value)


def test_the_kept_form_comes_back_and_rubbish_does_not() -> None:
    from studio.ui.keeper import recalled

    config = RunConfig.model_validate({"training": {"seed": 7}, "adapter": None})
    assert recalled(config.model_dump_json()) == config
    for rubbish in ("", "{", "[]", '{"training": {"seed": "x"}}', '{"nothing": 1}', " " * 200_000):
        assert recalled(rubbish) is None


def test_an_unfinished_choice_is_no_mistake(page: Any) -> None:
    values = shown(page, RunConfig())
    values[next(one for one in values if getattr(one, "elem_id", "") == "data-kind")] = "file"
    with pytest.raises(Unfinished):
        page.draft.read(values)
    values[next(one for one in values if getattr(one, "elem_id", "") == "data-kind")] = "mix"
    with pytest.raises(Unfinished):
        page.draft.read(values)


def laid(page: Any, values: dict[Any, Any], changes: dict[str, Any]) -> dict[Any, Any]:
    """The widgets after a change was laid over them."""
    return {**values, **{one: update["value"] for one, update in page.draft.change(values, changes).items()}}


def test_a_change_reaches_its_widgets_only_and_can_be_taken_back(page: Any) -> None:
    config = build(CONFIGS["all of data"])
    before = shown(page, config)
    updates = page.draft.change(before, {"data.filters": ["cut"], "training.max_length": 731})
    named = {getattr(one, "elem_id", "") for one in updates}
    assert named == {"data-filters", "training-max_length", "draft-rest"}
    after = laid(page, before, {"data.filters": ["cut"], "training.max_length": 731})
    assert page.draft.read(after).data.filters == ("cut",) and page.draft.read(after).training.max_length == 731
    back = laid(page, after, {"data.filters": list(config.data.filters), "training.max_length": 1024})
    assert page.draft.read(back) == config


def test_a_change_of_method_leaves_the_other_ones_settings_behind(page: Any) -> None:
    values = laid(page, shown(page, build(CONFIGS["all tokens, packed"])), {"method.type": "dpo"})
    assert page.draft.read(values).method.model_dump() == build({"method": "dpo"}).method.model_dump()
    with pytest.raises(ConfigError):
        page.draft.change(values, {"training.max_length": 1})
    with pytest.raises(ConfigError):
        page.draft.change(values, {"training.nothing": 1})


def test_two_widgets_for_one_setting_are_refused(page: Any) -> None:
    import gradio as gr

    with pytest.raises(ValueError, match=r"training\.seed"):
        page.draft.add("training", "seed", gr.Number(1, render=False))


def test_an_upload_gets_a_name_of_ours(page: Any, tmp_path: Path) -> None:
    from studio.errors import DataError
    from studio.ui.uploads import store_upload

    odd = tmp_path / "<img src=x onerror=alert(1)> ..%2f my ROWS.JSONL"
    odd.write_text('{"text": "hello"}\n')
    stored = store_upload(odd, page.services.settings)
    assert stored.parent.parent == page.services.settings.uploads_dir and stored.suffix == ".jsonl"
    assert stored.read_bytes() == odd.read_bytes() and not set(stored.name) & set("<>% ")
    assert store_upload(odd, page.services.settings) == stored
    program = tmp_path / "rows.exe"
    program.write_bytes(b"MZ")
    with pytest.raises(DataError):
        store_upload(program, page.services.settings)
