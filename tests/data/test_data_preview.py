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
from studio.data.corpus import open_corpus
from studio.data.pipeline import Pipeline
from studio.data.prepare import Prepared
from studio.data.prepare import prepare as prepare_with
from studio.data.preview import preview
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


def prepare(config: RunConfig, settings: Settings, tokenizer: Any = None) -> Prepared:
    return prepare_with(config, settings=settings, tokenizer=tokenizer or make_tokenizer())


def our_trainer(config: RunConfig, data: Prepared, tokenizer: Any, folder: Path) -> Any:
    arguments = {
        "max_length": config.training.max_length,
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
        train=data.train,
        eval=None,
        peft_config=None,
        arguments=arguments,
        output_dir=folder,
        device="cpu",
    )
    return config.method.build_trainer(parts)


def plain_trl(config: RunConfig, settings: Settings, tokenizer: Any, folder: Path) -> Any:
    """TRL alone, given the rendered rows: nothing of our tokenization."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    corpus = open_corpus(config, settings)
    worked = Pipeline(corpus, method=config.method, tokenizer=tokenizer).work([int(one) for one in corpus.train])
    rows = Dataset.from_list([row for row in worked.rendered if row is not None])
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
    return SFTTrainer(model=make_model(tokenizer), args=args, train_dataset=rows, processing_class=tokenizer)


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
        lane = row.lanes[0]
        ids = tuple(lane.ids[: lane.end])
        labels = tuple(number if on else -100 for number, on in zip(ids, lane.supervised, strict=False))
        if row.kept:
            expected[ids, labels] += 1
    data = prepare(config, settings, tokenizer)
    assert seen(our_trainer(config, data, tokenizer, tmp_path)) == expected
    assert seen(plain_trl(config, settings, tokenizer, tmp_path)) == expected
    assert data.supervised == sum(label != -100 for _, labels in expected.elements() for label in labels)
    assert data.total == sum(len(ids) for ids, _ in expected.elements())
    assert data.digest == shown.digest
    assert len(data.dropped) == len(ROWS[rows]) - expected.total()
    assert max_length is None or data.truncated + len(data.dropped) > 0


@pytest.mark.parametrize("loss", LOSSES)
def test_preview_of_the_starter_equals_the_trainers_batches(loss: str, settings: Settings, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(ASSETS / "starter")
    config = build({"method": LOSSES[loss], "training": {"max_length": 48}})
    shown = preview(config, settings=settings, tokenizer=tokenizer, rows=999)
    data = prepare(config, settings, tokenizer)
    expected = Counter(
        (
            tuple(row.lanes[0].ids[:48]),
            tuple(one if on else -100 for one, on in zip(row.lanes[0].ids[:48], row.lanes[0].supervised, strict=False)),
        )
        for row in shown.rows
        if row.kept
    )
    assert seen(our_trainer(config, data, tokenizer, tmp_path)) == expected
    assert seen(plain_trl(config, settings, tokenizer, tmp_path)) == expected
    assert expected.total() > 100 and [row.position for row in shown.rows] == list(data.index)


@pytest.mark.parametrize("rows", ROWS)
def test_token_texts_join_to_what_the_trainer_reads(rows: str, run_config: Make, settings: Settings) -> None:
    tokenizer = make_tokenizer()
    shown = preview(run_config(ROWS[rows], data={"eval_fraction": 0}), settings=settings, tokenizer=tokenizer, rows=9)
    control = {tokenizer.convert_tokens_to_ids(token) for token in ("<|im_start|>", "<|im_end|>", "<|endoftext|>")}
    for row in shown.rows:
        lane, text = row.lanes[0], "".join(row.lanes[0].texts)
        assert text == tokenizer.decode(lane.ids, skip_special_tokens=False)
        assert text.count("\ufffd") == text.count("x\ufffdy")  # none but what the text itself holds
        assert lane.special == [number in control for number in lane.ids]


def test_supervised_is_the_answer_and_its_end(run_config: Make, settings: Settings) -> None:
    rows = [{"instruction": "who are you?", "input": "", "output": "the cat"}]
    row = preview(run_config(rows), settings=settings, tokenizer=make_tokenizer()).rows[0]
    lane = row.lanes[0]
    trained = "".join(text for text, on in zip(lane.texts, lane.supervised, strict=True) if on)
    assert trained == "the cat<|im_end|>\n"
    assert row.as_json()["supervised"] == sum(lane.supervised)


def test_multi_turn_trains_the_last_answer_or_all(run_config: Make, settings: Settings) -> None:
    turns = [("user", "one?"), ("assistant", "first"), ("user", "two?"), ("assistant", "second")]
    rows = [{"messages": [{"role": role, "content": text} for role, text in turns]}]
    for loss, trained in (("completion", "second<|im_end|>\n"), ("assistant", "first<|im_end|>second<|im_end|>")):
        shown = preview(run_config(rows, method=LOSSES[loss]), settings=settings, tokenizer=make_tokenizer())
        lane = shown.rows[0].lanes[0]
        assert "".join(text for text, on in zip(lane.texts, lane.supervised, strict=True) if on) == trained


def test_cut_tokens_keep_their_label_and_stay_out_of_the_face(run_config: Make, settings: Settings) -> None:
    tokenizer = make_tokenizer()
    rows = [{"instruction": "hello", "output": LONG}]
    whole = preview(run_config(rows, training={"max_length": None}), settings=settings, tokenizer=tokenizer).rows[0]
    cut = preview(run_config(rows, training={"max_length": 32}), settings=settings, tokenizer=tokenizer).rows[0]
    assert (cut.lanes[0].ids, cut.lanes[0].supervised) == (whole.lanes[0].ids, whole.lanes[0].supervised)
    face, length = cut.as_json(), len(whole.lanes[0].ids)
    assert (face["total"], len(face["tokens"]), face["truncated"]) == (32, 32, length - 32)
    assert face["supervised"] == sum(cut.lanes[0].supervised[:32]) < sum(whole.lanes[0].supervised)


@pytest.mark.parametrize("mode", ["keep_start", "keep_end", "drop"])
@pytest.mark.parametrize("method", ["sft", "dpo", "reward", "kto", "grpo"])
def test_a_row_is_shown_as_trained_where_the_run_trains_it(
    method: str, mode: str, run_config: Make, settings: Settings
) -> None:
    answers = {
        "sft": {"completion": LONG},
        "kto": {"completion": LONG, "label": True},
        "grpo": {"answer": "a"},
    }.get(method, {"chosen": LONG, "rejected": "no"})
    rows = [{"prompt": prompt, **answers} for prompt in ("hello", LONG, "hello again")]
    rows += [{**row, **{name: "yes" for name, value in answers.items() if value == LONG}} for row in rows]
    config = run_config(
        rows, method=method, data={"eval_fraction": 0}, training={"max_length": 32, "truncation_mode": mode}
    )
    shown = preview(config, settings=settings, tokenizer=make_tokenizer(), rows=6)
    data = prepare(config, settings=settings, tokenizer=make_tokenizer())
    assert [row.position for row in shown.rows if row.kept] == list(data.index)
    assert [row.position for row in shown.rows if not row.kept] == list(data.dropped)
    assert shown.digest == data.digest
    assert bool(len(data.dropped)) == any("left out of training" in note for note in shown.notes)
    assert mode != "drop" or (len(data.dropped) and "truncation_mode: drop" in " ".join(shown.notes))


def test_digest_is_the_runs_and_moves_with_what_the_trainer_sees(run_config: Make, settings: Settings) -> None:
    tokenizer = make_tokenizer()
    rows = [{"instruction": f"say {number}", "input": "", "output": f"{number} cats"} for number in range(30)]
    config = run_config(rows)
    shown = preview(config, settings=settings, tokenizer=tokenizer, rows=3, start=11)
    data = prepare(config, settings)
    assert shown.digest == data.digest
    assert [row.position for row in shown.rows] == list(data.index[11:14])
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
    assert 2 not in data.index and len(data.train) == 11
    assert "Rows: 3" in data.notes[0]
    shown = preview(config, settings=settings, tokenizer=tokenizer, rows=4)
    assert shown.digest == data.digest
    assert [row.row for row in shown.rows] == [0, 1, 3] and "Rows: 3" in shown.notes[0]


def test_no_trainable_token_names_the_lever(run_config: Make, settings: Settings) -> None:
    config = run_config([{"instruction": LONG, "output": "late"}] * 8, training={"max_length": 64})
    with pytest.raises(DataError, match="0 of 8 rows keep a trainable token at max_length 64"):
        prepare(config, settings)


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
    with pytest.raises(DataError, match=r"1 of 9 rows cannot be used.*no BAD here.*Rows: 7 "):
        prepare(config, settings, tokenizer)
    shown = preview(config, settings=settings, tokenizer=tokenizer, rows=9)
    assert len(shown.rows) == 8 and "no BAD here" in str(shown.problems[6])


def test_assistant_loss_says_what_it_needs(run_config: Make, settings: Settings) -> None:
    rows = ROWS["text"]
    with pytest.raises(DataError, match="assistant_only_loss needs conversations"):
        preview(run_config(rows, method=LOSSES["assistant"]), settings=settings, tokenizer=make_tokenizer())


def test_assistant_turns_are_found_without_marks_in_the_template(run_config: Make, settings: Settings) -> None:
    config = run_config(ROWS["messages"], method=LOSSES["assistant"], data={"eval_fraction": 0})
    unmarked = CHATML.replace("{% generation %}", "").replace("{% endgeneration %}", "")
    marked = preview(config, settings=settings, tokenizer=make_tokenizer(), rows=9)
    found = preview(config, settings=settings, tokenizer=make_tokenizer(chat_template=unmarked), rows=9)
    assert [row.lanes for row in found.rows] == [row.lanes for row in marked.rows]


def test_system_prompt_over_plain_text_names_the_lever(run_config: Make, settings: Settings) -> None:
    for rows in PLAIN:
        config = run_config(ROWS[rows], data={"system_prompt": "be kind"})
        with pytest.raises(ConfigError, match=r"data\.system_prompt is set"):
            preview(config, settings=settings, tokenizer=make_tokenizer())


PAIRS = [
    {"prompt": "which cat?", "chosen": "the black one", "rejected": "the black dog"},
    {"prompt": ODD, "chosen": f"{ODD} yes", "rejected": f"{ODD} no"},
]


def test_pairs_are_two_lanes_that_share_the_prompt(run_config: Make, settings: Settings) -> None:
    tokenizer = make_tokenizer()
    shown = preview(run_config(PAIRS, method="dpo", data={"eval_fraction": 0}), settings=settings, tokenizer=tokenizer)
    for row, pair in zip(shown.rows, PAIRS, strict=True):
        assert [lane.name for lane in row.lanes] == ["chosen", "rejected"]
        for lane in row.lanes:
            trained = "".join(text for text, on in zip(lane.texts, lane.supervised, strict=True) if on)
            assert trained.startswith(pair[lane.name])
        chosen, rejected = row.lanes
        assert chosen.ids[: chosen.shared] == rejected.ids[: chosen.shared] and chosen.shared > 0
    face = shown.as_json()["rows"][0]
    assert set(face["lanes"]) == {"chosen", "rejected"}
    assert face["supervised"] == sum(lane["supervised"] for lane in face["lanes"].values())


def test_a_label_is_part_of_the_face(run_config: Make, settings: Settings) -> None:
    rows = [{"prompt": "q", "completion": "a", "label": True}, {"prompt": "q", "completion": "b", "label": False}]
    shown = preview(
        run_config(rows, method="kto", data={"eval_fraction": 0}), settings=settings, tokenizer=make_tokenizer()
    )
    assert [row["label"] for row in shown.as_json()["rows"]] == [True, False]


def test_rows_can_be_asked_for_by_position(run_config: Make, settings: Settings) -> None:
    rows = [{"question": f"q{number}", "answer": f"a{number}"} for number in range(30)]
    config = run_config(rows)
    shown = preview(config, settings=settings, tokenizer=make_tokenizer(), positions=[29, 3])
    assert [row.raw["question"] for row in shown.rows] == ["q29", "q3"]
    assert shown.digest == preview(config, settings=settings, tokenizer=make_tokenizer()).digest


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
