"""What the check of rows can find: the kinds, their words and default rules, tallies and verdicts.

A finding is about one row and never makes the row unreadable: what cannot be read is a bad row (`data.bad_rows`).
The rules of `data.checks` decide what a finding leads to:

    off     the kind is not looked at
    warn    the rows are used, the report names them
    refuse  one such row stops the check
    drop    such rows are left out, and counted
    0.05    a share above 0 and below 1: more than that share of the rows stops the check, fewer are warned of

Nothing here holds or prints the text of a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from finetune.data.finding_words import KINDS, Kind
from finetune.data.shapes import plural
from finetune.errors import Problem

MAX_PLACES = 1_000
PLACES_SHOWN = 5
RULES = ("off", "warn", "refuse", "drop")
# Where more rows than this have a very short answer, short answers are how this data set answers.
USUAL_SHARE = 0.05
# One finding by itself says nothing: a kind that is only told of when it is rare, or when it is common.
_RARE_ONLY = frozenset({"short_answer", "empty_looking", "cut_answer"})

KIND_NAMES: tuple[str, ...] = tuple(KINDS)
_BIT = {kind: 1 << number for number, kind in enumerate(KIND_NAMES)}

__all__ = [
    "KINDS",
    "KIND_NAMES",
    "Kind",
    "Tally",
    "Verdict",
    "Verdicts",
    "kinds_of",
    "mask_of",
    "off_kinds",
    "rules_of",
    "verdicts",
]


def mask_of(kinds: Iterable[str]) -> int:
    """Kinds as bits of one integer, so that a row's kinds fit one column of a table."""
    mask = 0
    for kind in kinds:
        mask |= _BIT[kind]
    return mask


def kinds_of(mask: int) -> tuple[str, ...]:
    """The kinds of a mask, in the order of KINDS."""
    return tuple(kind for kind in KIND_NAMES if mask & _BIT[kind])


def rules_of(checks: Mapping[str, str | float]) -> dict[str, str | float]:
    """Every kind's rule: the recipe's `data.checks` over the defaults. Unknown kinds were refused by the recipe.

    Raises:
        ValueError: a kind or a rule is not known.
    """
    for kind, rule in checks.items():
        known = rule in RULES if isinstance(rule, str) else not isinstance(rule, bool) and 0 < rule < 1
        if kind not in KINDS or not known:
            raise ValueError(f"data.checks.{kind}: no such kind or rule")
    return {kind: checks.get(kind, about.rule) for kind, about in KINDS.items()}


def off_kinds(rules: Mapping[str, str | float]) -> frozenset[str]:
    """The kinds that need not be looked for; hand them to `quality.examine`."""
    return frozenset(kind for kind, rule in rules.items() if rule == "off")


@dataclass
class Tally:
    """How many rows have each kind of finding, and where the first of them are.

    Attributes:
        counts: kind -> rows; a row counts once for a kind, however often the kind is in it.
        places: kind -> the first MAX_PLACES rows, as "file:line", in the order of rows.
        parts: kind -> where in the row, "message 2", one for each place.
    """

    counts: dict[str, int] = field(default_factory=dict)
    places: dict[str, list[str]] = field(default_factory=dict)
    parts: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: str, where: str, part: str = "") -> None:
        """Count a row for a kind. Call it once for each row and kind; `add_row` sees to that."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        places = self.places.setdefault(kind, [])
        if len(places) < MAX_PLACES:
            places.append(where)
            self.parts.setdefault(kind, []).append(part)

    def add_row(self, where: str, found: Iterable[tuple[str, str]]) -> int:
        """Count what `quality.check` found in one row; the mask of its kinds."""
        mask = 0
        for kind, part in found:
            if not mask & _BIT[kind]:
                mask |= _BIT[kind]
                self.add(kind, where, part)
        return mask

    def merge(self, other: Tally) -> None:
        """Add the tally of rows that come after these; merged in order, the result is that of one pass."""
        for kind, number in other.counts.items():
            self.counts[kind] = self.counts.get(kind, 0) + number
            places = self.places.setdefault(kind, [])
            room = MAX_PLACES - len(places)
            places.extend(other.places.get(kind, ())[:room])
            self.parts.setdefault(kind, []).extend(other.parts.get(kind, ())[:room])

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types, kinds in the order of KINDS."""
        return {
            kind: {"num_rows": self.counts[kind], "places": list(self.places[kind]), "parts": list(self.parts[kind])}
            for kind in KIND_NAMES
            if kind in self.counts
        }


