"""Small real models: the starter, a copy of it to damage, and a random one whose attention has biases."""

import json
import shutil
from pathlib import Path

import pytest

from studio.config import ModelConfig
from studio.model.slot import ModelSlot
from studio.settings import ASSETS, Settings

FILES = ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


@pytest.fixture
def settings(tmp_path):
    return Settings(mode="local", workspace=tmp_path / "workspace", cache=tmp_path / "cache")


@pytest.fixture
def folder(tmp_path):
    """A copy of the starter, to be damaged."""
    target = tmp_path / "model"
    target.mkdir()
    for name in (*FILES, "chat_template.jinja"):
        shutil.copy(ASSETS / "starter" / name, target / name)
    return target


@pytest.fixture
def change(folder):
    """change("config.json", key=value, other=None): None removes the key."""

    def apply(file, **values):
        data = json.loads((folder / file).read_text(encoding="utf-8"))
        data.update(values)
        (folder / file).write_text(json.dumps({k: v for k, v in data.items() if v is not None}), encoding="utf-8")

    return apply


@pytest.fixture(scope="session")
def session_settings(tmp_path_factory):
    base = tmp_path_factory.mktemp("slot")
    return Settings(mode="local", workspace=base / "workspace", cache=base / "cache")


@pytest.fixture
def slot(session_settings):
    """The starter in a slot of its own."""
    slot = ModelSlot(session_settings)
    slot.load(ModelConfig())
    return slot


@pytest.fixture(scope="session")
def biased(tmp_path_factory):
    """A random Qwen2 with biases and an untied output layer, and the starter's tokenizer."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    folder = tmp_path_factory.mktemp("biased")
    starter = json.loads((ASSETS / "starter" / "config.json").read_text(encoding="utf-8"))
    config = Qwen2Config(
        vocab_size=starter["vocab_size"],
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        tie_word_embeddings=False,
    )
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(config)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.1)
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(ASSETS / "starter" / name, folder / name)
    return Path(folder)
