"""Each loss and its gradient against the paper's formula in plain torch: float64, one sequence at a time, no padding.

Nothing of TRL and nothing of ours is in the formulas. The trainer takes one step; its logged loss and gradient norm
are those of the weights before it. The adapter is not zero, so that the model and its reference differ.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from small_chats import chat_tokenizer
from torch import Tensor
from torch.nn.functional import logsigmoid

from studio.config.files import build
from studio.methods import METHODS, Parts
from studio.methods.base import Encoded, Lane
from studio.settings import ASSETS
from studio.training.arguments import trainer_arguments

Answer = tuple[list[int], int]  # token ids, and where the answer begins among them
EXACT = 1e-5
TEXTS = [  # prompt, a better answer, a worse one: no two of a length
    ("What is the capital of France?", " Paris, matey! Arr!", " The capital is Paris."),
    ("Say hello.", " Ahoy there, and welcome aboard!", " Hi."),
    ("你好，你是谁？", " 我是船长。", " 不知道"),
    ("What sound does a cat make, and what sound does a dog make?", " Meow.", " A cat says meow, a dog says woof."),
]


def ids_of(text: str) -> list[int]:
    return list(chat_tokenizer()(text, add_special_tokens=False)["input_ids"])


PAIRS: list[tuple[Answer, Answer]] = [
    ((ids_of(prompt) + ids_of(good), len(ids_of(prompt))), (ids_of(prompt) + ids_of(bad), len(ids_of(prompt))))
    for prompt, good, bad in TEXTS
]
VOTES: list[tuple[Answer, bool]] = [(pair[at % 2], at % 2 == 0) for at, pair in enumerate(PAIRS)]


def lane(answer: Answer) -> Lane:
    ids, border = answer
    return Lane(ids, (border, len(ids)))


@dataclass(frozen=True)
class Step:
    """What the trainer logged of its first step, and copies of the weights that it began with."""

    loss: float
    norm: float
    policy: Any
    base: Any


def first_step(method: dict[str, Any], rows: list[Encoded], folder: Path, **training: Any) -> Step:
    """Through the method's own trainer, over a LoRA adapter with random weights."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM

    config = build(
        {
            "method": method,
            "training": {
                "max_steps": 1, "per_device_train_batch_size": len(rows), "save_strategy": "no", "learning_rate": 1e-5,
                "train_sampling_strategy": "sequential", "max_length": None, **training,
            },
        }
    )  # fmt: skip
    base = AutoModelForCausalLM.from_pretrained(ASSETS / "starter", dtype=torch.float64)
    columns = config.method.trainer_rows(rows, max_length=None, truncation_mode="keep_start")
    torch.manual_seed(3)
    parts = Parts(
        model=copy.deepcopy(base),
        tokenizer=chat_tokenizer(),
        train=Dataset.from_dict(columns),
        eval=None,
        peft_config=LoraConfig(
            r=4, lora_alpha=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False, task_type="CAUSAL_LM"
        ),
        arguments=trainer_arguments(config, device="cpu", dtype="float64", has_eval=False),
        output_dir=folder,
        device="cpu",
    )
    trainer: Any = config.method.build_trainer(parts)
    policy = with_adapter_of(trainer.model, base)
    trainer.train()
    logged = trainer.state.log_history[0]
    return Step(logged["loss"], logged["grad_norm"], policy, base)


def with_adapter_of(model: Any, base: Any) -> Any:
    """The base with the same adapter, made by multiplying it into the weights: W + s B A, with A and B to learn.

    Of a model with scores, its head beside it.
    """
    made = copy.deepcopy(base).requires_grad_(False)
    learned: list[Tensor] = []
    for name, layer in model.named_modules():
        if not hasattr(layer, "lora_A"):
            continue
        a, b = (getattr(layer, side)["default"].weight.detach().clone() for side in ("lora_A", "lora_B"))
        learned += [a.requires_grad_(), b.requires_grad_()]
        plain = made.get_submodule(name.removeprefix("base_model.model."))
        change_weight(plain, a, b, scale=layer.scaling["default"])
    heads = [one for name, one in model.named_parameters() if "score" in name and one.requires_grad]
    made.head = heads[0].detach().clone().double().requires_grad_() if heads else None
    made.learned = [*learned, *([] if made.head is None else [made.head])]
    return made


def change_weight(layer: Any, a: Tensor, b: Tensor, *, scale: float) -> None:
    weight = layer.weight.detach()
    layer.forward = lambda x: x @ (weight + scale * (b @ a)).T


def log_probs(model: Any, answer: Answer, *, prompt_too: bool = False) -> Tensor:
    """Of each token of an answer, given what stands before it."""
    ids, border = answer
    logits = model(torch.tensor([ids])).logits[0]
    found = torch.log_softmax(logits[:-1], -1)[range(len(ids) - 1), ids[1:]]
    return found if prompt_too else found[border - 1 :]


def total(model: Any, answer: Answer) -> Tensor:
    return log_probs(model, answer).sum()


def mean(model: Any, answer: Answer) -> Tensor:
    return log_probs(model, answer).mean()


