"""Rendered rows -> text, token ids, the border of the prompt, and the assistant's turns, bit for bit as TRL has them.

Knows nothing of methods, losses and cuts.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from studio.errors import DataError
from studio.methods.backend import Backend, Ranges, covered_tokens, marked_tokens
from studio.methods.border import Borders
from studio.methods.template import Spans, Template, Turns, Watch
from studio.methods.turns import Conversation, answers_by_beginnings, marked_answers, switched_off

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_MARKER = re.compile(r"\{%-?\s*generation\s*-?%\}")  # `trl.chat_template_utils.has_generation_markers`
_PROBE = "probe_5f2c81"
_PROBE_TOOL = {
    "type": "function",
    "function": {
        "name": _PROBE,
        "description": _PROBE,
        "parameters": {"type": "object", "properties": {}, "required": []},
    },
}


@dataclass(frozen=True, slots=True)
class Job:
    """One sequence to encode: turns, or a text. `prompt` is its beginning, where the border is wanted.

    `asking` ends turns with the generation prompt, for a sequence that a model is to go on with. Turns from the
    `since`-th on may be trained, and switched off with `train: false`; None where there is no such choice.
    """

    whole: Turns | str
    prompt: Turns | str | None = None
    tools: Any = None
    extra: Mapping[str, Any] | None = None
    asking: bool = False
    since: int | None = None


@dataclass(frozen=True, slots=True)
class Coded:
    """A sequence's tokens. `border` is where its prompt ends (0 without one), `answers` are the assistant's turns
    where they were asked for, `off` what the turns with `train: false` became."""

    text: str
    ids: list[int]
    border: int = 0
    answers: Ranges | None = None
    off: tuple[tuple[int, int], ...] = ()


@dataclass(slots=True)
class _Written:
    """A job's text, and ranges of characters in it."""

    text: str
    prompt: str | None = None
    answers: Spans | None = None
    off: Spans | None = None


