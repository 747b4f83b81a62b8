"""What is trained, how the weights are held, and what goes with neither."""

from __future__ import annotations

from studio.adapters import ADAPTERS, LoraAdapter
from studio.adapters.lora import MOVE_WEIGHTS
from studio.config.rules.base import Rule, Sections
from studio.errors import ConfigError


def quantized_needs_adapter(config: Sections) -> ConfigError | None:
    if config.model.quantization != "none" and config.adapter is None:
        return ConfigError(
            "A {form} model cannot be fully fine-tuned. Set adapter: {{type: lora}}, or model.quantization: none.",
            form=config.model.quantization,
        )
    return None


def adapters_know_quantizations(config: Sections) -> ConfigError | None:
    adapter, form = config.adapter, config.model.quantization
    if adapter is not None and form not in adapter.quantizations:
        fitting = [name for name, kind in ADAPTERS.items() if form in kind.quantizations]
        return ConfigError(
            "adapter.type {type} does not train on {form} weights. Set model.quantization: none, or one of these "
            "types: {fitting}.",
            type=adapter.type,
            form=form,
            fitting=", ".join(fitting),
        )
    return None


def dora_needs_plain_weights(config: Sections) -> ConfigError | None:
    if isinstance(config.adapter, LoraAdapter) and config.adapter.use_dora and config.model.quantization == "8-bit":
        return ConfigError(
            "DoRA does not train on 8-bit weights. Set adapter.use_dora: false, or model.quantization: 4-bit."
        )
    return None


def beginnings_fit_the_weights(config: Sections) -> ConfigError | None:
    """PiSSA, OLoRA and EVA read plain weights; LoftQ makes up for what NF4 lost."""
    if not isinstance(config.adapter, LoraAdapter):
        return None
    initial, form = config.adapter.init_lora_weights, config.model.quantization
    if initial == "loftq" and form != "4-bit":
        return ConfigError(
            "adapter.init_lora_weights: loftq makes up for what 4-bit weights lost, and model.quantization is {form}. "
            "Set it to 4-bit, or adapter.init_lora_weights: default.",
            form=form,
        )
    if initial in (*MOVE_WEIGHTS, "eva", "orthogonal") and form != "none":
        return ConfigError(
            "adapter.init_lora_weights: {initial} needs the model's plain weights, and model.quantization is {form}. "
            "Set it to none, or adapter.init_lora_weights: default.",
            initial=initial,
            form=form,
        )
    return None


def moved_weights_have_no_reference(config: Sections) -> ConfigError | None:
    """The reference is the base with the adapter switched off, which is another one where weights moved."""
    adapter = config.adapter
    if not (isinstance(adapter, LoraAdapter) and adapter.moves_weights):
        return None
    if adapter.use_dora:
        return ConfigError(
            "adapter.init_lora_weights: {initial} is saved as plain LoRA, which does not go with adapter.use_dora. "
            "Turn it off, or set adapter.init_lora_weights: default.",
            initial=adapter.init_lora_weights,
        )
    if config.method.has_reference:
        return ConfigError(
            "adapter.init_lora_weights: {initial} takes weights out of the base, and method {method} measures against "
            "the base with the adapter off. Set adapter.init_lora_weights: default.",
            initial=adapter.init_lora_weights,
            method=config.method.type,
        )
    return None


def continuing_needs_a_beside(config: Sections) -> ConfigError | None:
    adapter = config.adapter
    if adapter is None or adapter.adapter_name_or_path is None:
        return None
    if not adapter.beside:
        return ConfigError(
            "adapter.adapter_name_or_path goes on with an adapter, and adapter.type {type} makes none. "
            "Set model.model_name_or_path to the model to go on with.",
            type=adapter.type,
        )
    if isinstance(adapter, LoraAdapter) and adapter.init_lora_weights != "default":
        return ConfigError(
            "adapter.adapter_name_or_path goes on with weights that are there, so there is nothing to initialize. "
            "Set adapter.init_lora_weights: default."
        )
    return None


def continuing_keeps_its_reference(config: Sections) -> ConfigError | None:
    adapter, method = config.adapter, config.method
    ahead = getattr(method, "precompute_ref_log_probs", False)
    if ahead and method.has_reference and adapter is not None and adapter.adapter_name_or_path is not None:
        return ConfigError(
            "method.precompute_ref_log_probs reads the rows before the adapter of adapter.adapter_name_or_path is put "
            "on, and answers are measured against what that adapter was at first. Turn it off."
        )
    return None


def heads_are_saved(config: Sections) -> ConfigError | None:
    """A head for scores is saved among an adapter's whole modules."""
    adapter = config.adapter
    if config.method.chats or adapter is None or "modules_to_save" in type(adapter).model_fields:
        return None
    return ConfigError(
        "Method {method} trains a head for scores, which adapter.type {type} cannot save. Set adapter.type: lora.",
        method=config.method.type,
        type=adapter.type,
    )


def unsloth_trains_lora(config: Sections) -> ConfigError | None:
    """Its kernels know LoRA at linear layers of a model that writes."""
    adapter = config.adapter
    if not config.model.use_unsloth:
        return None
    plain = isinstance(adapter, LoraAdapter) and adapter.init_lora_weights == "default" and not adapter.use_dora
    if not plain or not config.method.chats or config.model.merged_adapters:
        return ConfigError(
            "model.use_unsloth trains plain LoRA of a model that writes: adapter.type lora with init_lora_weights "
            "default and without use_dora, no method reward, no model.merged_adapters. Set these so, or turn it off."
        )
    return None


def merging_needs_plain_weights(config: Sections) -> ConfigError | None:
    if config.model.merged_adapters and config.model.quantization != "none":
        return ConfigError(
            "model.merged_adapters are added to the model's weights, which {form} weights do not take. "
            "Set model.quantization: none, or continue the adapter with adapter.adapter_name_or_path.",
            form=config.model.quantization,
        )
    return None


ADAPTER_RULES: tuple[Rule, ...] = (
    quantized_needs_adapter,
    adapters_know_quantizations,
    dora_needs_plain_weights,
    beginnings_fit_the_weights,
    moved_weights_have_no_reference,
    continuing_needs_a_beside,
    continuing_keeps_its_reference,
    heads_are_saved,
    unsloth_trains_lora,
    merging_needs_plain_weights,
)
