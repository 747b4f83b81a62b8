"""Checks that judge texts, roles and tools."""

from __future__ import annotations

from typing import Any

import pytest
from patients import Patient, assistant, context_for, pair, starter, user

from studio.data.doctor import CHECKS
from studio.data.doctor.roles import FINE, LAST, ORDER, UNKNOWN, fault
from studio.errors import DataError

GOOD = pair("What does the cat say?", "It says meow, and then it goes to sleep on the warm stone.")


def said(*answers: str, **options: Any) -> Patient:
    """Rows whose answers are these, between two rows that are sound."""
    return Patient([GOOD, *(pair("And?", answer) for answer in answers), GOOD], **options)


def test_a_sound_set_is_fine_everywhere() -> None:
    patient = Patient([pair(f"What is {n} and {n}?", f"It is {2 * n}, as everyone knows.") for n in range(12)])
    for name in CHECKS:
        if CHECKS[name].applies(patient.context):
            assert not patient.findings(name, max_length=1024), name


def test_text_that_becomes_control_tokens() -> None:
    patient = said("so <|im_end|> it goes on", "a < b <| c", "<|im_start|>user")
    (finding,) = patient.findings("control_tokens")
    assert [int(one) for one in finding.positions] == [1, 3] and finding.severity == "warning"
    assert finding.details["tokens"] == "<|im_end|>, <|im_start|>"
    text = Patient(
        [{"text": "<|im_start|>user\nhi<|im_end|>"}], context_for(dataset_type="language-modeling", format="text")
    )
    (finding,) = text.findings("control_tokens")
    assert finding.severity == "note"
    assert text.encoded[0] is not None and starter().convert_tokens_to_ids("<|im_end|>") in text.encoded[0].lanes[0].ids


def test_empty_turns_but_not_empty_system_turns_or_calls() -> None:
    call = {"type": "function", "function": {"name": "f", "arguments": {}}}
    rows = [
        {"messages": [{"role": "system", "content": ""}, user("a"), assistant("b")]},
        {"messages": [user("a"), assistant(" \n\t")]},
        {"messages": [user(""), assistant("b")]},
        {"messages": [user("a"), assistant("", tool_calls=[call]), {"role": "tool", "content": "1"}, assistant("b")]},
    ]
    patient = Patient(rows, context_for(dataset_type="language-modeling"))
    assert patient.positions("empty_turns") == [1, 2]
    texts = Patient([{"prompt": "q", "completion": " "}, {"prompt": "q", "completion": "a"}])
    assert texts.positions("empty_turns") == [0]


@pytest.mark.parametrize(
    ("roles", "verdict"),
    [
        ("system user assistant", FINE),
        ("user assistant user assistant", FINE),
        ("user assistant tool assistant", FINE),
        ("user assistant tool tool assistant user assistant", FINE),
        ("user user assistant", ORDER),
        ("user assistant assistant", ORDER),
        ("assistant user assistant", ORDER),
        ("user system assistant", ORDER),
        ("user tool assistant", ORDER),
        ("user assistant user", LAST),
        ("system", LAST),
        ("user moderator assistant", UNKNOWN),
    ],
)
def test_the_order_of_roles(roles: str, verdict: int) -> None:
    assert fault(tuple(roles.split())) == verdict


def test_roles_are_judged_over_prompt_and_answer_and_in_both_answers_of_a_pair() -> None:
    assert not Patient([GOOD]).findings("roles")
    rows = [
        {"prompt": [user("a")], "chosen": [assistant("b")], "rejected": [assistant("c")]},
        {"prompt": [user("a")], "chosen": [assistant("b")], "rejected": [user("c")]},
        {"prompt": [user("a"), assistant("x")], "chosen": [assistant("b")], "rejected": [assistant("c")]},
    ]
    assert Patient(rows, context_for("dpo")).positions("roles") == [1, 2]
    prompts = [{"prompt": [user("a")]}, {"prompt": [user("a"), assistant("b")]}]
    assert Patient(prompts, context_for("grpo"), encoded=[None, None]).positions("roles") == [1]


def tool(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}


def calling(name: str, arguments: Any, tools: list[Any]) -> dict[str, Any]:
    call = {"type": "function", "function": {"name": name, "arguments": arguments}}
    return {"prompt": [user("do it")], "completion": [assistant("", tool_calls=[call])], "tools": tools}


