from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import Any

import pytest

from studio.config.files import sections
from studio.errors import BusyError, ConfigError
from studio.section import details
from studio.ui.words import flat_words, language, load_words, say, spoken, translate, translate_text


def keys(node: dict[str, Any], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for key, value in node.items():
        found |= keys(value, f"{prefix}{key}/") if isinstance(value, dict) else {prefix + key}
    return found


def test_both_languages_have_the_same_keys() -> None:
    assert keys(load_words()["en"]) == keys(load_words()["zh"])


def test_every_text_is_written_and_keeps_its_details() -> None:
    en, zh = (flat_words(lang, without=()) for lang in ("en", "zh"))
    for key in en:
        assert en[key].strip() and zh[key].strip(), key
        assert set(re.findall(r"{(\w+)}", en[key])) == set(re.findall(r"{(\w+)}", zh[key])), key


def test_every_setting_has_a_label_and_a_help_in_both_languages() -> None:
    for lang in ("en", "zh"):
        words = flat_words(lang)
        for prefix, section in sections().items():
            for name, field in section.knobs().items():
                if details(field).hidden:
                    continue
                key = f"{prefix}.{name}" if prefix else name
                assert words.get(f"knobs.{key}.label"), (lang, key)
                assert words.get(f"knobs.{key}.help", "").endswith((".", "。")), (lang, key)


def test_chinese_is_chinese() -> None:
    for key, text in flat_words("zh", without=("choices",)).items():
        if key.endswith(".help"):
            assert re.search(r"[\u4e00-\u9fff]", text), key


@pytest.mark.parametrize(
    ("cookies", "asked", "lang"),
    [
        ({"tunefork_lang": "zh"}, "en-US,en", "zh"),
        ({"tunefork_lang": "en"}, "zh-CN", "en"),
        ({}, "zh-CN,zh;q=0.9", "zh"),
        ({}, "de,zh;q=0.1", "en"),
        ({"tunefork_lang": "<b>"}, "", "en"),
    ],
)
def test_the_toggle_wins_over_the_browser(cookies: dict[str, str], asked: str, lang: str) -> None:
    assert language(SimpleNamespace(cookies=cookies, headers={"accept-language": asked})) == lang


def test_an_error_is_translated_with_its_details_and_the_settings_label() -> None:
    error = ConfigError("{setting} must be at least {bound}; it is {value}.", setting="adapter.r", bound=1, value="0")
    assert translate("en", error) == "Rank (r) must be at least 1; it is 0."
    assert translate("zh", error) == "秩 (r)至少为 1，现在是 0。"
    assert translate("zh", ConfigError("no translation for {x}", x=1)) == "no translation for 1"


def test_a_finished_sentence_finds_its_template() -> None:
    said = "Qwen/Qwen3-0.6B will be fetched from the Hugging Face Hub."
    assert translate_text("en", said) == said
    assert translate_text("zh", said) == "将从 Hugging Face Hub 下载 Qwen/Qwen3-0.6B。"
    assert translate_text("zh", "something else") == "something else"


def test_say_fills_in_and_fails_loudly() -> None:
    assert say("en", "app.training", percent=72) == "training 72 %"
    with pytest.raises(KeyError):
        say("en", "app.nothing_of_the_kind")


def test_the_first_html_carries_the_words_as_data() -> None:
    from studio.ui.front import head_html

    head = head_html()
    assert head.count("</script>") == 1
    words = json.JSONDecoder().raw_decode(head[head.index('{"en": {"app"') :])[0]
    assert words["zh"]["cards"]["supervised"] == load_words()["zh"]["cards"]["supervised"]


def test_a_run_says_its_sentences_in_the_visitors_language() -> None:
    template, details = "The loss is no longer a number at step {step}.", {"step": "3"}
    done = "Finished after {steps} steps. What was learned is saved."
    assert spoken("zh", "said in English", done, {"steps": "5"}) == load_words()["zh"]["sentences"][done].format(
        steps=5
    )
    assert spoken("zh", "as it was", template, details) == "The loss is no longer a number at step 3."
    assert spoken("zh", "as it was", "Stopped after step {steps}.", {"other": "1"}) == "as it was"
    assert spoken("zh", "Loading smollm2 (135 M parameters).") == "正在加载 smollm2（135 M 参数）。"


def test_settings_are_called_what_the_page_calls_them() -> None:
    error = ConfigError("Set training.max_length. {value} is no data.source.", value="training.seed")
    assert translate("en", error) == "Set Max length. training.seed is no Source."
    assert translate("en", ConfigError("training.extra.{name} is odd.", name="x")) == "training.extra.x is odd."


def test_a_sentence_within_a_sentence_is_translated_too() -> None:
    inner = ConfigError("Set adapter.use_dora.")
    assert translate("en", ConfigError("{file}: {problem}", file="run.yaml", problem=inner)) == "run.yaml: Set DoRA."
    busy = BusyError("The model is in use by {holder}. Wait until that is done, or stop it.", holder="the run a-1")
    assert "运行 a-1" in translate("zh", busy)
