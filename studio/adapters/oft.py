"""OFT with `peft.OFTConfig`. Source: https://huggingface.co/docs/peft/package_reference/oft"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from studio.adapters.base import Layers, Start, Targeted
from studio.errors import ConfigError
from studio.section import MOST, knob

if TYPE_CHECKING:
    from peft import OFTConfig
    from transformers import PreTrainedModel


class OFTAdapter(Targeted):
    """Turns each layer's weights instead of adding to them, block by block."""

    type: Literal["oft"] = knob("oft", flag="adapter_type")
    oft_block_size: int = knob(32, ge=2, le=MOST)
    module_dropout: float = knob(0.0, ge=0, lt=1)
    coft: bool = knob(False, advanced=True)
    eps: float = knob(6e-5, gt=0, advanced=True)
    block_share: bool = knob(False, advanced=True)
    layers_to_transform: Layers = knob((), advanced=True)

    peft_type: ClassVar[str] = "OFT"
    saved: ClassVar[Mapping[str, str]] = {
        "r": "number", "oft_block_size": "number", "coft": "flag", "eps": "number", "block_share": "flag",
        "use_cayley_neumann": "flag", "num_cayley_neumann_terms": "number", "fan_in_fan_out": "flag",
    }  # fmt: skip

    def peft_config(self, model: PreTrainedModel, start: Start) -> OFTConfig:
        from peft import OFTConfig

        placed = self.placed(model)
        width = int(model.config.get_text_config().hidden_size)
        if width % self.oft_block_size:
            fitting = [size for size in (4, 8, 16, 32, 64, 128) if width % size == 0]
            raise ConfigError(
                "adapter.oft_block_size {size} does not divide the model's width of {width}; {fitting} do.",
                size=self.oft_block_size,
                width=width,
                fitting=", ".join(map(str, fitting)) or "none of the usual sizes",
            )
        return OFTConfig(
            **placed,
            oft_block_size=self.oft_block_size,
            module_dropout=self.module_dropout,
            coft=self.coft,
            eps=self.eps,
            block_share=self.block_share,
        )
