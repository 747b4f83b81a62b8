"""Single rows of the embedding with `peft.TrainableTokensConfig`.
Source: https://huggingface.co/docs/peft/package_reference/trainable_tokens"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from studio.adapters.base import Adapter, Layers, Quantization, Start
from studio.errors import ConfigError
from studio.section import knob

if TYPE_CHECKING:
    from peft import TrainableTokensConfig
    from transformers import PreTrainedModel


class TrainableTokensAdapter(Adapter):
    """Trains the embeddings of some tokens and nothing else: those named here, and those a chat template added."""

    type: Literal["trainable_tokens"] = knob("trainable_tokens", flag="adapter_type")
    token_indices: Layers = knob(())

    peft_type: ClassVar[str] = "TRAINABLE_TOKENS"
    quantizations: ClassVar[tuple[Quantization, ...]] = ("none",)
    saved: ClassVar[Mapping[str, str]] = {"token_indices": "layers"}
    rests: ClassVar[bool] = True
    trains_new_tokens: ClassVar[bool] = True

    def peft_config(self, model: PreTrainedModel, start: Start) -> TrainableTokensConfig:
        from peft import TrainableTokensConfig

        table, output = model.get_input_embeddings(), model.get_output_embeddings()
        if output is not None and output.weight is table.weight:
            raise ConfigError(
                "adapter.type trainable_tokens needs an output layer of its own, and this model's shares its weights "
                "with the embedding. Set adapter.type: lora and name the tokens in adapter.trainable_token_indices."
            )
        name = next(name for name, module in model.named_modules() if module is table)
        rows = sorted({*self.token_indices, *start.new_rows.get(name, ())})
        if not rows:
            raise ConfigError(
                "adapter.type trainable_tokens needs adapter.token_indices, the ids of the tokens to train, "
                "or model.add_template_tokens: true."
            )
        if not 0 <= rows[0] <= rows[-1] < table.num_embeddings:
            raise ConfigError(
                "adapter.token_indices holds {number}, and the model's tokens go from 0 to {last}.",
                number=rows[0] if rows[0] < 0 else rows[-1],
                last=table.num_embeddings - 1,
            )
        return TrainableTokensConfig(task_type="CAUSAL_LM", target_modules=[name], token_indices=rows)