class Encoder:
    """Made once for a tokenizer and its chat template. May be used by several threads."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._backend = Backend(tokenizer)
        self._borders = Borders(tokenizer, self._backend)
        self._special = dict(tokenizer.special_tokens_map)
        self._templates: dict[str, Template] = {}
        self._gave_up: DataError | None = None

    def encode(self, jobs: Sequence[Job], *, answers: bool = False) -> list[Coded]:
        """Every job's tokens, in one call of the tokenizer. `answers` finds the assistant's turns too."""
        written = self._bounded(lambda watch: self._write(jobs, answers, watch))
        found: list[Coded] = [None] * len(jobs)  # type: ignore[list-item]
        for plain in (False, True):
            places = [place for place, job in enumerate(jobs) if isinstance(job.whole, str) == plain]
            made = self._tokens([written[place] for place in places], special=plain, answers=answers)
            for place, coded in zip(places, made, strict=True):
                found[place] = coded
        return found

    def ended(self, text: str) -> str:
        """A plain text with the end-of-text token that TRL gives it."""
        eos = self._tokenizer.eos_token
        if not eos:
            raise DataError(
                "{model} has no end-of-text token, which plain text rows need. Choose another model, or conversations.",
                model=self._name,
            )
        return text if text.endswith(eos) else text + eos

    @cached_property
    def ignores_tools(self) -> bool:
        """Whether the chat template drops the tools it is given, so that a model trained with it never sees them."""
        turns = [{"role": "user", "content": "hi"}]
        return self._drops(lambda tools: self._template(tools).render(turns, tools=tools), [_PROBE_TOOL])

    @cached_property
    def ignores_tool_calls(self) -> bool:
        """Whether the chat template drops the calls that an assistant's turn makes."""
        call = {"type": "function", "function": {"name": _PROBE, "arguments": {}}}
        turns: Turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": ""}]
        with_call = [turns[0], {**turns[1], "tool_calls": [call]}]
        return self._drops(lambda calls: self._template(None).render(with_call if calls else turns), True)

    @cached_property
    def ignores_reasoning(self) -> bool:
        """Whether the chat template drops the thoughts (`reasoning_content`, `thinking`) beside an answer's words."""
        return self._drops(lambda thought: self._template(None).render(_thinking(thought)), _PROBE)

    def ignores_earlier_reasoning(self, *, answers: bool = False) -> bool:
        """Whether it writes those of the last answer only. `answers`: where answers are trained with markers, which
        TRL's version of a template may be needed for."""

        def render(thought: str | None) -> str:
            template = self._answering(None)[0] if answers else self._template(None)
            return template.render([*_thinking(thought), *_thinking(None)])

        return not self.ignores_reasoning and self._drops(render, _PROBE)

    def _drops(self, render: Callable[[Any], str], given: Any) -> bool:
        from jinja2 import TemplateError

        if not self._tokenizer.chat_template:
            return False
        try:
            return self._bounded(lambda _: render(given) == render(None))
        except (TemplateError, ValueError, TypeError, LookupError, AttributeError):
            return False  # it is looked at, or the template takes no such conversation at all

    @property
    def _name(self) -> str:
        return self._tokenizer.name_or_path or "This model"

    def _bounded(self, work: Callable[[Watch], Any]) -> Any:
        """Rendering that ends; once a template was given up on, it is not tried again."""
        if self._gave_up is not None:
            raise self._gave_up
        watch = Watch()
        try:
            return watch.run(lambda: work(watch))
        finally:
            self._gave_up = watch.gave_up or self._gave_up

    def _write(self, jobs: Sequence[Job], answers: bool, watch: Watch) -> list[_Written]:
        made: list[_Written] = []
        last, prompt = None, None
        for job in jobs:
            watch.beat()
            if isinstance(job.whole, str):
                made.append(_Written(job.whole, job.prompt if isinstance(job.prompt, str) else None))
                continue
            template = self._answering(job.tools)[0] if answers else self._template(job.tools)
            one = self._conversation(job, job.whole, template, answers=answers)
            if job.prompt is not None:
                if last is None or job.prompt is not last.prompt or job.tools is not last.tools:
                    turns: Any = job.prompt
                    prompt = template.render(turns, tools=job.tools, extra=job.extra, add_generation_prompt=True)
                one.prompt, last = prompt, job
            made.append(one)
        return made

    def _conversation(self, job: Job, turns: Turns, template: Template, *, answers: bool) -> _Written:
        row = Conversation(turns, job.tools, job.extra, len(turns) if job.since is None else job.since)
        if not answers:
            text = template.render(turns, tools=job.tools, extra=job.extra, add_generation_prompt=job.asking)
            return _Written(text, off=switched_off(row, text, template) if row.switched else None)
        if self._answering(job.tools)[1]:
            text, spans = marked_answers(row, template)
        else:
            text, spans = answers_by_beginnings(row, template, self._ends)
        return _Written(text, answers=spans)

    def _tokens(self, written: Sequence[_Written], *, special: bool, answers: bool) -> list[Coded]:
        texts = [one.text for one in written]
        located: list[Any] = []
        if answers or any(one.off for one in written):
            located = self._backend.located(texts, special=special)
            ids = [one.ids for one in located]
        else:
            ids = self._backend.ids(texts, special=special)
        borders = dict.fromkeys(range(len(written)), 0)
        places = [place for place, one in enumerate(written) if one.prompt is not None]
        if places:
            found = self._borders.find(
                [written[place].prompt or "" for place in places],
                [texts[place] for place in places],
                [ids[place] for place in places],
                special=special,
            )
            borders.update(zip(places, found, strict=True))
        if not located:
            return [Coded(one.text, ids[place], borders[place]) for place, one in enumerate(written)]
        in_tokens = marked_tokens if answers and self._answering(None)[1] else covered_tokens
        return [
            Coded(
                one.text,
                ids[place],
                borders[place],
                None if one.answers is None else in_tokens(located[place], one.answers),
                tuple(covered_tokens(located[place], one.off or [])),
            )
            for place, one in enumerate(written)
        ]

    @cached_property
    def _ends(self) -> tuple[str, ...]:
        """Control tokens, any of which may close a turn."""
        added = [str(token.content) for token in self._tokenizer.added_tokens_decoder.values() if token.special]
        return tuple({*added, *self._tokenizer.all_special_tokens} - {""})

    def _template(self, tools: Any) -> Template:
        """The template for turns; a tokenizer may have one of its own for turns with tools."""
        source = self._tokenizer.chat_template
        if isinstance(source, dict):
            source = source.get("tool_use" if tools is not None and "tool_use" in source else "default")
        if not source:
            raise DataError(
                "{model} has no chat template, which these conversations need. "
                "Set model.chat_template: chatml, or use plain text in columns named prompt and completion.",
                model=self._name,
            )
        return self._compiled(source)

    def _answering(self, tools: Any) -> tuple[Template, bool]:
        """The template that answers are trained with, and whether it marks them: the tokenizer's own if it does, or
        TRL's version of it for training, as its trainer has it."""
        if self._training_source is None:
            return self._template(tools), self._marks
        return self._compiled(self._training_source), True

    @cached_property
    def _marks(self) -> bool:
        source = self._tokenizer.chat_template
        return _MARKER.search((source.get("default") if isinstance(source, dict) else source) or "") is not None

    @cached_property
    def _training_source(self) -> str | None:
        from jinja2 import TemplateError

        if self._marks or not self._tokenizer.chat_template:
            return None
        from trl.chat_template_utils import get_training_chat_template

        try:
            return get_training_chat_template(self._tokenizer)
        except (ValueError, TypeError, LookupError, AttributeError, TemplateError):
            return None  # not among those that TRL knows, or one that cannot write what TRL tries it with

    def _compiled(self, source: str) -> Template:
        found = self._templates.get(source)
        if found is None:
            found = self._templates[source] = Template(source, self._special)
        return found


def _thinking(thought: str | None) -> Turns:
    """A question, and an answer with a thought of its own."""
    return [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hi", "reasoning_content": thought}]


_lock = threading.Lock()


def encoder_of(tokenizer: PreTrainedTokenizerBase) -> Encoder:
    """The tokenizer's encoder: the same one until its chat template or special tokens change."""
    key = repr((tokenizer.chat_template, tokenizer.special_tokens_map, len(tokenizer.added_tokens_decoder)))
    with _lock:
        return _made(tokenizer, key)


@lru_cache(maxsize=4)
def _made(tokenizer: PreTrainedTokenizerBase, key: str) -> Encoder:
    return Encoder(tokenizer)
