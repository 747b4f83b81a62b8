"""Our tokens, borders, masks, cuts and packs against independent TRL trainers: batch for batch, tensor for tensor.

TRL gets the rendered rows and tokenizes them itself; our trainer gets what our encoder made. Same seed, same order.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_chats import (
    CONVERSATIONS,
    LONG,
    MARKED,
    ODD,
    TEMPLATES,
    TEXTS,
    TOOL,
    WITH_TOOLS,
    chat_tokenizer,
    pieces_tokenizer,
    turns,
)

from studio.methods import METHODS, Method, Parts
from studio.methods.base import Encoded, LaneFacts
from studio.methods.encoding import encoder_of

# Of TRL's own config classes; ours is never given the mode.
pytestmark = pytest.mark.filterwarnings("ignore:The `'keep_end'` truncation mode is deprecated:FutureWarning")

Rows = list[dict[str, Any]]
LIMIT = 64  # cuts some rows, drops some, and leaves some whole
CUTS = [(None, "keep_start"), (LIMIT, "keep_start"), (LIMIT, "keep_end"), (LIMIT, "drop")]
LOSSES = {
    "completion": {"completion_only_loss": True, "assistant_only_loss": False},
    "all": {"completion_only_loss": False, "assistant_only_loss": False},
    "assistant": {"completion_only_loss": False, "assistant_only_loss": True},
    "both": {"completion_only_loss": True, "assistant_only_loss": True},
}


def tokenizer_of(name: str) -> Any:
    return pieces_tokenizer() if name == "pieces" else chat_tokenizer(name)


# --- rows, as a format renders them


def sft_rows(kind: str) -> Rows:
    chats = list(CONVERSATIONS)
    if kind == "messages":
        rows: Rows = [{"messages": chat} for chat in chats]
    elif kind == "prompt-completion":
        rows = [{"prompt": chat[:-1], "completion": chat[-1:]} for chat in chats]
    elif kind == "tools":
        rows = [{"messages": chat, "tools": [TOOL] if len(chat) > 2 else None} for chat in WITH_TOOLS]
    elif kind == "thinking":
        extra = {"enable_thinking": False}
        rows = [{"prompt": chat[:-1], "completion": chat[-1:], "chat_template_kwargs": extra} for chat in chats]
    elif kind == "text":
        rows = [{"text": one + other} for one, other in TEXTS]
    elif kind == "text-pairs":
        rows = [{"prompt": one, "completion": other} for one, other in TEXTS]
    else:
        ids = [list(range(5, 5 + size)) for size in (3, 20, 90, 64, 65)]
        rows = [
            {"input_ids": one, "labels": [-100 if at < cut else number for at, number in enumerate(one)]}
            for one, cut in zip(ids, (0, 5, 70, 64, 3), strict=True)
        ]
    return rows


def pair_rows(plain: bool) -> Rows:
    if plain:
        rejected = ["", "no", LONG, "x", "t sang", " end", ODD]
        pairs = zip(TEXTS, rejected, strict=True)
        return [{"prompt": one, "chosen": other, "rejected": no} for (one, other), no in pairs]
    answers = [turns("", text)[1:] for text in ("no", "", ODD, LONG, "the ca", "\n", "I", "x", "hm")]
    pairs = zip(CONVERSATIONS, answers, strict=True)
    return [{"prompt": chat[:-1], "chosen": chat[-1:], "rejected": no} for chat, no in pairs]


def labelled_rows(plain: bool) -> Rows:
    rows = [{"prompt": row["prompt"], "completion": row["chosen"]} for row in pair_rows(plain)]
    return [{**row, "label": number % 3 != 1} for number, row in enumerate(rows)]


# --- the two trainers


def arguments_of(max_length: int | None, mode: str, batch: int = 3) -> dict[str, Any]:
    return {
        "max_length": max_length,
        "truncation_mode": mode,
        "per_device_train_batch_size": batch,
        "report_to": [],
        "use_cpu": True,
        "bf16": False,
        "activation_checkpointing": False,
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        "seed": 7,
    }


@functools.cache
def model_of(name: str) -> Any:
    from transformers import LlamaForCausalLM

    return LlamaForCausalLM(small_config(name))


def small_config(name: str, **more: Any) -> Any:
    from transformers import LlamaConfig

    size = len(tokenizer_of(name))
    heads = {"num_hidden_layers": 1, "num_attention_heads": 1, "num_key_value_heads": 1}
    return LlamaConfig(vocab_size=size, hidden_size=8, intermediate_size=8, **heads, **more)


@functools.cache
def reference_of(name: str) -> Any:
    """Never asked: only batches are looked at."""
    from transformers import LlamaForCausalLM

    return LlamaForCausalLM(small_config(name))


@functools.cache
def score_model_of(name: str) -> Any:
    from transformers import LlamaForSequenceClassification

    return LlamaForSequenceClassification(small_config(name, num_labels=1))


def facts_of(rows: Sequence[Encoded]) -> LaneFacts:
    def table(figure: Any) -> Any:
        return np.array([[figure(lane) for lane in row.lanes] for row in rows], dtype=np.int32)

    return LaneFacts(
        length=table(lambda lane: len(lane.ids)),
        supervised=table(lambda lane: sum(lane.spans[1::2]) - sum(lane.spans[0::2])),
        first=table(lambda lane: lane.spans[0] if lane.spans else len(lane.ids)),
        last=table(lambda lane: lane.spans[-1] if lane.spans else 0),
    )


def encoded(method: Method, rows: Rows, name: str) -> list[Encoded]:
    return method.encode(rows, encoder_of(tokenizer_of(name)))


def our_trainer(method: Method, rows: Rows, name: str, folder: Path, *, max_length: Any, mode: str) -> Any:
    from datasets import Dataset

    made = encoded(method, rows, name)
    kept = method.survives(facts_of(made), max_length=max_length, truncation_mode=mode)
    left = [row for row, keep in zip(made, kept, strict=True) if keep]
    columns = method.trainer_rows(left, max_length=max_length, truncation_mode=mode)
    parts = Parts(
        model=model_of(name),
        tokenizer=tokenizer_of(name),
        train=Dataset.from_dict(columns),
        eval=None,
        peft_config=None,
        arguments=arguments_of(max_length, mode),
        output_dir=folder,
        device="cpu",
    )
    return method.build_trainer(parts)


def as_trl_reads(rows: Rows) -> Any:
    """The rows as a data set; tools as text, as TRL wants what has no one shape."""
    from datasets import Dataset

    return Dataset.from_list([{**row, "tools": json.dumps(row["tools"])} if row.get("tools") else row for row in rows])


def batches(trainer: Any) -> Iterator[dict[str, Any]]:
    yield from trainer.get_train_dataloader()


def assert_same_batches(ours: Any, theirs: Any) -> int:
    import torch

    assert len(ours.train_dataset) == len(theirs.train_dataset)
    count = 0
    for one, other in zip(batches(ours), batches(theirs), strict=True):
        assert set(one) == set(other)
        for key, value in one.items():
            same = torch.equal(value, other[key]) if isinstance(value, torch.Tensor) else value == other[key]
            assert same, (key, value, other[key])
        count += 1
    return count


def fitting(rows: Rows, method: Method, name: str, mode: str) -> Rows:
    """What `drop` leaves, by the tokens of each lane; TRL has no such mode."""
    if mode != "drop":
        return rows
    made = encoded(method, rows, name)
    return [row for row, one in zip(rows, made, strict=True) if all(len(lane.ids) <= LIMIT for lane in one.lanes)]


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> None:
    from datasets import disable_progress_bars

    disable_progress_bars()


# --- supervised fine-tuning


def sft_pair(
    rows: Rows, name: str, loss: dict[str, Any], folder: Path, *, max_length: Any, mode: str, **packing: Any
) -> tuple[Any, Any]:
    from trl import SFTConfig, SFTTrainer

    method = METHODS["sft"](**loss, **packing)
    given = arguments_of(max_length, "keep_start" if mode == "drop" else mode)
    theirs = SFTTrainer(
        model=model_of(name),
        args=SFTConfig(output_dir=str(folder), **given, **loss, **packing),
        train_dataset=as_trl_reads(fitting(rows, method, name, mode)),
        processing_class=tokenizer_of(name),
    )
    return our_trainer(method, rows, name, folder, max_length=max_length, mode=mode), theirs


def sft_cases() -> Iterator[Any]:
    for name in TEMPLATES:
        kinds = ["messages", "prompt-completion"]
        kinds += ["tools", "thinking"] if name in ("qwen3", "qwen2_5") else []
        kinds += ["text", "text-pairs", "tokenized"] if name == "starter" else []
        for kind in kinds:
            for loss in LOSSES:
                assistant = LOSSES[loss]["assistant_only_loss"]
                if assistant and (name not in MARKED or kind in ("text", "text-pairs", "tokenized")):
                    continue
                yield pytest.param(name, kind, loss, id=f"{name}-{kind}-{loss}")
    for kind in ("messages", "prompt-completion", "text", "text-pairs"):
        yield pytest.param("pieces", kind, "completion", id=f"pieces-{kind}")


@pytest.mark.parametrize(("name", "kind", "loss"), sft_cases())
def test_sft_batches_are_trls(name: str, kind: str, loss: str, tmp_path: Path) -> None:
    rows = sft_rows(kind)
    every = name in ("starter", "smol")  # elsewhere the cuts have nothing new to show
    for max_length, mode in CUTS if every else CUTS[1:3]:
        ours, theirs = sft_pair(rows, name, LOSSES[loss], tmp_path, max_length=max_length, mode=mode)
        assert assert_same_batches(ours, theirs) > 0


@pytest.mark.parametrize("strategy", ["bfd", "bfd_split", "wrapped"])
@pytest.mark.parametrize(("name", "kind", "loss"), [
    ("starter", "messages", "assistant"), ("smol", "prompt-completion", "completion"), ("starter", "tokenized", "all"),
])  # fmt: skip
def test_packed_batches_are_trls(name: str, kind: str, loss: str, strategy: str, tmp_path: Path) -> None:
    packing = {"packing": True, "packing_strategy": strategy}
    for max_length in (LIMIT, 200):
        ours, theirs = sft_pair(
            sft_rows(kind), name, LOSSES[loss], tmp_path, max_length=max_length, mode="keep_start", **packing
        )
        assert assert_same_batches(ours, theirs) > 0
        assert ours.train_dataset[:] == theirs.train_dataset[:]


@pytest.mark.parametrize("mode", ["keep_start", "keep_end"])
@pytest.mark.parametrize("strategy", ["bfd", "bfd_split", "wrapped"])
def test_the_blocks_shown_are_the_trainers(strategy: str, mode: str, tmp_path: Path) -> None:
    method = METHODS["sft"](packing=True, packing_strategy=strategy)
    rows = sft_rows("prompt-completion") * 40
    made = encoded(method, rows, "smol")
    trainer = our_trainer(method, rows, "smol", tmp_path, max_length=LIMIT, mode=mode)
    lengths = [len(row.lanes[0].ids) for row in made]
    blocks = list(method.blocks(lengths, max_length=LIMIT, truncation_mode=mode))  # type: ignore[attr-defined]
    shown = [[made[row].lanes[0].ids[start:end] for row, start, end in block] for block in blocks]
    assert [[token for piece in block for token in piece] for block in shown] == trainer.train_dataset["input_ids"][:]
    if strategy != "wrapped":
        assert [[len(piece) for piece in block] for block in shown] == trainer.train_dataset["seq_lengths"][:]


# --- preferences


@pytest.mark.parametrize("plain", [False, True], ids=["chat", "text"])
@pytest.mark.parametrize("name", [*TEMPLATES, "pieces"])
def test_dpo_batches_are_trls(name: str, plain: bool, tmp_path: Path) -> None:
    from trl import DPOConfig, DPOTrainer

    method, rows = METHODS["dpo"](), pair_rows(plain)
    for max_length, mode in CUTS:
        given = arguments_of(max_length, "keep_start" if mode == "drop" else mode)
        theirs = DPOTrainer(
            model=model_of(name),
            ref_model=reference_of(name),
            args=DPOConfig(output_dir=str(tmp_path), **given),
            train_dataset=as_trl_reads(fitting(rows, method, name, mode)),
            processing_class=tokenizer_of(name),
        )
        ours = our_trainer(method, rows, name, tmp_path, max_length=max_length, mode=mode)
        assert assert_same_batches(ours, theirs) > 0


@pytest.mark.parametrize("plain", [False, True], ids=["chat", "text"])
@pytest.mark.parametrize("name", ["starter", "smol", "llama2", "thinker", "pieces"])
def test_kto_batches_are_trls(name: str, plain: bool, tmp_path: Path) -> None:
    from trl import KTOConfig, KTOTrainer

    method, rows = METHODS["kto"](), labelled_rows(plain)
    for max_length, mode in CUTS:
        if mode == "keep_end":  # not a mode of TRL's
            continue
        given = arguments_of(max_length, mode)
        given.pop("truncation_mode")
        theirs = KTOTrainer(
            model=model_of(name),
            ref_model=reference_of(name),
            args=KTOConfig(output_dir=str(tmp_path), **given),
            train_dataset=as_trl_reads(fitting(rows, method, name, mode)),
            processing_class=tokenizer_of(name),
        )
        ours = our_trainer(method, rows, name, tmp_path, max_length=max_length, mode=mode)
        assert assert_same_batches(ours, theirs) > 0


def test_kto_keeps_the_end_where_it_is_told_to() -> None:
    method = METHODS["kto"]()
    made = encoded(method, labelled_rows(False), "starter")
    columns = method.trainer_rows(made, max_length=LIMIT, truncation_mode="keep_end")
    for row, prompt, answer in zip(made, columns["prompt_ids"], columns["completion_ids"], strict=True):
        assert prompt + answer == row.lanes[0].ids[-LIMIT:] and answer


@pytest.mark.parametrize("plain", [False, True], ids=["chat", "text"])
@pytest.mark.parametrize("name", ["starter", "smol", "llama2", "pieces"])
def test_reward_batches_are_trls(name: str, plain: bool, tmp_path: Path) -> None:
    from trl import RewardConfig, RewardTrainer

    method, rows = METHODS["reward"](), pair_rows(plain)
    for max_length, mode in CUTS:
        if max_length is not None and mode != "drop":  # the only mode that TRL has
            continue
        given = arguments_of(max_length, mode)
        given.pop("truncation_mode")
        theirs = RewardTrainer(
            model=score_model_of(name),
            args=RewardConfig(output_dir=str(tmp_path), **given),
            train_dataset=as_trl_reads(rows),
            processing_class=tokenizer_of(name),
        )
        ours = our_trainer(method, rows, name, tmp_path, max_length=max_length, mode=mode)
        assert assert_same_batches(ours, theirs) > 0


@pytest.mark.parametrize("mode", ["keep_start", "keep_end"])
def test_reward_cuts_as_it_is_told_to(mode: str) -> None:
    method = METHODS["reward"]()
    made = encoded(method, pair_rows(False), "starter")
    kept = method.survives(facts_of(made), max_length=LIMIT, truncation_mode=mode)
    columns = method.trainer_rows(made, max_length=LIMIT, truncation_mode=mode)
    for row, keep, *cut in zip(made, kept, columns["chosen_ids"], columns["rejected_ids"], strict=True):
        for lane, ids in zip(row.lanes, cut, strict=True):
            assert ids == (lane.ids[:LIMIT] if mode == "keep_start" else lane.ids[-LIMIT:])
        assert keep == (mode == "keep_end" or row.lanes[0].spans[0] < LIMIT)


@pytest.mark.parametrize("name", ["starter", "smol", "thinker"])
def test_grpo_prompts_are_trls(name: str, tmp_path: Path) -> None:
    """The trainer renders its prompts itself: to the tokens that we show."""
    method = METHODS["grpo"](num_generations=3)
    rows = [{"prompt": chat[:-1], "reference": {"answer": str(number)}} for number, chat in enumerate(CONVERSATIONS)]
    trainer = our_trainer(method, rows, name, tmp_path, max_length=None, mode="keep_start")
    made = encoded(method, rows, name)
    shown = {json.dumps(row["prompt"]): one.lanes[0].ids for row, one in zip(rows, made, strict=True)}
    seen = 0
    for batch in batches(trainer):
        asked = [[{key: one[key] for key in ("role", "content")} for one in row["prompt"]] for row in batch]
        ids, _, _ = trainer._tokenize_prompts([row["prompt"] for row in batch])
        assert ids == [shown[json.dumps(one)] for one in asked]
        assert [CONVERSATIONS[int(row["reference"])][:-1] for row in batch] == asked
        seen += len(batch)
    assert seen == method.sequences(trainer.train_dataset, max_length=None, batch_size=3) > 0
