"""What answers are measured against in DPO and KTO: the base beside an adapter, a model of one's own, or a copy.

Knows nothing of losses. A model of one's own comes in `Parts.reference`, loaded and frozen.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from studio.methods.base import Parts


def reference(parts: Parts, *, ahead: bool) -> Any:
    """The model for TRL's `ref_model`. None where the trained one is it: an adapter is switched off, or (`ahead`) what
    is needed of it is reckoned before the first step."""
    import copy

    if parts.reference is not None:
        return parts.reference
    adapted = parts.peft_config is not None or hasattr(parts.model, "peft_config")
    return None if adapted or ahead else copy.deepcopy(parts.model).requires_grad_(False)


def reckons_ahead(kind: Any, *, of: Any = None) -> Any:
    """A trainer of this kind that a stop can end while it reckons log-probabilities ahead.

    TRL keeps these beside the rows, under the model's weights. `of` is what else they depend on.
    """

    def ahead(self: Any, dataset: Any, name: str, batch_size: int) -> Any:
        from datasets.fingerprint import Hasher

        plain, weights = self.compute_ref_log_probs, self._precompute_model_hash
        self.compute_ref_log_probs = _heard(self, plain)
        self._precompute_model_hash = weights if of is None else Hasher.hash((weights, of))
        try:
            with _without_bar():
                return kind._precompute_ref_logps(self, dataset, name, batch_size)
        finally:
            self._precompute_model_hash = weights
            del self.compute_ref_log_probs

    return type(kind.__name__, (kind,), {"_precompute_ref_logps": ahead})


def _heard(trainer: Any, plain: Any) -> Any:
    """Reckons a batch as `plain` does, once the callbacks were told of it: one of them may end the run."""

    def reckon(model: Any, inputs: Any) -> Any:
        trainer.callback_handler.on_prediction_step(trainer.args, trainer.state, trainer.control)
        return plain(model, inputs)

    return reckon


@contextmanager
def _without_bar() -> Iterator[None]:
    before = os.environ.get("TQDM_DISABLE")
    os.environ["TQDM_DISABLE"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["TQDM_DISABLE"]
        else:
            os.environ["TQDM_DISABLE"] = before


def without_reference(trainer: Any) -> Any:
    """The same trainer, when all was reckoned ahead: the reference's memory is given back."""
    trainer.ref_model = None
    return trainer
