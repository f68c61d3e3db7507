"""`finetune models`, and the page docs/models.md: both are written from the same proofs."""

from __future__ import annotations

import re
from typing import Any

_NUMBER = re.compile(r"\d[\d,]*")

_HEAD = """# Models

<!-- Made by finetune.cli.reference from finetune/models/proofs.json and offers.py. Not edited by hand: `make docs`. -->

Any base that transformers has a class of its own for can be tried; these are the families that were carried through
everything. `finetune models` prints them.

**What "shown" means.** The tests build a tiny model of each family's real class, with random weights, in a folder laid
out as the hub's (its config keys, special tokens, chat template, and the Python files that nobody runs), and carry it
through a run of five steps on rows of one and two questions, English and Chinese. The loss falls; the adapter on a
freshly loaded base gives the same logits within 1e-5 and the same answer; base and adapter merged into one, read back
by transformers alone, give the same again. **No published weights were downloaded**: this shows that a family works
here, not how well a published model learns. `make families` writes `proofs.json` anew; the tests fail where they find
something else than it says.
"""
_OFFERS = """## What to download

The recommended one of each comes first. Licences are named in short; the model's own page counts. (?) marks lines that
nobody of this project saw in the publisher's own words. "asks first": the hub wants an account and an agreement.
"""
_WORDS = """- **template**: whose chat template trains and asks. "The base's own" where it trains exactly, else
  a shipped one of the same form (`finetune/models/templates`; `base.chat_template` names another).
- **merge**: the largest difference between a logit of base + adapter and of both merged, in float32; and as which kind
  of model the merged folder is read. By default a merged folder is written in the base's own precision, which rounds
  more: `merge.json` beside it tells how much.
- **8 bit, 4 bit**: an adapter learns on the rounded base (by bitsandbytes, here on a CPU).
- **experts**: adapters go on the routed experts, too (`adapter.target_modules: experts`). By default mixtures take them
  on attention only.
- **images**: a row that shows an image is among those trained on. The part that looks stays as it is.
- **prefix packing**: whether several answers behind one prompt, in one row, give exactly what they give apart. The
  trainer does not pack rows yet.
"""
_SHORT = {"8bit": "8 bit", "4bit": "4 bit", "experts": "adapters on experts", "images": "images"}


def _licence(offer: dict[str, Any]) -> str:
    return offer["licence"] + (", asks first" if offer["gated"] else "") + ("" if offer["sure"] else " (?)")


def _merge(proof: dict[str, Any]) -> str:
    merge = proof["merge"]
    where = "" if merge["opens_elsewhere"] else ", with this kit only"
    return f"under {merge['difference_under']}, read as {merge['model_type']}{where}"


def print_families(entries: list[dict[str, Any]]) -> None:
    """The table for people, on stdout.

    Args:
        entries: from finetune.models.proofs.families.
    """
    for entry in entries:
        print(f"{entry['name']}: {entry['family']}")
        width = max(len(offer["id"]) for offer in entry["offers"])
        for offer in entry["offers"]:
            facts = [offer["size"], f"{offer['context_tokens']:,} tokens", _licence(offer), offer["note"]]
            print(f"  {offer['id']:<{width}}  {', '.join(fact for fact in facts if fact)}")
        for name, proof in entry["proofs"].items():
            print(f"  shown as {name}: {_shown(proof)}")
        if entry["note"]:
            print(f"  note: {entry['note']}")
        print()


def _shown(proof: dict[str, Any]) -> str:
    parts = ["train", "reload", "answer", "merge"]
    parts += [words for key, words in _SHORT.items() if proof.get(key) is True]
    without = [words for key, words in _SHORT.items() if proof.get(key, True) is not True]
    if proof["packing"] is not True:  # the trainer does not use it yet, so it is no reason to choose a family
        without.append("prefix packing")
    return ", ".join(parts) + (f"; not: {', '.join(without)}" if without else "")


def models_page() -> str:
    """The whole of docs/models.md."""
    from finetune.models import proofs

    entries, versions = proofs.families(), proofs.read_proofs()["versions"]
    told = ", ".join(f"{name} {version}" for name, version in versions.items())
    shown = [f"Written with {told}.", ""]
    lines = [_HEAD, *_offers(entries), "## What was shown", "", *shown, *_proofs(entries), *_traps(entries)]
    return "\n".join(lines) + "\n"


def _offers(entries: list[dict[str, Any]]) -> list[str]:
    lines = [_OFFERS, "| stands for | hub id | size | context, tokens | licence |", "|---|---|---|---|---|"]
    for entry in entries:
        for offer in entry["offers"]:
            licence = "; ".join(part for part in (_licence(offer), offer["note"]) if part)
            cells = (entry["name"], offer["id"], offer["size"], f"{offer['context_tokens']:,}", licence)
            lines.append(f"| {' | '.join(cells)} |")
    notes = [f"- **{entry['name']}** ({entry['family']}). {entry['note']}" for entry in entries if entry["note"]]
    return [*lines, "", *notes, ""]


def _proofs(entries: list[dict[str, Any]]) -> list[str]:
    columns = ("family", "class", "template", "train, reload, answer", "merge", "8 bit", "4 bit", "experts", "images")
    lines = [f"| {' | '.join(columns)} | prefix packing |", "|---" * (len(columns) + 1) + "|"]
    reasons: dict[str, int] = {}

    def cell(value: Any) -> str:
        if value is None:
            return ""
        return "yes" if value is True else f"no ({reasons.setdefault(value, len(reasons) + 1)})"

    for entry in entries:
        for name, proof in entry["proofs"].items():
            whole = all(proof[word] is True for word in ("train", "reload", "reply"))
            cells = [name, proof["architecture"], proof["template"], "yes" if whole else "no", _merge(proof)]
            cells += [cell(proof.get(key)) for key in ("8bit", "4bit", "experts", "images", "packing")]
            lines.append(f"| {' | '.join(cells)} |")
    return [*lines, "", *(f"{number}. {reason}" for reason, number in reasons.items()), "", _WORDS]


def _traps(entries: list[dict[str, Any]]) -> list[str]:
    """What to know before training, one line a trap, with the families that have it."""
    found: dict[str, list[str]] = {}
    for entry in entries:
        for name, proof in entry["proofs"].items():
            for trap in proof["traps"]:
                found.setdefault(trap, []).append(name)
    lines = [f"- {_sentence(trap)} ({', '.join(names)})." for trap, names in _joined(found).items()]
    return ["## What to know before training", "", *lines]


def _sentence(trap: str) -> str:
    """With a capital, unless it begins with the name of a module."""
    first = trap.split(maxsplit=1)[0]
    return trap if "_" in first else f"{trap[:1].upper()}{trap[1:]}"


def _joined(found: dict[str, list[str]]) -> dict[str, list[str]]:
    """Traps that differ in one number alone as one line, the number beside each family."""
    kinds: dict[str, list[str]] = {}
    for trap in found:
        kinds.setdefault(_NUMBER.sub("N", trap), []).append(trap)
    joined: dict[str, list[str]] = {}
    for kind, traps in kinds.items():
        if len(traps) == 1 or kind.count("N") != 1:
            joined |= {trap: found[trap] for trap in traps}
            continue
        numbers = [_NUMBER.findall(trap)[0] for trap in traps]
        names = [f"{name}: {number}" for number, trap in zip(numbers, traps) for name in found[trap]]
        joined[kind.replace("N", "few")] = names
    return joined
