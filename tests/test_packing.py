"""Prefix packing: what each label sees is its row and nothing else, every label counts once, and budgets hold."""

from __future__ import annotations

import subprocess
import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.packing import IGNORED, Pack, PackingFacts, facts_of, foresee, pack_rows

Row = tuple[list[int], list[int]]


def places_of(row: Row) -> list[int]:
    """Where a row has labels that count: never at its first token."""
    return [place for place, label in enumerate(row[1]) if place and label != IGNORED]


def read_tokens(row: Row, keep_tails: bool = False) -> list[int]:
    """The tokens of a row that some label reads."""
    places = places_of(row)
    return row[0] if keep_tails else row[0][: places[-1]] if places else []


def visible(pack: Pack, query: int) -> np.ndarray:
    """The places that a token sees, by the one rule of the format."""
    keys = np.arange(query + 1)
    return keys[query < pack.ends[: query + 1]]


def check_pack(rows: Sequence[Row], pack: Pack, keep_tails: bool = False) -> None:
    """One pack against the rows that it names, walked by brute force."""
    num_tokens, num_labels = len(pack.ids), len(pack.sources)
    assert len(pack.positions) == len(pack.ends) == num_tokens == pack.num_tokens
    assert len(pack.targets) == len(pack.weights) == num_labels
    assert pack.weights.dtype == np.float32
    for name in ("ids", "positions", "ends", "sources", "targets", "label_rows", "label_index"):
        assert getattr(pack, name).dtype == np.int64, name
    seen: dict[int, list[int]] = {number: [] for number in pack.rows}
    for number, label in zip(pack.label_rows.tolist(), pack.label_index.tolist()):
        ids, labels = rows[number]
        source = int(pack.sources[label])
        place = int(pack.positions[source]) + 1  # of the token that is predicted
        keys = visible(pack, source)
        assert pack.ids[keys].tolist() == list(ids[:place]), "a source sees its row's prefix, in order"
        assert pack.positions[keys].tolist() == list(range(place)), "positions are places in the row"
        assert pack.targets[label] == labels[place]
        seen[number].append(place)
    assert seen == {number: places_of(rows[number]) for number in pack.rows}, "each label of each row, once, in order"
    assert len(set(zip(pack.sources.tolist(), pack.targets.tolist()))) == num_labels, "equal labels are one"
    assert pack.weights.tolist() == np.bincount(pack.label_index, minlength=num_labels).tolist()
    assert num_tokens <= sum(len(read_tokens(rows[number], keep_tails)) for number in pack.rows)
    assert pack.num_row_tokens == sum(len(rows[number][0]) for number in pack.rows)
    read = sum(len(read_tokens(rows[number], keep_tails)) for number in pack.rows)
    assert pack.num_unread_tokens == pack.num_row_tokens - read
    paths = {tuple(pack.ids[visible(pack, query)].tolist()) for query in range(num_tokens)} | {()}
    assert {tuple(read_tokens(rows[number], keep_tails)) for number in pack.rows} <= paths


def check_segments(pack: Pack, least_shared_tokens: int) -> None:
    """Stretches tile the pack, nest, agree with `ends`, and branch only where that was allowed."""
    at, above = 0, []
    for start, stop, end in pack.segments:
        assert start == at < stop <= end <= pack.num_tokens
        while above and above[-1][2] <= start:
            above.pop()
        assert not above or end <= above[-1][2], "a stretch ends within the one it hangs from"
        depth = pack.positions[above[-1][1] - 1] + 1 if above else 0
        assert pack.positions[start:stop].tolist() == list(range(depth, depth + stop - start))
        assert (pack.ends[start:stop] == end).all()
        if end > stop:
            assert stop - start >= least_shared_tokens, "nothing shorter is shared"
            assert pack.ends[stop] < end, "a stretch goes on until it branches"
            above.append((start, stop, end))
        at = stop
    assert at == pack.num_tokens


