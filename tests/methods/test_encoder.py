"""The encoder's short ways give what the plain ways give, and what it cannot know exactly it refuses."""

from __future__ import annotations

import copy
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from small_chats import (
    CALL,
    CONVERSATIONS,
    LATE_END,
    ODD,
    TEMPLATES,
    TEXTS,
    TOOL,
    WITH_TOOLS,
    chat_tokenizer,
    pieces_tokenizer,
    turns,
)

from studio.errors import DataError
from studio.methods import METHODS
from studio.methods.border import common_prefix
from studio.methods.encoding import Coded, Encoder, Job, encoder_of

NAMES = [*TEMPLATES, "pieces"]


def tokenizer_of(name: str) -> Any:
    return pieces_tokenizer() if name == "pieces" else chat_tokenizer(name)


def with_template(template: str) -> Any:
    made = copy.deepcopy(chat_tokenizer())
    made.chat_template = template
    return made


def plainly(tokenizer: Any, job: Job) -> tuple[list[int], int]:
    """Ids and border as TRL makes them: by two calls of the tokenizer and a comparison."""
    from trl.data_utils import common_prefix_length

    if isinstance(job.whole, str):
        ids, prompt = tokenizer(text=job.whole)["input_ids"], tokenizer(text=job.prompt)["input_ids"]
    else:
        given = {"tools": job.tools, "return_dict": True, **(job.extra or {})}
        ids = tokenizer.apply_chat_template(job.whole, **given)["input_ids"]
        prompt = tokenizer.apply_chat_template(job.prompt, add_generation_prompt=True, **given)["input_ids"]
    return ids, common_prefix_length(prompt, ids)


def jobs_of(name: str) -> list[Job]:
    found = [Job(chat, chat[:-1]) for chat in CONVERSATIONS] + [Job(one + two, one) for one, two in TEXTS]
    if name in ("qwen3", "qwen2_5"):
        found += [Job(chat, chat[:-1], [TOOL], {"enable_thinking": False}) for chat in (*WITH_TOOLS, *CONVERSATIONS)]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_ids_and_borders_are_the_plain_ones_also_after_the_checked_rows(name: str) -> None:
    tokenizer, jobs = tokenizer_of(name), jobs_of(name)
    encoder = Encoder(tokenizer)
    expected = [plainly(tokenizer, job) for job in jobs]
    for _ in range(4):  # the first rows are encoded both ways; the later ones are not
        assert [(one.ids, one.border) for one in encoder.encode(jobs)] == expected
    assert encoder._borders.quick


def test_only_the_end_of_a_prompt_is_encoded_again() -> None:
    """Else the short way would not be one: after the checked rows a batch costs one encoding a row, and one more."""
    tokenizer = chat_tokenizer("smol")
    encoder, counted = Encoder(tokenizer), []
    ids = encoder._backend.ids

    def counting(texts: Any, *, special: bool) -> Any:
        counted.append(len(texts))
        return ids(texts, special=special)

    encoder._backend.ids = counting  # type: ignore[method-assign]
    jobs = [Job(chat, chat[:-1]) for chat in CONVERSATIONS] * 4
    encoder.encode(jobs)
    counted.clear()
    encoder.encode(jobs)
    assert sum(counted) == len(jobs) + 1


def test_a_short_way_that_is_wrong_is_left_for_good() -> None:
    tokenizer = chat_tokenizer("smol")
    encoder = Encoder(tokenizer)
    jobs = [Job(chat, chat[:-1]) for chat in CONVERSATIONS]
    encoder._borders._quickly = lambda *_: 1  # type: ignore[method-assign, assignment]
    assert [(one.ids, one.border) for one in encoder.encode(jobs)] == [plainly(tokenizer, job) for job in jobs]
    assert not encoder._borders.quick


def test_tokens_that_could_lie_over_the_cut_are_not_cut_at() -> None:
    """An added token that holds the control token, or begins or ends within it, may swallow it."""
    for other in ("<|im_start|>assistant\n", "x<|im_start|>", "hello<|", "|>assistant"):
        tokenizer = copy.deepcopy(chat_tokenizer("smol"))
        tokenizer.add_tokens([other])
        encoder = Encoder(tokenizer)
        jobs = [Job(chat, chat[:-1]) for chat in (*CONVERSATIONS, turns("hello", "x<|im_start|>y"))] * 3
        assert [(one.ids, one.border) for one in encoder.encode(jobs)] == [plainly(tokenizer, job) for job in jobs]


