"""`finetune models`, and the page docs/models.md: both are written from the same proofs."""

from __future__ import annotations

from typing import Any

_HEAD = """# Models

<!-- Made by finetune.cli.reference from finetune/models/proofs.json and offers.py. Not edited by hand: run `make docs`. -->

Any base that transformers has a native class for can be tried; these are the families that were carried through
everything. `finetune models` prints this table.

**What "shown" means.** The tests build a tiny model of each family's real class, with random weights, in a folder laid
out as the hub's (its config keys, special tokens and chat template), and carry it through a run of five steps: the loss
falls; the adapter on a freshly loaded base gives the same logits within 1e-5 and the same answer; merged weights are
read back by transformers alone and compared. No published weights were downloaded, so this shows that a family works
here, not how well a published model learns. `make families` writes `proofs.json` anew; the tests fail where they find
something else than it says.

Licences are named in short; the page of the model counts. (?) marks what was not seen in the publisher's own words.
"""
_WORDS = """## What the columns say

- **template**: whose chat template trains and asks. "the base's own" where it can be trained on exactly; else a shipped
  one of the same form (`finetune/models/templates`).
- **merge**: the largest difference between a logit of base + adapter (computed in float32) and of the merged weights in
  the precision they are saved in, and what kind of model the merged folder is for other programs.
- **8 bit, 4 bit**: an adapter learns on the rounded base (on a CPU, by bitsandbytes).
- **experts**: adapters go on the routed experts, too (`adapter.target_modules: experts`); by default attention only.
- **prefix packing**: whether several answers behind one prompt in one row give exactly what they give apart.
"""


def _context(tokens: int) -> str:
    return f"{tokens:,}"


def _flag(value: Any) -> str:
    """True -> yes, a text (the reason why not) -> no."""
    return "yes" if value is True else "no"


def _licence(offer: dict[str, Any]) -> str:
    gated = ", asks for an agreement first" if offer["gated"] else ""
    return f"{offer['licence']}{'' if offer['sure'] else ' (?)'}{gated}"


def _merge(proof: dict[str, Any]) -> str:
    merge = proof["merge"]
    what = f"{merge['difference_under']} in {merge['dtype']}"
    if merge["difference_under"] != "0":
        what = f"under {what}"
    return f"{what}, as {merge['model_type']}" + ("" if merge["opens_elsewhere"] else " (this kit only)")


def print_families(entries: list[dict[str, Any]]) -> None:
    """The table for people, on stdout."""
    for entry in entries:
        print(f"{entry['name']}: {entry['family']}")
        width = max(len(offer["id"]) for offer in entry["offers"])
        for offer in entry["offers"]:
            facts = [offer["size"], f"{_context(offer['context_tokens'])} tokens", _licence(offer)]
            print(f"  {offer['id']:<{width}}  {', '.join([*facts, *([offer['note']] if offer['note'] else [])])}")
        for name, proof in entry["proofs"].items():
            print(f"  shown: {name} ({proof['architecture']}): {_shown(proof)}")
        if entry["note"]:
            print(f"  {entry['note']}")
        print()


def _shown(proof: dict[str, Any]) -> str:
    parts = ["train", "save", "reload", f"merge ({_merge(proof)})"]
    parts += [word for key, word in (("8bit", "8 bit"), ("4bit", "4 bit"), ("experts", "experts")) if proof.get(key) is True]
    packing = proof["packing"]
    parts.append("prefix packing" if packing is True else f"no prefix packing ({packing})")
    return ", ".join(parts)


def models_page(entries: list[dict[str, Any]], versions: dict[str, str]) -> str:
    """The whole of docs/models.md.

    Args:
        entries: from finetune.models.families.
        versions: of the libraries the proofs were written with.
    """
    lines = [_HEAD, "## What to download", ""]
    lines += ["| stands for | hub id | size | context | licence |", "|---|---|---|---|---|"]
    for entry in entries:
        for offer in entry["offers"]:
            note = f"; {offer['note']}" if offer["note"] else ""
            cells = (offer["size"], _context(offer["context_tokens"]), _licence(offer) + note)
            lines.append(f"| {entry['name']} | {offer['id']} | {' | '.join(cells)} |")
    lines += [""]
    lines += [f"- {entry['name']} ({entry['family']}): {entry['note']}" for entry in entries if entry["note"]]
    lines += ["", "## What was shown", ""]
    lines += ["| family | class | template | train, reload, answer | merge | 8 bit | 4 bit | experts | prefix packing |"]
    lines += ["|---|---|---|---|---|---|---|---|---|"]
    footnotes: dict[str, None] = {}
    for entry in entries:
        for name, proof in entry["proofs"].items():
            lines.append("| " + " | ".join(_cells(name, proof, footnotes)) + " |")
    lines += [""]
    lines += [f"{number}. {note}" for number, note in enumerate(footnotes, 1)]
    told = ", ".join(f"{name} {version}" for name, version in versions.items())
    lines += ["", f"Shown with {told}.", "", _WORDS]
    lines += ["## What to know before training", ""]
    for entry in entries:
        for name, proof in entry["proofs"].items():
            lines += [f"- **{name}**: {'. '.join(_capital(trap) for trap in proof['traps'])}."] if proof["traps"] else []
    return "\n".join(lines) + "\n"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _cells(name: str, proof: dict[str, Any], footnotes: dict[str, None]) -> list[str]:
    def told(value: Any) -> str:
        if value is True or value is None:
            return "yes" if value else ""
        footnotes.setdefault(value)
        return f"no ({list(footnotes).index(value) + 1})"

    shown = "yes" if all(proof[word] is True for word in ("train", "reload", "reply")) else "no"
    return [
        name,
        proof["architecture"],
        proof["template"],
        shown,
        _merge(proof),
        told(proof["8bit"]),
        told(proof["4bit"]),
        told(proof.get("experts")),
        told(proof["packing"]),
    ]
