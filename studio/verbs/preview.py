"""The verb `preview`: rows as the tokens the trainer will see."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from studio.errors import ConfigError
from studio.flags import add_settings, read_config
from studio.settings import Settings
from studio.telling import print_json, print_preview, stdout_kept, tell
from studio.verbs.base import settings_of

if TYPE_CHECKING:
    from studio.config import RunConfig
    from studio.data.blocks import PackedBlock

HELP = "show rows as the tokens the trainer will see"


def add(sub: argparse.ArgumentParser) -> None:
    add_settings(sub)


def run(arguments: argparse.Namespace) -> int:
    config, settings = read_config(arguments), settings_of(arguments)
    if arguments.rows < 1:
        raise ConfigError("--rows is {rows}; it must be at least 1.", rows=arguments.rows)
    if arguments.start < 1:
        raise ConfigError("--start is {row}; rows are counted from 1.", row=arguments.start)
    with stdout_kept():
        from studio.data.blocks import is_packed, packed_blocks
        from studio.data.preview import preview
        from studio.model.load import load_tokenizer, tokenizer_notes
        from studio.training.stage import stage

        tokenizer = load_tokenizer(config.model, settings, progress=tell)
        start, rows = arguments.start - 1, arguments.rows
        made = preview(config, settings=settings, tokenizer=tokenizer, rows=rows, start=start)
        _remember(config, settings)
        made = replace(made, notes=(*tokenizer_notes(tokenizer, config.model), *made.notes))
        blocks: list[PackedBlock] = []
        if is_packed(config) or config.data.filters:  # which rows share a block, or are left out, is known of all alone
            prepared = stage(config, settings, progress=tell).prepared
            made = made.among(prepared.index, digest=prepared.digest)
            blocks = list(packed_blocks(config, prepared, tokenizer=tokenizer, start=start, count=rows))
    if arguments.json:
        print_json({**made.as_json(), **({"blocks": [block.as_json() for block in blocks]} if blocks else {})})
    else:
        print_preview(made, blocks)
    return 0


def _remember(config: RunConfig, settings: Settings) -> None:
    """Keep what was shown, so that a run over other rows says so."""
    from studio.data.corpus import open_corpus
    from studio.data.previewed import Previewed

    shown = Previewed(settings)
    shown.saw(config, open_corpus(config, settings))
    shown.keep()
