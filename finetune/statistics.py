"""Floor 1: how sure a measured number is. Paired bootstrap intervals, and what a difference is called.

A measure is a ratio of sums over rows (nats by tokens, passes by items), taken for a base and for an adapter on the
same rows. Drawn again and again is the row with both its values, or the whole group of rows that rise and fall
together. Two ways of making the interval, each chosen by simulation (`python -m benchmarks.coverage`,
docs/evaluation.md):

- numbers in general: the symmetric studentised bootstrap (Hall 1988, "On symmetric bootstrap confidence intervals",
  JRSS B 50). The percentile interval, usual for such scores (Koehn 2004), holds the truth too seldom for few or
  skewed rows.
- marks that are 0 or 1: percentiles of the bootstrap over the four kinds of rows, each kind with half a row more than
  was seen (Agresti and Min 2005, "Simple improved confidence intervals for comparing matched proportions", Statistics
  in Medicine 24). Drawn plainly, 20 passes of 20 would have an interval without width.

Numpy only, loaded when it is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

# With fewer rows (or groups) nothing is said. From here on nominal 95 % intervals hold the truth in 93 to 97 % of the
# simulated data sets; what is rare or very skewed needs more (docs/evaluation.md has the table).
MIN_UNITS = 20
BETTER, SAME, WORSE, NOT_ENOUGH_ROWS = "better", "same", "worse", "not_enough_rows"
RESULTS = (BETTER, SAME, WORSE, NOT_ENOUGH_ROWS)
NUM_DRAWS = 2_000
SURE = 0.95  # what an interval promises
# A draw of nearly equal rows has next to no spread, and dividing by it says nothing: at least this share of the
# spread that was seen. In the simulation it changes only measures that are zero for most rows.
_LEAST_SPREAD = 0.25
_MAX_DRAWN = 1 << 21  # numbers drawn at once, to bound memory
_PSEUDO = 0.5  # of a row, added to each kind of marks


@dataclass(frozen=True)
class Interval:
    """A number with its 95 % interval: low <= mean <= high."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Paired:
    """A measure of base and adapter over the same rows.

    Attributes:
        num_rows: rows measured.
        num_units: what was drawn: as many rows, or fewer groups.
        unit: "row" or "group".
        base, adapter: each alone.
        difference: adapter minus base, with its own interval (narrower than theirs suggest: the rows are the same).
        num_draws: how often was drawn.
    """

    num_rows: int
    num_units: int
    unit: str
    base: Interval
    adapter: Interval
    difference: Interval
    num_draws: int

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain numbers and words, for JSON."""
        return asdict(self)


def paired(
    base: Sequence[float] | np.ndarray,
    adapter: Sequence[float] | np.ndarray,
    weights: Sequence[float] | np.ndarray | None = None,
    groups: Sequence[str | None] | None = None,
    *,
    seed: int,
    num_draws: int = NUM_DRAWS,
    bounds: tuple[float, float] | None = None,
) -> Paired:
    """sum(values) / sum(weights) of base and adapter and their difference, with 95 % intervals.

    Args:
        base: (rows,) SUMS of each row: nats of its tokens, or 1.0 for a pass.
        adapter: (rows,) of the same rows in the same order.
        weights: (rows,) what each sum is over: tokens; None for 1 each. Not negative, not all 0.
        groups: (rows,) rows of one group are drawn together; None for a row of its own.
        seed: of the draws; equal seeds give equal intervals.
        num_draws: more make the ends of the interval steadier.
        bounds: the least and greatest value that the measure can have; intervals end there.

    Raises:
        ValueError: no rows, lengths differ, values that are no finite numbers, or weights that are negative or all 0.
    """
    import numpy as np

    mine, theirs, over = _checked(base, adapter, weights, groups)
    unit_of, num_units, unit = _units(len(mine), groups)
    if weights is None and num_units == len(mine) and _are_marks(mine) and _are_marks(theirs):
        found = _of_marks(mine, theirs, seed, num_draws)
        return _paired(len(mine), num_units, unit, found, num_draws)
    columns = np.stack([np.bincount(unit_of, values, num_units) for values in (mine, theirs, theirs - mine)])
    over = np.bincount(unit_of, over, num_units)  # (units,)
    found = _studentised(columns, over, seed, num_draws)
    if bounds is not None and not columns[2].any():
        found[2] = _no_difference(num_units, bounds[1] - bounds[0], seed, num_draws)
    if bounds is not None:
        width = bounds[1] - bounds[0]
        found = [_clipped(one, *limits) for one, limits in zip(found, (bounds, bounds, (-width, width)))]
    return _paired(len(mine), num_units, unit, found, num_draws)


def paired_of(
    statistic: Callable[[Any], tuple[float, float]],
    num_rows: int,
    groups: Sequence[str | None] | None = None,
    *,
    seed: int,
    num_draws: int = 1_000,
) -> Paired:
    """The same for a number that is no ratio of sums, as macro-F1.

    The interval is the expanded percentile one (Hesterberg 2015, "What teachers should know about the bootstrap"):
    percentiles as much farther out as Student's t is wider than the normal distribution, stretched to hold the value
    that was measured.

    Args:
        statistic: given (any number,) int64 row numbers, some of them repeated, it says (base's, adapter's).
        num_rows: rows there are.
        groups: as for `paired`.
        seed: of the draws.
        num_draws: calls of `statistic`, one more aside.

    Raises:
        ValueError: no rows, or groups of another length.
    """
    import numpy as np

    if num_rows < 1 or (groups is not None and len(groups) != num_rows):
        raise ValueError(f"{num_rows} rows, {None if groups is None else len(groups)} groups")
    unit_of, num_units, unit = _units(num_rows, groups)
    members = np.split(np.argsort(unit_of, kind="stable"), np.cumsum(np.bincount(unit_of))[:-1])
    whole = np.array(statistic(np.arange(num_rows)), dtype=np.float64)
    draw = np.random.default_rng(seed)
    drawn = np.empty((num_draws, 2))
    for number in range(num_draws):
        chosen = draw.integers(num_units, size=num_units)
        drawn[number] = statistic(np.concatenate([members[k] for k in chosen]))
    tail = (1 - SURE) / 2
    if num_units > 2:
        tail = NormalDist().cdf(math.sqrt(num_units / (num_units - 1)) * _student(tail, num_units - 1))
    means = [*whole, whole[1] - whole[0]]
    found = [_percentiles(mean, values, tail) for mean, values in zip(means, (*drawn.T, drawn[:, 1] - drawn[:, 0]))]
    return _paired(num_rows, num_units, unit, found, num_draws)


def _no_difference(num_units: int, width: float, seed: int, num_draws: int) -> Interval:
    """The interval of a difference where no unit differs: as wide as that of so many equal marks, not of width 0."""
    import numpy as np

    equal = np.zeros(num_units)
    gap = _of_marks(equal, equal, seed, num_draws)[2]
    return Interval(0.0, width * gap.low, width * gap.high)


def result_of(found: Paired, *, higher_is_better: bool, least_effect: float) -> str:
    """One of RESULTS: what the difference of adapter and base is called.

    `better` and `worse` need an interval without 0 and a difference that is worth the name. `same` is said only where
    the rows show it: the whole interval within the least effect, or a sure difference that is smaller than it.
    Everything else, and anything on fewer than MIN_UNITS rows or groups, is `not_enough_rows`: the rows cannot tell.

    Args:
        found: by `paired` or `paired_of`.
        higher_is_better: False for losses.
        least_effect: the smallest difference that counts, in the measure's own unit, not negative.
    """
    gap = found.difference
    if found.num_units < MIN_UNITS:
        return NOT_ENOUGH_ROWS
    if -least_effect <= gap.low and gap.high <= least_effect:
        return SAME
    if gap.low <= 0 <= gap.high:
        return NOT_ENOUGH_ROWS
    if abs(gap.mean) < least_effect:
        return SAME
    return BETTER if (gap.mean > 0) == higher_is_better else WORSE


def _paired(num_rows: int, num_units: int, unit: str, found: Sequence[Interval], num_draws: int) -> Paired:
    base, adapter, difference = found
    return Paired(num_rows, num_units, unit, base, adapter, difference, num_draws)


def _checked(base: Any, adapter: Any, weights: Any, groups: Any) -> tuple[Any, Any, Any]:
    import numpy as np

    mine, theirs = np.asarray(base, dtype=np.float64), np.asarray(adapter, dtype=np.float64)
    over = np.ones(len(mine)) if weights is None else np.asarray(weights, dtype=np.float64)
    if not len(mine) or not len(mine) == len(theirs) == len(over) == len(mine if groups is None else groups):
        raise ValueError(f"{len(mine)} values of the base, {len(theirs)} of the adapter, {len(over)} weights")
    if not (np.isfinite(mine).all() and np.isfinite(theirs).all()):
        raise ValueError("a value is not a finite number")
    if not np.isfinite(over).all() or over.min() < 0 or not over.sum() > 0:
        raise ValueError("weights must be finite, not negative and not all 0")
    return mine, theirs, over


def _units(num_rows: int, groups: Sequence[str | None] | None) -> tuple[Any, int, str]:
    """(rows,) the number of each row's unit, how many units there are, and what a unit is."""
    import numpy as np

    if groups is None or all(group is None for group in groups):
        return np.arange(num_rows), num_rows, "row"
    known: dict[Hashable, int] = {}
    names = (("row", k) if group is None else ("group", group) for k, group in enumerate(groups))
    return np.array([known.setdefault(name, len(known)) for name in names]), len(known), "group"