@dataclass(frozen=True)
class Verdict:
    """What one kind leads to.

    Attributes:
        outcome: warn, refuse or drop; `usual` where so many rows have it that it is how the data set is written
            (short answers only): nothing is said or done then.
    """

    kind: str
    num_rows: int
    rule: str | float
    outcome: str


@dataclass(frozen=True)
class Verdicts:
    """What all findings lead to.

    Attributes:
        refused: one problem for each kind that stops the check.
        warnings: one plain line for each kind that is only told of, dropped rows included.
        dropped: kinds whose rows are to be left out; `mask_of(dropped) & row's mask` says which.
        by_kind: kind -> verdict, in the order of KINDS, for kinds with rows.
    """

    refused: tuple[Problem, ...]
    warnings: tuple[str, ...]
    dropped: frozenset[str]
    by_kind: dict[str, Verdict]

    def as_dict(self, tally: Tally, max_places: int = 100) -> dict[str, Any]:
        """`DataReport.findings`: kind -> num_rows, rule, outcome, the first places and parts."""
        return {
            kind: {
                "num_rows": verdict.num_rows,
                "rule": verdict.rule,
                "outcome": verdict.outcome,
                "places": tally.places.get(kind, [])[:max_places],
                "parts": tally.parts.get(kind, [])[:max_places],
            }
            for kind, verdict in self.by_kind.items()
            if verdict.outcome != "usual"
        }


def verdicts(tally: Tally, num_rows: int, rules: Mapping[str, str | float]) -> Verdicts:
    """What the findings lead to.

    Args:
        tally: of all usable rows, before duplicates are left out.
        num_rows: how many rows those are.
        rules: every kind's rule, as `rules_of` gives them.
    """
    by_kind: dict[str, Verdict] = {}
    refused: list[Problem] = []
    warnings: list[str] = []
    for kind in KIND_NAMES:
        number = tally.counts.get(kind, 0)
        rule = rules.get(kind, KINDS[kind].rule)
        if not number or rule == "off":
            continue
        outcome = _outcome(kind, number, num_rows, rule)
        by_kind[kind] = Verdict(kind, number, rule, outcome)
        if outcome == "usual":
            continue
        text = _told(kind, number, num_rows, tally.places.get(kind, []))
        if outcome == "refuse":
            text += f"; {_rule_shown(rule)}"
            refused.append(Problem("", f"data.checks.{kind}", text, fix=_remedy(kind)))
        elif outcome == "drop":
            warnings.append(f"{text}; left out, as data.checks.{kind} is drop")
        else:
            warnings.append(f"{text}. {KINDS[kind].fix_en}")
    dropped = frozenset(kind for kind, verdict in by_kind.items() if verdict.outcome == "drop")
    return Verdicts(tuple(refused), tuple(warnings), dropped, by_kind)


def _outcome(kind: str, number: int, num_rows: int, rule: str | float) -> str:
    share = number / max(1, num_rows)
    if kind in _RARE_ONLY and share > USUAL_SHARE and number > 1 and rule in ("warn", "drop"):
        return "usual"
    if isinstance(rule, str):
        return rule
    return "refuse" if share > rule else "warn"


def _told(kind: str, number: int, num_rows: int, places: list[str]) -> str:
    shown = ", ".join(places[:PLACES_SHOWN])
    rest = number - len(places[:PLACES_SHOWN])
    if rest > 0:
        shown += f" and {rest:,} more"
    return f"{number:,} of {plural(num_rows, 'row')}: {KINDS[kind].what_en} ({shown})"


def _rule_shown(rule: str | float) -> str:
    return "the rule is refuse" if isinstance(rule, str) else f"more than {rule:.3g} of the rows is refused"


def _remedy(kind: str) -> str:
    fix = KINDS[kind].fix_en.rstrip(".")
    return f"{fix[0].lower()}{fix[1:]}, or set data.checks.{kind} to warn or drop"
