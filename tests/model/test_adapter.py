"""Names come from the model, counts equal PEFT's own."""

import copy
from itertools import product

import pytest

from studio.adapters.targets import candidate_modules, target_names
from studio.config import LoraAdapter, ModelConfig
from studio.errors import ConfigError
from studio.model.adapter import count_trainable, peft_config
from studio.model.shape import shape_of

LLAMA = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def by_peft(adapter, config, settings):
    from peft import get_peft_model

    model = copy.deepcopy(shape_of(config, settings))
    return get_peft_model(model, peft_config(adapter, model)).get_nb_trainable_parameters()


@pytest.mark.parametrize(
    ("targets", "options"),
    [
        *product(
            ["all-linear", "attention", ("q_proj", "up_proj")],
            [{}, {"use_dora": True, "r": 3}, {"bias": "all"}, {"bias": "lora_only", "use_rslora": True}],
        ),
        (("q_proj",), {"modules_to_save": ("embed_tokens", "lm_head")}),
        (("q_proj", "v_proj"), {"modules_to_save": ("norm", "v_proj"), "bias": "all"}),
    ],
)
def test_counts_equal_pefts(biased, settings, targets, options):
    config = ModelConfig(model_name_or_path=str(biased))
    adapter = LoraAdapter(target_modules=targets, **options)
    assert count_trainable(adapter, config, settings) == by_peft(adapter, config, settings)


def test_counts_of_the_starter_and_of_full_fine_tuning(settings):
    assert count_trainable(LoraAdapter(), ModelConfig(), settings) == by_peft(LoraAdapter(), ModelConfig(), settings)
    trainable, total = count_trainable(None, ModelConfig(), settings)
    assert trainable == total == sum(p.numel() for p in shape_of(ModelConfig(), settings).parameters())


def test_target_groups(settings):
    model = shape_of(ModelConfig(), settings)
    assert candidate_modules(model) == LLAMA
    assert target_names("all-linear", model) == LLAMA
    assert target_names("attention", model) == LLAMA[:4]
    assert target_names(("v_proj",), model) == ("v_proj",)


def test_every_setting_arrives(settings):
    adapter = LoraAdapter(
        r=4, lora_alpha=7, lora_dropout=0.1, bias="all", use_rslora=True, use_dora=True, modules_to_save=("norm",)
    )
    config = peft_config(adapter, shape_of(ModelConfig(), settings))
    for name in ("r", "lora_alpha", "lora_dropout", "bias", "use_rslora", "use_dora"):
        assert getattr(config, name) == getattr(adapter, name)
    assert config.task_type == "CAUSAL_LM"
    # PEFT would take "norm" for the layers' own norms too; the model's final one is meant.
    assert config.modules_to_save == ["model.norm"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"target_modules": ("q_prj",)}, ["q_prj", "Did you mean q_proj?"]),
        ({"target_modules": ("lm_head",)}, ["lm_head", "modules_to_save"]),
        ({"target_modules": ()}, ["empty"]),
        ({"modules_to_save": ("nothing",)}, ["nothing", "embed_tokens"]),
    ],
)
def test_names_the_model_does_not_have(settings, values, words):
    with pytest.raises(ConfigError) as caught:
        peft_config(LoraAdapter(**values), shape_of(ModelConfig(), settings))
    assert all(word in str(caught.value) for word in words)


def test_conv1d_models_are_linear_too():
    from transformers import GPT2Config, GPT2LMHeadModel

    model = GPT2LMHeadModel(GPT2Config(vocab_size=32, n_positions=16, n_embd=16, n_layer=1, n_head=2))
    assert candidate_modules(model) == ("c_attn", "c_proj", "c_fc")
    config = peft_config(LoraAdapter(target_modules="attention"), model)
    assert config.fan_in_fan_out
