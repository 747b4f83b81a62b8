"""A reward for answers that are JSON of a wanted shape: the whole answer, or the first piece of JSON in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BeforeValidator, model_validator

from studio.errors import ConfigError
from studio.methods.rewards.base import Answer, RewardFunction, Scores
from studio.section import knob

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL | re.IGNORECASE)
_OPENS = re.compile(r"[{\[]")
_TRIES = 50  # brackets that a piece of JSON is looked for at


def _as_text(value: object) -> object:
    """A schema that is written as YAML is kept as JSON text."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value


class JsonSchema(RewardFunction):
    """1 where the answer, or the first JSON in it, is what the schema says; 0 otherwise."""

    name: ClassVar[str] = "json_schema"
    json_schema: Annotated[str, BeforeValidator(_as_text)] = knob("", text_file=True)

    @model_validator(mode="after")
    def _possible(self) -> JsonSchema:
        if not self.json_schema.strip():
            raise ValueError(
                ConfigError("method.reward_funcs: json_schema needs method.reward_json_schema, which is empty.")
            )
        try:
            schema = json.loads(self.json_schema)
        except (ValueError, RecursionError) as error:
            raise ValueError(
                ConfigError(
                    "method.reward_json_schema is {value}, which is not JSON ({problem}). Write the schema itself, "
                    'such as {{"type": "object", "required": ["name"]}}; a run file and a flag may name its file '
                    "instead.",
                    value=repr(self.json_schema)[:60],
                    problem=error,
                )
            ) from error
        _check(schema)
        return self

    def score(self, answers: Sequence[Answer]) -> Scores:
        validator = _validator(json.loads(self.json_schema))
        return [float(_fits(one.text, validator)) for one in answers]


def _check(schema: Any) -> None:
    """A ConfigError where this is no schema, or one that points out of itself."""
    from jsonschema import SchemaError

    try:
        _validator(schema)
    except SchemaError as error:
        raise ValueError(
            ConfigError("method.reward_json_schema is no JSON schema ({problem}).", problem=error.message[:200])
        ) from error
    for target in _references(schema):
        if not target.startswith("#"):
            raise ValueError(
                ConfigError(
                    "method.reward_json_schema refers to {target}, which is not fetched. Put it into the schema under "
                    "$defs, and refer to it as #/$defs/NAME.",
                    target=target[:100],
                )
            )


def _validator(schema: Any) -> Validator:
    from jsonschema.validators import Draft202012Validator, validator_for
    from referencing import Registry

    kind = validator_for(schema, default=Draft202012Validator)
    kind.check_schema(schema)
    return kind(schema, registry=Registry())  # an empty registry: nothing is fetched


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        for name, value in schema.items():
            if name == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


def _fits(text: str, validator: Validator) -> bool:
    """Whether the first JSON of a text is what the validator takes."""
    for value in _json_in(text):
        return bool(validator.is_valid(value))
    return False


def _json_in(text: str) -> Iterator[Any]:
    """The values that a text holds: itself, what a code block holds, then what begins at a bracket."""
    for piece in (text, *(found.group(1) for found in _FENCED.finditer(text))):
        try:
            yield json.loads(piece)
        except (ValueError, RecursionError):
            continue
    decoder = json.JSONDecoder()
    for found, _ in zip(_OPENS.finditer(text), range(_TRIES), strict=False):
        try:
            yield decoder.raw_decode(text, found.start())[0]
        except (ValueError, RecursionError):
            continue
