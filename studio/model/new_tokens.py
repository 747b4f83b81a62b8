"""Tokens that a chat template brings along: their rows in the embeddings, and which of them an adapter trains.

A new row begins as the mean of the rows of the pieces that its text was cut into before, so that a base loaded twice
is the same base. Knows nothing of templates.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Pieces = Mapping[int, tuple[int, ...]]  # a new token's id -> the ids that its text was before


def add_tokens(tokenizer: PreTrainedTokenizerBase, tokens: tuple[str, ...]) -> None:
    """Add control tokens to a tokenizer's vocabulary; they are noted on it."""
    from transformers import AddedToken

    pieces = {token: tuple(tokenizer.encode(token, add_special_tokens=False)) for token in tokens}
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in tokens], special_tokens=True)
    tokenizer.tunefork_added = {tokenizer.convert_tokens_to_ids(token): ids for token, ids in pieces.items()}


def added_to(tokenizer: PreTrainedTokenizerBase) -> Pieces:
    """The tokens that were added to a tokenizer, by their ids."""
    found: Pieces = getattr(tokenizer, "tunefork_added", {})
    return found


def rows_for(rows: int, pieces: Pieces) -> int:
    """Rows of an embedding once the new tokens are in it; many models keep more rows than their tokenizer uses."""
    return max([rows, *(index + 1 for index in pieces)])


def give_rows(model: PreTrainedModel, pieces: Pieces) -> int:
    """Rows for new tokens, in the input embedding and in an output layer of its own; the parameters that came along."""
    import torch

    if not pieces:
        return 0
    new = sum(growth(layer, pieces) for layer in embeddings_of(model).values())
    if new:
        rows = rows_for(model.get_input_embeddings().weight.shape[0], pieces)
        model.resize_token_embeddings(rows, mean_resizing=False)
    with torch.no_grad():
        for layer in embeddings_of(model).values():
            _begin(layer.weight, pieces)
    model.tunefork_added = tuple(sorted(pieces))
    return new


def _begin(weight: Tensor, pieces: Pieces) -> None:
    for index, ids in pieces.items():
        rows = weight[list(ids)] if ids else weight
        weight[index] = rows.float().mean(dim=0).to(weight.dtype)


def embeddings_of(model: PreTrainedModel) -> dict[str, nn.Module]:
    """The input embedding, and the output layer where its weights are its own, by their names."""
    wanted = [model.get_input_embeddings()]
    output = model.get_output_embeddings()
    if output is not None and output.weight is not wanted[0].weight:
        wanted.append(output)
    return {name: module for name, module in model.named_modules() if any(module is one for one in wanted)}


def growth(layer: nn.Module, pieces: Pieces) -> int:
    """Parameters by which new tokens make a layer larger."""
    rows, width = layer.weight.shape
    return (rows_for(rows, pieces) - rows) * int(width)


def trained_rows(
    model: PreTrainedModel, *, whole: tuple[str, ...] = (), besides: tuple[int, ...] = ()
) -> dict[str, list[int]]:
    """Layer -> the rows that an adapter trains, those of new tokens and `besides`; none in layers that `whole`
    (modules_to_save) trains entirely."""
    added = sorted({*getattr(model, "tunefork_added", ()), *besides})
    names = embeddings_of(model) if added else {}
    return {name: added for name in names if not any(name == one or name.endswith("." + one) for one in whole)}


def let_trainers_read_bias() -> None:
    """TRL's losses read `bias` of the output layer, and PEFT's wrapper of single rows passes on `weight` alone."""
    from peft.utils.other import TrainableTokensWrapper

    if not hasattr(TrainableTokensWrapper, "bias"):
        TrainableTokensWrapper.bias = property(lambda self: self.token_adapter.base_layer.bias)
