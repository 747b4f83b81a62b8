"""Tokens that a template adds: new rows begin alike, are trained, saved with the adapter, and read again by chat."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from studio.chat.prompt import end_tokens
from studio.config import LoraAdapter, ModelConfig
from studio.config.files import build
from studio.errors import ModelError
from studio.model.adapter import count_trainable, peft_config
from studio.model.load import load_model, load_tokenizer, tokenizer_notes
from studio.model.memory import describe
from studio.model.share import shared_copy
from studio.model.slot import ModelSlot
from studio.model.templates.facts import template_facts
from studio.runs import RunStore
from studio.settings import Settings
from studio.training.train import train

NEW = ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
OWN = "{% for m in messages %}{{ '<|turn|>' + m.content }}{% endfor %}"


def config(name: str = "starter", template: str = "llama-3") -> ModelConfig:
    return ModelConfig(model_name_or_path=name, chat_template=template, add_template_tokens=True)


def test_the_tokenizer_gets_them_and_nobody_elses_does(settings: Settings) -> None:
    before = len(load_tokenizer(ModelConfig(), settings))
    tokenizer = load_tokenizer(config(), settings)
    ids = tokenizer.convert_tokens_to_ids(NEW)
    assert ids == list(range(before, before + 3))
    assert f"New tokens of the chat template, whose embeddings are trained: {', '.join(NEW)}." in tokenizer_notes(
        tokenizer, config()
    )
    written = tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False)
    assert written.endswith("Hi<|eot_id|>")
    assert template_facts(tokenizer).end_of_turn_ids == (ids[2],)
    assert template_facts(tokenizer).unknown_tokens == ()
    assert len(load_tokenizer(ModelConfig(), settings)) == before
    assert len(load_tokenizer(ModelConfig(chat_template="llama-3"), settings)) == before


def test_nothing_is_added_where_nothing_is_missing(settings: Settings) -> None:
    for template in ("auto", "chatml", "vicuna"):
        tokenizer = load_tokenizer(config(template=template), settings)
        assert len(tokenizer) == len(load_tokenizer(ModelConfig(), settings))
    assert load_tokenizer(config(template=OWN), settings).convert_tokens_to_ids("<|turn|>") == len(
        load_tokenizer(ModelConfig(), settings)
    )


def test_a_new_row_begins_as_the_mean_of_its_pieces(settings: Settings) -> None:
    import torch

    base, grown = load_model(ModelConfig(), settings), load_model(config(), settings)
    old, new = base.model.get_input_embeddings().weight, grown.model.get_input_embeddings().weight
    assert new.shape[0] == old.shape[0] + 3 and torch.equal(new[: old.shape[0]], old)
    pieces = base.tokenizer("<|eot_id|>", add_special_tokens=False)["input_ids"]
    assert torch.allclose(new[-1], old[pieces].float().mean(dim=0).to(old.dtype))
    assert grown.model.get_output_embeddings().weight.shape[0] == new.shape[0]
    again = load_model(config(), settings).model.get_input_embeddings().weight
    assert torch.equal(new, again)  # a run's base must be the same base the next day
    rows = grown.tokenizer.convert_tokens_to_ids("<|eot_id|>") + 1
    assert describe(config(), settings).vocab_size == new.shape[0] == rows
    assert rows - 1 in end_tokens(grown.model, grown.tokenizer)


def test_spare_rows_of_an_embedding_are_used(folder: Path, settings: Settings, change: Any) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    import torch

    for key, value in tensors.items():
        if "embed_tokens" in key or "lm_head" in key:
            tensors[key] = torch.cat([value, torch.zeros(64, value.shape[1], dtype=value.dtype)])
            rows = tensors[key].shape[0]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    change("config.json", vocab_size=rows)
    loaded = load_model(config(str(folder)), settings)
    assert loaded.model.get_input_embeddings().num_embeddings == rows
    assert loaded.model.get_input_embeddings().weight[loaded.tokenizer.convert_tokens_to_ids("<|eot_id|>")].any()


@pytest.mark.parametrize("tied", [True, False])
def test_counted_parameters_are_pefts(tied: bool, settings: Settings, biased: Path) -> None:
    from peft import get_peft_model

    chosen = config("starter" if tied else str(biased))
    loaded = load_model(chosen, settings)
    # A tied embedding that is trained as a whole is PEFT's own matter, with new tokens or without.
    for adapter in (LoraAdapter(), *([] if tied else [LoraAdapter(modules_to_save=("embed_tokens",))])):
        model = get_peft_model(shared_copy(loaded.model), peft_config(adapter, loaded.model))
        trainable, _ = model.get_nb_trainable_parameters()
        assert count_trainable(adapter, chosen, settings) == (trainable, loaded.parameters + trainable)
    assert count_trainable(None, chosen, settings) == (loaded.parameters, loaded.parameters)


@pytest.mark.parametrize("tied", [True, False])
def test_a_run_trains_the_new_rows_and_chat_has_them_again(tied: bool, settings: Settings, biased: Path) -> None:
    import torch

    chosen = config("starter" if tied else str(biased))
    run = build(
        {
            "model": chosen.model_dump(),
            "method": {"type": "sft"},
            "training": {"max_steps": 3, "learning_rate": 1e-2, "save_strategy": "no", "max_length": 64},
        }
    )
    slot = ModelSlot(settings)
    slot.load(run.model)
    base = slot.fingerprint()
    run_dir = RunStore(settings.runs_dir).create(run)
    train(run, run_dir, slot, settings=settings)
    assert slot.fingerprint() == base and slot.loaded is not None
    rows = slot.loaded.tokenizer.convert_tokens_to_ids(NEW)
    made = run_dir / "adapter"
    saved = json.loads((made / "adapter_config.json").read_text(encoding="utf-8"))["trainable_token_indices"]
    assert set(saved) == ({"model.embed_tokens"} if tied else {"model.embed_tokens", "lm_head"})
    assert all(value == rows for value in saved.values())
    assert (made / "adapter_model.safetensors").stat().st_size < 3_000_000  # the rows, not the whole embedding

    prompt = slot.loaded.tokenizer.apply_chat_template(
        [{"role": "user", "content": "Who are you?"}], add_generation_prompt=True, return_tensors="pt"
    )["input_ids"]
    with torch.inference_mode():
        trained = slot.adapted_model(run_dir.name)(prompt).logits
        plain = slot.base_model()(prompt).logits
    embedding = slot.adapted_model(run_dir.name).get_input_embeddings().weight
    assert not torch.equal(embedding[rows], slot.base_model().get_input_embeddings().weight[rows])
    assert not torch.equal(trained, plain)

    tomorrow = ModelSlot(settings)
    tomorrow.load(build({"model": run.model.model_dump()}).model)
    tomorrow.attach("again", made)
    with torch.inference_mode():
        assert torch.equal(tomorrow.adapted_model("again")(prompt).logits, trained)

    bare = ModelSlot(settings)
    bare.load(run.model.model_copy(update={"add_template_tokens": False}))
    with pytest.raises(ModelError, match=r"learned tokens up to id \d+.*add_template_tokens: true"):
        bare.attach("again", made)


def test_an_adapter_files_rows_are_checked(settings: Settings, tmp_path: Path) -> None:
    from peft import get_peft_model

    loaded = load_model(config(), settings)
    model = get_peft_model(shared_copy(loaded.model), peft_config(LoraAdapter(), loaded.model))
    model.save_pretrained(tmp_path, save_embedding_layers=False)
    good = json.loads((tmp_path / "adapter_config.json").read_text(encoding="utf-8"))
    slot = ModelSlot(settings)
    slot.load(config())
    slot.attach("good", tmp_path)
    for rows in ([1, 2], {"model.embed_tokens": "all"}, {"(.*)+$": [1]}, {"model.embed_tokens": [-1]}, {"x": [1e99]}):
        bad = copy.deepcopy(good) | {"trainable_token_indices": rows}
        (tmp_path / "adapter_config.json").write_text(json.dumps(bad), encoding="utf-8")
        with pytest.raises(ModelError, match="trainable_token_indices"):
            slot.attach("bad", tmp_path)


def test_full_fine_tuning_saves_the_grown_model(settings: Settings) -> None:
    run = build({"model": config().model_dump(), "adapter": None, "training": {"max_steps": 2, "save_strategy": "no"}})
    slot = ModelSlot(settings)
    run_dir = RunStore(settings.runs_dir).create(run)
    train(run, run_dir, slot, settings=settings)
    assert slot.loaded is not None
    rows = slot.loaded.model.get_input_embeddings().num_embeddings
    assert json.loads((run_dir / "model" / "config.json").read_text())["vocab_size"] == rows
    assert slot.adapted_model(run_dir.name).get_input_embeddings().num_embeddings == rows
