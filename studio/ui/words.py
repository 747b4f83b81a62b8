"""Every text of the page, in English and Chinese. Knows nothing of Gradio.

The texts lie in `locale/*.json`. Sections are nested once or twice; "errors" maps the template of a
StudioError to its translation, "sentences" that of a note.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

from studio.errors import StudioError

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")
COOKIE = "tunefork_lang"
LOCALE = Path(__file__).parent / "locale"
SAID = ("holder", "reason", "problem")  # details that may be words of ours themselves


@cache
def load_words() -> dict[Language, dict[str, Any]]:
    """Language -> the nested texts of its file."""
    return {lang: json.loads((LOCALE / f"{lang}.json").read_text(encoding="utf-8")) for lang in LANGUAGES}


@cache
def flat_words(lang: Language, *, without: tuple[str, ...] = ("errors", "sentences")) -> dict[str, str]:
    """`{"model.title": "Model", "knobs.training.learning_rate.label": ...}`: one level, dotted keys."""
    found: dict[str, str] = {}

    def walk(prefix: str, node: Mapping[str, Any]) -> None:
        for key, value in node.items():
            if isinstance(value, dict):
                walk(f"{prefix}{key}.", value)
            else:
                found[prefix + key] = value

    for section, texts in load_words()[lang].items():
        if section not in without:
            walk(f"{section}.", texts)
    return found


def say(lang: Language, key: str, **details: object) -> str:
    """The text under a dotted key, with its details filled in."""
    text = flat_words(lang)[key]
    return text.format(**details) if details else text


def language(request: Any) -> Language:
    """The visitor's language: what the toggle stored, else what the browser asks for, else English."""
    if request is None:
        return "en"
    chosen = (getattr(request, "cookies", None) or {}).get(COOKIE)
    if chosen in LANGUAGES:
        return cast(Language, chosen)
    asked = (getattr(request, "headers", None) or {}).get("accept-language", "")
    return "zh" if asked.strip().lower().startswith("zh") else "en"


def translate(lang: Language, error: StudioError) -> str:
    """An error's sentence in a language; English where its template has no translation."""
    return fill(lang, error.template, error.details)


def fill(lang: Language, template: str, details: Mapping[str, object]) -> str:
    """A template in a language with its details; a detail named `setting` becomes the setting's label."""
    known = _labelled(lang, _sentences(lang).get(template, template))
    named = {name: _detail(lang, name, one) for name, one in details.items()}
    return known.format(**named) if named else known


def _detail(lang: Language, name: str, value: object) -> object:
    """A detail as it stands in a sentence; one that is a sentence itself is said in the language too."""
    if name == "setting":
        return name_of(lang, str(value))
    if isinstance(value, StudioError):
        return translate(lang, value)
    return translate_text(lang, value) if name in SAID and isinstance(value, str) else value


@cache
def _labelled(lang: Language, template: str) -> str:
    """A file's keys as the page calls them: `training.max_length` -> Max length. Details are not touched."""
    space = " ?" if lang == "zh" else ""  # Chinese puts none between words

    def name(found: re.Match[str]) -> str:
        label = name_of(lang, found[1])
        return found[0] if label == found[1] else label

    return re.sub(rf"{space}\b([a-z]+\.[a-z_]+)\b(?!\.\S|=){space}", name, template)


def spoken(lang: Language, message: str, template: object = None, details: object = None) -> str:
    """The sentence of an event: from its template where it has one, else as well as its words are known."""
    if not isinstance(template, str):
        return translate_text(lang, message)
    try:
        return fill(lang, template, details if isinstance(details, dict) else {})
    except (LookupError, ValueError):  # written by another version, whose details were others
        return message


def translate_text(lang: Language, text: str) -> str:
    """A finished English sentence in a language, where a template that made it is known; else as it is."""
    if lang == "en":
        return text
    template = getattr(text, "template", None)
    if template is not None:
        return fill(lang, template, getattr(text, "details", {}))
    if text in _sentences(lang):
        return _sentences(lang)[text]
    for pattern, translated in _patterns(lang):
        found = pattern.fullmatch(text)
        if found:
            return translated.format(**found.groupdict())
    return text


def _sentences(lang: Language) -> dict[str, str]:
    """Every sentence that the rooms below say: errors, and notes that are no errors."""
    words = load_words()[lang]
    return {**words.get("errors", {}), **words.get("sentences", {})}


@cache
def _patterns(lang: Language) -> list[tuple[re.Pattern[str], str]]:
    """The templates of notes as patterns; an error always brings its template along, so it needs none."""
    found = []
    for template, translated in load_words()[lang].get("sentences", {}).items():
        names = re.findall(r"{(\w+)}", template)
        if names and len(set(names)) == len(names):
            parts = re.split(r"{(\w+)}", template)
            regex = "".join(f"(?P<{one}>.+?)" if index % 2 else re.escape(one) for index, one in enumerate(parts))
            found.append((re.compile(regex, re.DOTALL), translated))
    return found


def name_of(lang: Language, dotted: str) -> str:
    """What the page calls a setting: `training.max_length` -> "Max length"."""
    return flat_words(lang).get(f"knobs.{dotted}.label", dotted)
