"""The model that answers are measured against, where it is neither the base nor a copy of it. Trains nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.config import ModelConfig, RunConfig
from studio.errors import ModelError
from studio.model.load import load_model, load_tokenizer
from studio.model.memory import describe
from studio.model.progress import Progress
from studio.settings import Settings

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from studio.model.load import LoadedModel


def reference_of(config: RunConfig) -> ModelConfig | None:
    """The model that `method.ref_model_name_or_path` names, in the form of the run's own; None where it is the base."""
    name = getattr(config.method, "ref_model_name_or_path", None)
    if not name or name == config.model.model_name_or_path:
        return None
    return config.model.model_copy(update={"model_name_or_path": name, "revision": None})


def check_reference(config: RunConfig, settings: Settings, *, progress: Progress | None = None) -> None:
    """A ModelError where there is no such model, or one that reads text as other tokens. Loads no weights."""
    found = reference_of(config)
    if found is None:
        return
    own = load_tokenizer(config.model, settings, progress=progress).get_vocab()
    try:
        other = load_tokenizer(found, settings, progress=progress).get_vocab()
        describe(found, settings)
    except ModelError as error:
        raise ModelError("method.ref_model_name_or_path: {problem}", problem=error) from error
    if own == other:
        return
    token = min(set(own.items()) ^ set(other.items()), key=lambda one: (one[1], one[0]))[0]
    raise ModelError(
        "method.ref_model_name_or_path {reference} has other tokens than {model}: {token!r} has the number {theirs} in "
        "one and {ours} in the other. Choose a model with the same tokenizer, or leave it out.",
        reference=found.model_name_or_path,
        model=config.model.model_name_or_path,
        token=token,
        theirs=other.get(token, "-"),
        ours=own.get(token, "-"),
    )


def reference_bytes(config: RunConfig, settings: Settings) -> int:
    """What its weights take in memory, beside those of the run's model."""
    found = reference_of(config)
    return describe(found, settings).weight_bytes if found is not None else 0


def load_reference(
    config: RunConfig, settings: Settings, *, base: LoadedModel, progress: Progress | None = None
) -> PreTrainedModel | None:
    """The reference model, frozen, in the precision and on the device of the base; None where the run has none."""
    found = reference_of(config)
    if found is None:
        return None
    alike = found if found.quantization != "none" else found.model_copy(update={"dtype": base.dtype})
    return load_model(alike, settings, progress=progress).model
