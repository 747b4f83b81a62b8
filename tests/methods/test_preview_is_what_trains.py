"""The preview is what the trainer sees: every format with every method, loss setting, cut and packing that go together.

Each case goes the whole way from a file: the rows as `preview --json` prints them, the batches of the trainer that a
run builds of them, and those of a trainer of TRL's that is given the rendered rows and tokenizes them itself.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from row_kinds import KINDS, Kind
from small_chats import chat_tokenizer
from test_tokens_equal_trl import (
    CUTS,
    LIMIT,
    LOSSES,
    arguments_of,
    as_trl_reads,
    model_of,
    reference_of,
    score_model_of,
)

from studio.config import RunConfig
from studio.config.files import build
from studio.data.blocks import packed_blocks
from studio.data.corpus import open_corpus
from studio.data.formats import FORMATS
from studio.data.pipeline import Pipeline
from studio.data.prepare import Prepared, prepare
from studio.data.preview import preview
from studio.errors import DataError
from studio.methods import METHODS, Parts
from studio.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore:The `'keep_end'` truncation mode is deprecated:FutureWarning")

STRATEGIES = ("bfd", "bfd_split", "wrapped")
SETTINGS: dict[str, dict[str, dict[str, Any]]] = {name: {"its-own": {}} for name in METHODS} | {
    "sft": LOSSES,
    "orpo": {name: {"completion_only_loss": name == "completion"} for name in ("completion", "all")},
    "grpo": {"length": {"reward_funcs": "length"}},
}
PAIRED = tuple(name for name, method in METHODS.items() if "preference" in method.dataset_types)
Sequences = Counter[tuple[Any, ...]]


def cases(of: str | None = None) -> Iterator[Any]:
    """(kind, method, loss) of all that go together: by the types that a format renders to and a method takes."""
    for kind, rows in KINDS.items():
        for name, method in METHODS.items():
            if of in (None, name) and set(FORMATS[rows.format].dataset_types) & set(method.dataset_types):
                yield from (pytest.param(kind, name, loss, id=f"{kind}-{name}-{loss}") for loss in SETTINGS[name])


@dataclass(frozen=True)
class Bench:
    """Rows of one kind in a file, and where the runs over them may write."""

    kind: Kind
    settings: Settings
    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / "rows.jsonl"

    def config(self, method: str, loss: str, *, max_length: int | None, mode: str, **more: Any) -> RunConfig:
        """A run over all the rows."""
        return build(
            {
                "data": {"source": str(self.path), "eval_fraction": 0, **self.kind.data},
                "method": {"type": method, **SETTINGS[method][loss], **more},
                "training": {"max_length": max_length, "truncation_mode": mode},
            }
        )

    def tokenizer(self) -> Any:
        return chat_tokenizer(self.kind.template)

    def prepared(self, config: RunConfig) -> Prepared:
        return prepare(config, settings=self.settings, tokenizer=self.tokenizer())

    # What each of the three shows: sequences of tokens with what is trained of them.

    def shown(self, config: RunConfig) -> Sequences:
        """What the preview says is trained."""
        made = preview(config, settings=self.settings, tokenizer=self.tokenizer(), rows=99)
        assert made.mapped.format == self.kind.format and not made.problems
        found: Sequences = Counter()
        for row in made.as_json()["rows"]:
            lanes = row["lanes"].values() if "lanes" in row else [row]
            seen = [(_ids(lane["tokens"]), tuple(one["supervised"] for one in lane["tokens"])) for lane in lanes]
            if row.get("trained", True):
                found[(*seen, *((row["label"],) if "label" in row else ()))] += 1
        return found

    def blocks_shown(self, config: RunConfig, data: Prepared) -> Sequences:
        """Packed blocks as the preview shows them: (token, trained or not, position) one after the other."""
        found: Sequences = Counter()
        for block in packed_blocks(config, data, tokenizer=self.tokenizer(), count=10_000):
            tokens: list[Any] = []
            for piece in block.as_json()["pieces"]:
                first, last = piece["position_ids"]
                flags = zip(piece["tokens"], range(first, last + 1), strict=True)
                tokens += [(one["id"], one["supervised"], at) for one, at in flags]
            found[tuple(tokens)] += 1
        return found

    def our_trainer(self, config: RunConfig, data: Prepared) -> Any:
        """As a run builds it."""
        parts = Parts(
            model=model_of(self.kind.template), tokenizer=self.tokenizer(), train=data.train, eval=None,
            peft_config=None, arguments=self._arguments(config), output_dir=self.folder, device="cpu",
        )  # fmt: skip
        return config.method.build_trainer(parts)

    def trl_trainer(self, config: RunConfig) -> Any:
        """TRL's own over the rendered rows; None where it has no such method, switch or way to cut."""
        import trl

        name, training = config.method.type, config.training
        mode, limit = training.truncation_mode, training.max_length
        both = dict.fromkeys(("sft", "dpo", "orpo", "cpo"), ("keep_start", "keep_end"))
        own = {**both, "kto": ("keep_start",)}
        modes = ("keep_start",) if getattr(config.method, "packing", False) else own.get(name, ())
        if name == "grpo" or self.kind.switched or not (limit is None or mode in (*modes, "drop")):
            return None
        given = self._arguments(config)
        given["truncation_mode"] = "keep_start" if mode == "drop" else mode
        if name in ("kto", "reward"):
            given.pop("truncation_mode")
        # TRL's own ORPO and CPO tokenize in an old way of theirs; here they have DPO's batches.
        kind = {"sft": "SFT", "kto": "KTO", "reward": "Reward"}.get(name, "DPO")
        models = {"model": (score_model_of if name == "reward" else model_of)(self.kind.template)}
        if kind in ("DPO", "KTO"):
            models["ref_model"] = reference_of(self.kind.template)
        knobs = (*LOSSES["all"], "packing", "packing_strategy") if name == "sft" else ()
        if self.kind.format == "tokenized":  # the rows say themselves what is trained
            knobs = ("packing", "packing_strategy")
        return getattr(trl, f"{kind}Trainer")(
            args=getattr(trl, f"{kind}Config")(
                output_dir=str(self.folder), **given, **{one: getattr(config.method, one) for one in knobs}
            ),
            train_dataset=as_trl_reads(self._rendered(config)),
            processing_class=self.tokenizer(),
            **models,
        )

    def _arguments(self, config: RunConfig) -> dict[str, Any]:
        batch = 1 if getattr(config.method, "packing", False) else 2
        return arguments_of(config.training.max_length, config.training.truncation_mode, batch=batch)

    def _rendered(self, config: RunConfig) -> list[dict[str, Any]]:
        """What a format makes of the rows; without those that `drop` leaves out, for TRL has no such mode."""
        corpus, limit = open_corpus(config, self.settings), config.training.max_length
        worked = Pipeline(corpus, method=config.method, tokenizer=self.tokenizer()).work(range(len(corpus)))
        drops = limit is not None and config.training.truncation_mode == "drop"
        return [
            row
            for row, made in zip(worked.rendered, worked.encoded, strict=True)
            if row and made and not (drops and any(len(lane.ids) > limit for lane in made.lanes))
        ]


