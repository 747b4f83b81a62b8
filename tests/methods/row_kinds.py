"""Rows of every format, hard ones among them, as they stand in a file; the property test pairs them with methods."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from small_chats import CALL, LONG, ODD, THOUGHT, TOOL

Row = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """Some rows, the format that they are to be detected as, and what else the run's config says of them.

    `turns` tells whether they become conversations. TRL knows no switch for single turns: `switched` rows have one.
    """

    format: str
    rows: list[Row]
    data: dict[str, Any] = field(default_factory=dict)
    turns: bool = True
    tools: bool = False
    switched: bool = False
    template: str = "qwen3"  # takes tools, thoughts and system turns; TRL has a version of it for assistant_only_loss


def said(
    *texts: str, keys: tuple[str, str] = ("role", "content"), names: tuple[str, str] = ("user", "assistant")
) -> Any:
    return [{keys[0]: names[at % 2], keys[1]: text} for at, text in enumerate(texts)]


def shared(*texts: str) -> Any:
    return said(*texts, keys=("from", "value"), names=("human", "gpt"))


TOOLS = json.dumps([TOOL], ensure_ascii=False)
CALL_TEXT = json.dumps({"name": "look", "arguments": {"at": "你好"}}, ensure_ascii=False)
MANY = " ".join([ODD] * 4)
EMPTY_SYSTEM = {"role": "system", "content": ""}

KINDS: dict[str, Kind] = {
    "alpaca": Kind("alpaca", [
        {"instruction": "hello", "input": "", "output": "who are you?", "system": "", "history": []},
        {"instruction": ODD, "input": "猫", "output": ODD, "system": "be a cat", "history": [["a", ODD]]},
        {"instruction": "think", "input": "", "output": THOUGHT, "system": "", "history": [["a", "b"], ["c", "d"]]},
        {"instruction": LONG, "input": "", "output": "after a long prompt", "system": "", "history": []},
        {"instruction": "hello", "input": "x", "output": MANY, "system": "", "history": []},
    ]),
    "sharegpt": Kind("sharegpt", [
        {"conversations": shared("hello", ODD)},
        {"conversations": [{"from": "system", "value": ""}, *shared(ODD, "you", "", LONG, "no answer")]},
        {"conversations": shared("think", THOUGHT, "and?", MANY)},
        {"conversations": shared(LONG, "cut away")},
    ]),
    "sharegpt-tools": Kind("sharegpt", [
        {
            "conversations": [
                *shared("what is there?"), {"from": "function_call", "value": CALL_TEXT},
                {"from": "observation", "value": ODD}, {"from": "gpt", "value": "a cat"},
            ],
            "tools": TOOLS,
        },
        {"conversations": shared("no tools needed", ODD), "tools": TOOLS},
    ], tools=True),
    "chatglm": Kind("chatglm", [
        {"conversations": [
            {"role": "system", "content": "be kind", "tools": [TOOL["function"]]},
            {"role": "user", "content": ODD},
            {"role": "tool", "name": "look", "parameters": {"at": "你好"}, "observation": ODD},
            {"role": "assistant", "content": "猫"},
        ]},
        {"conversations": [{"role": "system", "content": "", "tools": [TOOL["function"]]}, *said("hi", MANY)]},
    ], tools=True),
    "messages": Kind("messages", [
        {"messages": said("hello", "who?")},
        {"messages": [EMPTY_SYSTEM, *said(ODD, ODD)]},
        {"messages": [
            {"role": "system", "content": "be a cat"},
            {"role": "user", "content": [{"type": "text", "text": ODD}, {"type": "text", "text": " and more"}]},
            {"role": "assistant", "content": ODD},
            *said(LONG, "cut away"),
        ]},
        {"messages": said("think", THOUGHT, "and?", MANY)},
    ]),
    "messages-tools": Kind("messages", [
        {
            "messages": [
                {"role": "user", "content": "what is there?"},
                {"role": "assistant", "content": "", "reasoning_content": "let me see", "tool_calls": [CALL]},
                {"role": "tool", "content": ODD, "name": "look"},
                {"role": "assistant", "content": "a cat", "reasoning_content": ODD},
            ],
            "tools": TOOLS,
        },
        {"messages": said("no tools needed", ODD), "tools": TOOLS},
    ], tools=True),
    "messages-switched": Kind("messages", [
        {"messages": [
            {"role": "user", "content": ODD}, {"role": "assistant", "content": ODD, "train": False},
            {"role": "user", "content": "and?"}, {"role": "assistant", "content": "猫", "loss_weight": 1},
        ]},
        {"messages": [*said("a", "b"), *said("c"), {"role": "assistant", "content": ODD, "loss_weight": 0}]},
        {"messages": said("hello", MANY)},
    ], switched=True, template="starter"),
    "prompt-completion": Kind("prompt-completion", [
        {"prompt": "the cat said", "completion": " hello"},
        {"prompt": f"{ODD} ", "completion": ODD},
        {"prompt": LONG, "completion": "cut away"},
        {"prompt": "said:", "completion": MANY},
    ], turns=False),
    "prompt-template": Kind("alpaca", [
        {"instruction": "hello", "input": "", "output": "who are you?"},
        {"instruction": ODD, "input": "猫", "output": MANY},
        {"instruction": LONG, "input": "x", "output": "cut away"},
    ], {"prompt_template": "Instruction: {instruction}\nInput: {input}\nResponse:",
        "prompt_template_empty": "Instruction: {instruction}\nResponse:"}, turns=False),
    "question-answer": Kind("prompt-completion", [
        {"question": "who are you?", "answer": "the cat"},
        {"question": ODD, "answer": ODD},
        {"question": "think", "answer": THOUGHT},
        {"question": LONG, "answer": "cut away"},
    ]),
    "turns-completion": Kind("prompt-completion", [
        {"prompt": said(ODD), "completion": [{"role": "assistant", "content": ODD}]},
        {"prompt": [EMPTY_SYSTEM, *said("a", "b", "c")], "completion": [{"role": "assistant", "content": MANY}]},
    ]),
    "filled": Kind("alpaca", [
        {"instruction": "who are you?", "input": "", "output": "I am {{name}}, " + ODD},
        {"instruction": "{{name}}?", "input": "", "output": MANY},
    ], {"placeholders": {"name": "猫"}, "system_prompt": f"speak {ODD}"}),
    "nested": Kind("prompt-completion", [
        {"asked": {"text": ODD}, "answers": [{"text": ODD}, {"text": "x"}]},
        {"asked": {"text": LONG}, "answers": [{"text": "cut away"}]},
    ], {"columns": {"prompt": "asked.text", "completion": "answers[0].text"}}),
    "text": Kind("text", [{"text": "the cat"}, {"text": ODD}, {"text": LONG}, {"text": "its own end<|im_end|>"}],
                 turns=False),
    "tokenized": Kind("tokenized", [
        {"input_ids": list(range(9, 9 + size)), "labels": [-100] * cut + list(range(9 + cut, 9 + size))}
        for size, cut in ((3, 0), (20, 5), (90, 70), (64, 64), (65, 3))
    ], turns=False),
    "tokenized-masks": Kind("tokenized", [
        {"input_ids": list(range(9, 9 + size)), "completion_mask": [0] * cut + [1] * (size - cut)}
        for size, cut in ((3, 0), (20, 5), (90, 70), (65, 3))
    ], turns=False),
    "pairs": Kind("preference", [
        {"prompt": "which cat?", "chosen": "the black one", "rejected": "the black dog"},
        {"prompt": ODD, "chosen": f"{ODD} yes", "rejected": f"{ODD} no"},
        {"prompt": LONG, "chosen": "cut", "rejected": "away"},
        {"prompt": "said:", "chosen": MANY, "rejected": "no"},
    ], turns=False),
    "pairs-turns": Kind("preference", [
        {"prompt": said(ODD), "chosen": said("", ODD)[1:], "rejected": said("", "no")[1:]},
        {"prompt": [EMPTY_SYSTEM, *said("think")], "chosen": said("", THOUGHT)[1:], "rejected": said("", MANY)[1:]},
        {"prompt": said(LONG), "chosen": said("", "cut")[1:], "rejected": said("", "away")[1:]},
    ]),
    "pairs-implicit": Kind("preference", [
        {"chosen": said("one", "a", ODD, "yes"), "rejected": said("one", "a", ODD, MANY)},
        {"chosen": said(ODD, ODD), "rejected": said(ODD, "no")},
    ]),
    "pairs-shared": Kind("preference", [
        {"conversations": shared(ODD), "chosen": shared("", ODD)[1], "rejected": shared("", "x")[1]},
        {"conversations": shared("a", "b", "c"), "chosen": shared("", "d")[1], "rejected": shared("", MANY)[1]},
    ]),
    "pairs-asked": Kind("preference", [
        {"system": "", "history": [["a", "b"]], "question": ODD, "response_chosen": ODD, "response_rejected": "no"},
        {"system": "be a cat", "history": [], "question": "猫?", "response_chosen": "喵", "response_rejected": MANY},
    ]),
    "pairs-tools": Kind("preference", [
        {"conversations": shared("what is there?"), "chosen": shared("", ODD)[1], "rejected": shared("", "no")[1],
         "tools": TOOLS},
        {"conversations": shared("a", "b", ODD), "chosen": shared("", "d")[1], "rejected": shared("", MANY)[1],
         "tools": TOOLS},
    ], tools=True),
    "votes": Kind("unpaired-preference", [
        {"prompt": "which cat?", "completion": "the black one", "label": True},
        {"prompt": ODD, "completion": ODD, "label": False},
        {"prompt": LONG, "completion": "cut away", "label": True},
        {"prompt": "said:", "completion": MANY, "label": False},
    ], turns=False),
    "votes-turns": Kind("unpaired-preference", [
        {"messages": said(ODD, ODD), "label": True},
        {"messages": [EMPTY_SYSTEM, *said("a", "b", "think", THOUGHT)], "label": False},
        {"messages": said(LONG, "cut away"), "label": False},
        {"messages": said("hello", MANY), "label": True},
    ]),
    "votes-tools": Kind("unpaired-preference", [
        {"messages": said("what is there?", ODD), "label": True, "tools": TOOLS},
        {"messages": said("hello", MANY), "label": False, "tools": TOOLS},
    ], tools=True),
    "prompts": Kind("prompt-only", [{"prompt": "the cat said"}, {"prompt": ODD}, {"prompt": LONG}], turns=False),
    "prompts-turns": Kind("prompt-only", [
        {"prompt": said("who?"), "fact": "猫"},
        {"prompt": [EMPTY_SYSTEM, *said(ODD, "b", ODD)], "fact": ODD},
        {"prompt": said(LONG), "fact": "x"},
    ]),
}  # fmt: skip
