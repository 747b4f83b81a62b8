"""What of the Trainer's insides our checkpoints stand on, as the installed transformers has it.

A newer version that renames or changes one of these fails here, by name, and not in somebody's resumed run.
"""

from __future__ import annotations

import inspect

import pytest

PRIVATE = {
    "_evaluate": ("trial", "ignore_keys_for_eval", "skip_scheduler"),
    "_maybe_log_save_evaluate": (
        "tr_loss", "grad_norm", "model", "trial", "epoch", "ignore_keys_for_eval", "start_time", "learning_rate",
    ),
    "_save_checkpoint": ("model", "trial"),
    "_finalize_training": ("trial", "num_train_samples", "start_time"),
    "_run_epoch": (
        "model", "epoch", "train_dataloader", "steps_in_epoch", "num_update_steps_per_epoch", "trial",
        "ignore_keys_for_eval", "start_time", "resume_from_checkpoint", "epochs_trained",
        "steps_trained_in_current_epoch",
    ),
    "_load_from_checkpoint": ("resume_from_checkpoint", "model"),
    "_load_optimizer_and_scheduler": ("checkpoint",),
    "_load_scaler": ("checkpoint",),
    "_load_rng_state": ("checkpoint",),
    "_load_best_model": (),
    "_determine_best_metric": ("metrics", "trial"),
}  # fmt: skip


@pytest.mark.parametrize("name", PRIVATE)
def test_a_method_that_we_override_or_call_takes_what_it_took(name: str) -> None:
    from transformers import Trainer

    _, *taken = inspect.signature(getattr(Trainer, name)).parameters
    assert tuple(taken) == PRIVATE[name]


def test_every_private_method_that_we_override_is_pinned() -> None:
    from transformers import Trainer

    from studio.training.resume import Kept

    own = {name for name in vars(Kept) if name.startswith("_") and not name.startswith("__")}
    assert {name for name in own if hasattr(Trainer, name)} <= PRIVATE.keys()
