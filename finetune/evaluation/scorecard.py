"""The scorecard: each measure of base and adapter with intervals, and what the difference is called."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finetune.evaluation import metrics
from finetune.statistics import Paired, paired, result_of


@dataclass(frozen=True)
class Kind:
    """What is known of a measure before it is taken.

    Attributes:
        group: where it stands in the scorecard.
        unit: of its numbers.
        higher_is_better: None where neither is: it is shown, not judged.
        least_effect: the smallest difference that counts as one, in its unit.
        of_base: least_effect is a share of the base's number instead.
        bounds: what it can be at all.
    """

    group: str
    unit: str
    higher_is_better: bool | None
    least_effect: float = 0.0
    of_base: bool = False
    bounds: tuple[float, float] | None = None


def _share(group: str, higher_is_better: bool | None, least_effect: float = 0.02, unit: str = "share") -> Kind:
    return Kind(group, unit, higher_is_better, least_effect, bounds=(0.0, 1.0))


# A loss must move by 0.5 % of the base's, a share or score by 2 points of 100, to count as better or worse.
MEASURES: dict[str, Kind] = {
    "loss": Kind("held_out", "nats per token", False, 0.005, of_base=True),
    "bits_per_byte": Kind("held_out", "bits per byte", False, 0.005, of_base=True),
    "exact_match": _share("answers", True),
    "normalised_match": _share("answers", True),
    "token_f1": _share("answers", True, unit="score"),
    "rouge_l": _share("answers", True, unit="score"),
    "chrf": _share("answers", True, unit="score"),
    "label_accuracy": _share("labels", True),
    "label_macro_f1": _share("labels", True, unit="score"),
    "choice_accuracy": _share("choices", True),
    "reply_tokens": Kind("style", "tokens", None),
    "repetition": _share("style", False),
    "looping": _share("style", False),
    "stop_rate": _share("style", True),
    "language_kept": _share("style", True),
    "refusal_rate": _share("style", None),
    # Of one suite or benchmark each: "general:general_zh". The share of its items that were passed.
    "general": _share("general", True),
    "safety": _share("safety", True),
    "benchmarks": _share("benchmarks", True),
    "judge": _share("judge", True),
}


def kind_of(name: str) -> Kind:
    """The entry of MEASURES: of the name, or of what stands before its colon.

    Raises:
        KeyError: there is none.
    """
    return MEASURES[name if name in MEASURES else name.split(":", 1)[0]]


def measure(
    name: str,
    base_values: Sequence[float],
    adapter_values: Sequence[float],
    weights: Sequence[float] | None = None,
    groups: Sequence[str | None] | None = None,
    *,
    seed: int,
) -> dict[str, Any]:
    """One entry of evaluation.json's `scorecard`: numbers with intervals, and the result.

    Args:
        name: of MEASURES, with ":suite" behind it where there are several.
        base_values: (rows,) sums of each row, see finetune.statistics.paired.
        adapter_values: (rows,) of the same rows.
        weights: (rows,) what the sums are over; None for 1 each.
        groups: (rows,) rows drawn together; None for each alone.
        seed: of the bootstrap's draws.

    Raises:
        KeyError: MEASURES does not have the name.
        ValueError: from finetune.statistics.paired; no rows above all.
    """
    kind = kind_of(name)
    found = paired(base_values, adapter_values, weights, groups, seed=seed, bounds=kind.bounds)
    return entry(name, found)


def entry(name: str, found: Paired) -> dict[str, Any]:
    """The entry of a measure that `finetune.statistics` has found already."""
    kind = kind_of(name)
    is_item = found.unit == "row" and kind.group in ("choices", "general", "safety", "benchmarks", "judge")
    result = None
    if kind.higher_is_better is not None:
        least = kind.least_effect * (abs(found.base.mean) if kind.of_base else 1.0)
        result = result_of(found, higher_is_better=kind.higher_is_better, least_effect=least)
    numbers = found.as_dict()
    return {
        "name": name,
        "group": kind.group,
        "unit": kind.unit,
        "higher_is_better": kind.higher_is_better,
        "num_rows": found.num_rows,
        "num_units": found.num_units,
        "unit_of_draw": "item" if is_item else found.unit,
        "base": numbers["base"],
        "adapter": numbers["adapter"],
        "difference": numbers["difference"],
        "result": result,
    }


# -- measures of replies ---------------------------------------------------------------------------------------------


def score_samples(samples: Sequence[dict[str, Any]]) -> None:
    """Write `scores` into each line of samples.jsonl that has a reference: measure -> [base's, adapter's]."""
    for line in samples:
        if line.get("reference"):
            line["scores"] = {
                name: [round(score(line[who], line["reference"]), 6) for who in ("base", "adapter")]
                for name, score in metrics.BESIDE_REFERENCE.items()
            }


def text_measures(
    samples: Sequence[Mapping[str, Any]],
    languages: Sequence[str],
    seed: int,
    groups: Sequence[str | None] | None = None,
) -> list[dict[str, Any]]:
    """The measures of reply lines: how near to their references, and how they are written.

    Lines of suites have graders of their own and are passed over. A measure that no line can say anything about is
    left out; one that some lines can is of those.

    Args:
        samples: lines of samples.jsonl; `scores` are taken where `score_samples` has written them.
        languages: that the recipe declares.
        seed: of the bootstrap's draws.
        groups: (samples,) lines drawn together.
    """
    lines = [
        (line, groups[number] if groups is not None else None)
        for number, line in enumerate(samples)
        if not str(line.get("source", "")).startswith("suite:")
    ]
    made = []
    for name, score in metrics.BESIDE_REFERENCE.items():
        made += _over(name, lines, lambda line, name=name, score=score: _beside(line, name, score), seed)
    for name, of_line in _STYLES.items():
        made += _over(name, lines, lambda line, of_line=of_line: of_line(line, languages), seed)
    return made


Pair = tuple[float, float]


def _over(
    name: str,
    lines: Sequence[tuple[Mapping[str, Any], str | None]],
    of_line: Callable[[Mapping[str, Any]], Pair | None],
    seed: int,
) -> list[dict[str, Any]]:
    found = [(pair, group) for line, group in lines if (pair := of_line(line)) is not None]
    if not found:
        return []
    base, adapter = zip(*(pair for pair, _ in found))
    return [measure(name, base, adapter, groups=[group for _, group in found], seed=seed)]


def _beside(line: Mapping[str, Any], name: str, score: Callable[[str, str], float]) -> Pair | None:
    if not line.get("reference"):
        return None
    if name in line.get("scores", {}):
        base, adapter = line["scores"][name]
        return base, adapter
    return score(line["base"], line["reference"]), score(line["adapter"], line["reference"])


def _texts(of_text: Callable[[str], float]) -> Callable[[Mapping[str, Any], Sequence[str]], Pair]:
    return lambda line, _: (float(of_text(line["base"])), float(of_text(line["adapter"])))


def _known(key: str) -> Callable[[Mapping[str, Any], Sequence[str]], Pair | None]:
    """What generation wrote into the line; older lines do not have it."""
    base, adapter = f"base_{key}", f"adapter_{key}"
    return lambda line, _: (float(line[base]), float(line[adapter])) if base in line and adapter in line else None


def _language(line: Mapping[str, Any], languages: Sequence[str]) -> Pair | None:
    base, adapter = (metrics.language_kept(line["question"], line[who], languages) for who in ("base", "adapter"))
    return None if base is None or adapter is None else (base, adapter)


_STYLES: dict[str, Callable[[Mapping[str, Any], Sequence[str]], Pair | None]] = {
    "reply_tokens": _known("tokens"),
    "repetition": _texts(metrics.repetition),
    "looping": _texts(metrics.is_looping),
    "stop_rate": _known("ended"),
    "language_kept": _language,
    "refusal_rate": _texts(metrics.is_refusal),
}


def held_out_measures(
    base: Sequence[tuple[float, int]],
    adapter: Sequence[tuple[float, int]],
    num_bytes: Sequence[int],
    groups: Sequence[str | None],
    seed: int,
) -> list[dict[str, Any]]:
    """Loss and bits per byte of the held-out rows, with intervals.

    Args:
        base, adapter: (rows,) summed nats and counted tokens.
        num_bytes: (rows,) UTF-8 bytes of the answers.
        groups: (rows,) rows drawn together.
        seed: of the bootstrap's draws.
    """
    mine, theirs = [nats for nats, _ in base], [nats for nats, _ in adapter]
    made = [measure("loss", mine, theirs, [count for _, count in base], groups, seed=seed)]
    if sum(num_bytes):
        base_bits, adapter_bits = ([nats / math.log(2) for nats in side] for side in (mine, theirs))
        made.append(measure("bits_per_byte", base_bits, adapter_bits, num_bytes, groups, seed=seed))
    return made