def check(
    rows: Sequence[Row],
    packs: Sequence[Pack],
    pass_tokens: int | None,
    *,
    share: bool = True,
    least_shared_tokens: int = 16,
    keep_tails: bool = False,
) -> None:
    """All that must hold of packs."""
    read = [read_tokens(row, keep_tails) for row in rows]
    if any(read):
        assert sorted(number for pack in packs for number in pack.rows) == list(range(len(rows)))
    else:
        assert not packs
    for pack in packs:
        check_pack(rows, pack, keep_tails)
        check_segments(pack, least_shared_tokens)
        longest = max(len(read[number]) for number in pack.rows)
        assert pass_tokens is None or pack.num_tokens <= max(pass_tokens, longest)
        assert pack.num_tokens > 0
        assert keep_tails or len(pack.sources)
        if not share:
            assert pack.num_tokens == sum(len(read[number]) for number in pack.rows)
            assert (pack.weights == 1).all()
            assert all(stop == end for _, stop, end in pack.segments)
    sizes = [pack.num_tokens for pack in packs]
    assert sizes == sorted(sizes, reverse=True)
    if packs:
        facts = facts_of(packs)
        assert facts.num_labels == sum(len(places_of(row)) for row in rows)
        assert facts.num_labels == sum(float(pack.weights.sum()) for pack in packs)
        assert facts.num_row_tokens == sum(len(ids) for ids, _ in rows)
        assert facts.num_computed_tokens == sum(sizes) <= sum(map(len, read))


def same(one: Pack, other: Pack) -> bool:
    """Whether two packs agree in every bit, but for the numbers of their rows."""
    names = ("ids", "positions", "ends", "sources", "targets", "weights", "label_index")
    return one.segments == other.segments and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in names
    )


def trained(prefix: Sequence[int], answer: Sequence[int]) -> Row:
    """A row whose answer has labels."""
    return [*prefix, *answer], [IGNORED] * len(prefix) + list(answer)


@st.composite
def row_sets(draw: st.DrawFn) -> list[Row]:
    """Rows over few tokens, most of them going on from a prefix of an earlier row; labels anywhere."""
    rows: list[Row] = []
    token = st.integers(0, 2)
    for _ in range(draw(st.integers(0, 9))):
        prefix: list[int] = []
        if rows and draw(st.booleans()):
            earlier = draw(st.sampled_from(rows))[0]
            prefix = earlier[: draw(st.integers(0, len(earlier)))]
        ids = prefix + draw(st.lists(token, max_size=12))
        # Most labels repeat the ids; some rows are masked where another is trained; some labels say something else.
        kinds = draw(st.lists(st.sampled_from((0, 0, 1, 1, 2)), min_size=len(ids), max_size=len(ids)))
        rows.append((ids, [(IGNORED, id_, id_ + 1)[kind] for id_, kind in zip(ids, kinds)]))
    return rows


@given(
    row_sets(), st.one_of(st.none(), st.integers(1, 60)), st.sampled_from((1, 2, 4, 16)), st.booleans(), st.booleans()
)
def test_every_label_sees_its_own_row_and_counts_once(
    rows: list[Row], pass_tokens: int | None, least: int, share: bool, keep_tails: bool
) -> None:
    packs = pack_rows(rows, pass_tokens, share=share, least_shared_tokens=least, keep_tails=keep_tails)
    check(rows, packs, pass_tokens, share=share, least_shared_tokens=least, keep_tails=keep_tails)


