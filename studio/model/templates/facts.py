"""What a tokenizer's chat template does, found by rendering small conversations with it. Trains and loads nothing."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from studio.errors import StudioError
from studio.methods.template import Template, Watch
from studio.model.folder import first_line
from studio.model.templates import TEMPLATES, name_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# A chat template is somebody's program, and can fail in as many ways.
FAULTS = (ValueError, TypeError, RuntimeError, ArithmeticError, LookupError, AttributeError, MemoryError)
SECONDS = 2.0  # for all probes of one template
# Contents that no template writes by itself.
ASKED, ANSWERED, ASKED_AGAIN, SAID = "Qzx7asked", "Qzx7answered", "Qzx7again", "Qzx7system"
THOUGHT, TOOL, VALUE, RESULT = "Qzx7thought", "qzx7tool", "Qzx7value", "Qzx7result"
_CONTROL = re.compile(r"<[|｜][^<>|｜\s]{1,40}[|｜]>|<(?:start|end)_[a-z_]{1,30}>")


@dataclass(frozen=True)
class TemplateFacts:
    """What one template takes and writes. `name` is a named template's; `refusal` says why it renders nothing."""

    has_template: bool
    has_generation_markers: bool = False
    takes_system: bool = False
    takes_tools: bool = False
    takes_tool_calls: bool = False
    arguments_as_text: bool = False  # of a tool call: the template takes them as JSON text only
    takes_reasoning: bool = False
    end_of_turn_ids: tuple[int, ...] = ()
    unknown_tokens: tuple[str, ...] = ()  # control tokens that it writes and the tokenizer reads as plain text
    name: str | None = None
    refusal: str | None = None


def template_facts(tokenizer: PreTrainedTokenizerBase) -> TemplateFacts:
    """The facts of the tokenizer's template, found once and kept with it; two seconds at most."""
    text = template_text(tokenizer)
    if text is None:
        return TemplateFacts(has_template=False)
    kept = getattr(tokenizer, "tunefork_facts", None)
    if kept is not None and kept[0] == text:
        facts: TemplateFacts = kept[1]
        return facts
    try:
        facts = Watch(SECONDS).run(lambda: _probe(tokenizer, text))
    except StudioError as error:
        facts = TemplateFacts(has_template=True, name=name_of(text), refusal=str(error))
    tokenizer.tunefork_facts = (text, facts)
    return facts


def template_text(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """The template that plain conversations are written with; a model may bring several under names."""
    template = tokenizer.chat_template
    if isinstance(template, dict):
        return template.get("default") or next(iter(template.values()), None)
    return template or None


def _probe(tokenizer: PreTrainedTokenizerBase, text: str) -> TemplateFacts:
    turns = [_turn("user", ASKED), _turn("assistant", ANSWERED)]
    again = [*turns, _turn("user", ASKED_AGAIN)]
    whole, refusal = _rendered(tokenizer, turns)
    if whole is None:
        return TemplateFacts(has_template=True, name=name_of(text), refusal=refusal)
    longer, _ = _rendered(tokenizer, again)
    system, _ = _rendered(tokenizer, [_turn("system", SAID), *turns])
    thinking, _ = _rendered(tokenizer, [turns[0], {**turns[1], "reasoning_content": THOUGHT}])
    calls, as_text = _takes_calls(tokenizer)
    return TemplateFacts(
        has_template=True,
        has_generation_markers=_marks(tokenizer, text, again),
        takes_system=system is not None and SAID in system,
        takes_tools=calls and _takes_tools(tokenizer, as_text=as_text),
        takes_tool_calls=calls,
        arguments_as_text=calls and as_text,
        takes_reasoning=thinking is not None and THOUGHT in thinking,
        end_of_turn_ids=_end_of_turn(tokenizer, whole, longer),
        unknown_tokens=_unknown(tokenizer, text, longer or whole),
        name=name_of(text),
    )


def _turn(role: str, content: str) -> dict[str, Any]:
    return {"role": role, "content": content}


def _rendered(
    tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, Any]], **options: Any
) -> tuple[str | None, str | None]:
    """(text, None), or (None, what the template says against it)."""
    from jinja2 import TemplateError

    try:
        return str(tokenizer.apply_chat_template(messages, tokenize=False, **options)), None
    except (TemplateError, *FAULTS) as error:
        return None, first_line(error)


def _marks(tokenizer: PreTrainedTokenizerBase, text: str, messages: list[dict[str, Any]]) -> bool:
    """Whether the assistant's content, and nobody else's, stands inside generation markers."""
    from jinja2 import TemplateError

    try:
        written, spans = Template(text, tokenizer.special_tokens_map).marked(messages)
    except (TemplateError, *FAULTS):
        return False
    marked = "".join(written[start:end] for start, end in spans)
    return ANSWERED in marked and ASKED not in marked


def _takes_calls(tokenizer: PreTrainedTokenizerBase) -> tuple[bool, bool]:
    """(whether calls and their results are written, whether only with arguments as JSON text)."""
    for as_text in (False, True):
        written, _ = _rendered(tokenizer, _with_call(as_text=as_text))
        if written is not None and all(one in written for one in (TOOL, VALUE, RESULT, ANSWERED)):
            return True, as_text
    return False, False


def _with_call(*, as_text: bool) -> list[dict[str, Any]]:
    arguments = {"place": VALUE}
    function = {"name": TOOL, "arguments": json.dumps(arguments) if as_text else arguments}
    call = {"id": "a1b2c3d4e", "type": "function", "function": function}
    result = {**_turn("tool", RESULT), "name": TOOL, "tool_call_id": call["id"]}
    asked = {**_turn("assistant", ""), "tool_calls": [call]}
    return [_turn("user", ASKED), asked, result, _turn("assistant", ANSWERED)]


def _takes_tools(tokenizer: PreTrainedTokenizerBase, *, as_text: bool) -> bool:
    """Whether the definitions of tools are written."""
    described = "Qzx7described"
    schema = {"type": "object", "properties": {"place": {"type": "string", "description": "where"}}}
    tool = {"type": "function", "function": {"name": TOOL, "description": described, "parameters": schema}}
    written, _ = _rendered(tokenizer, _with_call(as_text=as_text), tools=[tool])
    return written is not None and described in written


def _end_of_turn(tokenizer: PreTrainedTokenizerBase, whole: str, longer: str | None) -> tuple[int, ...]:
    """The token right behind an assistant's content, with a turn to follow or else at the end."""
    known = {token: index for token, index in tokenizer.get_added_vocab().items() if token.strip()}
    for token, index in zip(tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True):
        known.setdefault(token, index)
    for written in (longer, whole):
        behind = (written or "").rpartition(ANSWERED)[2].lstrip()
        found = [token for token in known if behind.startswith(token)]
        if found:
            return (known[max(found, key=len)],)
    return ()


def _unknown(tokenizer: PreTrainedTokenizerBase, text: str, written: str) -> tuple[str, ...]:
    """Control tokens in a text that the tokenizer would cut into pieces."""
    name = name_of(text)
    if name is not None:
        wanted = [one for one in TEMPLATES[name].tokens if one in written]
    elif getattr(tokenizer, "tunefork_own_template", True):
        return ()  # what a model's own template writes, it was trained with, in pieces or not
    else:
        wanted = list(dict.fromkeys(_CONTROL.findall(written)))
    vocabulary = tokenizer.get_vocab()
    return tuple(one for one in wanted if one not in vocabulary)
