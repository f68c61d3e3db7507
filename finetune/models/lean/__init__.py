"""The same adapter, computed with less: one function for projections that share an input, and little kept for later.

`lean(model)` is a context in which peft's LoRA layers, RMSNorms and gated MLPs of a model are computed by functions of
the kit's own. The numbers are the same to within rounding; what differs is what is kept for the backward pass and how
often memory is walked through. What these functions do not cover keeps its own forward, and is counted with a reason.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

__all__ = ["LeanFacts", "lean"]


@dataclass(frozen=True)
class LeanFacts:
    """What `lean` took over, and what it left to peft and to the model's own classes.

    Attributes:
        num_modules: LoRA layers computed lean.
        num_groups: groups of two or more of them that share an input.
        num_norms: RMSNorms computed lean.
        num_mlps: gated MLPs computed lean as a whole.
        fallbacks: reason -> number of modules that keep their own forward for it.
    """

    num_modules: int = 0
    num_groups: int = 0
    num_norms: int = 0
    num_mlps: int = 0
    fallbacks: dict[str, int] = field(default_factory=dict)

    def line(self) -> str:
        """One plain line for people."""
        done = [
            f"{number} {name}"
            for number, name in (
                (self.num_modules, f"LoRA layers ({self.num_groups} groups sharing an input)"),
                (self.num_norms, "norms"),
                (self.num_mlps, "gated MLPs"),
            )
            if number
        ]
        left = [f"{number} left to their own forward: {reason}" for reason, number in self.fallbacks.items()]
        return "; ".join([", ".join(done) + " computed lean" if done else "nothing computed lean", *left])


@contextlib.contextmanager
def lean(model: Any, *, norms: bool = True, mlps: bool = True) -> Iterator[LeanFacts]:
    """Compute a model with a LoRA adapter leaner inside the context; on the way out everything is as it was.

    Parameters, names, state dict and saved files are those of the model at any time: only the forward of single module
    instances is swapped. LoRA layers that share an input (q, k, v; gate, up) are found by watching one forward of a few
    tokens, without gradients and without touching the random state.

    Args:
        model: with an adapter from `attach_adapter` or `load_adapter`.
        norms: take RMSNorms over, where their class agrees with the kit's own function (see `finetune.models.lean`).
        mlps: take gated MLPs over, likewise.
    """
    from finetune.models.lean import swapping

    with swapping.swapped(model, with_norms=norms, with_mlps=mlps) as facts:
        yield facts