@given(row_sets(), st.integers(1, 60), st.booleans(), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(rows: list[Row], pass_tokens: int, share: bool, shuffle) -> None:
    order = list(range(len(rows)))
    shuffle.shuffle(order)
    packs = pack_rows(rows, pass_tokens, share=share, least_shared_tokens=2)
    other = pack_rows([rows[number] for number in order], pass_tokens, share=share, least_shared_tokens=2)
    assert len(packs) == len(other)
    assert all(same(one, two) for one, two in zip(packs, other))
    again = pack_rows(rows, pass_tokens, share=share, least_shared_tokens=2)
    assert all(same(one, two) and one.rows == two.rows for one, two in zip(packs, again))
    named = [[order[number] for number in pack.rows] for pack in other]
    for one, numbers in zip(packs, named):
        assert contents(rows, one.rows) == contents(rows, numbers)


def contents(rows: Sequence[Row], numbers: Sequence[int]) -> list:
    """What of some rows is computed and scored; rows of which nothing is are named in any order."""
    found = [(read_tokens(rows[number]), places_of(rows[number])) for number in numbers]
    return [(ids, places) for ids, places in found if ids]


def trie_tokens(rows: Sequence[Sequence[int]]) -> int:
    """Tokens of the trie of some rows: their different prefixes, counted one by one."""
    return len({tuple(row[: stop + 1]) for row in rows for stop in range(len(row))})


@given(row_sets(), st.integers(1, 60), st.booleans())
def test_one_pack_is_the_trie_itself_and_no_two_packs_would_fit_into_one(
    rows: list[Row], pass_tokens: int, share: bool
) -> None:
    """So packs are never worse than first fit may be: at most one of them is half empty or more."""
    read = [read_tokens(row) for row in rows]
    whole = pack_rows(rows, None, share=share, least_shared_tokens=1)
    assert sum(pack.num_tokens for pack in whole) == (trie_tokens(read) if share else sum(map(len, read)))
    packs = pack_rows(rows, pass_tokens, share=share, least_shared_tokens=1)
    for number, one in enumerate(packs):
        for other in packs[:number]:
            both = [read[row] for row in (*one.rows, *other.rows)]
            assert (trie_tokens(both) if share else sum(map(len, both))) > pass_tokens


@pytest.mark.parametrize("seed", range(12))
def test_tries_of_tries_cut_again_and_again(seed: int) -> None:
    """Packs of leaves that are no neighbours: what is left of one document beside what is left of another."""
    draw = np.random.default_rng(seed)
    rows = []
    for chapter in range(3):
        for document in range(4):
            prefix = [200 + chapter] * 8 + [300 + document] * int(draw.integers(3, 9))
            for _ in range(int(draw.integers(1, 6))):
                rows.append(trained(prefix, draw.integers(0, 50, draw.integers(2, 14)).tolist()))
    for pass_tokens in (30, 40, 55, 90):
        check(rows, pack_rows(rows, pass_tokens, least_shared_tokens=2), pass_tokens, least_shared_tokens=2)


def test_the_largest_things_are_packed_first_and_where_they_fit_best() -> None:
    rows = [trained([number], [number] * size) for number, size in enumerate((40, 30, 60, 70, 50))]
    packs = pack_rows(rows, 100)
    check(rows, packs, 100)
    assert sorted(sorted(pack.rows) for pack in packs) == [[0, 2], [1, 3], [4]]


def partitions(numbers: Sequence[int]) -> Iterator[list[list[int]]]:
    """All ways to put things into heaps."""
    if not numbers:
        yield []
        return
    first, *rest = numbers
    for heaps in partitions(rest):
        yield [[first], *heaps]
        for at, heap in enumerate(heaps):
            yield [*heaps[:at], [first, *heap], *heaps[at + 1 :]]


def test_packs_are_close_to_the_best_of_all_ways_to_put_rows_together() -> None:
    draw = np.random.default_rng(0)
    computed = best = first_fit = 0
    for _ in range(60):
        prompts = [draw.integers(0, 9, draw.integers(0, 30)).tolist() for _ in range(2)]
        rows = [
            trained(prompts[draw.integers(0, 2)], draw.integers(0, 9, draw.integers(2, 25)).tolist()) for _ in range(6)
        ]
        pass_tokens = int(draw.integers(54, 90))
        read = [read_tokens(row) for row in rows]
        packs = pack_rows(rows, pass_tokens, least_shared_tokens=1)
        costs = [
            [trie_tokens([read[number] for number in heap]) for heap in heaps] for heaps in partitions(range(len(rows)))
        ]
        least = min(sum(cost) for cost in costs if max(cost) <= pass_tokens)
        num_tokens = facts_of(packs).num_computed_tokens
        assert num_tokens >= least, "better than the best: the packs or the count are wrong"
        computed, best = computed + num_tokens, best + least
        first_fit += first_fit_tokens(read, pass_tokens)
    assert computed <= 1.01 * best
    assert computed < 0.9 * first_fit


def first_fit_tokens(rows: Sequence[Sequence[int]], pass_tokens: int) -> int:
    """Tokens when each row goes into the first pack that has room for it, sharing with what happens to be there."""
    heaps: list[list[Sequence[int]]] = []
    for row in rows:
        at = next((heap for heap in heaps if trie_tokens([*heap, row]) <= pass_tokens), None)
        if at is None:
            heaps.append([row])
        else:
            at.append(row)
    return sum(trie_tokens(heap) for heap in heaps)


SYSTEM = list(range(100, 140))


def test_a_shared_prompt_is_computed_once_and_its_branches_stay_apart() -> None:
    rows = [trained(SYSTEM, [1, 2, 3]), trained(SYSTEM, [1, 5, 6, 7]), trained(SYSTEM, [9, 9])]
    [pack] = pack_rows(rows, 100)
    check(rows, [pack], 100)
    # One token in common behind the prompt is too little to branch at: both rows keep their own copy of it.
    assert pack.segments == ((0, 40, 46), (40, 42, 42), (42, 45, 45), (45, 46, 46))
    # But it is predicted by one source, the prompt's last token, and therefore scored once for both.
    assert pack.targets[pack.sources == 39].tolist() == [1, 9]
    assert pack.weights[pack.sources == 39].tolist() == [2, 1]


def test_a_branching_amid_trained_tokens() -> None:
    answer = list(range(30))
    rows = [trained([7], answer + end) for end in ([50, 51, 52], [60, 61], [60, 71, 72])]
    packs = pack_rows(rows, 100)
    check(rows, packs, 100)
    assert [pack.segments for pack in packs] == [((0, 31, 35), (31, 33, 33), (33, 35, 35))]
    [pack] = packs
    assert sorted(pack.targets[pack.sources == 30].tolist()) == [50, 60]
    assert pack.weights.max() == 3


def test_a_token_trained_in_one_row_and_masked_in_another() -> None:
    ids = [*SYSTEM, 1, 2, 3]
    rows = [(ids, [IGNORED] * 40 + [1, 2, 3]), (ids, [IGNORED] * 42 + [3]), (ids, [IGNORED] * 40 + [1, 2, IGNORED])]
    [pack] = pack_rows(rows, 100)
    check(rows, [pack], 100)
    assert pack.segments == ((0, 42, 42),)
    assert list(zip(pack.targets.tolist(), pack.weights.tolist())) == [(1, 2), (2, 2), (3, 2)]
    [other] = pack_rows(rows[::-1], 100)
    assert same(pack, other), "equal ids are put in order by their labels"


def test_equal_rows_and_prefixes_of_rows_cost_nothing_however_short() -> None:
    short = trained([1], [2, 3])
    rows = [trained([1], [2, 3, 4, 5]), short, short, trained([8], [8, 8])]
    [pack] = pack_rows(rows, 100)
    check(rows, [pack], 100)
    assert pack.num_tokens == 4 + 2
    plain = pack_rows(rows, 100, share=False)
    check(rows, plain, 100, share=False)
    assert facts_of(plain).num_computed_tokens == 4 + 2 + 2 + 2


def test_one_row_no_row_and_no_common_prefix() -> None:
    assert pack_rows([], 10) == []
    one = [trained([1, 2], [3, 4])]
    [pack] = pack_rows(one, 10)
    check(one, [pack], 10)
    assert (pack.ids.tolist(), pack.sources.tolist(), pack.targets.tolist()) == ([1, 2, 3], [1, 2], [3, 4])
    rows = [trained([number], [5] * 20) for number in range(4)]
    packs = pack_rows(rows, 45)
    check(rows, packs, 45)
    assert [pack.num_tokens for pack in packs] == [40, 40]


def test_the_first_label_of_a_row_never_counts() -> None:
    rows = [([1, 2, 3], [1, IGNORED, 3]), ([4, 5], [4, IGNORED])]
    packs = pack_rows(rows, 10)
    check(rows, packs, 10)
    assert facts_of(packs).num_labels == 1
    assert pack_rows(rows[1:], 10) == []


def test_rows_without_labels_and_empty_rows_are_named_but_not_computed() -> None:
    masked = ([1, 2, 3, 4], [IGNORED] * 4)
    rows = [masked, trained([1, 2], [3, 4]), ([], [])]
    packs = pack_rows(rows, 10)
    check(rows, packs, 10)
    assert sorted(packs[0].rows) == [0, 1, 2]
    assert (packs[0].num_tokens, packs[0].num_row_tokens, packs[0].num_unread_tokens) == (3, 8, 5)
    assert pack_rows([masked, ([], [])], 10) == []
    whole = pack_rows([masked, ([], [])], 10, keep_tails=True)
    check([masked, ([], [])], whole, 10, keep_tails=True)
    assert whole[0].ids.tolist() == [1, 2, 3, 4] and len(whole[0].sources) == 0


def test_what_no_label_reads_is_left_out_unless_it_is_asked_for() -> None:
    rows = [([*SYSTEM, 1, 2, 8, 9], [IGNORED] * 41 + [2, IGNORED, IGNORED])]
    [pack] = pack_rows(rows, 100)
    assert (pack.num_tokens, pack.num_unread_tokens) == (41, 3)
    [pack] = pack_rows(rows, 100, keep_tails=True)
    check(rows, [pack], 100, keep_tails=True)
    assert (pack.num_tokens, pack.num_unread_tokens) == (44, 0)


def test_a_row_longer_than_the_budget_is_alone_and_those_that_fit_stay_within_it() -> None:
    long = trained(SYSTEM, list(range(200)))
    rows = [trained(SYSTEM, [number] * 20) for number in range(6)] + [long, long, trained(SYSTEM, [0, 1, 2])]
    packs = pack_rows(rows, 100)
    check(rows, packs, 100)
    assert packs[0].num_tokens == 239
    assert sorted(packs[0].rows) == [6, 7, 8], "what is a prefix of it costs nothing there"
    assert all(pack.num_tokens == 40 + 3 * 19 for pack in packs[1:])


def test_a_trie_larger_than_the_budget_is_cut_where_least_is_repeated() -> None:
    documents = [[*SYSTEM, *range(1000 * number, 1000 * number + 100)] for number in (1, 2, 3)]
    rows = [trained(document, [question] * 21) for question in range(3) for document in documents]
    packs = pack_rows(rows, 40 + 100 + 3 * 20)
    check(rows, packs, 200)
    assert [{number % 3 for number in pack.rows} for pack in packs] in ([{a}, {b}, {c}] for a, b, c in ALL_ORDERS)
    assert facts_of(packs).num_computed_tokens == 3 * 200
    # A document that does not fit is cut; the rest of it joins another one behind the prompt.
    packs = pack_rows(rows, 40 + 2 * 100 + 3 * 20)
    check(rows, packs, 300)
    assert facts_of(packs).num_computed_tokens <= 200 + 200 + 200


ALL_ORDERS = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]