# -- numbers in general ----------------------------------------------------------------------------------------------


def _studentised(columns: Any, over: Any, seed: int, num_draws: int) -> list[Interval]:
    """Symmetric bootstrap-t of ratios.

    Args:
        columns: (measures, units) sums of each unit.
        over: (units,) what they are over.
        seed: of the draws.
        num_draws: how many.
    """
    import numpy as np

    num_units = len(over)
    whole = columns.sum(axis=1) / over.sum()  # (measures,)
    if num_units < 2:
        return [Interval(mean, mean, mean) for mean in whole.tolist()]
    spread = _jackknife_error(columns, over, whole)
    # Of residuals, not of values: sums of squares of large, nearly equal numbers would drown what is sought.
    rest = columns - whole[:, None] * over  # (measures, units)
    table = np.vstack([over, over**2, rest, rest**2, rest * over]).T  # (units, 2 + 3 measures)
    drawn = _drawn_sums(table, seed, num_draws)
    sums, squares = drawn[:, :1], drawn[:, 1:2]  # (draws, 1)
    rests, rest_squares, crossed = np.split(drawn[:, 2:], 3, axis=1)  # (draws, measures)
    usable = sums[:, 0] > 0
    sums, squares, rests, rest_squares, crossed = (
        part[usable] for part in (sums, squares, rests, rest_squares, crossed)
    )
    moved = rests / sums  # the draw's ratio less the whole's
    variance = rest_squares - 2 * moved * crossed + moved**2 * squares
    errors = np.sqrt(np.maximum(variance, 0) * num_units / (num_units - 1)) / sums
    plain = np.sqrt((rest**2).sum(axis=1) * num_units / (num_units - 1)) / over.sum()  # of the rows as they are
    errors = np.maximum(errors, _LEAST_SPREAD * plain)
    scaled = np.abs(np.divide(moved, errors, out=np.zeros_like(moved), where=errors > 0))
    reach = (np.quantile(scaled, SURE, axis=0) * spread).tolist()
    return [Interval(mean, mean - wide, mean + wide) for mean, wide in zip(whole.tolist(), reach)]


