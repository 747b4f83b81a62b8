"""The preview shows what the trainer sees: equal to its batches, token for token and label for label."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_tokenizer import CHATML, make_tokenizer

from studio.config import RunConfig
from studio.config.files import build
from studio.data.prepare import PreparedData, prepare
from studio.data.preview import digest, preview, tokenize
from studio.errors import ConfigError, DataError
from studio.methods import Parts
from studio.settings import ASSETS, Settings

Make = Callable[..., RunConfig]

ODD = "héllo 👩‍👩‍👧‍👦 你好，世界！ مرحبا \u200d\u202b x\ufffdy <|im_end|> <|endoftext|>"
LONG = "the cat said hello to the other cat " * 12

LOSSES: dict[str, dict[str, Any]] = {
    "completion": {"type": "sft"},
    "assistant": {"type": "sft", "completion_only_loss": False, "assistant_only_loss": True},
    "both": {"type": "sft", "assistant_only_loss": True},
    "all": {"type": "sft", "completion_only_loss": False},
}
ROWS: dict[str, list[dict[str, Any]]] = {
    "alpaca": [
        {"instruction": "hello", "input": "", "output": "who are you?", "system": "", "history": []},
        {"instruction": ODD, "input": "the cat", "output": f"{ODD} 好", "system": "be a cat", "history": [["a", ODD]]},
        {"instruction": "hello", "input": "x", "output": LONG, "system": "", "history": [["a", "b"], ["c", "d"]]},
        {"instruction": LONG, "input": "", "output": "after a long prompt", "system": "", "history": []},
    ],
    "sharegpt": [
        {"conversations": [{"from": "human", "value": "hello"}, {"from": "gpt", "value": ODD}]},
        {
            "conversations": [
                {"from": "system", "value": ""},
                {"from": "human", "value": ODD},
                {"from": "gpt", "value": "you"},
                {"from": "human", "value": ""},
                {"from": "gpt", "value": LONG},
                {"from": "human", "value": "an end without an answer"},
            ]
        },
        {"conversations": [{"from": "human", "value": LONG}, {"from": "gpt", "value": "cut away"}]},
    ],
    "messages": [
        {"messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "who?"}]},
        {
            "messages": [
                {"role": "system", "content": "be a cat"},
                {"role": "user", "content": [{"type": "text", "text": ODD}, {"type": "text", "text": " and more"}]},
                {"role": "assistant", "content": ODD},
                {"role": "user", "content": LONG},
                {"role": "assistant", "content": "cut away"},
            ]
        },
        {
            "messages": [
                {"role": "system", "content": ""},
                *({"role": r, "content": ODD} for r in ("user", "assistant")),
            ]
        },
    ],
    "prompt-completion": [
        {"prompt": "the cat said", "completion": " hello"},
        {"prompt": f"{ODD} ", "completion": ODD},
        {"prompt": LONG, "completion": "cut away"},
        {"prompt": "said:", "completion": LONG},
    ],
    "question-answer": [
        {"question": "who are you?", "answer": "the cat"},
        {"question": ODD, "answer": ODD},
        {"question": LONG, "answer": "cut away"},
    ],
    "message-lists": [
        {"prompt": [{"role": "user", "content": ODD}], "completion": [{"role": "assistant", "content": ODD}]},
        {"prompt": [{"role": "user", "content": "a"}], "completion": [{"role": "assistant", "content": LONG}]},
    ],
    "text": [{"text": "the cat"}, {"text": ODD}, {"text": LONG}, {"text": "ends with its own<|im_end|>"}],
}
PLAIN = ("prompt-completion", "text")
CASES = [(rows, loss) for rows in ROWS for loss in LOSSES if not (rows in PLAIN and loss in ("assistant", "both"))]


def make_model(tokenizer: Any) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer), hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1
        )
    )


def seen(trainer: Any) -> Counter[tuple[tuple[int, ...], tuple[int, ...]]]:
    """What the trainer's own batches hold, padding taken off."""
    found: Counter[tuple[tuple[int, ...], tuple[int, ...]]] = Counter()
    for batch in trainer.get_train_dataloader():
        for ids, labels, mask in zip(batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True):
            length = int(mask.sum())
            found[tuple(ids[:length].tolist()), tuple(labels[:length].tolist())] += 1
    return found


