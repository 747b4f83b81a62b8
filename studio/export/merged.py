"""The whole model, with the adapter merged into the base's weights, as transformers reads it.

A base that was held in 4 or 8 bits is merged in plain weights. All is done on the CPU, beside the model in the slot.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from studio.adapters.base import without_expected
from studio.errors import ModelError, StudioError
from studio.export.base import Exporter, copy_files
from studio.model.adapter_file import CONFIG, WEIGHTS, read_adapter
from studio.model.attach import attached
from studio.model.folder import explained
from studio.model.hardware import BYTES, threads_for
from studio.model.load import load_model
from studio.model.precision import back_to
from studio.runs.events import EVENTS, first_event
from studio.runs.store import ADAPTER, MODEL, RunRecord
from studio.settings import Settings

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor
    from transformers import PreTrainedModel

ASKED = "Hello! Who are you, and what is the capital of France?"
# How far logits may part: their root mean square, as a share of that of the logits. Weights in half precision are
# rounded when an adapter is added to them; SmolLM2's logits then part by 0.03 (by 0.1 from those of the base alone).
MOST = {"float32": 1e-4, "bfloat16": 0.1, "float16": 0.02}
SCORES = 3  # times as much where it is one score in place of many logits, whose errors even out


class MergedModel(Exporter):
    """`AutoModelForCausalLM.from_pretrained(folder)`, of a reward run `AutoModelForSequenceClassification`."""

    name: ClassVar[str] = "merged"

    def refusal(self, record: RunRecord) -> StudioError | None:
        if record.has_adapter and getattr(record.config().adapter, "init_lora_weights", None) == "loftq":
            return ModelError(
                "The adapter of {run} makes up for what 4 bits took from its base (loftq), and plain weights lack "
                "nothing. Export it as adapter.",
                run=record.run_id,
            )
        return None

    def write(self, record: RunRecord, folder: Path, settings: Settings) -> None:
        if not record.has_adapter:
            copy_files(record.path / MODEL, folder)
            return
        import torch

        model, dtype = with_adapter(record, settings)
        kind = read_adapter(record.path / ADAPTER).kind
        with explained("weights", name=record.run_id), without_expected(kind), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Input and output embeddings are no longer tied")  # as trained
            whole = model.merge_and_unload(safe_merge=True)
            back_to(whole, getattr(torch, dtype)).save_pretrained(str(folder))
        copy_files(record.path / ADAPTER, folder, without=("README.md", CONFIG, WEIGHTS))

    def prove(self, record: RunRecord, folder: Path, settings: Settings) -> dict[str, Any]:
        """Every tensor has its place, and a short text gives finite logits: those of base and adapter."""
        import torch

        ids, dtype = _tokens(folder, settings), _held(record)
        wanted: Tensor | None = None
        if record.has_adapter:
            model, dtype = with_adapter(record, settings)
            wanted = _logits(model, ids)
            del model
        found = _logits(_loaded(folder, settings, scores=not record.answers, dtype=_on_a_cpu(dtype)), ids)
        if not torch.isfinite(found).all():
            raise ModelError("The logits of a short text are not all finite.")
        if wanted is None:
            return {"tokens": len(ids)}
        difference, most = _part(found, wanted), MOST[dtype] * (1 if record.answers else SCORES)
        if not difference <= most:
            raise ModelError(
                "The logits of a short text differ by {difference} from those of base and adapter; {most} is allowed.",
                difference=f"{difference:.2%}",
                most=f"{most:.2%}",
            )
        return {"tokens": len(ids), "difference": difference}


def with_adapter(record: RunRecord, settings: Settings) -> tuple[PeftModel, str]:
    """The run's adapter on its base in plain weights, and the dtype in which the run held them. Nothing is shared."""
    dtype = _held(record)
    config = record.config().model.model_copy(
        update={
            "dtype": _on_a_cpu(dtype),
            "device_map": "cpu",
            "quantization": "none",
            "attn_implementation": None,
            "use_unsloth": False,
        }
    )
    base = load_model(config, settings)
    model = attached(base, record.path / ADAPTER, scores=not record.answers)
    if not record.answers:  # by it the model finds where a sequence ends
        model.config.get_text_config().pad_token_id = base.tokenizer.pad_token_id
    return model, base.dtype if dtype == "auto" else dtype


def _held(record: RunRecord) -> str:
    """In which dtype the run held its base; "auto" where it does not say."""
    started = first_event(record.path / EVENTS, "started") or {}
    return str(started["dtype"]) if started.get("dtype") in BYTES else record.config().model.dtype


def _on_a_cpu(dtype: str) -> str:
    """The dtype in which a CPU reckons with such weights."""
    return "float32" if dtype == "float16" else dtype


def _tokens(folder: Path, settings: Settings) -> list[int]:
    """A short text as the exported tokenizer gives it, in its chat template if it has one."""
    from transformers import AutoTokenizer

    with explained("tokenizer", name=folder.name):
        tokenizer = AutoTokenizer.from_pretrained(
            str(folder), trust_remote_code=settings.trust_remote_code, local_files_only=True
        )
        if not tokenizer.chat_template:
            return list(tokenizer(ASKED)["input_ids"])
        text = tokenizer.apply_chat_template([{"role": "user", "content": ASKED}], tokenize=False)
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _loaded(folder: Path, settings: Settings, *, scores: bool, dtype: str) -> PreTrainedModel:
    """The folder as anybody loads it; weights that are missing or too many are no mere warning."""
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    kind = AutoModelForSequenceClassification if scores else AutoModelForCausalLM
    with explained("weights", name=folder.name):
        model, info = kind.from_pretrained(
            str(folder), dtype=dtype, trust_remote_code=settings.trust_remote_code, local_files_only=True,
            use_safetensors=True, output_loading_info=True,
        )  # fmt: skip
    odd = sorted(
        {str(key) for name in ("missing_keys", "mismatched_keys", "unexpected_keys") for key in info.get(name) or ()}
    )
    if odd:
        raise ModelError(
            "{count} weights have no place in the model, or lack theirs, as {first}.", count=len(odd), first=odd[0]
        )
    return model.eval()


def _logits(model: PeftModel | PreTrainedModel, ids: list[int]) -> Tensor:
    import torch

    size = sum(one.numel() for one in model.parameters())
    with threads_for(size, "cpu"), torch.inference_mode():
        return model(input_ids=torch.tensor([ids]), use_cache=False).logits.float()


def _part(found: Tensor, wanted: Tensor) -> float:
    """By what share logits part; a score that is almost 0 counts as 1."""
    return float((found - wanted).square().mean().sqrt() / wanted.square().mean().sqrt().clamp(min=1.0))