def test_common_prefix_is_trls() -> None:
    from trl.data_utils import common_prefix_length

    for one, other in [
        ([], []),
        ([1], []),
        ([], [1]),
        ([1, 2], [1, 2, 3]),
        ([1, 2, 3], [1, 2]),
        ([1, 5, 3], [1, 2, 3]),
    ]:
        assert common_prefix(one, other) == common_prefix_length(one, other)


def test_texts_are_what_the_template_writes() -> None:
    tokenizer = chat_tokenizer("qwen3")
    for job, one in zip(jobs_of("qwen3"), Encoder(tokenizer).encode(jobs_of("qwen3")), strict=True):
        if not isinstance(job.whole, str):
            given = {"tools": job.tools, **(job.extra or {})}
            assert one.text == tokenizer.apply_chat_template(job.whole, tokenize=False, **given)


def test_a_slow_tokenizer_is_called_plainly_and_refuses_masks() -> None:
    from transformers import ByT5Tokenizer

    tokenizer = ByT5Tokenizer()
    tokenizer.chat_template = TEMPLATES["smol"]
    encoder = Encoder(tokenizer)
    jobs = [Job(chat, chat[:-1]) for chat in CONVERSATIONS]
    assert [(one.ids, one.border) for one in encoder.encode(jobs)] == [plainly(tokenizer, job) for job in jobs]
    with pytest.raises(DataError, match="fast tokenizer"):
        encoder.encode(jobs, answers=True)


def test_padding_set_elsewhere_does_not_reach_the_encoder() -> None:
    tokenizer = copy.deepcopy(chat_tokenizer())
    encoder = Encoder(tokenizer)
    alone = encoder.encode([Job(CONVERSATIONS[0])])[0].ids
    tokenizer(["short", "much longer than that"], padding=True, truncation=True, max_length=3)
    assert encoder.encode([Job(CONVERSATIONS[0]), Job(CONVERSATIONS[3])])[0].ids == alone


@pytest.mark.parametrize("answers", [False, True])
def test_threads_share_an_encoder(answers: bool) -> None:
    encoder = Encoder(chat_tokenizer("qwen2_5"))
    jobs = [Job(chat, since=0) for chat in CONVERSATIONS] * 8
    expected = encoder.encode(jobs, answers=answers)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: encoder.encode(jobs, answers=answers), range(12)):
            assert found == expected


def test_a_render_elsewhere_is_not_noted_as_an_answer() -> None:
    """transformers keeps one compiled template for all callers: chat renders with it while rows are encoded."""
    tokenizer = chat_tokenizer()
    encoder, jobs = Encoder(tokenizer), [Job(chat, since=0) for chat in CONVERSATIONS]
    expected = encoder.encode(jobs, answers=True)
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(
            lambda: [tokenizer.apply_chat_template(CONVERSATIONS[3], tokenize=False) for _ in range(4000)]
        )
        while not busy.done():
            assert encoder.encode(jobs, answers=True) == expected


def test_the_same_tokenizer_has_one_encoder_until_its_template_changes() -> None:
    tokenizer = copy.deepcopy(chat_tokenizer())
    first = encoder_of(tokenizer)
    assert encoder_of(tokenizer) is first
    tokenizer.chat_template = TEMPLATES["smol"]
    assert encoder_of(tokenizer) is not first


def test_templates_that_drop_tools_or_calls_are_known() -> None:
    assert Encoder(chat_tokenizer("smol")).ignores_tools and Encoder(chat_tokenizer("smol")).ignores_tool_calls
    for name in ("qwen3", "qwen2_5"):
        assert not Encoder(chat_tokenizer(name)).ignores_tools and not Encoder(chat_tokenizer(name)).ignores_tool_calls
    shown = Encoder(with_template(str(TEMPLATES["qwen3"]))).encode([Job(WITH_TOOLS[0], tools=[TOOL])])[0].text
    assert CALL["function"]["name"] in shown and "你好" in shown  # type: ignore[index]


def test_templates_that_drop_thoughts_are_known() -> None:
    smol, qwen = Encoder(chat_tokenizer("smol")), Encoder(chat_tokenizer("qwen3"))
    assert smol.ignores_reasoning and not smol.ignores_earlier_reasoning()
    assert not qwen.ignores_reasoning and qwen.ignores_earlier_reasoning()
    assert not qwen.ignores_earlier_reasoning(answers=True)  # TRL's version for training writes them all
    thought = {"role": "assistant", "content": "a", "thinking": "a thought of its own"}
    chat = [*turns("q"), thought, *turns("q"), thought]
    for encoder, written in ((smol, 0), (qwen, 1)):
        assert encoder.encode([Job(chat)])[0].text.count("a thought of its own") == written
    assert qwen.encode([Job(chat)], answers=True)[0].text.count("a thought of its own") == 2
    assert not Encoder(with_template("")).ignores_reasoning
    assert not Encoder(with_template("{{ raise_exception('no') }}")).ignores_reasoning