def test_short_common_stretches_are_not_shared() -> None:
    rows = [trained([*range(15), number], [number] * 5) for number in (90, 91, 92)]
    assert facts_of(pack_rows(rows, 100)).num_computed_tokens == 3 * 20
    shared = pack_rows(rows, 100, least_shared_tokens=15)
    check(rows, shared, 100, least_shared_tokens=15)
    assert facts_of(shared).num_computed_tokens == 15 + 3 * 5
    # Counted anew behind each branching, and from the last branching where one was not taken.
    deeper = [trained([*SYSTEM, *range(10), number], [number] * 5) for number in (90, 91)]
    rows = [trained(SYSTEM, [70] * 5), *deeper]
    assert facts_of(pack_rows(rows, 200)).num_computed_tokens == 40 + 4 + 2 * 15
    assert facts_of(pack_rows(deeper, 200)).num_computed_tokens == 50 + 2 * 5


def test_two_thousand_nested_rows_and_two_thousand_branchings_one_in_another() -> None:
    path = [number % 7 for number in range(2000)]
    nested = [(path[: stop + 1], [IGNORED] * stop + path[stop : stop + 1]) for stop in range(2000)]
    [pack] = pack_rows(nested, 4096)
    assert pack.segments == ((0, 1999, 1999),)
    assert len(pack.rows) == 2000 and facts_of([pack]).num_labels == 1999
    branched = [([*path[:stop], 99, 98], [IGNORED] * (stop + 1) + [98]) for stop in range(2000)]
    [pack] = pack_rows(branched, None, least_shared_tokens=1)
    assert pack.num_tokens == 1999 + 2000 and len(pack.segments) == 1998 + 2000
    check_segments(pack, 1)
    packs = pack_rows(branched, 2500, least_shared_tokens=1)
    assert sorted(row for pack in packs for row in pack.rows) == list(range(2000))
    assert max(pack.num_tokens for pack in packs) <= 2500 and len(packs) <= 4
    assert len(pack_rows(branched, 100, least_shared_tokens=1)) >= 1900


