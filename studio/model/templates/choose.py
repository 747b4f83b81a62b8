"""`model.chat_template` -> a named template or a text, every mistake one sentence. Knows nothing of tokenizers."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from studio.config.model import AUTO
from studio.errors import ConfigError
from studio.model.folder import first_line
from studio.model.templates import TEMPLATES
from studio.settings import Settings

LARGEST = 200_000  # characters; the longest template of a known model has 25,000
ENDINGS = (".jinja", ".jinja2", ".j2", ".txt")
IN_FOLDER = "chat_template.jinja"


@dataclass(frozen=True)
class Choice:
    """Neither name nor text: the model's own template, or what detection finds. `origin` is the file of a text."""

    name: str | None = None
    text: str | None = None
    origin: str | None = None


def choose(value: str, settings: Settings) -> Choice:
    """What a value of `model.chat_template` means; a file is read, and its text is what counts from then on."""
    if value == AUTO:
        return Choice()
    if is_text(value):
        _check(value, origin=None)
        return Choice(text=value)
    if value in TEMPLATES:
        return Choice(name=value)
    if _is_path(value):
        if not settings.allows_local_paths:
            raise ConfigError(
                "model.chat_template is the path {path}, which a public Space does not open. "
                "Set a name, or the template's text.",
                path=value,
            )
        return _from_file(Path(value).expanduser())
    near = difflib.get_close_matches(value.lower(), TEMPLATES, n=1, cutoff=0.5)
    raise ConfigError(
        "model.chat_template is {value}, and there is no such template.{hint} "
        "Set auto, a path, the text of a template, or one of: {names}.",
        value=value[:60],
        hint=f" Did you mean {near[0]}?" if near else "",
        names=", ".join(TEMPLATES),
    )


def is_text(value: str) -> bool:
    """Whether a value is a template itself, not the name of one."""
    return value.lstrip().startswith("{") or "{%" in value or "{{" in value


def _is_path(value: str) -> bool:
    return "/" in value or "\\" in value or value.startswith(("~", ".")) or value.lower().endswith(ENDINGS)


def _from_file(path: Path) -> Choice:
    try:
        file = path / IN_FOLDER if path.is_dir() else path
        if file.stat().st_size > 4 * LARGEST:
            raise ConfigError("model.chat_template: {file} is too large to be a chat template.", file=file)
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        if isinstance(error, UnicodeDecodeError):
            raise ConfigError("model.chat_template: {file} is not UTF-8 text; save it as UTF-8.", file=path) from error
        reason = getattr(error, "strerror", None) or first_line(error)
        raise ConfigError("model.chat_template: cannot read {file} ({reason}).", file=path, reason=reason) from error
    if not text.strip():
        raise ConfigError("model.chat_template: {file} is empty.", file=file)
    _check(text, origin=file)
    return Choice(text=text, origin=str(file))


def _check(text: str, *, origin: Path | None) -> None:
    """Refuse what is no Jinja, with the line."""
    from jinja2 import TemplateSyntaxError
    from transformers.utils.chat_template_utils import _compile_jinja_template

    if len(text) > LARGEST:
        raise ConfigError("model.chat_template has more than {count} characters.", count=LARGEST)
    try:
        _compile_jinja_template(text)
    except TemplateSyntaxError as error:
        line, problem = error.lineno, first_line(error)
        if origin is not None:
            raise ConfigError(
                "{file}, line {line}: not valid Jinja ({problem}).", file=origin, line=line, problem=problem
            ) from error
        raise ConfigError(
            "model.chat_template, line {line}: not valid Jinja ({problem}).", line=line, problem=problem
        ) from error
    except (RecursionError, MemoryError, OverflowError, ValueError) as error:
        raise ConfigError("model.chat_template cannot be compiled ({problem}).", problem=first_line(error)) from error