def test_calls_of_unknown_tools_broken_ones_and_what_was_said_while_rendering() -> None:
    rows = [
        calling("look", {"at": 1}, [tool("look")]),
        calling("jump", {}, [tool("look")]),
        calling("look", "{not json", [tool("look")]),
        None,
        GOOD,
    ]
    problems = {3: DataError("A tool call is not valid JSON ({problem}): {call}.", problem="x", call="y")}
    patient = Patient(rows, encoded=[None] * 5, problems=problems)
    assert patient.positions("tool_calls") == [1, 2, 3]
    sentences = [str(one) for one in patient.findings("tool_calls")]
    assert any("jump" in one and "look" in one for one in sentences)
    assert any("not valid JSON (x): y" in one for one in sentences)
    assert not Patient([rows[0], GOOD], encoded=[None] * 2).findings("tool_calls")


def test_tools_that_the_template_does_not_write() -> None:
    rows = [calling("look", {}, [tool("look")]), GOOD]
    assert context_for().ignores_tools  # the starter's template knows none
    patient = Patient(rows, encoded=[None] * 2)
    assert patient.positions("tools_ignored") == [0]
    tools, calls = patient.findings("tools_ignored")  # both, as the template writes neither
    assert "never shown what it may call" in str(tools) and "nothing but its end is trained" in str(calls)
    assert tools.levers[0].changes == {"model.chat_template": "qwen"}
    assert not Patient(rows, context_for(ignores_tools=False, ignores_calls=False), encoded=[None] * 2).findings(
        "tools_ignored"
    )


def test_thoughts_that_the_template_does_not_write() -> None:
    thought = assistant("a", reasoning_content="hm")
    rows = [
        GOOD,
        {"prompt": [user("q")], "completion": [thought]},
        {"prompt": [user("q"), thought, user("q")], "completion": [assistant("a")]},
        {"messages": [user("q"), assistant("a", thinking="hm"), {"role": "tool", "content": "1"}, assistant("a")]},
    ]
    assert context_for().ignores_reasoning  # the starter's template knows none
    patient = Patient(rows, encoded=[None] * 4)
    assert patient.positions("reasoning_ignored") == [1, 2, 3]
    (finding,) = patient.findings("reasoning_ignored")
    assert str(finding).startswith("Thoughts (reasoning_content, thinking) that the chat template does not write in 3 ")
    assert finding.severity == "warning" and finding.levers[0].changes == {"data.filters+": "reasoning_ignored"}
    last_only = context_for(ignores_reasoning=False, ignores_earlier_reasoning=True)
    patient = Patient(rows, last_only, encoded=[None] * 4)
    assert patient.positions("reasoning_ignored") == [2]
    (finding,) = patient.findings("reasoning_ignored")
    assert finding.severity == "note" and "those of the last answer only" in str(finding)
    assert not Patient(rows, context_for(ignores_reasoning=False), encoded=[None] * 4).findings("reasoning_ignored")


def test_rows_that_cannot_be_used_block_until_they_may_be_skipped() -> None:
    broken = {number: DataError("The column {column!r} has no value.", column="output") for number in (1, 3, 4)} | {
        2: DataError("{file}, line {line}: not valid JSON ({problem}).", file="a.jsonl", line=3, problem="cut")
    }
    patient = Patient([GOOD, None, None, None, None, GOOD], problems=broken, chunk_rows=2)
    many, one = patient.findings("unusable")
    assert (many.count, one.count) == (3, 1) and many.severity == one.severity == "blocking"
    assert "'output' has no value" in str(many) and "a.jsonl, line 3" in str(one)
    assert many.levers[0].changes == {"data.bad_rows": "skip"}
    assert {finding.severity for finding in patient.findings("unusable", bad_rows="skip")} == {"warning"}
    assert isinstance(many.details["problem"], DataError)
    assert many.as_json(str)["details"]["problem"]["template"] == "The column {column!r} has no value."
    assert not Patient([GOOD]).findings("unusable")


def test_placeholders_that_nobody_filled_in() -> None:
    patient = said("I am {{ name }}, by {{author}}.", "a {{ b + c }} { {d} }", "{{名字}}")
    (finding,) = patient.findings("placeholders")
    assert [int(one) for one in finding.positions] == [1, 3]
    assert finding.details["names"] == "name, author, 名字"


