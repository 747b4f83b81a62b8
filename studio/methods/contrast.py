"""What ORPO and CPO share: pairs of answers, no reference model, and trainers that TRL keeps under `experimental`.

These tokenize rows in a way of their own and pad what they learn from; here they are built over no row, and get
finished ones afterwards, in the batches that DPO has. Knows nothing of the losses' formulas.
"""

from __future__ import annotations

import os
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from studio.methods.base import Parts, types_of
from studio.methods.pairs import (
    build,
    pair_collator,
    without_cuts,
)

if TYPE_CHECKING:
    import torch
    from transformers import Trainer

Kind = TypeVar("Kind", bound=type)

_SILENCE = "TRL_EXPERIMENTAL_SILENCE"
# Arguments of theirs for what is done here otherwise, or not at all: rows come tokenized, the model comes loaded.
_UNUSED = frozenset(
    {
        "generate_during_eval", "is_encoder_decoder", "max_completion_length", "model_init_kwargs", "padding_value",
        "dataset_num_proc", "trust_remote_code",
    }
)  # fmt: skip


def experimental(name: str) -> Any:
    """A module of `trl.experimental`, without the warning that it may change: TRL's version is pinned."""
    before = os.environ.get(_SILENCE)
    os.environ[_SILENCE] = "1"
    try:
        return import_module(f"trl.experimental.{name}")
    finally:
        if before is None:
            del os.environ[_SILENCE]
        else:
            os.environ[_SILENCE] = before


def accepted(config: type) -> dict[str, Any]:
    """Name -> type of the arguments that such a trainer is given here."""
    return {name: kind for name, kind in types_of(config).items() if name not in _UNUSED}


def contrasting(kind: type[Trainer], config: type, parts: Parts, arguments: dict[str, Any]) -> Trainer:
    """A trainer of this kind (`learns_from_answers`) over `parts`, with these arguments for its config class."""
    train, held = parts.train, parts.eval
    given = {
        **without_cuts(parts),
        "max_length": parts.arguments.get("max_length") or 2**31 - 1,  # read where it would tokenize
        "remove_unused_columns": False,
        **arguments,
    }
    none = replace(parts, train=train.select([]), eval=None if held is None else held.select([]))
    trainer: Any = build(kind, config, _adapted(none), given, data_collator=pair_collator(parts))
    trainer.train_dataset, trainer.eval_dataset = train, held
    trainer.use_dpo_data_collator = True  # else it warns of every evaluation's batches
    return trainer


def _adapted(parts: Parts) -> Parts:
    """A quantized model with its adapter on: these trainers would make float32 copies of its norms and embeddings."""
    if parts.peft_config is None or not getattr(parts.model, "is_quantized", False):
        return parts
    from peft import get_peft_model
    from transformers import set_seed

    set_seed(int(parts.arguments.get("seed", 42)))
    return replace(parts, model=get_peft_model(parts.model, parts.peft_config), peft_config=None)


def learns_from_answers(kind: Kind, *, averages: bool, prompt_too: bool = False) -> Kind:
    """A trainer of this kind that takes DPO's batches, and whose likelihoods are in float32 and of answers alone.

    `averages`: an answer's log-probability is that of its mean token, not their sum. `prompt_too`: the chosen
    answer's own loss is over its prompt as well.
    """

    class Contrasting(kind):  # type: ignore[misc, valid-type]
        _seen = 0.0

        def concatenated_forward(self, model: Any, batch: Any) -> tuple[Any, ...]:
            """Log-probabilities of chosen and rejected answers, their logits, and the loss on the chosen alone."""
            import torch

            more = {"output_router_logits": True} if self.aux_loss_enabled else {}
            ids, seen = batch["input_ids"], batch["attention_mask"]
            outputs = model(ids, attention_mask=seen, use_cache=False, **more)
            if model.training:
                self._seen += float(self.accelerator.gather_for_metrics(seen.sum()).sum())
            # Each position foretells the next; what prompt tuning puts before the first token is left out.
            logits, ids = outputs.logits[:, -ids.shape[1] : -1], ids[:, 1:]
            half = len(ids) // 2
            answer = batch["completion_mask"][:, 1:].bool()
            told = (seen[:, 1:].bool() if prompt_too else answer)[:half]
            logps = log_probs(logits, ids, torch.cat((answer[:half] | told, answer[half:])))
            sums = (logps * answer).sum(1)
            found = sums / answer.sum(1).clamp(min=1) if averages else sums
            nll = -(logps[:half] * told).sum() / told.sum().clamp(min=1)
            heights = logits.detach().mean(-1)
            chosen, rejected = heights[:half][answer[:half]], heights[half:][answer[half:]]
            aux = (outputs.aux_loss,) if self.aux_loss_enabled else ()
            return (found[:half], found[half:], chosen, rejected, nll, *aux)

        def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
            if "loss" in logs:
                logs["num_tokens"] = self._seen
            super().log(logs, start_time)

    Contrasting.__name__ = Contrasting.__qualname__ = kind.__name__
    return Contrasting  # type: ignore[return-value]


def log_probs(logits: torch.Tensor, ids: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Of each token where it is wanted, 0 elsewhere; in float32 at least. Shapes: (rows, tokens, words), and twice
    (rows, tokens)."""
    import torch

    few = logits[wanted]
    exact = few if few.dtype in (torch.float32, torch.float64) else few.float()
    found = exact.log_softmax(-1).gather(-1, ids[wanted].unsqueeze(-1)).squeeze(-1)
    return torch.zeros(ids.shape, dtype=found.dtype, device=found.device).masked_scatter(wanted, found)
