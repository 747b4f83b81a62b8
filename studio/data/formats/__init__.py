"""The layouts of rows that are understood. A new one is a file here and a line in FORMATS."""

from __future__ import annotations

from studio.data.formats.alpaca import Alpaca
from studio.data.formats.base import Format, Role
from studio.data.formats.messages import Messages
from studio.data.formats.plain import Text
from studio.data.formats.prompt_completion import PromptCompletion
from studio.data.formats.sharegpt import ShareGPT

# In the order in which detection asks them.
FORMATS: dict[str, Format] = {one.name: one for one in (Alpaca(), ShareGPT(), Messages(), PromptCompletion(), Text())}

__all__ = ["FORMATS", "Format", "Role"]