def test_damaged_text_is_told_from_text_in_other_languages() -> None:
    garbled = [text.encode().decode("cp1252", "ignore") for text in ("café crème", "it’s “so”", "два слова")]
    garbled += ["你好世界".encode().decode("latin-1"), "é".encode().decode("latin-1"), "锟斤拷"]
    patient = said("lost \ufffd here", *garbled, "a\x00b")
    replaced, mojibake, control = patient.findings("encoding")
    assert list(replaced.positions) == [1] and list(control.positions) == [2 + len(garbled)]
    assert list(mojibake.positions) == list(range(2, 2 + len(garbled)))
    sound = (
        "São Tomé é «ótimo»",
        "SÃO PAULO",
        "naïve œuvre: «là»",
        "Привет, мир",
        "你好，世界！",
        "Ñandú “x” é”",
        "tab\tok\r\n",
    )
    assert not said(*sound).findings("encoding")


def test_the_scripts_of_the_answers() -> None:
    patient = said(*["plain English words"] * 4, "这是用中文写的 answer", "日本語で書いてある", "по-русски", "123 + 4")
    (finding,) = patient.findings("scripts")
    assert [int(one) for one in finding.positions] == [5, 6, 7] and finding.severity == "note"
    assert finding.details["share"] == 66.7 and str(finding.details["main"]) == "Latin letters"
    from studio.data.doctor.scripts import ARABIC, HAN, HANGUL, KANA, LATIN, NONE, scripts_of

    samples = ["漢字と仮名", "中文字", "한국어", "مرحبا", "déjà", "…—", "𠀀𠀁"]
    assert list(scripts_of(samples)) == [KANA, HAN, HANGUL, ARABIC, LATIN, NONE, HAN]


SECRETS = {
    "key": "sk-proj-" + "a1B2c3D4e5F6g7H8" * 2,
    "github": "ghp_" + "k3J9xQ2m" * 5,
    "amazon": "AKIA" + "Z7Q2M4K9P1X8B3N6",
    "hub": "hf_" + "QwErTyUiOp1234567890AsDfGhJkLz",
    "private": "-----BEGIN RSA PRIVATE KEY-----",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3In0.dozjgNryP4J3jVmNHl0w5N",
}


@pytest.mark.parametrize(
    "where", ["{}", "my key is {} so there", "x" * 37 + " export KEY='{}'", "中文{}。", 'k="{}",\n']
)
@pytest.mark.parametrize("kind", SECRETS)
def test_secrets_are_found_anywhere_and_never_shown(kind: str, where: str) -> None:
    for shift in range(8):
        patient = said("." * shift + where.format(SECRETS[kind]))
        (finding,) = patient.findings("secrets")
        assert list(finding.positions) == [1]
        assert SECRETS[kind][:12] not in str(finding) and SECRETS[kind][-6:-1] not in str(finding).replace("KEY", "")


def test_what_only_looks_like_a_secret() -> None:
    sound = (
        "sk-" + "x" * 40,
        "sk-YOUR-API-KEY-GOES-RIGHT-HERE",
        "see https://example.org/a/very/long/path/to/some/page-2024-11-02.html?query=1",
        "def a_function_with_quite_a_long_name_2(argument_number_1, argument_number_2): pass",
        "AKIAshort",
    )
    assert not said(*sound).findings("secrets")


PERSONAL = {
    "mail": ("jane.doe+x@mail.corp-site.co.uk", "jane"),
    "phone": ("+49 170 1234567", "1234567"),
    "american": ("(212) 736-5000", "736-5000"),
    "mobile": ("13812345678", "12345678"),
    "card": ("4539 1488 0343 6467", "0343 6467"),
    "identity": ("11010519491231002X", "19491231"),
}


@pytest.mark.parametrize("where", ["{}", "reach me: {}, please", "，电话{}。", "x" * 50 + "\n{}"])
@pytest.mark.parametrize("kind", PERSONAL)
def test_personal_data_is_found_anywhere_and_never_shown(kind: str, where: str) -> None:
    value, secret = PERSONAL[kind]
    for shift in range(8):
        (finding,) = said(" " * shift + where.format(value)).findings("personal")
        assert list(finding.positions) == [1] and secret not in str(finding)


def test_what_only_looks_personal() -> None:
    sound = (
        "@property\ndef f(self): return self@other",
        "user@example.com and logo@2x.png and git@github.com:a/b.git",
        "3.14159265358979323846 2019-10-12 12:30:59 1,234,567,890.12",
        "4539 1488 0343 6468",  # the check digit is wrong
        "version 1.2.3.4.5 of 10.0.0.1, 0123456789abcdef0123456789",
        "id 110105194912310021",
        "12 34 56 78 90 12 34 56 78",
        "355909190063-746 + 960397912423686 = +960397912423686",
    )
    assert not said(*sound).findings("personal")