@pytest.fixture
def bench(kind: str, settings: Settings, tmp_path: Path) -> Bench:
    made = Bench(KINDS[kind], settings, tmp_path)
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in made.kind.rows)
    made.path.write_text("".join(lines), encoding="utf-8")
    return made


def _ids(tokens: list[dict[str, Any]]) -> tuple[int, ...]:
    return tuple(one["id"] for one in tokens)


def batched(method: str, trainer: Any, *, loss: str = "") -> Sequences:
    """What the trainer's batches hold, padding taken off; what is trained of them, with ORPO's loss on "all" too."""
    found: Sequences = Counter()
    for batch in trainer.get_train_dataloader():
        if method == "grpo":
            prompts, _, _ = trainer._tokenize_prompts([row["prompt"] for row in batch])
            found.update(((tuple(ids), (False,) * len(ids)),) for ids in prompts)
            continue
        trained = batch["labels"] != -100 if method == "sft" else batch.get("completion_mask")
        lanes = []
        for at, length in enumerate(batch["attention_mask"].sum(1).tolist()):
            flags = None if trained is None else tuple(map(bool, trained[at][:length].tolist()))
            lanes.append((tuple(batch["input_ids"][at][:length].tolist()), flags))
        if method in PAIRED:
            half = len(lanes) // 2
            if (method, loss) == ("orpo", "all"):  # of the chosen answer the prompt as well
                lanes[:half] = [(ids, (True,) * len(ids)) for ids, _ in lanes[:half]]
            found.update(zip(lanes[:half], lanes[half:], strict=True))
        else:
            labels = [(bool(one),) for one in batch["label"]] if method == "kto" else [()] * len(lanes)
            found.update((lane, *label) for lane, label in zip(lanes, labels, strict=True))
    return found


def assert_alike(method: str, expected: Sequences, found: Sequences) -> None:
    if method == "reward":  # its batches hold no mask: whole sequences are scored
        expected = Counter({tuple((ids, None) for ids, _ in pair): count for pair, count in expected.items()})
    elif method == "grpo":  # each prompt is asked several times, in rounds
        expected, found = Counter(set(expected)), Counter(set(found))
    assert found == expected