def nll(model: Any, answers: Sequence[Answer], *, prompt_too: bool = False) -> Tensor:
    """The mean over all tokens of all answers."""
    return -torch.cat([log_probs(model, one, prompt_too=prompt_too) for one in answers]).mean()


def assert_same(step: Step, loss: Tensor) -> None:
    norm = torch.cat([one.flatten() for one in torch.autograd.grad(loss, step.policy.learned)]).norm()
    assert step.loss == pytest.approx(float(loss.detach()), rel=EXACT)
    assert step.norm == pytest.approx(float(norm), rel=EXACT)
    assert float(norm) > 1e-3  # else it says nothing


def pair_rows() -> list[Encoded]:
    return [Encoded((lane(good), lane(bad))) for good, bad in PAIRS]


def over_pairs(each: Callable[[Answer, Answer], Tensor], pairs: Sequence[tuple[Answer, Answer]] = PAIRS) -> Tensor:
    return torch.stack([each(good, bad) for good, bad in pairs]).mean()


# --- supervised fine-tuning


@pytest.mark.parametrize("pieces", [1, 2])
def test_sft_is_the_mean_negative_log_likelihood(pieces: int, tmp_path: Path) -> None:
    """Of all trained tokens of an effective batch, also where it comes in pieces of other sizes."""
    answers = [good for good, _ in PAIRS]
    step = first_step(
        {"type": "sft"},
        [Encoded((lane(one),)) for one in answers],
        tmp_path,
        per_device_train_batch_size=len(answers) // pieces,
        gradient_accumulation_steps=pieces,
    )
    assert_same(step, nll(step.policy, answers))


# --- direct preference optimization: arXiv 2305.18290; IPO 2310.12036; hinge 2305.10425; robust 2403.00409


def preferred(step: Step, size: Callable[[Any, Answer], Tensor] = total) -> Callable[[Answer, Answer], Tensor]:
    """h: how much more the policy prefers an answer to another than the reference does."""

    def margin(good: Answer, bad: Answer) -> Tensor:
        with torch.no_grad():
            reference = size(step.base, good) - size(step.base, bad)
        return size(step.policy, good) - size(step.policy, bad) - reference

    return margin


BETA, EPSILON = 0.3, 0.2
DPO_LOSSES: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": lambda h: -logsigmoid(BETA * h),
    "hinge": lambda h: torch.clamp(1 - BETA * h, min=0),
    "ipo": lambda h: (h - 1 / (2 * BETA)) ** 2,  # of the mean token, as its authors have it
    "robust": lambda h: (-(1 - EPSILON) * logsigmoid(BETA * h) + EPSILON * logsigmoid(-BETA * h)) / (1 - 2 * EPSILON),
}


@pytest.mark.parametrize("loss", DPO_LOSSES)
def test_dpo_is_its_papers(loss: str, tmp_path: Path) -> None:
    smoothing = {"label_smoothing": EPSILON} if loss == "robust" else {}
    step = first_step({"type": "dpo", "loss_type": loss, "beta": BETA, **smoothing}, pair_rows(), tmp_path)
    margin = preferred(step, mean if loss == "ipo" else total)
    assert_same(step, over_pairs(lambda good, bad: DPO_LOSSES[loss](margin(good, bad))))


def test_dpo_in_pieces_is_the_mean_of_them(tmp_path: Path) -> None:
    step = first_step(
        {"type": "dpo", "beta": BETA}, pair_rows(), tmp_path, per_device_train_batch_size=2,
        gradient_accumulation_steps=2,
    )  # fmt: skip
    margin = preferred(step)
    assert_same(step, over_pairs(lambda good, bad: -logsigmoid(BETA * margin(good, bad))))


# --- reward modelling: arXiv 2203.02155, formula (1); centring 2312.09244


@pytest.mark.parametrize("coefficient", [None, 0.1])
def test_reward_is_the_pairwise_loss_and_the_centring(coefficient: float | None, tmp_path: Path) -> None:
    step = first_step({"type": "reward", "center_rewards_coefficient": coefficient}, pair_rows(), tmp_path)

    def score(answer: Answer) -> Tensor:
        return (step.policy.model(torch.tensor([answer[0]])).last_hidden_state[0, -1] @ step.policy.head.T).squeeze()

    def each(good: Answer, bad: Answer) -> Tensor:
        one, other = score(good), score(bad)
        return -logsigmoid(one - other) + (coefficient or 0) * (one + other) ** 2

    assert_same(step, over_pairs(each))


# --- Kahneman-Tversky optimization: arXiv 2402.01306, formulas (7) and (8)


