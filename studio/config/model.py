"""Which base model, and in what form it is held in memory."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import field_validator

from studio.section import Names, Section, knob

STARTER = "starter"
SMOLLM2 = "smollm2"
AUTO = "auto"


class ModelConfig(Section):
    """A Hub id, a local folder, `starter` or `smollm2`, and how its weights are loaded."""

    model_name_or_path: str = knob(STARTER, min_length=1)
    revision: str | None = knob(None, advanced=True, flag="model_revision")
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = knob("auto", aliases=("torch_dtype",))
    device_map: str = knob("auto", pattern=r"^(auto|cpu|balanced|cuda(:\d+)?|mps)$")
    quantization: Literal["none", "8-bit", "4-bit"] = knob("none")
    attn_implementation: str | None = knob(None, advanced=True, pattern=r"^[a-z][a-z0-9_]*$")
    use_unsloth: bool = knob(False, advanced=True)
    merged_adapters: Names = knob((), advanced=True)  # ids of runs, or folders: merged into the base as it is loaded
    # auto, a name, a file, or the text of a template: studio/model/templates/choose.py tells them apart
    chat_template: str = knob(AUTO, advanced=True)
    add_template_tokens: bool = knob(False, advanced=True)

    @field_validator("chat_template", mode="before")
    @classmethod
    def _nothing_is_auto(cls, value: Any) -> Any:
        """An empty field and a run file's null leave the choice to the studio."""
        return AUTO if value is None or (isinstance(value, str) and not value.strip()) else value
