"""The table of families: what was shown of each (proofs.json, written by the tests), beside what can be downloaded.

What stands in proofs.json was seen on tiny models of the real classes with random weights, in folders laid out as the
hub's. It says that a family loads, trains, saves and comes back here; it says nothing about how well a published
model learns.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from finetune.models.offers import STORIES, Story

_FILE = Path(__file__).resolve().parent / "proofs.json"


@cache
def read_proofs() -> dict[str, Any]:
    """proofs.json: "versions" of the libraries it was written with, and "families", each with what was shown of it."""
    return json.loads(_FILE.read_bytes())


def families() -> list[dict[str, Any]]:
    """One entry a line of the table, in the order in which people look for them.

    Returns:
        For each: name (of the system it stands for), family, note, offers (id, size, licence, context_tokens, sure,
        gated, note; the recommended one first) and proofs (by the names of proofs.json).
    """
    proofs = read_proofs()["families"]
    return [_entry(story, proofs) for story in STORIES]


def _entry(story: Story, proofs: dict[str, Any]) -> dict[str, Any]:
    found = {name: proofs[name] for name in story.proofs if name in proofs}
    return {
        "name": story.name,
        "family": story.family,
        "note": story.note,
        "offers": [asdict(offer) for offer in story.offers],
        "proofs": found,
    }
