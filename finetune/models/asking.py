"""What a model says to a prompt, in numbers: by these, two models are compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def logits_of(model: Any, ids: Sequence[int]) -> Any:
    """(tokens, vocabulary) float32 on the CPU: the logits behind each token of a prompt."""
    import torch

    with torch.inference_mode():
        prompt = _prompt(model, ids)
        return model(input_ids=prompt, attention_mask=torch.ones_like(prompt), use_cache=False).logits[0].float().cpu()


def greedy_answer(model: Any, ids: Sequence[int], stop_ids: Sequence[int], num_tokens: int) -> list[int]:
    """Ids of the likeliest continuation of a prompt, up to a stop token and at most so many.

    What the base's publisher likes when drawing (temperature, top_p, top_k) is left out: nothing is drawn.
    """
    import torch

    with torch.inference_mode():
        prompt = _prompt(model, ids)
        answer = model.generate(
            input_ids=prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=num_tokens,
            do_sample=False,
            temperature=None,
            top_p=None,
            top_k=None,
            use_cache=True,
            pad_token_id=stop_ids[0] if stop_ids else 0,
            **({"eos_token_id": list(stop_ids)} if stop_ids else {}),
        )
    return answer[0, prompt.shape[1] :].tolist()


def _prompt(model: Any, ids: Sequence[int]) -> Any:
    import torch

    return torch.tensor([list(ids)], device=next(model.parameters()).device)