def test_rows_may_be_lists_arrays_or_tensors() -> None:
    import torch

    rows = [trained(SYSTEM, [number, number + 1, number + 2]) for number in range(3)]
    [expected] = pack_rows(rows, 100)
    kinds: list[Any] = [np.array, tuple, torch.tensor, lambda x: np.array(x, dtype=np.int32), lambda x: array("q", x)]
    for kind in kinds:
        [pack] = pack_rows([(kind(ids), kind(labels)) for ids, labels in rows], 100)
        assert same(pack, expected)


def test_the_callers_rows_are_left_alone() -> None:
    ids, labels = np.arange(30), np.arange(30)
    [pack] = pack_rows([(ids, labels)], 100)
    pack.ids[:] = 0
    assert ids.tolist() == labels.tolist() == list(range(30))


@pytest.mark.parametrize(
    ("rows", "budget", "words"),
    [
        ([([1, 2], [1])], 10, "row 0 of the step"),
        ([([1], [1]), ([[1, 2]], [[1, 2]])], 10, "row 1 of the step"),
        ([([1, 2], [1, -5])], 10, "negative label"),
        ([([1, 2], [1, 2])], 0, "pass_tokens"),
    ],
)
def test_what_cannot_be_packed_is_refused(rows: list, budget: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        pack_rows(rows, budget)


def test_refusals_show_no_tokens_of_a_row() -> None:
    with pytest.raises(ValueError) as caught:
        pack_rows([([31337, 31338], [31337])], 10)
    assert "3133" not in str(caught.value)


def test_facts_add_up_and_name_their_shares() -> None:
    rows = [trained(SYSTEM, [number] * 11) for number in range(4)]
    facts = facts_of(pack_rows(rows, 1000))
    assert facts == PackingFacts(4, 204, 4, 80, 1, 44, 44)
    assert facts.saved_share == 1 - 80 / 204 and facts.shared_share == 1 - 80 / 200
    assert facts.add(PackingFacts()) == facts
    assert facts.add(facts) == PackingFacts(8, 408, 8, 160, 2, 88, 88)
    assert (PackingFacts().saved_share, PackingFacts().shared_share) == (0.0, 0.0)


def test_foreseen_is_what_steps_of_that_size_save() -> None:
    rows = [trained(SYSTEM, [number] * 11) for number in range(10)]
    steps = [facts_of(pack_rows(rows[first : first + 4], 1000)) for first in (0, 4)]
    assert foresee(rows, 4, 1000) == steps[0].add(steps[1]), "the last two rows are no whole step"
    assert foresee(rows, 32) == facts_of(pack_rows(rows, None))
    assert foresee(rows, 1).shared_share == 0.0
    assert foresee(rows, 4, share=False).shared_share == 0.0
    assert foresee(rows, 4).shared_share > foresee(rows, 2).shared_share
    assert foresee([], 4) == PackingFacts()
    with pytest.raises(ValueError, match="batch_size"):
        foresee(rows, 0)


def test_the_checks_of_these_tests_see_what_is_wrong() -> None:
    rows = [trained(SYSTEM, [number] * 11) for number in range(3)]
    [pack] = pack_rows(rows, 1000)
    check(rows, [pack], 1000)
    restarted = np.where(pack.positions >= 40, pack.positions - 40, pack.positions)
    wrong = [
        replace(pack, ends=np.full_like(pack.ends, pack.num_tokens)),  # no boundary between rows
        replace(pack, positions=restarted),
        replace(pack, weights=pack.weights * 2),
        replace(pack, label_rows=pack.label_rows[::-1].copy()),
        replace(pack, sources=pack.sources + 1),
        replace(pack, segments=pack.segments[:-1]),
        replace(pack, rows=pack.rows[:-1]),
        replace(pack, num_row_tokens=1),
    ]
    for one in wrong:
        with pytest.raises((AssertionError, IndexError, KeyError)):
            check(rows, [one], 1000)


def test_packing_needs_no_tensor_library() -> None:
    code = "import sys, finetune.packing; print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