def blocks_batched(trainer: Any) -> Sequences:
    """Packed blocks, a batch each; without position ids in the batch they count on."""
    found: Sequences = Counter()
    for batch in trainer.get_train_dataloader():
        (ids,), (labels,) = batch["input_ids"].tolist(), batch["labels"].tolist()
        places = batch["position_ids"][0].tolist() if "position_ids" in batch else range(len(ids))
        found[tuple(zip(ids, (label != -100 for label in labels), places, strict=True))] += 1
    return found


def test_every_format_and_method_is_among_the_cases() -> None:
    assert {kind.format for kind in KINDS.values()} == set(FORMATS)
    assert {case.values[1] for case in cases()} == set(METHODS)
    # a setting of another method that shapes tokens or cuts needs a line in SETTINGS
    shaping = {name: {*method.shapes_tokens, *method.shapes_cuts} for name, method in METHODS.items()}
    assert shaping.pop("sft") == {*LOSSES["all"], "packing", "packing_strategy", "padding_free"}
    assert shaping.pop("grpo") == {"reference_column", "reward_funcs"}  # of which no token depends, but the reference
    assert shaping.pop("orpo") == {"completion_only_loss"}
    assert not any(shaping.values())


def refused(bench: Bench, method: str, loss: str) -> bool:
    """Whether the rows have no turns for a loss on the assistant's, or have tools where the method takes none; then
    the preview says so, which is asserted."""
    kind, why = bench.kind, ""
    if method == "sft" and LOSSES[loss]["assistant_only_loss"] and not (kind.turns or kind.format == "tokenized"):
        why = "assistant_only_loss needs conversations"
    elif method == "grpo" and kind.tools:
        why = "asks its prompts without tools"
    if why:
        with pytest.raises(DataError, match=why):
            bench.shown(bench.config(method, loss, max_length=LIMIT, mode="keep_start"))
    return bool(why)


@pytest.mark.parametrize(("kind", "method", "loss"), cases())
def test_the_preview_is_what_trains(bench: Bench, method: str, loss: str) -> None:
    if refused(bench, method, loss):
        return
    for max_length, mode in CUTS:
        config = bench.config(method, loss, max_length=max_length, mode=mode)
        expected = bench.shown(config)
        if not expected:
            with pytest.raises(DataError, match="rows keep"):
                bench.prepared(config)
            continue
        assert_alike(method, expected, batched(method, bench.our_trainer(config, bench.prepared(config)), loss=loss))
        theirs = bench.trl_trainer(config)
        if theirs is not None:
            assert_alike(method, expected, batched(method, theirs, loss=loss))


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(("kind", "method", "loss"), cases("sft"))
def test_the_blocks_shown_are_what_trains(bench: Bench, method: str, loss: str, strategy: str) -> None:
    if refused(bench, method, loss):
        return
    packing = {"packing": True, "packing_strategy": strategy}
    for mode in ("keep_start", "keep_end", "drop"):
        config = bench.config(method, loss, max_length=LIMIT, mode=mode, **packing)
        if not bench.shown(config):
            with pytest.raises(DataError, match="rows keep"):
                bench.prepared(config)
            continue
        data = bench.prepared(config)
        assert data.supervised == sum(on for block in bench.blocks_shown(config, data).elements() for _, on, _ in block)
        expected = bench.blocks_shown(config, data)
        assert expected == blocks_batched(bench.our_trainer(config, data))
        theirs = bench.trl_trainer(config)
        if theirs is not None:
            assert expected == blocks_batched(theirs)


def lines_batched(trainer: Any) -> Sequences:
    """Rows in a line without padding, told apart by where their positions begin anew."""
    found: Sequences = Counter()
    for batch in trainer.get_train_dataloader():
        assert "attention_mask" not in batch
        (ids,), (labels,), (places,) = (batch[one].tolist() for one in ("input_ids", "labels", "position_ids"))
        begins = [at for at, place in enumerate(places) if place == 0]
        for first, last in zip(begins, [*begins[1:], len(ids)], strict=True):
            found[((tuple(ids[first:last]), tuple(label != -100 for label in labels[first:last])),)] += 1
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "method", "loss"), cases("sft"))
def test_rows_without_padding_are_shown_as_they_train(bench: Bench, method: str, loss: str) -> None:
    if refused(bench, method, loss):
        return
    for max_length, mode in CUTS:
        config = bench.config(method, loss, max_length=max_length, mode=mode, padding_free=True)
        expected = bench.shown(config)
        if not expected:
            continue
        data = bench.prepared(config)
        assert expected == lines_batched(bench.our_trainer(config, data))
        assert data.supervised == sum(sum(flags) for (lane,) in expected.elements() for flags in lane[1:])
