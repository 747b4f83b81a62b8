"""The layouts of rows that are understood. A new one is a file here and a line in FORMATS."""

from __future__ import annotations

from studio.data.formats.alpaca import Alpaca
from studio.data.formats.base import Format, Role
from studio.data.formats.chatglm import ChatGLM
from studio.data.formats.messages import Messages
from studio.data.formats.plain import Text
from studio.data.formats.preference import Preference
from studio.data.formats.prompt_completion import PromptCompletion
from studio.data.formats.prompt_only import PromptOnly
from studio.data.formats.sharegpt import ShareGPT
from studio.data.formats.tokenized import Tokenized
from studio.data.formats.unpaired import UnpairedPreference

# In the order in which detection asks them: rows that say which answer is better come first, because as plain chats
# they would teach the bad ones too; prompts without answers come last, because most other rows have one as well.
FORMATS: dict[str, Format] = {
    one.name: one
    for one in (
        Tokenized(),
        Preference(),
        UnpairedPreference(),
        Alpaca(),
        ShareGPT(),
        ChatGLM(),
        Messages(),
        PromptCompletion(),
        Text(),
        PromptOnly(),
    )
}

__all__ = ["FORMATS", "Format", "Role"]