def test_a_tokenizer_with_a_template_for_tools_uses_it() -> None:
    tokenizer = with_template("")
    tokenizer.chat_template = {"default": str(TEMPLATES["smol"]), "tool_use": str(TEMPLATES["qwen2_5"])}
    jobs = [Job(CONVERSATIONS[0], CONVERSATIONS[0][:-1]), Job(WITH_TOOLS[0], WITH_TOOLS[0][:-1], [TOOL])]
    found = [(one.ids, one.border) for one in Encoder(tokenizer).encode(jobs)]
    assert found == [plainly(tokenizer, job) for job in jobs]


def test_what_a_row_may_not_set_is_refused() -> None:
    with pytest.raises(DataError, match="chat_template_kwargs sets chat_template"):
        Encoder(chat_tokenizer()).encode([Job(CONVERSATIONS[0], extra={"chat_template": "x"})])
    with pytest.raises(DataError, match=r"no chat template.*chatml"):
        Encoder(with_template("")).encode([Job(CONVERSATIONS[0])])
    with pytest.raises(ValueError, match="no message"):
        Encoder(chat_tokenizer()).encode([Job([])])


# --- the assistant's turns


def answered(coded: Coded, tokenizer: Any) -> list[str]:
    return [tokenizer.decode(coded.ids[start:end]) for start, end in coded.answers or []]


def test_masks_are_transformers_own() -> None:
    for name in ("starter", "qwen2_5"):
        tokenizer = chat_tokenizer(name)
        encoder = Encoder(tokenizer)
        training = None if name == "starter" else encoder._training_source
        for chat, one in zip(
            CONVERSATIONS, encoder.encode([Job(c, since=0) for c in CONVERSATIONS], answers=True), strict=True
        ):
            made = tokenizer.apply_chat_template(
                chat, chat_template=training, return_dict=True, return_assistant_tokens_mask=True
            )
            mask = [0] * len(one.ids)
            for start, end in one.answers or []:
                mask[start:end] = [1] * (end - start)
            assert (one.ids, mask) == (made["input_ids"], made["assistant_masks"])


def test_beginnings_find_each_answer_and_its_end() -> None:
    tokenizer = chat_tokenizer("smol")
    (found,) = Encoder(tokenizer).encode(
        [Job(turns("q1", "first", "q2", ODD + "\n", system="s"), since=0)], answers=True
    )
    assert answered(found, tokenizer) == ["first<|im_end|>", f"{ODD}\n<|im_end|>"]
    llama = chat_tokenizer("llama2")
    (found,) = Encoder(llama).encode([Job(turns("q1", "first", "q2", "second"), since=0)], answers=True)
    assert answered(found, llama) == [f" first {llama.eos_token}", f" second {llama.eos_token}"]


def test_a_thought_that_the_prompt_opens_is_no_reason_to_refuse() -> None:
    tokenizer = chat_tokenizer("thinker")
    (found,) = Encoder(tokenizer).encode([Job(turns("q1", "first", "q2", "second"), since=0)], answers=True)
    assert answered(found, tokenizer) == ["first<|im_end|>", "second<|im_end|>"]


