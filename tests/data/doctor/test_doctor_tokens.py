"""Checks that judge token ids, loss masks and lengths."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from patients import Patient, assistant, context_for, one_lane, pair, starter, user

from studio.data.doctor import CHECKS
from studio.data.doctor.curve import curve, intact
from studio.methods import METHODS
from studio.methods.base import LaneFacts
from studio.methods.labels import not_aligned

GOOD = pair("What does the cat say?", "It says meow, and then it goes to sleep on the warm stone.")
LONG = pair("Tell me all of it.", "one two three four five six seven eight nine ten " * 20)
BLOATED = pair("so many words " * 200, "Short.")


def length_of(row: dict[str, Any]) -> int:
    return int(Patient([row]).facts.length[0, 0])


def test_a_cut_answer_is_found_with_what_it_loses_and_the_lever_that_keeps_it() -> None:
    patient = Patient([GOOD, LONG, BLOATED] * 3)
    (finding,) = patient.findings("cut", max_length=100)
    assert [int(one) for one in finding.positions] == [1, 4, 7]
    lost = length_of(LONG) - 1 - 100  # the template's last new line is not trained
    assert finding.details["tokens"] == 3 * (patient.facts.last[1, 0] - 100) and finding.details["most"] <= lost + 1
    raised = finding.levers[0].changes["training.max_length"]
    assert raised == patient.facts.last.max()
    assert not patient.findings("cut", max_length=raised) and not patient.findings("cut", max_length=None)
    assert finding.levers[-1].changes == {"data.filters+": "cut"}
    assert list(CHECKS["cut"].flagged({}, patient.view(max_length=100))) == [1, 4, 7]


def test_the_lever_that_keeps_nearly_all_answers_is_shorter() -> None:
    rows = [pair("say it", "word " * (20 + number % 10)) for number in range(299)] + [pair("say it", "word " * 900)]
    (finding,) = Patient(rows).findings("cut", max_length=16)
    every, nearly = (lever.changes["training.max_length"] for lever in finding.levers[:2])
    assert nearly < 100 < every


def test_a_row_with_several_answers_loses_at_most_what_is_said() -> None:
    rows = [{"messages": [user("a"), assistant("b " * 30), user("c " * 30), assistant("d " * 30)]}]
    context = context_for("sft", dataset_type="language-modeling", method=METHODS["sft"](assistant_only_loss=True))
    (finding,) = Patient(rows, context).findings("cut", max_length=50)
    assert "up to" in finding.template


def test_dropped_rows_are_those_the_method_drops_and_block_where_nothing_is_left() -> None:
    patient = Patient([GOOD, BLOATED, LONG])
    (finding,) = patient.findings("dropped", max_length=64)
    assert list(finding.positions) == [1] and finding.severity == "warning"
    (finding,) = patient.findings("dropped", max_length=64, truncation_mode="drop")
    assert sorted(finding.positions) == [1, 2]
    (finding,) = Patient([BLOATED] * 8).findings("dropped", max_length=64)
    assert str(finding).startswith("0 of 8 rows keep a trainable token at max_length 64.")
    assert finding.severity == "blocking" and [set(one.changes) for one in finding.levers] == [{"training.max_length"}]
    assert not patient.findings("dropped", max_length=4096)


def test_rows_without_a_trained_token_are_told_apart_from_dropped_ones() -> None:
    rows = [GOOD, GOOD, None]
    encoded = [one_lane([5, 6, 7], 1, 3), one_lane([5, 6, 7]), None]
    patient = Patient(rows, encoded=encoded)
    (finding,) = patient.findings("untrained", max_length=64)
    assert list(finding.positions) == [1, 2] and finding.severity == "warning"
    assert not patient.findings("dropped", max_length=64)
    (finding,) = Patient([GOOD], encoded=[one_lane([5, 6])]).findings("untrained")
    assert finding.severity == "blocking"
    assert not Patient([GOOD]).findings("untrained")


def test_the_end_of_the_turn_must_be_there_and_trained() -> None:
    end = starter().convert_tokens_to_ids("<|im_end|>")
    rows = [GOOD] * 4
    encoded = [
        one_lane([5, 6, 7, end, 9], 1, 5),  # a new line behind it is fine
        one_lane([5, 6, 7, 8], 1, 4),
        one_lane([5, 6, 7, end], 1, 3),
        one_lane([end, 6, 7, 8, 9, 10], 0, 6),  # at the start is not at the end
    ]
    missing, masked = Patient(rows, encoded=encoded).findings("end_of_turn")
    assert list(missing.positions) == [1, 3] and list(masked.positions) == [2]
    assert not Patient([GOOD, LONG]).findings("end_of_turn")


def test_the_end_of_the_turn_is_looked_for_in_each_lane() -> None:
    rows = [{"prompt": [user("a")], "chosen": [assistant("b")], "rejected": [assistant("c")]}]
    patient = Patient(rows, context_for("dpo"))
    assert not patient.findings("end_of_turn")
    whole = [one.lanes[0] for one in patient.encoded if one]
    cut = type(whole[0])(whole[0].ids[:-2], (whole[0].spans[0], len(whole[0].ids) - 2))
    from studio.methods.base import Encoded

    assert Patient(rows, context_for("dpo"), encoded=[Encoded((whole[0], cut))]).positions("end_of_turn") == [0]


def test_two_beginnings_or_two_ends_in_a_row_are_found() -> None:
    bos, eos = starter().bos_token_id, starter().eos_token_id
    encoded = [
        one_lane([bos, 5, eos], 1, 3),
        one_lane([bos, bos, 5, eos], 1, 4),
        one_lane([bos, 5, eos, eos], 1, 4),
        one_lane([eos, 5, 6], 1, 3),  # the row before ends with the same token: another row's
    ]
    first, last = Patient([GOOD] * 4, encoded=encoded).findings("double_ends")
    assert list(first.positions) == [1] and list(last.positions) == [2]
    assert not Patient([GOOD]).findings("double_ends")


def test_a_template_that_is_not_the_tokenizers_own_is_told() -> None:
    import copy

    foreign = copy.deepcopy(starter())
    foreign.chat_template = foreign.chat_template.replace("<|im_start|>", "<|start_header_id|>")
    patient = Patient([GOOD], context_for(tokenizer=foreign), tokenizer=foreign)
    (finding,) = patient.findings("template_tokens")
    assert "<|start_header_id|>" in str(finding.details["tokens"]) and finding.count == 1
    assert finding.levers[0].changes == {"model.add_template_tokens": True}
    text = [{"text": "no template is used"}]
    context = context_for(dataset_type="language-modeling", tokenizer=foreign)
    assert not Patient(text, context, tokenizer=foreign).findings("template_tokens")
    assert not Patient([GOOD]).findings("template_tokens")


def test_ids_beyond_the_embedding_block() -> None:
    encoded = [one_lane([5, 6], 0, 2), one_lane([5, 9000], 0, 2)]
    patient = Patient([GOOD] * 2, context_for(embedding_size=8000), encoded=encoded)
    (finding,) = patient.findings("vocabulary")
    assert list(finding.positions) == [1] and finding.severity == "blocking"
    assert finding.details["largest"] == 9000 and finding.details["size"] == 8000
    assert not Patient([GOOD] * 2, context_for(embedding_size=9001), encoded=encoded).findings("vocabulary")


def tokenized(ids: list[int], labels: list[int]) -> dict[str, Any]:
    return {"input_ids": ids, "labels": labels}


def test_labels_outside_the_vocabulary_and_labels_that_are_not_their_tokens() -> None:
    rows = [
        tokenized([5, 6, 7], [-100, 6, 7]),
        tokenized([5, 6, 7], [-100, 6, 99_999]),
        tokenized([5, 6, 7], [-1, 6, 7]),
        tokenized([5, 6, 7], [6, 7, -100]),  # shifted by hand: the model shifts them once more
        tokenized([5, 6, 7], [-100, 6]),  # one is missing
    ]
    encoded = [one_lane([5, 6, 7], 1, 3) for _ in rows]
    patient = Patient(rows, context_for(dataset_type="tokenized", format="tokenized"), encoded=encoded)
    assert patient.positions("vocabulary") == [1, 2]
    (finding,) = patient.findings("misaligned_labels")
    assert list(finding.positions) == [1, 2, 3, 4] and finding.severity == "blocking"
    assert not Patient(rows[:1], patient.context, encoded=encoded[:1]).findings("misaligned_labels")


def test_labels_that_are_the_answer_alone_have_a_sentence_of_their_own() -> None:
    """As a script leaves them that tokenizes prompt and answer apart; told once, not among the unusable rows too."""
    rows = [tokenized([5, 6, 7], [-100, 6, 7]), None, tokenized([5, 6, 7], [8, 9, 10])]
    encoded = [one_lane([5, 6, 7], 1, 3), None, None]
    context = context_for(dataset_type="tokenized", format="tokenized")
    patient = Patient(rows, context, encoded=encoded, problems=dict.fromkeys((1, 2), not_aligned()))
    (finding,) = patient.findings("misaligned_labels")
    assert list(finding.positions) == [1, 2] and finding.severity == "blocking"
    assert "In 2 of 3 rows labels hold the answer's tokens alone" in str(finding)
    assert str(finding).endswith("positions and then the answer's ids. The first is row 2.")
    assert [lever.changes for lever in finding.levers] == [{"data.bad_rows": "skip"}]
    assert not patient.findings("unusable")
    (skipped,) = patient.findings("misaligned_labels", bad_rows="skip")
    assert skipped.severity == "warning" and not skipped.levers


def test_chosen_equals_rejected() -> None:
    rows = [
        {"prompt": [user("a")], "chosen": [assistant("b")], "rejected": [assistant("b")]},
        {"prompt": [user("a")], "chosen": [assistant("b")], "rejected": [assistant("c")]},
    ]
    patient = Patient(rows, context_for("dpo"))
    assert patient.positions("same_pair") == [0]
    assert not CHECKS["same_pair"].applies(context_for("sft"))


def kto(question: str, answer: str, label: bool) -> dict[str, Any]:
    return {"prompt": [user(question)], "completion": [assistant(answer)], "label": label}


def test_labels_out_of_balance_come_with_the_weight_that_makes_up_for_it() -> None:
    rows = [kto(f"what is {number}", f"it is {number}", number % 10 != 0) for number in range(40)]
    (finding,) = Patient(rows, context_for("kto")).findings("label_balance")
    assert finding.details == {"good": 36, "bad": 4} and [int(one) for one in finding.positions] == [0, 10, 20, 30]
    levers = [lever.changes for lever in finding.levers]
    assert levers in ([], [{"method.undesirable_weight": 9.0}])
    assert levers or "undesirable_weight" not in METHODS["kto"].knobs()
    even = [kto(f"what is {number}", f"it is {number}", number % 2 == 0) for number in range(40)]
    assert not Patient(even, context_for("kto")).findings("label_balance")
    (finding,) = Patient(rows[1:9], context_for("kto")).findings("label_balance")
    assert finding.severity == "blocking"


def test_an_answer_labelled_both_ways_is_no_copy_but_a_contradiction() -> None:
    rows = [kto("a", "b c d e f g h", True), kto("a", "b c d e f g h", False), kto("x", "y z", True)]
    patient = Patient(rows, context_for("kto"))
    (finding,) = patient.findings("label_balance")
    assert list(finding.positions) == [0, 1]
    assert not patient.findings("duplicates") and not patient.findings("near_duplicates")


def test_rows_out_of_all_proportion_are_told() -> None:
    rows = [pair(f"tell me of {number}", "a few words of it, as always") for number in range(30)]
    rows += [pair("tell me", "word " * 3000), pair("is it", "")]
    long, short = Patient(rows).findings("lengths")
    assert list(long.positions) == [30] and list(short.positions) == [31]
    assert not Patient(rows[:30]).findings("lengths")


@pytest.mark.parametrize("name", ["sft", "dpo", "kto", "reward", "grpo"])
@pytest.mark.parametrize("mode", ["keep_start", "keep_end", "drop"])
def test_the_curve_is_what_the_method_says_at_each_of_its_lengths(name: str, mode: str) -> None:
    """Against a count of every row at every point; also that a longer max_length never keeps less."""
    random = np.random.default_rng(3)
    method = METHODS[name]()
    lanes = len(method.lanes)
    first = random.integers(1, 60, (200, 1)).repeat(lanes, axis=1)
    length = first + random.integers(1, 90, (200, lanes))
    last = first + random.integers(1, length - first + 1)
    supervised = random.integers(1, last - first + 1)
    facts = LaneFacts(*(one.astype(np.int32) for one in (length, supervised, first, last)))
    patient = Patient([GOOD])
    patient.facts = facts
    view = patient.view(method=method, truncation_mode=mode, max_length=50)
    every = np.arange(200)
    view = replace(view, train=every, eval=every[:0])
    found = curve(view)
    assert 50 in found.at and found.at[-1] == length.max()
    for place, limit in enumerate(found.at):
        lives = method.survives(facts, max_length=int(limit), truncation_mode=mode)
        whole = intact(facts, int(limit), method, mode)
        shown = length if name == "grpo" else np.minimum(length, limit)
        assert found.dropped[place] == (~lives).sum()
        assert found.cut[place] == (lives & ~whole).sum()
        assert found.tokens[place] == shown[lives].sum()
