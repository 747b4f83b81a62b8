"""What an evaluation of a reward model says beside its loss, over the gaps between chosen and rejected scores.

TRL has accuracy and margin as means of batch means; here every pair counts the same. Knows nothing of heads and rows.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import torch

Kind = TypeVar("Kind", bound=type)
LARGEST_LOSS = 700.0  # beyond it exp() is no number


def figures(gaps: torch.Tensor) -> dict[str, float]:
    """Of score(chosen) - score(rejected), one a pair. `mse` and `mae` are those between the two scores, as scripts of
    the field report them: they say how far apart the scores are, so they grow as the model learns."""
    exact = gaps.double()
    return {
        "accuracy": float((exact > 0).double().mean()),
        "margin": float(exact.mean()),
        "mse": float(exact.square().mean()),
        "mae": float(exact.abs().mean()),
    }


def perplexity(loss: float) -> float | None:
    """exp(loss); None where that is no number."""
    return math.exp(loss) if loss < LARGEST_LOSS else None


def measures_gaps(kind: Kind) -> Kind:
    """A `trl.RewardTrainer` whose evaluations have these figures, and the perplexity of their loss."""

    class Measuring(kind):  # type: ignore[misc, valid-type]
        _gaps: list[torch.Tensor]

        def evaluation_loop(self, *args: Any, **kwargs: Any) -> Any:
            self._gaps = []
            return super().evaluation_loop(*args, **kwargs)

        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            loss, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)
            if not self.model.training:
                chosen, rejected = outputs.logits.detach().float().squeeze(-1).chunk(2)
                self._gaps.append(self.accelerator.gather_for_metrics(chosen - rejected).cpu())
            return (loss, outputs) if return_outputs else loss

        def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
            if not self.model.training and "eval_loss" in logs:
                self._of_all_pairs(logs)
            super().log(logs, start_time)

        def _of_all_pairs(self, logs: dict[str, float]) -> None:
            """TRL averages what `_metrics` holds, and writes it over `logs`."""
            import torch

            if self._gaps:
                self._metrics["eval"].update({name: [one] for name, one in figures(torch.cat(self._gaps)).items()})
            found = perplexity(logs["eval_loss"])
            if found is not None:
                logs["eval_perplexity"] = found

    Measuring.__name__ = Measuring.__qualname__ = kind.__name__
    return Measuring  # type: ignore[return-value]
