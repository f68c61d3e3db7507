"""The text the starter base learns from: seeded grammars over word banks written for this project.

A document is one conversation, a list of {"role", "content"}. `document(seed, index)` depends on nothing but its
two numbers, so the corpus need not be stored: it is the same on every machine.
"""

from __future__ import annotations

import random

from finetune.starter.corpus import facts, prose, smalltalk

# Weight of each source; facts also hold the copying tasks, prose the reading tasks.
SOURCES = ((0.34, smalltalk.conversations), (0.36, facts.conversations), (0.30, prose.conversations))


def document(seed: int, index: int) -> list[dict[str, str]]:
    """The conversation number `index` of the corpus `seed`."""
    # String seeds are hashed by random with SHA-512: the same on every platform and Python version.
    rng = random.Random(f"{seed}:{index}")
    pick = rng.random()
    for weight, conversations in SOURCES:
        pick -= weight
        if pick < 0:
            return conversations(rng)
    return SOURCES[-1][1](rng)
