"""Whatever a row holds, a format renders it or refuses it in a sentence; it never breaks."""

from __future__ import annotations

import random
from typing import Any

import pytest

from studio.data.formats import FORMATS
from studio.data.formats.base import Rendering
from studio.errors import StudioError

ROWS = 3000
KEYS = ("role", "content", "from", "value", "type", "text", "name", "arguments", "function", "tool_calls", "weight",
        "train", "observation", "parameters", "tools", "thinking", "tool_call_id", "function_call")  # fmt: skip
TEXTS = ("", " ", "q", "{{x}}", "user", "assistant", "human", "gpt", "tool", "function_call", "system", "text",
         "reasoning", "tool_call", "[", "{}", "[1]", '{"name": "f"}', '[{"name": "\\ud800"}]', "\ud800", "日本",
         "true")  # fmt: skip


def junk(dice: random.Random, depth: int = 0) -> Any:
    kind = dice.randrange(8 if depth < 4 else 5)
    if kind < 3:
        return dice.choice(TEXTS)
    if kind < 5:
        return dice.choice((None, True, False, 0, 1, -1, 3.5, 2**70, float("nan")))
    if kind == 5:
        return [junk(dice, depth + 1) for _ in range(dice.randrange(4))]
    return {key: junk(dice, depth + 1) for key in dice.sample(KEYS, dice.randrange(5))}


def turn(dice: random.Random) -> dict[str, Any]:
    """Nearly a sound turn, so that what is behind the first checks is reached as well."""
    speaker, words = dice.choice((("role", "content"), ("from", "value")))
    role = dice.choice(("user", "assistant", "tool", "system", "function_call"))
    more = {dice.choice(KEYS): junk(dice, 2)} if dice.random() < 0.4 else {}
    return {speaker: role, words: junk(dice, 2), **more}


@pytest.mark.parametrize("name", FORMATS)
def test_junk_is_rendered_or_refused(name: str) -> None:
    one, dice = FORMATS[name], random.Random(name)
    columns = {role.name: role.name for role in one.roles}
    rendered = 0
    for _ in range(ROWS):
        chosen = {role: column for role, column in columns.items() if dice.random() < 0.4}
        row = {
            role: [turn(dice) for _ in range(dice.randrange(1, 4))] if dice.random() < 0.4 else junk(dice)
            for role in columns
            if dice.random() < 0.9
        }
        chosen |= {role: role for role in one.missing(chosen)}  # of the others few, or no row would be sound
        how = Rendering(chosen, dice.choice(one.dataset_types), placeholders={"x": "y"})
        try:
            made = one.render(row, how)
        except StudioError as error:
            assert str(error).encode("utf-8")  # it can be shown
            continue
        rendered += 1
        assert made.columns and all(str(remark).encode("utf-8") for remark in made.remarks)
    assert rendered
