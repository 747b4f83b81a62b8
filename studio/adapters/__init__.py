"""The kinds of fine-tuning. A new one is a file here and a line in ADAPTERS; `adapter: null` trains every weight."""

from __future__ import annotations

from studio.adapters.adalora import AdaLoraAdapter
from studio.adapters.base import Adapter, Start
from studio.adapters.freeze import FreezeAdapter
from studio.adapters.ia3 import IA3Adapter
from studio.adapters.ln_tuning import LNTuningAdapter
from studio.adapters.loha import LoHaAdapter
from studio.adapters.lokr import LoKrAdapter
from studio.adapters.lora import LoraAdapter
from studio.adapters.oft import OFTAdapter
from studio.adapters.trainable_tokens import TrainableTokensAdapter
from studio.adapters.vera import VeraAdapter

ADAPTERS: dict[str, type[Adapter]] = {
    "lora": LoraAdapter,
    "adalora": AdaLoraAdapter,
    "vera": VeraAdapter,
    "ia3": IA3Adapter,
    "oft": OFTAdapter,
    "loha": LoHaAdapter,
    "lokr": LoKrAdapter,
    "ln_tuning": LNTuningAdapter,
    "trainable_tokens": TrainableTokensAdapter,
    "freeze": FreezeAdapter,
}

__all__ = ["ADAPTERS", "Adapter", "LoraAdapter", "Start"]
