"""New tokens: texts that become one token each, with trained rows in the embedding (and the head) of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from finetune.errors import ModelError, Problem

_KEY = "adapter.new_tokens"
# An adapter may ask for room behind the base's vocabulary; more than this is no vocabulary of a domain.
MAX_NEW_TOKENS = 4096
# Word of a tokenizer_config.json: added tokens that stand for text. finetune.render reads it.
TEXT_TOKENS = "text_tokens"


def extend_tokenizer(tokenizer: Any, new_tokens: Sequence[str]) -> list[int]:
    """Make each text one token of the tokenizer; gives their ids, in order. A text that is one already keeps its id.

    Needs no torch. Call it before a renderer is built on the tokenizer, and before `attach_adapter`. The pieces that
    each text was written in before are kept on the tokenizer, as `former_pieces`.

    Args:
        tokenizer: of the base; changed in place.
        new_tokens: the recipe's adapter.new_tokens.
    """
    from tokenizers import AddedToken

    added = tokenizer.get_added_vocab() if new_tokens else {}
    missing = [text for text in new_tokens if text not in added]
    if missing:
        known = set(tokenizer.get_vocab())
        pieces = {text: tokenizer.encode(text, add_special_tokens=False) for text in missing if text not in known}
        # Not special: the answer's reader should see them, and special tokens are left out of what is shown.
        tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in missing])
        ids = {text: tokenizer.convert_tokens_to_ids(text) for text in pieces}
        # In tokenizer_config.json, so that whoever opens the tokenizer later reads these as text and not as controls.
        tokenizer.init_kwargs[TEXT_TOKENS] = [*tokenizer.init_kwargs.get(TEXT_TOKENS, []), *missing]
        former = getattr(tokenizer, "former_pieces", {})
        tokenizer.former_pieces = {**former, **{ids[text]: pieces[text] for text in pieces}}
    return [tokenizer.convert_tokens_to_ids(text) for text in new_tokens]


def prepare(model: Any, tokenizer: Any, new_tokens: Sequence[str]) -> dict[str, list[int]]:
    """Make room for new tokens; gives peft's trainable_token_indices: module name -> ids, {} without new tokens.

    Raises:
        ModelError: the tokenizer was not extended, or knew more tokens than the base before; or the head has biases.
    """
    if not new_tokens:
        return {}
    known = tokenizer.get_vocab() if tokenizer is not None else {}
    ids = [known[text] for text in new_tokens if text in known]
    if len(ids) != len(new_tokens):
        raise ValueError("extend the tokenizer before the adapter is attached")
    rows = model.get_input_embeddings().weight.shape[0]
    beyond = sorted(number for number in ids if number >= rows)
    if beyond and beyond[0] != rows:
        what = f"the tokenizer knows {beyond[0]} tokens without the new ones, the model {rows}"
        raise ModelError(Problem("", "base.model", what, fix="use the tokenizer that came with the model"))
    names = row_modules(model)
    make_room(model, max(ids) + 1)
    return {name: sorted(ids) for name in names}


def row_modules(model: Any) -> list[str]:
    """Full names of the modules that hold one row a token: the embedding, and the head where it is another matrix.

    Raises:
        ModelError: the head has biases, which new rows could not bring along.
    """
    table, head = model.get_input_embeddings(), model.get_output_embeddings()
    if getattr(head, "bias", None) is not None:
        raise ModelError(head_has_biases())
    tied = head is None or head.weight is table.weight
    wanted = [table] if tied else [table, head]
    return [name for module in wanted for name, found in model.named_modules() if found is module]


def head_has_biases() -> Problem:
    """Why a base whose head has biases takes no new tokens."""
    what = "this base's head has a bias for each token, which an adapter cannot carry"
    return Problem("", _KEY, what, fix="write new_tokens: []")


def make_room(model: Any, num_rows: int) -> None:
    """Give the embedding (and the head) at least `num_rows` rows, in place; new rows hold the mean of the old ones.

    The mean, because it is the same in every process and needs nothing but the base.

    Args:
        model: a base without an adapter.
        num_rows: how many ids there are.
    """
    import torch

    before = model.get_input_embeddings().weight.shape[0]
    if num_rows <= before:
        return
    model.resize_token_embeddings(num_rows, mean_resizing=False)
    with torch.no_grad():
        for weight in _matrices(model):
            weight[before:] = weight[:before].float().mean(dim=0).to(weight.dtype)


def _matrices(model: Any) -> list[Any]:
    """Embedding and head weights, each once."""
    modules = [model.get_input_embeddings(), model.get_output_embeddings()]
    return list({id(module.weight): module.weight for module in modules if module is not None}.values())


def take_room_back(model: Any, num_rows: int) -> None:
    """Undo `make_room`: the base as it was, with `num_rows` rows."""
    if model.get_input_embeddings().weight.shape[0] > num_rows:
        model.resize_token_embeddings(num_rows, mean_resizing=False)


def start_rows(model: Any, tokenizer: Any) -> None:
    """Start the rows of texts that were no token before at the mean of the rows of their former pieces.

    Args:
        model: with the adapter.
        tokenizer: extended.
    """
    import torch

    head = model.get_output_embeddings()
    if hasattr(head, "token_adapter"):
        head.bias = None  # the trainer's fused loss asks a head for its bias, and peft's wrapper cannot tell
    for module in model.modules():
        rows = getattr(module, "trainable_tokens_delta", None)
        if rows is None or module.tied_adapter is not None:
            continue
        places = {number: place for place, number in enumerate(module.token_indices["default"])}
        weight = module.get_base_layer().weight
        with torch.no_grad():
            for number, pieces in getattr(tokenizer, "former_pieces", {}).items():
                if pieces:
                    rows["default"][places[number]] = weight[pieces].float().mean(dim=0).to(rows["default"].dtype)
