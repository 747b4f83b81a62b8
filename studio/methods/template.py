"""A chat template, compiled once: turns in, text out, in bounded time. Knows nothing of tokens and tokenizers.

The compiling, the sandbox and what a template may see are those of transformers (5.23), so the text is the same.
"""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, TypeVar

from studio.errors import DataError

Turns = list[dict[str, Any]]
Spans = list[tuple[int, int]]  # of characters: start, end
Made = TypeVar("Made")

LONGEST_RENDER = 10.0  # seconds for one row; a long row takes some milliseconds
_LOOK_EVERY = 0.5
_LARGEST_RESULT = 10_000_000
_PLAIN = (str, int, float, bool)
# What a row's chat_template_kwargs may not set: arguments of the call itself, not variables of a template.
_RESERVED = (
    {"conversation", "messages", "tools", "chat_template", "add_generation_prompt", "continue_final_message"}
    | {"tokenize", "padding", "truncation", "max_length", "return_tensors", "return_dict", "tokenizer_kwargs"}
    | {"return_assistant_tokens_mask", "sanitize_control_tokens"}
)


class Template:
    """Renders turns as `tokenizer.apply_chat_template` does. May be used by several threads."""

    def __init__(self, source: str, special: Mapping[str, Any]) -> None:
        """`special` are the tokenizer's special tokens by their names, which a template may use."""
        from transformers.utils import chat_template_utils

        self.source = source
        self._special = dict(special)
        self._plain = chat_template_utils._plain_template_data
        self._aliased = chat_template_utils._alias_reasoning_fields
        self._tracked = chat_template_utils._render_with_assistant_indices
        # Not the compiled template that transformers keeps for all callers: while one of them notes where the
        # assistant's turns are, a render in another thread would be noted too. Hence two, and a lock for the second.
        self._compiled = _compile(source)
        self._lock = threading.Lock()

    @cached_property
    def _marking(self) -> Any:
        return _compile(self.source)

    def render(
        self,
        turns: Turns,
        *,
        tools: Any = None,
        extra: Mapping[str, Any] | None = None,
        add_generation_prompt: bool = False,
    ) -> str:
        """The text of these turns. `extra` are further variables of the template (chat_template_kwargs)."""
        variables = self._variables(turns, tools, extra)
        return str(self._compiled.render(add_generation_prompt=add_generation_prompt, **variables))

    def marked(self, turns: Turns, *, tools: Any = None, extra: Mapping[str, Any] | None = None) -> tuple[str, Spans]:
        """The text, and where in it the template's {% generation %} blocks are."""
        variables = self._variables(turns, tools, extra)
        with self._lock:
            text, spans = self._tracked(self._marking, add_generation_prompt=False, **variables)
        return str(text), spans

    def _variables(self, turns: Turns, tools: Any, extra: Mapping[str, Any] | None) -> dict[str, Any]:
        if not turns:
            raise ValueError("there is no message")
        variables = dict(self._special)
        if extra:
            reserved = _RESERVED.intersection(extra)
            if reserved:
                raise DataError(
                    "chat_template_kwargs sets {name}, which is no variable of a chat template. Take it out.",
                    name=sorted(reserved)[0],
                )
            variables.update(self._plain(dict(extra)))
        variables.setdefault("documents", None)
        variables["tools"] = tools if tools is None else self._plain(tools)
        variables["messages"] = self._aliased([self._turn(turn) for turn in turns])
        return variables

    def _turn(self, turn: Mapping[str, Any]) -> dict[str, Any]:
        """What the template sees of a turn: no key without a value, none of ours, and plain data only."""
        seen = {}
        for key, value in turn.items():
            if value is not None and key != "train":
                seen[key] = value if type(value) in _PLAIN else self._plain(value)
        return seen


def _compile(source: str) -> Any:
    """As transformers compiles it, in an environment of its own that refuses the few operations which could take
    for ever in one stroke, where nothing can give up on them."""
    from transformers.utils import chat_template_utils

    environment: Any = chat_template_utils._cached_compile_jinja_template("").environment
    environment.intercepted_binops = frozenset({"*", "**"})
    plain = environment.call_binop

    def call_binop(context: Any, operator: str, left: Any, right: Any) -> Any:
        if _result_size(operator, left, right) > _LARGEST_RESULT:
            from jinja2.exceptions import SecurityError

            raise SecurityError(f"{operator} would make something too large")
        return plain(context, operator, left, right)

    environment.call_binop = call_binop
    return environment.from_string(source)


def _result_size(operator: str, left: Any, right: Any) -> int:
    """About how many characters or bits a product or a power would have; 0 for what is small whatever it is."""
    if isinstance(left, int) and isinstance(right, int):
        if operator == "**":
            return left.bit_length() * max(right, 0)
        return left.bit_length() + right.bit_length()
    for one, other in ((left, right), (right, left)):
        if operator == "*" and isinstance(one, str | list | tuple) and isinstance(other, int):
            return len(one) * max(other, 0)
    return 0


class _TooLong(BaseException):
    """Thrown into a thread whose render does not end. No Exception, so that nothing on its way takes it for its own."""


class Watch:
    """Gives up on a render that does not end. Costs a thread for each block of rows, and nothing for each row.

    What loops in Python can be given up on; within a single operation nothing can (`_compile` refuses the worst).
    """

    def __init__(self, seconds: float = LONGEST_RENDER) -> None:
        self._seconds = seconds
        self._since = time.monotonic()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thrown = False
        self.gave_up: DataError | None = None

    def beat(self) -> None:
        """Another row begins."""
        self._since = time.monotonic()

    def run(self, work: Callable[[], Made]) -> Made:
        """Do the work in this thread; DataError where a row takes too long. Once for each Watch."""
        look = threading.Thread(target=self._look, args=(threading.get_ident(),), name="template-watch", daemon=True)
        try:
            self.beat()
            look.start()
            try:
                return work()
            finally:
                with self._lock:
                    self._over.set()
                if self._thrown and not isinstance(sys.exception(), _TooLong):
                    self._let_arrive()
        except _TooLong:
            self.gave_up = DataError(
                "The chat template needs more than {seconds} seconds for a row, so it was given up on. "
                "Set model.chat_template: chatml, or choose a model from a source that you trust.",
                seconds=f"{self._seconds:g}",
            )
            raise self.gave_up from None

    def _let_arrive(self) -> None:
        """What was thrown at the last moment comes with one of the next instructions: let it come here."""
        end = time.monotonic() + 1
        while time.monotonic() < end:
            time.sleep(0.001)

    def _look(self, thread: int) -> None:
        while not self._over.wait(min(_LOOK_EVERY, self._seconds / 4)):
            with self._lock:
                if not self._over.is_set() and time.monotonic() - self._since > self._seconds:
                    self._thrown = True
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(_TooLong))
                    return
