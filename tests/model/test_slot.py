"""One set of weights: what trains on it and what answers with it leaves it as it was, bit for bit."""

import json
import shutil
import threading

import pytest

from studio.config import LoraAdapter, ModelConfig
from studio.errors import BusyError, ModelError
from studio.model.adapter import peft_config
from studio.model.share import fingerprint
from studio.model.slot import MOST_ADAPTERS, ModelSlot


def logits(model):
    import torch

    with torch.inference_mode():
        return model(input_ids=torch.arange(3, 40).unsqueeze(0), use_cache=False).logits


def pointers(model):
    return {name: tensor.data_ptr() for name, tensor in (*model.named_parameters(), *model.named_buffers())}


def trained(slot, folder, *, steps=3, method=None, **options):
    """A few real steps of TRL on a trainee; the trainer, its adapter saved in `folder`."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    model = slot.trainee()
    args = SFTConfig(
        output_dir=str(folder / "out"),
        max_steps=steps,
        per_device_train_batch_size=2,
        learning_rate=1e-2,
        bf16=False,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        logging_steps=1,
        max_length=48,
        gradient_checkpointing=False,
        **(method or {}),
    )
    rows = Dataset.from_list([{"text": "The ship sails at dawn, aye!"}, {"text": "A parrot is a fine first mate."}] * 2)
    trainer = SFTTrainer(
        model=model,
        args=args,
        train_dataset=rows,
        eval_dataset=rows if (method or {}).get("eval_strategy") else None,
        processing_class=slot.loaded.tokenizer,
        peft_config=peft_config(LoraAdapter(r=4, **options), model),
    )
    trainer.train()
    trainer.save_model(str(folder / "adapter"))
    return trainer


@pytest.fixture(scope="module")
def adapter(session_settings, tmp_path_factory):
    """An adapter of the starter, trained for real."""
    folder = tmp_path_factory.mktemp("trained")
    slot = ModelSlot(session_settings)
    slot.load(ModelConfig())
    trained(slot, folder)
    return folder / "adapter"


def test_a_trainee_shares_every_storage_and_no_module(slot):
    import torch

    base, trainee = slot.base_model(), slot.trainee()
    assert pointers(trainee) == pointers(base)
    assert not {id(m) for m in trainee.modules()} & {id(m) for m in base.modules()}
    assert not {id(p) for p in trainee.parameters()} & {id(p) for p in base.parameters()}
    assert not any(p.requires_grad for p in trainee.parameters())
    assert torch.equal(logits(trainee), logits(base))
    assert trainee.config is not base.config
    assert trainee.generation_config.to_dict() == base.generation_config.to_dict()
    if base.config.tie_word_embeddings:
        assert trainee.get_output_embeddings().weight is trainee.get_input_embeddings().weight


def test_a_full_copy_shares_nothing_and_trains(slot):
    import torch

    base, copied = slot.base_model(), slot.trainee(copy=True)
    assert not set(pointers(copied).values()) & set(pointers(base).values())
    assert all(p.requires_grad for p in copied.parameters())
    before = slot.fingerprint()
    with torch.no_grad():
        for parameter in copied.parameters():
            parameter.add_(1)
    assert slot.fingerprint() == before
    assert not any(p.requires_grad for p in base.parameters())


def test_hooks_of_a_spread_model_point_into_the_copy(slot):
    """accelerate replaces `forward` of each module on several devices; the copy's must run the copy's modules."""
    from accelerate.hooks import AlignDevicesHook, add_hook_to_module

    from studio.model.share import shared_copy

    hooked = slot.trainee()
    layer = hooked.model.layers[0]
    add_hook_to_module(layer, AlignDevicesHook(execution_device="cpu", io_same_device=True))
    copied = shared_copy(hooked).model.layers[0]
    assert copied.forward.args[0] is copied
    assert copied._old_forward.__self__ is copied
    assert layer.forward.args[0] is layer


def test_real_training_leaves_the_base_untouched(slot, tmp_path):
    import torch

    before, base_logits = slot.fingerprint(), logits(slot.base_model())
    where = pointers(slot.base_model())
    trainer = trained(slot, tmp_path)
    assert slot.fingerprint() == before
    assert pointers(slot.base_model()) == where
    slot.attach("run", tmp_path / "adapter")
    adapted = slot.adapted_model("run")
    assert not any(p.requires_grad for p in adapted.parameters())
    trainer.model.eval()
    assert torch.equal(logits(adapted), logits(trainer.model)), "the attached adapter is the trained one"
    assert not torch.equal(logits(adapted), base_logits)
    with adapted.disable_adapter():
        assert torch.equal(logits(adapted), base_logits)
    assert slot.fingerprint() == before


def test_a_changed_base_is_noticed(session_settings):
    import torch

    slot = ModelSlot(session_settings)
    slot.load(ModelConfig())
    assert slot.untouched()
    before = slot.fingerprint()
    torch.set_num_threads(torch.get_num_threads() + 1)
    assert slot.fingerprint() == before, "the number of threads is no change"
    torch.set_num_threads(torch.get_num_threads() - 1)
    with torch.no_grad():
        slot.base_model().model.norm.weight[0] += 1e-3
    assert not slot.untouched()


def test_an_attached_adapter_brings_no_second_copy_of_the_weights(slot, adapter):
    slot.attach("run", adapter)
    base = set(pointers(slot.base_model()).values())
    own = [p.numel() for n, p in slot.adapted_model("run").named_parameters() if p.data_ptr() not in base]
    lora = [p.numel() for n, p in slot.adapted_model("run").named_parameters() if "lora_" in n]
    assert sum(own) == sum(lora)


def test_an_adapter_that_was_trained_further_elsewhere_is_no_longer_held(slot, adapter, tmp_path):
    folder = tmp_path / "adapter-of-the-run"
    shutil.copytree(adapter, folder)
    assert not slot.holds("again", folder)
    slot.attach("again", folder)
    assert slot.holds("again", folder) and not slot.holds("other", folder)
    shutil.copytree(adapter, tmp_path / "new")
    shutil.rmtree(folder)
    (tmp_path / "new").rename(folder)
    assert not slot.holds("again", folder)
    slot.attach("again", folder)
    assert slot.holds("again", folder)
    slot.detach("again")
    assert not slot.holds("again", folder)


def test_a_float32_adapter_on_a_bfloat16_base_keeps_its_bits(session_settings, tmp_path):
    from safetensors.torch import load_file

    slot = ModelSlot(session_settings)
    slot.load(ModelConfig(dtype="bfloat16"))
    trained(slot, tmp_path)
    slot.attach("run", tmp_path / "adapter")
    kept = dict(slot.adapted_model("run").named_parameters())
    for name, tensor in load_file(tmp_path / "adapter" / "adapter_model.safetensors").items():
        assert kept[name.replace(".weight", ".default.weight")].equal(tensor)


@pytest.mark.parametrize(
    "options",
    [{"bias": "all"}, {"bias": "lora_only"}, {"use_dora": True}, {"modules_to_save": ("embed_tokens", "norm")}],
)
def test_what_trains_beside_lora_does_not_reach_the_base(session_settings, biased, tmp_path, options):
    import torch

    slot = ModelSlot(session_settings)
    slot.load(ModelConfig(model_name_or_path=str(biased), dtype="float32"))
    before, base_logits = slot.fingerprint(), logits(slot.base_model())
    trainer = trained(slot, tmp_path, **options)
    assert slot.fingerprint() == before
    slot.attach("run", tmp_path / "adapter")
    trainer.model.eval()
    assert torch.equal(logits(slot.adapted_model("run")), logits(trainer.model))
    assert torch.equal(logits(slot.base_model()), base_logits)


@pytest.mark.parametrize("quantization", ["4-bit", "8-bit"])
def test_quantized_weights_are_shared_too(session_settings, tmp_path, quantization):
    import torch

    pytest.importorskip("bitsandbytes")
    slot = ModelSlot(session_settings)
    slot.load(ModelConfig(quantization=quantization, dtype="bfloat16"))
    base_logits = logits(slot.base_model())
    assert pointers(slot.trainee()) == pointers(slot.base_model())
    assert torch.equal(logits(slot.trainee()), base_logits)
    # Evaluation before training: bitsandbytes' repacking would end all learning here (gradients of 0).
    trainer = trained(slot, tmp_path, steps=4, method={"eval_strategy": "steps", "eval_steps": 1})
    norms = [entry["grad_norm"] for entry in trainer.state.log_history if "grad_norm" in entry]
    assert len(norms) == 4
    assert all(norm > 0 for norm in norms)
    assert torch.equal(logits(slot.base_model()), base_logits)
    slot.attach("run", tmp_path / "adapter")
    assert not torch.equal(logits(slot.adapted_model("run")), base_logits)
    with slot.adapted_model("run").disable_adapter():
        assert torch.equal(logits(slot.adapted_model("run")), base_logits)


def test_loading_the_same_again_does_nothing_and_another_replaces(session_settings, adapter):
    slot = ModelSlot(session_settings)
    first = slot.load(ModelConfig())
    slot.attach("run", adapter)
    assert slot.load(ModelConfig()) is first
    assert slot.adapters == ("run",)
    second = slot.load(ModelConfig(dtype="bfloat16"))
    assert second is not first
    assert slot.adapters == ()
    slot.unload()
    assert slot.loaded is None
    with pytest.raises(ModelError, match="No model is loaded"):
        slot.trainee()


def test_a_failed_load_leaves_an_empty_slot_that_works(session_settings, tmp_path):
    slot = ModelSlot(session_settings)
    slot.load(ModelConfig())
    with pytest.raises(ModelError):
        slot.load(ModelConfig(model_name_or_path=str(tmp_path / "nowhere")))
    assert slot.holder is None
    assert slot.load(ModelConfig()).parameters


def test_adapters_are_bounded_and_replaced(slot, adapter):
    for index in range(MOST_ADAPTERS + 2):
        slot.attach(f"run-{index}", adapter)
    assert len(slot.adapters) == MOST_ADAPTERS
    assert slot.adapters[0] == "run-2"
    first = slot.adapted_model("run-5")
    slot.attach("run-5", adapter)
    assert slot.adapted_model("run-5") is not first
    assert len(slot.adapters) == MOST_ADAPTERS
    with pytest.raises(ModelError, match="run-0"):
        slot.adapted_model("run-0")


def broken(adapter, tmp_path):
    target = tmp_path / "broken"
    shutil.copytree(adapter, target)
    return target


def change(folder, **values):
    data = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(data | values))


def test_a_cut_adapter_is_named(slot, adapter, tmp_path):
    folder = broken(adapter, tmp_path)
    file = folder / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(ModelError, match=r"adapter_model\.safetensors is damaged"):
        slot.attach("run", folder)
    assert "run" not in slot.adapters


def test_a_pickled_adapter_is_refused_unread(slot, adapter, tmp_path):
    import pickle

    marker = tmp_path / "marker"

    class Evil:
        def __reduce__(self):
            return open, (str(marker), "w")

    folder = broken(adapter, tmp_path)
    (folder / "adapter_model.safetensors").unlink()
    (folder / "adapter_model.bin").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ModelError, match="pickle"):
        slot.attach("run", folder)
    assert not marker.exists()


@pytest.mark.parametrize(
    "values",
    [
        {"peft_type": "LOHA"},
        {"auto_mapping": {"base_model_class": "Evil", "parent_library": "evil"}},
        {"megatron_config": {"a": 1}},
        {"layer_replication": [[0, 99]]},
        {"target_parameters": ["x"]},
        {"something_new": 1},
        {"r": "many"},
        {"lora_alpha": 1e99},
        {"modules_to_save": ["(a+)+$"]},
        {"alpha_pattern": {"(a+)+$": 1}},
    ],
)
def test_fields_beyond_the_allow_list(slot, adapter, tmp_path, values):
    folder = broken(adapter, tmp_path)
    change(folder, **values)
    with pytest.raises(ModelError, match=r"adapter_config\.json"):
        slot.attach("run", folder)


def test_patterns_of_other_tools_are_never_run(slot, adapter, tmp_path):
    """Which modules are meant is read from the tensors, so a regular expression in the file does no harm."""
    folder = broken(adapter, tmp_path)
    change(folder, target_modules="(a+)+$", base_model_name_or_path="nobody/nothing")
    slot.attach("run", folder)
    slot.attach("same", adapter)
    assert fingerprint(slot.adapted_model("run")) == fingerprint(slot.adapted_model("same"))


def test_an_adapter_of_another_base_names_both(session_settings, biased, adapter):
    slot = ModelSlot(session_settings)
    slot.load(ModelConfig(model_name_or_path=str(biased)))
    with pytest.raises(ModelError) as caught:
        slot.attach("run", adapter)
    assert "starter" in str(caught.value)
    assert str(biased) in str(caught.value)


def test_no_adapter_there(slot, tmp_path):
    with pytest.raises(ModelError, match="no adapter"):
        slot.attach("run", tmp_path)


def test_the_lease_names_its_holder_and_is_given_back(slot):
    with slot.lease("training run-1"):
        assert slot.holder == "training run-1"
        with slot.lease("loading"):  # the same thread may nest
            assert slot.holder == "training run-1"
        caught = []
        other = threading.Thread(target=lambda: caught.append(_busy(slot)))
        other.start()
        other.join()
        assert "training run-1" in caught[0]
    assert slot.holder is None


def _busy(slot):
    with pytest.raises(BusyError) as caught, slot.lease("chat"):
        pass
    return str(caught.value)


def test_a_roaming_lease_belongs_to_no_thread(slot):
    with slot.lease("chat", roaming=True):
        assert "chat" in _busy(slot)
        with pytest.raises(BusyError):
            slot.unload()
    assert slot.loaded is not None


def test_waiting_for_the_lease(slot):
    order = []

    def other():
        with slot.lease("second", wait=True):
            order.append("second")

    with slot.lease("now"):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(0.1)
        assert thread.is_alive()
        order.append("now")
    thread.join(5)
    assert order == ["now", "second"]
    assert slot.holder is None
