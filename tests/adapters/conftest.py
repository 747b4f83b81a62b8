"""A model that the starter alone cannot stand for."""

from __future__ import annotations

import pytest
import torch

from studio.settings import ASSETS


@pytest.fixture(scope="session")
def untied(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The starter with an output layer of its own."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = str(tmp_path_factory.mktemp("models") / "untied")
    model = AutoModelForCausalLM.from_pretrained(ASSETS / "starter")
    model.config.tie_word_embeddings = False
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(ASSETS / "starter").save_pretrained(folder)
    return folder
