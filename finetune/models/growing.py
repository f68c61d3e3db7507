"""Keys and values of a batch in memory that is taken once: transformers' own cache copies all of it for each token.

It is imported by finetune.generation.batching when it is needed, so torch and transformers may stand at the top here.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import Cache, DynamicLayer, DynamicSlidingWindowLayer


class GrowingLayer(DynamicLayer):
    """A layer's keys and values with room for what is still to come; `keys` and `values` are views of what is there.

    Args:
        room_tokens: how many tokens it will hold at most.
    """

    def __init__(self, room_tokens: int):
        super().__init__()
        self.room_tokens = room_tokens
        self.num_tokens = 0
        self._room: list[torch.Tensor] = []  # keys and values, (rows, heads, room tokens, size)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Put (rows, heads, tokens, size) behind what is there, and give all of it."""
        if not self._room:
            self.dtype, self.device = key_states.dtype, key_states.device
            self._room = [x.new_empty((*x.shape[:2], self.room_tokens, x.shape[3])) for x in (key_states, value_states)]
            self.is_initialized = True
        stop = self.num_tokens + key_states.shape[2]
        for room, new in zip(self._room, (key_states, value_states)):
            room[:, :, self.num_tokens : stop] = new
        self.num_tokens = stop
        self.keys, self.values = (room[:, :, :stop] for room in self._room)
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep these rows only."""
        self._room = [room[indices] for room in self._room]
        self.keys, self.values = (room[:, :, : self.num_tokens] for room in self._room)


def can_hold(config: Any) -> bool:
    """Whether every layer's cache is one of plain keys and values, as upstream makes it for this config.

    A sliding layer's is too, as long as its window hides nothing.
    """
    made = DynamicCache(config=config)
    return all(type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in made.layers)


def cache_of(shared: Cache, num_rows: int, room_tokens: int) -> Cache:
    """A cache for a batch whose rows all begin with what `shared` (of one row) holds.

    Args:
        shared: left as it is.
        num_rows: of the batch.
        room_tokens: of the beginning, the padded prompts and the answers.
    """
    layers: list[Any] = []
    for layer in shared.layers:
        growing = GrowingLayer(room_tokens)
        if isinstance(layer, DynamicLayer) and layer.keys is not None and layer.values is not None:
            growing.update(layer.keys.expand(num_rows, -1, -1, -1), layer.values.expand(num_rows, -1, -1, -1))
        layers.append(growing)
    return Cache(layers=layers)


def num_bytes(cache: Cache) -> int:
    """Of the keys and values that it holds."""
    parts = [part for layer in cache.layers for part in (getattr(layer, "keys", None), getattr(layer, "values", None))]
    return sum(part.numel() * part.element_size() for part in parts if part is not None)
