"""What is said about a model before it is loaded is what it turns out to be."""

import time

import pytest

from studio.config import ModelConfig
from studio.errors import ModelError
from studio.model.load import load_model
from studio.model.memory import describe


def test_the_starter_described_equals_the_starter_loaded(settings):
    facts = describe(ModelConfig(), settings)
    loaded = load_model(ModelConfig(), settings)
    assert facts.parameters == loaded.parameters
    assert facts.dtype == loaded.dtype
    assert facts.weight_bytes == sum(p.numel() * p.element_size() for p in loaded.model.parameters())
    assert facts.layers == loaded.model.config.num_hidden_layers
    assert facts.context_length == loaded.model.config.max_position_embeddings
    assert facts.chat_template
    assert {"q_proj", "down_proj"} <= set(facts.modules)
    assert "lm_head" not in facts.modules


def test_what_is_wrong_with_files_is_said_before_they_are_loaded(folder, settings):
    config = ModelConfig(model_name_or_path=str(folder))
    assert describe(config, settings).parameters > 1_000_000
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:500])
    with pytest.raises(ModelError, match=r"model\.safetensors is damaged"):
        describe(config, settings)
    weights.unlink()
    with pytest.raises(ModelError, match="has no weights"):
        describe(config, settings)


def test_attention_that_does_not_run_here_is_said_before_loading(settings):
    assert describe(ModelConfig(attn_implementation="eager"), settings)
    for value in ("nonsense", "flash_attention_2"):
        with pytest.raises(ModelError, match=f"attn_implementation is {value}.*sdpa or eager"):
            describe(ModelConfig(attn_implementation=value), settings)


def test_it_takes_milliseconds_once_imports_are_warm(folder, settings):
    config = ModelConfig(model_name_or_path=str(folder))
    describe(ModelConfig(), settings)
    started = time.perf_counter()
    describe(config, settings)  # a folder never seen
    assert time.perf_counter() - started < 0.5
    started = time.perf_counter()
    describe(config, settings)
    assert time.perf_counter() - started < 0.1


def test_a_changed_config_is_read_anew(folder, settings, change):
    config = ModelConfig(model_name_or_path=str(folder))
    before = describe(config, settings)
    change("config.json", num_hidden_layers=1)
    assert describe(config, settings).layers == 1 != before.layers


def test_smollm2_is_described_before_it_is_fetched(settings):
    facts = describe(ModelConfig(model_name_or_path="smollm2"), settings)
    assert facts.parameters == 134_515_008
    assert facts.layers == 30
    assert any("fetched" in note for note in facts.notes)
    assert not settings.cache.exists()


def test_a_missing_chat_template_is_noted_with_what_stands_in(folder, settings):
    (folder / "chat_template.jinja").unlink()
    facts = describe(ModelConfig(model_name_or_path=str(folder)), settings)
    assert facts.chat_template
    assert any("no chat template, so chatml is used" in note for note in facts.notes)


@pytest.mark.parametrize("quantization", ["8-bit", "4-bit"])
def test_quantized_weights_are_foreseen(settings, quantization):
    pytest.importorskip("bitsandbytes")
    config = ModelConfig(quantization=quantization, dtype="bfloat16")
    facts = describe(config, settings)
    loaded = load_model(config, settings)
    assert loaded.quantized
    assert facts.weight_bytes == pytest.approx(loaded.weight_bytes, rel=0.1)
    assert facts.weight_bytes < describe(ModelConfig(dtype="bfloat16"), settings).weight_bytes


def test_a_folder_that_is_no_model(tmp_path, settings):
    with pytest.raises(ModelError, match=r"config\.json"):
        describe(ModelConfig(model_name_or_path=str(tmp_path)), settings)


def test_a_look_at_a_model_leaves_the_process_in_float32(settings, monkeypatch):
    """Another thread may be training: a type of one's own would be everybody's default for a moment."""
    import torch

    from studio.model import shape

    chosen = []
    monkeypatch.setattr(torch, "set_default_dtype", chosen.append)
    shape._shape.cache_clear()
    facts = describe(ModelConfig(), settings)
    assert shape.shape_of(ModelConfig(), settings).config.dtype == torch.bfloat16  # what is stored is still known
    assert facts.parameters > 1_000_000 and chosen == []