def test_other_roles_are_never_answers() -> None:
    tokenizer = with_template(
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    chat = [
        *turns("q", "call", system="s"),
        {"role": "tool", "content": "found"},
        {"role": "observation", "content": "seen"},
        {"role": "assistant", "content": "so"},
    ]
    (found,) = Encoder(tokenizer).encode([Job(chat, since=0)], answers=True)
    assert answered(found, tokenizer) == ["call<|im_end|>", "so<|im_end|>"]


def test_what_cannot_be_known_is_refused_with_the_reason() -> None:
    encoder = Encoder(with_template(LATE_END))
    assert encoder.encode([Job(turns("one", "two"), since=0)], answers=True)[0].answers
    with pytest.raises(DataError, match=r"writes turn 2 otherwise when more turns follow.*assistant_only_loss off"):
        encoder.encode([Job(turns("one", "two", "three", "four"), since=0)], answers=True)
    strict = "{% if messages | length < 3 %}{{ raise_exception('too short') }}{% endif %}" + str(TEMPLATES["smol"])
    with pytest.raises(DataError, match=r"does not write the first 1 turns alone \(too short\)"):
        Encoder(with_template(strict)).encode([Job(turns("one", "two", "three", "four"), since=0)], answers=True)


# --- a turn switched off


def trained(row: dict[str, Any], name: str, **loss: bool) -> str:
    tokenizer = chat_tokenizer(name)
    lane = METHODS["sft"](**loss).encode([row], encoder_of(tokenizer))[0].lanes[0]
    pairs = zip(lane.spans[0::2], lane.spans[1::2], strict=True)
    return "|".join(tokenizer.decode(lane.ids[start:end]) for start, end in pairs)


@pytest.mark.parametrize("name", ["starter", "smol", "qwen2_5"])
def test_a_turn_switched_off_is_not_trained(name: str) -> None:
    chat = turns("q1", "first", "q2", "second", "q3", "third")
    chat[3]["train"] = False
    seen = trained({"messages": chat}, name, assistant_only_loss=True)
    assert "first<|im_end|>" in seen and "third<|im_end|>" in seen and "second" not in seen and "q" not in seen
    chat[4]["train"] = False
    seen = trained({"messages": chat}, name, completion_only_loss=False)
    assert "q2" in seen and "third" in seen and "second" not in seen and "q3" not in seen
    chat[5]["train"] = False
    assert trained({"prompt": chat[:-1], "completion": chat[-1:]}, name) == ""


def test_turns_that_are_not_trained_anyway_need_not_be_found() -> None:
    """Qwen3 writes an answer otherwise once others follow, so its end cannot be known: here it need not be."""
    chat = turns("q1", "first", "q2", "second")
    chat[1]["train"] = False
    assert "second" in trained({"prompt": chat[:-1], "completion": chat[-1:]}, "qwen3")
    own = with_template("{# not known to TRL #}" + str(TEMPLATES["qwen3"]))
    row = {"prompt": chat[:-1], "completion": chat[-1:]}
    lane = METHODS["sft"](assistant_only_loss=True).encode([row], encoder_of(own))[0].lanes[0]
    assert own.decode(lane.ids[lane.spans[0] : lane.spans[1]]).endswith("second<|im_end|>")
    with pytest.raises(DataError, match="otherwise when more turns follow"):
        METHODS["sft"](assistant_only_loss=True).encode(
            [{"messages": turns("q1", "first", "q2", "second")}], encoder_of(own)
        )


def test_the_switch_never_reaches_the_template() -> None:
    tokenizer = with_template("{% for m in messages %}{{ m | tojson }}{% endfor %}")
    chat = [{"role": "user", "content": "hi", "train": True, "name": None}]
    assert Encoder(tokenizer).encode([Job(chat)])[0].text == '{"role": "user", "content": "hi"}'


# --- templates that are out to harm


def test_a_template_that_does_not_end_is_given_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    from studio.methods import template

    monkeypatch.setattr(template.Watch.__init__, "__defaults__", (0.4,))
    endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    encoder = Encoder(with_template(endless))
    began = time.monotonic()
    with pytest.raises(DataError, match=r"more than 0.4 seconds for a row.*chatml"):
        encoder.encode([Job(CONVERSATIONS[0])])
    assert time.monotonic() - began < 5
    began = time.monotonic()
    with pytest.raises(DataError, match="given up on"):
        encoder.encode([Job(CONVERSATIONS[0])])
    assert time.monotonic() - began < 0.1  # not tried again
    assert Encoder(chat_tokenizer()).encode([Job(CONVERSATIONS[0])])[0].ids  # this thread is none the worse


def test_slow_rows_that_end_are_let_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time counts for each row, not for all of them."""
    from studio.methods import template

    monkeypatch.setattr(template.Watch.__init__, "__defaults__", (0.5,))
    slow = "{% for a in range(90000) %}{% endfor %}" + str(TEMPLATES["smol"])
    encoder = Encoder(with_template(slow))
    encoder.encode([Job(CONVERSATIONS[0])])
    took, rows = 0.0, 8
    while took < 0.6:  # until the rows together take longer than one row may
        rows *= 2
        began = time.monotonic()
        assert len(encoder.encode([Job(CONVERSATIONS[0])] * rows)) == rows
        took = time.monotonic() - began


@pytest.mark.parametrize("attack", ["{{ 10 ** (10 ** 10) }}", "{{ 'a' * 10 ** 10 }}", "{{ 10 ** 9 * [1] }}"])
def test_one_operation_that_would_never_end_is_refused(attack: str) -> None:
    from jinja2.exceptions import SecurityError

    with pytest.raises(SecurityError, match="too large"):
        Encoder(with_template(attack)).encode([Job(CONVERSATIONS[0])])
    assert Encoder(with_template("{{ '=' * 40 }}{{ 2 ** 10 * 3 }}")).encode([Job(CONVERSATIONS[0])])[0].text == (
        "=" * 40 + "3072"
    )
