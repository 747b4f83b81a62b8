"""A package of somebody else: a method with its own data collator, a format, a check, an evaluator, an exporter
and two rewards.
"""

import json
from typing import Literal

from studio.data.doctor import Check
from studio.data.formats import Format, Role
from studio.data.formats.base import Rendered
from studio.errors import DataError
from studio.evaluation import Evaluator
from studio.export import Exporter
from studio.methods.rewards import RewardFunction
from studio.methods.sft import SFT
from studio.section import knob


class HidePrompt(SFT):
    """SFT that hides a share of the prompt's tokens, so that the model learns to rely on the rest."""

    type: Literal["hide_prompt"] = knob("hide_prompt", flag="method")
    hidden_share: float = knob(0.2, ge=0, lt=1, description="Share of the prompt's tokens that the model is not shown.")

    def build_trainer(self, parts):
        trainer = super().build_trainer(parts)
        trainer.data_collator = Hiding(trainer.data_collator, self.hidden_share, parts.tokenizer.pad_token_id)
        return trainer


class Hiding:
    """A data collator around another one: some of the tokens that are not trained become padding."""

    def __init__(self, inner, share, token):
        self.inner, self.share, self.token = inner, share, token

    def __call__(self, rows):
        import torch

        batch = self.inner(rows)
        hide = (batch["labels"] == -100) & (torch.rand(batch["labels"].shape) < self.share)
        batch["input_ids"] = batch["input_ids"].masked_fill(hide, self.token)
        return batch


class Quiz(Format):
    """Rows of a question, its options, and the number of the right one."""

    name = "quiz"
    roles = (
        Role("question", True, ("question",)),
        Role("options", True, ("options",)),
        Role("correct", True, ("correct",)),
    )
    dataset_types = ("prompt-completion",)

    def render(self, row, how):
        options, correct = how.cell(row, "options"), how.cell(row, "correct")
        if not isinstance(correct, int) or not 0 <= correct < len(options):
            raise DataError(
                "The column {column!r} is {value}, which is none of the options.", column="correct", value=correct
            )
        asked = "\n".join([how.text(row, "question"), *(f"- {one}" for one in options)])
        prompt, answer = {"role": "user", "content": asked}, {"role": "assistant", "content": options[correct]}
        return Rendered.of({"prompt": [prompt], "completion": [answer]}, how)


class ManyOptions(Check):
    """Says which rows have more than four options."""

    name = "many_options"
    severity = "note"

    def applies(self, context):
        return context.format == "quiz"

    def look(self, chunk, context):
        long = [at for at, row in enumerate(chunk.rows) if row is not None and len(row.get("options") or ()) > 4]
        return {"position": chunk.positions[long]}

    def conclude(self, marks, view):
        positions = view.within(marks.get("position"))
        sentence = DataError("{count} questions have more than four options.", count=len(positions))
        return [self.found(sentence, positions)] if len(positions) else []


class FirstWord(Evaluator):
    """The share of answers that begin with the reference's first word."""

    name = "first_word"
    figures = ("first_word",)

    def score(self, answers, references):
        pairs = zip(answers, references, strict=True)
        return {"first_word": 100 * sum(a.split()[:1] == b.split()[:1] for a, b in pairs) / len(answers)}


class Norms(Exporter):
    """How large each tensor is that a run has trained, as JSON."""

    name = "norms"
    loads = False

    def write(self, record, folder, settings):
        from safetensors.torch import load_file

        tensors = {name: one for file in record.saved.glob("*.safetensors") for name, one in load_file(file).items()}
        text = json.dumps({name: float(one.norm()) for name, one in tensors.items()})
        (folder / "norms.json").write_text(text, encoding="utf-8")


def polite(completions, **_):
    """A reward in the manner of TRL: a plain function of the answers."""
    return [float("please" in (one if isinstance(one, str) else one[-1]["content"]).lower()) for one in completions]


class EndsWith(RewardFunction):
    """A reward with a setting: `method.reward_ending` of a run."""

    name = "ends_with"
    ending: str = knob(".", min_length=1, description="How a good answer ends. For the reward ends_with.")

    def score(self, answers):
        return [float(one.text.rstrip().endswith(self.ending)) for one in answers]