def our_trainer(config: RunConfig, data: PreparedData, tokenizer: Any, folder: Path) -> Any:
    limit = config.training.max_length
    rows = tokenize(data, method=config.method, tokenizer=tokenizer, max_length=limit).train
    arguments = {
        "max_length": limit,
        "per_device_train_batch_size": 2,
        "report_to": [],
        "use_cpu": True,
        "bf16": False,
        "activation_checkpointing": False,
        "dataloader_pin_memory": False,
    }
    parts = Parts(
        model=make_model(tokenizer),
        tokenizer=tokenizer,
        train=rows,
        eval=None,
        peft_config=None,
        arguments=arguments,
        output_dir=folder,
        device="cpu",
    )
    return config.method.build_trainer(parts)


def plain_trl(config: RunConfig, data: PreparedData, tokenizer: Any, folder: Path) -> Any:
    """TRL alone, given the rendered rows: nothing of our tokenization."""
    from trl import SFTConfig, SFTTrainer

    args = SFTConfig(
        output_dir=str(folder),
        max_length=config.training.max_length,
        completion_only_loss=config.method.completion_only_loss,
        assistant_only_loss=config.method.assistant_only_loss,
        per_device_train_batch_size=2,
        report_to=[],
        use_cpu=True,
        bf16=False,
        activation_checkpointing=False,
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    return SFTTrainer(model=make_model(tokenizer), args=args, train_dataset=data.train, processing_class=tokenizer)


@pytest.mark.parametrize("max_length", [None, 64])
@pytest.mark.parametrize(("rows", "loss"), CASES)
def test_preview_equals_the_trainers_batches(
    rows: str, loss: str, max_length: int | None, run_config: Make, settings: Settings, tmp_path: Path
) -> None:
    tokenizer = make_tokenizer()
    config = run_config(
        ROWS[rows],
        method=LOSSES[loss],
        data={"eval_fraction": 0, "system_prompt": None if rows in PLAIN else "speak 猫"},
        training={"max_length": max_length},
    )
    shown = preview(config, settings=settings, tokenizer=tokenizer, rows=99)
    assert len(shown.rows) == shown.of == len(ROWS[rows])
    expected: Counter[Any] = Counter()
    for row in shown.rows:
        ids = tuple(row.ids[: row.kept])
        labels = tuple(number if on else -100 for number, on in zip(ids, row.supervised, strict=False))
        if any(row.supervised[: row.kept]) or max_length is None:
            expected[ids, labels] += 1
    data = prepare(config, settings)
    assert seen(our_trainer(config, data, tokenizer, tmp_path)) == expected
    assert seen(plain_trl(config, data, tokenizer, tmp_path)) == expected
    made = tokenize(data, method=config.method, tokenizer=tokenizer, max_length=max_length)
    assert made.supervised == sum(label != -100 for _, labels in expected.elements() for label in labels)
    assert made.total == sum(len(ids) for ids, _ in expected.elements())
    assert made.digest == shown.digest
    assert len(made.dropped) == len(ROWS[rows]) - expected.total()
    assert max_length is None or made.truncated_rows > 0


@pytest.mark.parametrize("loss", LOSSES)
def test_preview_of_the_starter_equals_the_trainers_batches(loss: str, settings: Settings, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(ASSETS / "starter")
    config = build({"method": LOSSES[loss], "training": {"max_length": 48}})
    shown = preview(config, settings=settings, tokenizer=tokenizer, rows=999)
    data = prepare(config, settings)
    expected = Counter(
        (tuple(row.ids[:48]), tuple(one if on else -100 for one, on in zip(row.ids[:48], row.supervised, strict=False)))
        for row in shown.rows
        if any(row.supervised[:48])
    )
    assert seen(our_trainer(config, data, tokenizer, tmp_path)) == expected
    assert seen(plain_trl(config, data, tokenizer, tmp_path)) == expected
    assert expected.total() > 100 and [row.row for row in shown.rows] == list(data.train_index)


@pytest.mark.parametrize("rows", ROWS)
def test_token_texts_join_to_what_the_trainer_reads(rows: str, run_config: Make, settings: Settings) -> None:
    tokenizer = make_tokenizer()
    shown = preview(run_config(ROWS[rows], data={"eval_fraction": 0}), settings=settings, tokenizer=tokenizer, rows=9)
    control = {tokenizer.convert_tokens_to_ids(token) for token in ("<|im_start|>", "<|im_end|>", "<|endoftext|>")}
    for row, text in zip(shown.rows, shown.text, strict=True):
        assert text == tokenizer.decode(row.ids, skip_special_tokens=False)
        assert text.count("\ufffd") == text.count("x\ufffdy")  # none but what the text itself holds
        assert row.special == [number in control for number in row.ids]


def test_supervised_is_the_answer_and_its_end(run_config: Make, settings: Settings) -> None:
    rows = [{"instruction": "who are you?", "input": "", "output": "the cat"}]
    row = preview(run_config(rows), settings=settings, tokenizer=make_tokenizer()).rows[0]
    trained = "".join(text for text, on in zip(row.texts, row.supervised, strict=True) if on)
    assert trained == "the cat<|im_end|>\n"
    assert row.as_json()["supervised"] == sum(row.supervised)


def test_multi_turn_trains_the_last_answer_or_all(run_config: Make, settings: Settings) -> None:
    turns = [("user", "one?"), ("assistant", "first"), ("user", "two?"), ("assistant", "second")]
    rows = [{"messages": [{"role": role, "content": text} for role, text in turns]}]
    for loss, trained in (("completion", "second<|im_end|>\n"), ("assistant", "first<|im_end|>second<|im_end|>")):
        row = preview(run_config(rows, method=LOSSES[loss]), settings=settings, tokenizer=make_tokenizer()).rows[0]
        assert "".join(text for text, on in zip(row.texts, row.supervised, strict=True) if on) == trained


def test_cut_tokens_keep_their_label_and_stay_out_of_the_face(run_config: Make, settings: Settings) -> None:
    tokenizer = make_tokenizer()
    rows = [{"instruction": "hello", "output": LONG}]
    whole = preview(run_config(rows, training={"max_length": None}), settings=settings, tokenizer=tokenizer).rows[0]
    cut = preview(run_config(rows, training={"max_length": 32}), settings=settings, tokenizer=tokenizer).rows[0]
    assert (cut.ids, cut.supervised) == (whole.ids, whole.supervised)
    face = cut.as_json()
    assert (face["total"], len(face["tokens"]), face["truncated"]) == (32, 32, len(whole.ids) - 32)
    assert face["supervised"] == sum(cut.supervised[:32]) < sum(whole.supervised)


def test_digest_is_the_runs_and_moves_with_what_the_trainer_sees(run_config: Make, settings: Settings) -> None:
    tokenizer = make_tokenizer()
    rows = [{"instruction": f"say {number}", "input": "", "output": f"{number} cats"} for number in range(30)]
    config = run_config(rows)
    shown = preview(config, settings=settings, tokenizer=tokenizer, rows=3, start=11)
    made = tokenize(prepare(config, settings), method=config.method, tokenizer=tokenizer, max_length=1024)
    assert shown.digest == made.digest == digest(made.train, max_length=1024)
    assert [row.row for row in shown.rows] == list(made.index[11:14])
    for change in ({"training": {"max_length": 16}}, {"method": LOSSES["all"]}, {"data": {"system_prompt": "x"}}):
        assert preview(run_config(rows, **change), settings=settings, tokenizer=tokenizer).digest != shown.digest


def test_left_out_rows_leave_preview_and_run_equal(run_config: Make, settings: Settings) -> None:
    tokenizer = make_tokenizer()
    rows: list[dict[str, Any]] = [
        {"conversations": [{"from": "human", "value": f"q{n}"}, {"from": "gpt", "value": f"a{n}"}]} for n in range(12)
    ]
    rows[2] = {"conversations": [{"from": "human", "value": "no answer came"}]}
    config = run_config(rows, data={"eval_fraction": 0})
    data = prepare(config, settings)
    assert data.left_out == (2,) and 2 not in data.train_index and len(data.train) == 11
    assert "Rows: 3" in data.notes[0]
    made = tokenize(data, method=config.method, tokenizer=tokenizer, max_length=1024)
    shown = preview(config, settings=settings, tokenizer=tokenizer, rows=4)
    assert shown.digest == made.digest
    assert [row.row for row in shown.rows] == [0, 1, 3] and "Rows: 3" in shown.notes[0]


def test_no_trainable_token_names_the_lever(run_config: Make, settings: Settings) -> None:
    config = run_config([{"instruction": LONG, "output": "late"}] * 8)  # one of which is held out
    with pytest.raises(DataError, match="0 of 8 rows keep a trainable token at max_length 64"):
        tokenize(prepare(config, settings), method=config.method, tokenizer=make_tokenizer(), max_length=64)


def test_no_chat_template_is_a_sentence_and_plain_text_needs_none(run_config: Make, settings: Settings) -> None:
    bare = make_tokenizer(chat_template=None)
    with pytest.raises(DataError, match=r"no chat template.*model\.chat_template: chatml"):
        preview(run_config(ROWS["alpaca"]), settings=settings, tokenizer=bare)
    assert preview(run_config(ROWS["prompt-completion"]), settings=settings, tokenizer=bare).rows


def test_a_template_that_refuses_a_row_names_it(run_config: Make, settings: Settings) -> None:
    strict = "{% for m in messages %}{% if 'BAD' in m['content'] %}{{ raise_exception('no BAD here') }}{% endif %}"
    tokenizer = make_tokenizer(chat_template=strict + "{% endfor %}" + CHATML)
    rows = [{"instruction": "hello" if number != 6 else "BAD", "output": "ok"} for number in range(9)]
    config = run_config(rows, data={"eval_fraction": 0})
    with pytest.raises(DataError, match=r"rows.jsonl, row 7: .*no BAD here"):
        tokenize(prepare(config, settings), method=config.method, tokenizer=tokenizer, max_length=64)
    with pytest.raises(DataError, match="row 7"):
        preview(config, settings=settings, tokenizer=tokenizer)


def test_assistant_loss_says_what_it_needs(run_config: Make, settings: Settings) -> None:
    unmarked = CHATML.replace("{% generation %}", "").replace("{% endgeneration %}", "")
    with pytest.raises(DataError, match="assistant_only_loss needs a chat template"):
        preview(
            run_config(ROWS["alpaca"], method=LOSSES["assistant"]),
            settings=settings,
            tokenizer=make_tokenizer(chat_template=unmarked),
        )
    with pytest.raises(DataError, match="assistant_only_loss needs conversations"):
        preview(run_config(ROWS["text"], method=LOSSES["assistant"]), settings=settings, tokenizer=make_tokenizer())


def test_system_prompt_over_plain_text_names_the_lever(run_config: Make, settings: Settings) -> None:
    for rows in PLAIN:
        with pytest.raises(ConfigError, match=r"data\.system_prompt is set"):
            preview(
                run_config(ROWS[rows], data={"system_prompt": "be kind"}),
                settings=settings,
                tokenizer=make_tokenizer(),
            )


def test_preview_is_quick_and_reads_only_what_it_shows(
    run_config: Make, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    tokenizer = make_tokenizer()
    rows: list[dict[str, Any]] = [{"instruction": f"say {n}", "input": "", "output": "cat " * 200} for n in range(999)]
    rows[-1]["output"] = ""  # a bad row that this preview does not show
    config = run_config(rows, data={"eval_fraction": 0})
    preview(config, settings=settings, tokenizer=tokenizer)
    start = time.perf_counter()
    shown = preview(config, settings=settings, tokenizer=tokenizer)
    assert time.perf_counter() - start < 0.3
    assert len(shown.rows) == 4 and shown.of == 999
    with pytest.raises(DataError, match=r"1 of 999 rows.*Rows: 999"):
        prepare(config, settings)
    assert capsys.readouterr().out == ""