def _jackknife_error(columns: Any, over: Any, whole: Any) -> Any:
    """(measures,) standard errors by leaving each unit out (Tukey 1958): honest where weights are uneven."""
    import numpy as np

    num_units, total = len(over), over.sum()
    left = np.maximum(total - over, 1e-300)  # of one unit that has all the weight
    away = (columns.sum(axis=1)[:, None] - columns) / left - whole[:, None]
    away = np.where(over < total, away, 0.0)
    return np.sqrt((away**2).sum(axis=1) * (num_units - 1) / num_units)


def _drawn_sums(table: Any, seed: int, num_draws: int) -> Any:
    """(draws, columns): sums over as many units as there are, drawn with repetition."""
    import numpy as np

    num_units = len(table)
    draw = np.random.default_rng(seed)
    at_once = max(1, _MAX_DRAWN // num_units)
    parts = []
    for first in range(0, num_draws, at_once):
        size = min(at_once, num_draws - first)
        chosen = draw.integers(num_units, size=(size, num_units))
        places = (chosen + num_units * np.arange(size)[:, None]).ravel()
        counts = np.bincount(places, minlength=size * num_units).reshape(size, num_units)
        parts.append(counts.astype(np.float64) @ table)
    return np.concatenate(parts)


# -- marks -----------------------------------------------------------------------------------------------------------


def _are_marks(values: Any) -> bool:
    return bool(((values == 0) | (values == 1)).all())


def _of_marks(mine: Any, theirs: Any, seed: int, num_draws: int) -> list[Interval]:
    """Percentiles over the four kinds of rows (neither, base alone, adapter alone, both), half a row added to each."""
    import numpy as np

    kinds = np.bincount((mine + 2 * theirs).astype(np.int64), minlength=4) + _PSEUDO
    num_drawn = len(mine) + round(4 * _PSEUDO)
    drawn = np.random.default_rng(seed).multinomial(num_drawn, kinds / kinds.sum(), size=num_draws) / num_drawn
    tail = (1 - SURE) / 2
    base, adapter = drawn[:, 1] + drawn[:, 3], drawn[:, 2] + drawn[:, 3]
    means = mine.mean(), theirs.mean(), theirs.mean() - mine.mean()
    values = base, adapter, drawn[:, 2] - drawn[:, 1]
    return [_percentiles(mean, one, tail) for mean, one in zip(means, values)]


# -- small parts -----------------------------------------------------------------------------------------------------


def _percentiles(mean: float, drawn: Any, tail: float) -> Interval:
    import numpy as np

    low, high = np.quantile(drawn, [tail, 1 - tail]).tolist()
    return Interval(float(mean), min(low, float(mean)), max(high, float(mean)))


def _clipped(found: Interval, least: float, most: float) -> Interval:
    # A mean may lie a rounding error outside of its bounds.
    return Interval(found.mean, min(found.mean, max(found.low, least)), max(found.mean, min(found.high, most)))


def _student(share: float, freedom: int) -> float:
    """Quantile of Student's t by the Cornish-Fisher series (Abramowitz and Stegun 26.7.5); to 0.002 from 5 degrees."""
    z = NormalDist().inv_cdf(share)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160,
    )
    return sum(term / freedom**power for power, term in enumerate(terms))
