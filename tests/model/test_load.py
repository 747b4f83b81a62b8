"""Every way a model folder can be wrong gets one sentence; a right one loads whole."""

import json

import pytest

from studio.config import ModelConfig
from studio.errors import ModelError
from studio.model.load import load_model, load_tokenizer, tokenizer_notes


def refused(folder, settings, **config):
    with pytest.raises(ModelError) as caught:
        load_model(ModelConfig(model_name_or_path=str(folder), **config), settings)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert len(sentence) < 600
    return sentence


def rewrite(folder, edit):
    """Change the tensors of model.safetensors."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    edit(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def test_the_starter_loads_frozen_and_whole(settings):
    loaded = load_model(ModelConfig(), settings)
    assert loaded.parameters == sum(p.numel() for p in loaded.model.parameters())
    assert not loaded.model.training
    assert not any(p.requires_grad for p in loaded.model.parameters())
    assert loaded.weight_bytes >= loaded.parameters * 2
    assert loaded.tokenizer.pad_token_id is not None


def test_dtype_is_what_was_asked(settings):
    import torch

    loaded = load_model(ModelConfig(dtype="bfloat16"), settings)
    assert {p.dtype for p in loaded.model.parameters()} == {torch.bfloat16}
    assert loaded.dtype == "bfloat16"


def test_no_config(folder, settings):
    (folder / "config.json").unlink()
    assert "config.json" in refused(folder, settings)


def test_no_weights(folder, settings):
    (folder / "model.safetensors").unlink()
    assert "no weights" in refused(folder, settings)


def test_pickle_weights_only(folder, settings):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "pickle" in refused(folder, settings)


def test_cut_weights_are_named(folder, settings):
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    assert "model.safetensors is damaged" in refused(folder, settings)


def test_missing_shard_is_named(folder, settings):
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"model.embed_tokens.weight": "model-00001-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "model-00001-of-00002.safetensors is missing" in refused(folder, settings)


@pytest.mark.parametrize("text", ["{", "[]", '"text"', ""])
def test_broken_config(folder, settings, text):
    (folder / "config.json").write_text(text)
    assert "config.json is damaged" in refused(folder, settings)


@pytest.mark.parametrize(
    "values", [{"hidden_size": -1}, {"vocab_size": 10**12}, {"num_hidden_layers": "many"}, {"hidden_size": 257}]
)
def test_impossible_sizes(folder, settings, change, values):
    change("config.json", **values)
    refused(folder, settings)


def test_unknown_kind(folder, settings, change):
    change("config.json", model_type="nothing-known")
    assert "nothing-known" in refused(folder, settings)


def test_weights_that_leave_gaps(folder, settings):
    rewrite(folder, lambda tensors: tensors.pop("model.norm.weight"))
    assert "model.norm.weight" in refused(folder, settings)


def test_weights_of_another_model(folder, settings):
    rewrite(folder, lambda tensors: tensors.update({"vision.weight": tensors["model.norm.weight"].clone()}))
    assert "vision.weight" in refused(folder, settings)


def test_weights_of_another_size(folder, settings):
    rewrite(folder, lambda tensors: tensors.update({"model.norm.weight": tensors["model.norm.weight"][:-1].clone()}))
    refused(folder, settings)


def test_remote_code_is_refused_without_asking(folder, settings, change, tmp_path, monkeypatch):
    marker = tmp_path / "marker"
    evil = f"open({str(marker)!r}, 'w')\nfrom transformers import LlamaConfig as Evil\n"
    (folder / "evil.py").write_text(evil)
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked on stdin"))
    change("config.json", auto_map={"AutoConfig": "evil.Evil", "AutoModelForCausalLM": "evil.Evil"})
    assert "--trust_remote_code" in refused(folder, settings)
    change("config.json", auto_map=None)
    change("tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Evil", None]})
    assert "--trust_remote_code" in refused(folder, settings)
    assert not marker.exists()


def test_kernels_from_elsewhere_are_refused(folder, settings, change):
    change("config.json", _attn_implementation="someone/kernel")
    assert "someone/kernel" in refused(folder, settings)


def test_an_adapter_is_no_model(folder, settings):
    (folder / "adapter_config.json").write_text("{}")
    assert "adapter" in refused(folder, settings)
    (folder / "config.json").unlink()
    assert "adapter" in refused(folder, settings)


def test_tokenizer_ids_beyond_the_embedding(folder, settings, change):
    rewrite(
        folder,
        lambda tensors: tensors.update(
            {key: value[:100].clone() for key, value in tensors.items() if "embed_tokens" in key or "lm_head" in key}
        ),
    )
    change("config.json", vocab_size=100)
    sentence = refused(folder, settings)
    assert "100 embeddings" in sentence
    with pytest.raises(ModelError, match="100 embeddings"):  # a preview needs no weights to see it
        load_tokenizer(ModelConfig(model_name_or_path=str(folder)), settings)


def test_no_tokenizer(folder, settings):
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (folder / name).unlink()
    assert "tokenizer" in refused(folder, settings)


@pytest.mark.parametrize("text", ["{", '{"model": 3}'])
def test_damaged_tokenizer(folder, settings, text):
    (folder / "tokenizer.json").write_text(text)
    assert "tokenizer" in refused(folder, settings)


def test_devices_and_dtypes_that_are_not_here(folder, settings):
    assert "cuda:7" in refused(folder, settings, device_map="cuda:7")


def test_unknown_attention(folder, settings):
    assert "sdpa or eager" in refused(folder, settings, attn_implementation="nothing_known")


def test_missing_pad_token_is_chosen_among_those_there(folder, settings, change):
    change("tokenizer_config.json", pad_token=None)
    config = ModelConfig(model_name_or_path=str(folder))
    tokenizer = load_tokenizer(config, settings)
    assert tokenizer.pad_token_id is not None
    assert len(tokenizer) == len(load_tokenizer(ModelConfig(), settings))
    assert any(tokenizer.pad_token in note for note in tokenizer_notes(tokenizer, config))


def test_the_tokenizer_is_cached_until_its_files_change(folder, settings):
    config = ModelConfig(model_name_or_path=str(folder))
    first = load_tokenizer(config, settings)
    assert load_tokenizer(config, settings) is first
    (folder / "chat_template.jinja").write_text("{{ messages[0]['content'] }}")
    assert load_tokenizer(config, settings).chat_template == "{{ messages[0]['content'] }}"
