"""What is decided about Unsloth, which runs on NVIDIA GPUs only: a stand-in of its two functions, never the package."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

from studio.adapters import LoraAdapter
from studio.config import ModelConfig
from studio.config.files import build
from studio.errors import ConfigError, ModelError
from studio.model import hardware, unsloth
from studio.model.adapter import peft_config
from studio.model.shape import shape_of
from studio.settings import Settings
from studio.training.plan import plan

GPU = hardware.Device("cuda", 80 * 10**9, bfloat16=True, names=("NVIDIA H100",))


def test_without_a_gpu_the_run_is_refused_before_it_begins(settings: Settings) -> None:
    if hardware.detect().kind == "cuda":
        pytest.skip("there is a GPU here")
    told = plan(build({"model": {"use_unsloth": True}}), settings).errors
    assert told and "needs an NVIDIA GPU" in str(told[0])


def test_without_the_package_the_sentence_says_so() -> None:
    with pytest.raises(ModelError, match="package unsloth, which is not installed"):
        unsloth.check_unsloth(GPU)


@pytest.mark.parametrize(
    "sections",
    [
        {"adapter": {"type": "ia3"}},
        {"adapter": None},
        {"adapter": {"use_dora": True}},
        {"adapter": {"init_lora_weights": "pissa"}},
        {"method": "reward"},
    ],
)
def test_what_it_does_not_train_is_refused(sections: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="use_unsloth trains plain LoRA"):
        build({"model": {"use_unsloth": True}, **sections})


def test_its_functions_are_given_the_settings(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    calls: dict[str, dict[str, Any]] = {}

    class FastLanguageModel:
        @staticmethod
        def from_pretrained(**given: Any) -> tuple[str, str]:
            calls["load"] = given
            return "model", "tokenizer"

        @staticmethod
        def get_peft_model(model: Any, **given: Any) -> str:
            calls["adapt"] = given
            return "adapted"

    package = ModuleType("unsloth")
    package.FastLanguageModel = FastLanguageModel  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "unsloth", package)
    monkeypatch.setattr(unsloth, "check_unsloth", lambda: None)
    config = ModelConfig(use_unsloth=True, quantization="4-bit")
    assert unsloth.load_fast(tmp_path, config, dtype="bfloat16", length=None) == "model"  # type: ignore[comparison-overlap]
    assert calls["load"]["load_in_4bit"] and not calls["load"]["load_in_8bit"]
    wanted = peft_config(LoraAdapter(r=4, use_rslora=True), shape_of(ModelConfig(), settings))
    assert unsloth.with_fast_adapter("model", wanted, seed=7, checkpointing=True) == "adapted"  # type: ignore[arg-type,comparison-overlap]
    assert calls["adapt"]["r"] == 4 and calls["adapt"]["use_rslora"] and calls["adapt"]["random_state"] == 7
    assert "q_proj" in calls["adapt"]["target_modules"]
    assert calls["adapt"]["use_gradient_checkpointing"] == "unsloth"
