"""What ORPO and CPO do about the trainers they are built over: their warning, their tokens, their figures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from small_chats import chat_tokenizer, turns
from test_tokens_equal_trl import arguments_of, model_of

from studio.methods import METHODS, Parts
from studio.methods.base import Lane
from studio.methods.contrast import log_probs
from studio.methods.encoding import encoder_of

ROOT = Path(__file__).resolve().parents[2]
LONG = "a cat and a dog " * 20
ROWS = [
    {"prompt": turns("who?"), "chosen": turns("", "A cat.")[1:], "rejected": turns("", "Nobody at all.")[1:]},
    {"prompt": turns("and then?"), "chosen": turns("", LONG)[1:], "rejected": turns("", "Hm.")[1:]},
    {"prompt": turns("why?"), "chosen": turns("", "Because.")[1:], "rejected": turns("", "No.")[1:]},
]


def trainer_of(name: str, folder: Path, *, model: Any = None, **more: Any) -> Any:
    from datasets import Dataset

    method = METHODS[name]()
    made = method.encode(ROWS, encoder_of(chat_tokenizer()))
    rows = Dataset.from_dict(method.trainer_rows(made, max_length=64, truncation_mode="keep_start"))
    parts = Parts(
        model=model or model_of("starter"), tokenizer=chat_tokenizer(), train=rows, eval=rows, peft_config=None,
        arguments={**arguments_of(64, "keep_start", batch=2), "max_steps": 2, "logging_steps": 1, **more},
        output_dir=folder, device="cpu",
    )  # fmt: skip
    return method.build_trainer(parts)


def test_only_the_import_is_quiet() -> None:
    """Anybody else who imports TRL's experiments is still warned, and the environment is left as it was."""
    code = (
        "import os, warnings; warnings.simplefilter('error', UserWarning);"
        "from studio.methods.contrast import experimental;"
        "experimental('orpo').ORPOTrainer; assert 'TRL_EXPERIMENTAL_SILENCE' not in os.environ; print('quiet')"
    )
    env = {name: value for name, value in os.environ.items() if name != "TRL_EXPERIMENTAL_SILENCE"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=env)
    assert done.stdout == "quiet\n", done.stderr[-2000:]
    assert "unstable" not in done.stderr


@pytest.mark.parametrize("name", ["orpo", "cpo"])
def test_trl_tokenizes_no_row_and_all_are_trained(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from studio.methods.contrast import experimental

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("a row was tokenized again")

    kind = getattr(experimental(name), f"{name.upper()}Trainer")
    monkeypatch.setattr(kind, "tokenize_row", never)
    trainer = trainer_of(name, tmp_path)
    assert len(trainer.train_dataset) == len(trainer.eval_dataset) == len(ROWS)
    batch = next(iter(trainer.get_eval_dataloader()))
    assert batch["input_ids"].shape == (2 * len(ROWS), 64)  # the long answer is cut to max_length


@pytest.mark.parametrize("name", ["orpo", "cpo"])
def test_the_figures_are_there_and_count_tokens(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a last batch that is not full, in training and in evaluation."""
    trainer = trainer_of(name, tmp_path, eval_strategy="steps", eval_steps=2, per_device_eval_batch_size=2)
    trainer.train()
    steps = [one for one in trainer.state.log_history if "loss" in one]
    (held,) = [one for one in trainer.state.log_history if "eval_loss" in one]
    tokens = sum(int(batch["attention_mask"].sum()) for batch in trainer.get_train_dataloader())
    assert [one["num_tokens"] for one in steps][-1] == tokens
    for figure in ("rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies", "logps/chosen"):
        assert figure in steps[0] and f"eval_{figure}" in held
        assert f"eval_{figure}" not in steps[0] and figure not in held
    assert "prediction_step is only implemented" not in caplog.text + capsys.readouterr().err


@pytest.mark.parametrize("name", ["orpo", "cpo"])
def test_what_these_trainers_would_do_by_themselves_cannot_be_asked_for(name: str) -> None:
    known = METHODS[name]().argument_types()
    assert not {"generate_during_eval", "model_init_kwargs", "is_encoder_decoder", "padding_value"} & known.keys()
    assert {"disable_dropout", "weight_decay", "activation_checkpointing"} <= known.keys()


@pytest.mark.parametrize("name", ["orpo", "cpo"])
def test_half_precision_logits_are_not_rounded_further(name: str, tmp_path: Path) -> None:
    """Log-probabilities are in float32 whatever the weights are in; in bfloat16 a sum is off by whole units."""
    import copy

    half = copy.deepcopy(model_of("starter")).to(torch.bfloat16)
    trainer = trainer_of(name, tmp_path, model=half)
    batch = next(iter(trainer.get_eval_dataloader()))
    with torch.no_grad():
        chosen, *_ = trainer.concatenated_forward(trainer.model.eval(), batch)
        logits = trainer.model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits.double()
    ids, wanted = batch["input_ids"][:, 1:], batch["completion_mask"][:, 1:].bool()
    exact = log_probs(logits[:, :-1], ids, wanted).sum(1)
    exact = exact / wanted.sum(1) if name == "orpo" else exact
    assert chosen.dtype == torch.float32
    assert torch.allclose(chosen.double(), exact[: len(ROWS)], rtol=1e-6)


def test_log_probs_are_zero_where_they_are_not_wanted() -> None:
    torch.manual_seed(1)
    logits, ids = torch.randn(2, 3, 5, requires_grad=True), torch.randint(5, (2, 3))
    wanted = torch.tensor([[True, False, True], [False, False, True]])
    found = log_probs(logits, ids, wanted)
    whole = logits.log_softmax(-1).gather(-1, ids.unsqueeze(-1)).squeeze(-1)
    assert torch.allclose(found, whole * wanted)
    found.sum().backward()
    assert logits.grad is not None and bool(logits.grad[~wanted].eq(0).all())


def test_orpo_shows_the_prompt_as_trained_where_it_is() -> None:
    encoder = encoder_of(chat_tokenizer())
    plain = METHODS["orpo"]().encode(ROWS, encoder)
    whole = METHODS["orpo"](completion_only_loss=False).encode(ROWS, encoder)
    for one, other in zip(plain, whole, strict=True):
        chosen, rejected = other.lanes
        assert one.lanes[0].spans == (one.lanes[1].spans[0], len(one.lanes[0].ids))
        assert chosen == Lane(one.lanes[0].ids, (0, len(one.lanes[0].ids))) and rejected == one.lanes[1]
