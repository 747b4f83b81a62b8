"""A saved adapter on a loaded base, in modules of its own. Knows nothing of how many there are, or who asks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from studio.adapters.base import without_expected
from studio.errors import ModelError
from studio.methods.scoring import scoring_model
from studio.model.adapter_file import AdapterFile, loaded_config, read_adapter
from studio.model.folder import check_safetensors, explained, weight_files
from studio.model.load import LoadedModel, load_model
from studio.model.precision import train_in_float32
from studio.model.share import private_copy, shared_copy
from studio.settings import Settings

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

TRAINED, BESIDE = "trained.safetensors", "adapter"  # in a checkpoint's folder: every trained value; the same for PEFT


def answering(base: LoadedModel, folder: Path, settings: Settings) -> PeftModel | PreTrainedModel:
    """What a run has saved, an adapter or all weights, as a model that answers; a checkpoint's folder will do too."""
    if is_checkpoint(folder):
        return restored(base, folder)
    return tuned(base, folder, settings) if is_model(folder) else attached(base, folder)


def scoring(base: LoadedModel, folder: Path) -> PeftModel | PreTrainedModel:
    """What a reward run has saved, as a model that gives one number to a sequence; or a checkpoint of such a run."""
    if is_checkpoint(folder):
        return restored(base, folder, scores=True)
    return tuned_for_scores(base, folder) if is_model(folder) else attached(base, folder, scores=True)


def attached(base: LoadedModel, folder: Path, *, scores: bool = False) -> PeftModel:
    """PEFT's modules on a shared copy of the base; the folder must hold exactly the tensors they need.

    `scores` puts a reward model's head in place of the base's own.
    """
    import torch
    from peft import PeftModelForCausalLM, PeftModelForSequenceClassification, get_peft_model_state_dict

    adapter = read_adapter(folder)
    name = str(folder)
    _check_rows(adapter, base)
    with explained("adapter", name=name), without_expected(adapter.kind):
        model = shared_copy(base.model)
        config, kind = loaded_config(adapter), PeftModelForCausalLM
        if scores:
            model, kind = scoring_model(model, seed=0)[0], PeftModelForSequenceClassification
            config.inference_mode = False  # what was trained is brought to float32, as it was in training
        try:
            # PEFT's `low_cpu_mem_usage` would round float32 adapters to the base's bfloat16 on their way.
            with torch.random.fork_rng(devices=[]):  # its first values are drawn, and then replaced
                adapted = kind(model, config)
        except ValueError as error:  # modules that this base does not have
            raise _wrong_base(adapter, base) from error
        expected = get_peft_model_state_dict(adapted, save_embedding_layers=False)
        if {key: tuple(tensor.shape) for key, tensor in expected.items()} != adapter.shapes:
            raise _wrong_base(adapter, base)
        if scores:
            train_in_float32(adapted)
        adapted.load_adapter(name, "default", is_trainable=False, torch_device=str(base.model.device))
        adapted.requires_grad_(False)
        adapted.eval()
        return adapted


def _check_rows(adapter: AdapterFile, base: LoadedModel) -> None:
    """An adapter that learned new tokens needs a base that was loaded with them."""
    largest = max((index for rows in adapter.new_tokens.values() for index in rows), default=-1)
    rows = base.model.get_input_embeddings().num_embeddings
    if largest >= rows:
        raise ModelError(
            "The adapter in {folder} has learned tokens up to id {largest}, and {loaded} has {rows}. "
            "Load the base with the run's chat template and model.add_template_tokens: true.",
            folder=adapter.folder,
            largest=largest,
            loaded=base.config.model_name_or_path,
            rows=rows,
        )


def is_model(folder: Path) -> bool:
    """Whether a folder holds all weights of a model, not an adapter."""
    return (folder / "model.safetensors").is_file() or (folder / "model.safetensors.index.json").is_file()


def is_checkpoint(folder: Path) -> bool:
    """Whether a folder is a checkpoint: every trained value by its name, and what a run needs to go on."""
    return (folder / TRAINED).is_file()


def restored(base: LoadedModel, folder: Path, *, scores: bool = False) -> PeftModel | PreTrainedModel:
    """A checkpoint as a model: its adapter on the base, or what it trained of the base in memory of its own."""
    if (folder / BESIDE).is_dir():
        return attached(base, folder / BESIDE, scores=scores)
    import torch
    from safetensors.torch import load_file

    shapes = {name: shape for name, (_, shape) in check_safetensors(folder / TRAINED).items()}
    model = shared_copy(base.model, own=shapes)
    if scores:
        model = scoring_model(model, seed=0)[0]
    there = dict(model.named_parameters())
    if not shapes or any(name not in there or tuple(there[name].shape) != shape for name, shape in shapes.items()):
        raise ModelError(
            "The checkpoint in {folder} does not fit {loaded}. Load the base that its run was trained on.",
            folder=folder,
            loaded=base.config.model_name_or_path,
        )
    with explained("weights", name=str(folder)), torch.no_grad():
        for name, value in load_file(folder / TRAINED).items():
            there[name].copy_(value)
    model.requires_grad_(False)
    model.eval()
    return model


def tuned(base: LoadedModel, folder: Path, settings: Settings) -> PreTrainedModel:
    """A fully fine-tuned model from its own folder, in the base's dtype and place."""
    config = base.config.model_copy(
        update={
            "model_name_or_path": str(folder),
            "revision": None,
            "dtype": base.dtype,
            "quantization": "none",
            "merged_adapters": (),
        }
    )
    # The folder is a run's, written by the studio: the ban on local paths of a public Space is not about it.
    return load_model(config, replace(settings, mode="local")).model


def tuned_for_scores(base: LoadedModel, folder: Path) -> PreTrainedModel:
    """A fully fine-tuned reward model from its own folder, in memory of its own in the base's place."""
    from safetensors.torch import load_file

    name = str(folder)
    files = weight_files(folder, name=name)
    with explained("weights", name=name):
        model, _ = scoring_model(private_copy(base.model), seed=0)
        model.load_state_dict({key: tensor for file in files for key, tensor in load_file(file).items()})
    model.requires_grad_(False)
    model.eval()
    return model


def _wrong_base(adapter: AdapterFile, base: LoadedModel) -> ModelError:
    return ModelError(
        "The adapter in {folder} was trained on {trained}, and its weights do not fit {loaded}. Load its base.",
        folder=adapter.folder,
        trained=adapter.base,
        loaded=base.config.model_name_or_path,
    )