def test_kto_is_its_papers_with_the_kl_term(tmp_path: Path) -> None:
    """The KL term is estimated with each prompt and the answer to the one before it, and no gradient goes through."""
    rows = [Encoded((lane(answer),), (), {"label": liked}) for answer, liked in VOTES]
    weights = {"desirable_weight": 1.3, "undesirable_weight": 0.7}
    step = first_step({"type": "kto", "beta": BETA, **weights}, rows, tmp_path)

    def reward(answer: Answer) -> Tensor:
        with torch.no_grad():
            reference = total(step.base, answer)
        return total(step.policy, answer) - reference

    answers = [answer for answer, _ in VOTES]
    others = [ids[border:] for ids, border in (answers[-1], *answers[:-1])]
    crossed = [(ids[:border] + other, border) for (ids, border), other in zip(answers, others, strict=True)]
    with torch.no_grad():
        kl = torch.stack([reward(one) for one in crossed]).mean().clamp(min=0)
    assert kl > 0.01  # else the term is not seen

    def each(answer: Answer, liked: bool) -> Tensor:
        if liked:
            return 1.3 * (1 - torch.sigmoid(BETA * (reward(answer) - kl)))
        return 0.7 * (1 - torch.sigmoid(BETA * (kl - reward(answer))))

    assert_same(step, torch.stack([each(*vote) for vote in VOTES]).mean())


# --- odds ratio preference optimization: arXiv 2403.07691, formulas (4), (6) and (7)


def orpo_loss(model: Any, pairs: Sequence[tuple[Answer, Answer]], *, prompt_too: bool = False) -> Tensor:
    def log_odds(answer: Answer) -> Tensor:
        likelihood = mean(model, answer).exp()
        return torch.log(likelihood / (1 - likelihood))

    ratio = over_pairs(lambda good, bad: -logsigmoid(log_odds(good) - log_odds(bad)), pairs)
    return nll(model, [good for good, _ in pairs], prompt_too=prompt_too) + BETA * ratio


@pytest.mark.parametrize("prompt_too", [False, True])
def test_orpo_is_its_papers(prompt_too: bool, tmp_path: Path) -> None:
    rows = pair_rows()
    if prompt_too:
        rows = [Encoded((Lane(one.ids, (0, len(one.ids))), other)) for one, other in (row.lanes for row in rows)]
    method = {"type": "orpo", "beta": BETA, "completion_only_loss": not prompt_too}
    step = first_step(method, rows, tmp_path)
    assert_same(step, orpo_loss(step.policy, PAIRS, prompt_too=prompt_too))


def test_orpo_in_pieces_is_the_mean_of_them(tmp_path: Path) -> None:
    step = first_step(
        {"type": "orpo", "beta": BETA}, pair_rows(), tmp_path, per_device_train_batch_size=2,
        gradient_accumulation_steps=2,
    )  # fmt: skip
    assert_same(step, (orpo_loss(step.policy, PAIRS[:2]) + orpo_loss(step.policy, PAIRS[2:])) / 2)


def test_orpo_has_odds_for_an_answer_that_is_certain() -> None:
    from studio.methods.orpo import log1mexp

    logps = torch.tensor([0.0, -1e-9, -1e-3, -0.7, -30.0], requires_grad=True)
    exact = torch.log1p(-torch.exp(logps.detach().double()[2:]))
    found = log1mexp(logps)
    assert torch.isfinite(found).all() and torch.allclose(found[2:].double(), exact, rtol=1e-4, atol=1e-7)
    found.sum().backward()
    assert logps.grad is not None and torch.isfinite(logps.grad).all()


# --- contrastive preference optimization: arXiv 2401.08417, formulas (3) and (4); SimPO 2405.14734, formula (6)

ALPHA, GAMMA = 0.7, 0.4
CPO_LOSSES: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": lambda h: -logsigmoid(BETA * h),
    "hinge": lambda h: torch.clamp(1 - BETA * h, min=0),
    "ipo": lambda h: (h - 1 / (2 * BETA)) ** 2,
    "simpo": lambda h: -logsigmoid(BETA * h - GAMMA),
}


@pytest.mark.parametrize("alpha", [0, ALPHA])
@pytest.mark.parametrize("loss", CPO_LOSSES)
def test_cpo_is_its_papers(loss: str, alpha: float, tmp_path: Path) -> None:
    """Its second term by the mean token, as its authors' code has it."""
    method = {"type": "cpo", "loss_type": loss, "beta": BETA, "cpo_alpha": alpha, "simpo_gamma": GAMMA}
    step = first_step(method, pair_rows(), tmp_path)
    size = mean if loss in ("ipo", "simpo") else total
    ahead = over_pairs(lambda good, bad: CPO_LOSSES[loss](size(step.policy, good) - size(step.policy, bad)))
    assert_same(step, ahead + alpha * nll(step.policy, [good for good, _ in PAIRS]))


def test_cpo_trusts_pairs_as_far_as_it_is_told_to(tmp_path: Path) -> None:
    method = {"type": "cpo", "beta": BETA, "cpo_alpha": 0, "label_smoothing": EPSILON}
    step = first_step(method, pair_rows(), tmp_path)

    def each(good: Answer, bad: Answer) -> Tensor:
        h = BETA * (total(step.policy, good) - total(step.policy, bad))
        return -(1 - EPSILON) * logsigmoid(h) - EPSILON * logsigmoid(-h)

    assert_same(step, over_pairs(each))


def test_every_method_with_a_formula_is_here() -> None:
    named = {name for name in METHODS if f'"type": "{name}"' in Path(__file__).read_text(encoding="utf-8")}
    assert named == set(METHODS) - {"grpo"}  # whose rows are what the model has just written
