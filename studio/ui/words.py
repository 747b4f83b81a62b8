"""Every text of the page, in English and Chinese. Knows nothing of Gradio.

The texts lie in `locale/*.json`. Sections are nested once or twice; "errors" maps the template of a
StudioError to its translation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

from studio.errors import StudioError

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")
COOKIE = "tunefork_lang"
LOCALE = Path(__file__).parent / "locale"


@cache
def load_words() -> dict[Language, dict[str, Any]]:
    """Language -> the nested texts of its file."""
    return {lang: json.loads((LOCALE / f"{lang}.json").read_text(encoding="utf-8")) for lang in LANGUAGES}


@cache
def flat_words(lang: Language, *, without: tuple[str, ...] = ("errors",)) -> dict[str, str]:
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
    template = load_words()[lang].get("errors", {}).get(error.template, error.template)
    details = dict(error.details)
    if "setting" in details:
        details["setting"] = name_of(lang, str(details["setting"]))
    return template.format(**details) if details else template


def name_of(lang: Language, dotted: str) -> str:
    """What the page calls a setting: `training.max_length` -> "Max length"."""
    return flat_words(lang).get(f"knobs.{dotted}.label", dotted)
