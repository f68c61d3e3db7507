"""Floor 1: prefix packing. The rows of a step become token tries, and the tries packs of at most so many tokens.

Rows of domain chat data begin alike: one system prompt, one document, one history. A pack computes such a prefix once.
Its tokens stand in depth-first order, so one number a token says who sees whom: query q sees key k if and only if
`k <= q < ends[k]`. A token's position is its depth, which is its place in its own row. Loss and gradients are those of
the rows computed one by one, for models whose tokens see each other through attention alone and without dropout.

It stands below training and evaluation because both compute the same packs. Numpy only: no model, no tensor library.

The idea is that of the prefix trees of serving (RadixAttention, arXiv 2312.07104), used for training by
arXiv 2410.20305 (pairs of answers) and arXiv 2506.05433 (groups of answers).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

IGNORED = -100  # the label of a token that is not trained, as everywhere upstream
Row = tuple[Sequence[int] | np.ndarray, Sequence[int] | np.ndarray]  # (input_ids, labels)
LEAST_SHARED_TOKENS = 16  # a shorter common stretch costs more in attention calls than it saves in tokens


@dataclass(frozen=True, eq=False)
class Pack:
    """Some rows of one step as one packed row: a forest of token tries in depth-first order.

    Every row stands in exactly one pack, and every pack scores at least one label, unless `keep_tails` was asked for.

    Attributes:
        ids: (tokens,) int64, the token ids.
        positions: (tokens,) int64, the depth of a token in its trie, which is its place in its own row.
        ends: (tokens,) int64, where the token's subtree ends, exclusive: q sees k iff k <= q < ends[k].
        sources: (labels,) int64, the token whose hidden state predicts the label: its parent in the trie. Ascending.
        targets: (labels,) int64, the token ids to predict. No two labels have the same source and target.
        weights: (labels,) float32, how many rows have this very label here; it is scored once for all of them.
        rows: numbers of the rows of the step that are in it, in depth-first order.
        label_rows: (pairs,) int64, the row, and
        label_index: (pairs,) int64, the label: every label of every row, row by row, each row's in order.
        segments: the unbranched stretches in depth-first order, as (start, stop, end): own tokens [start, stop), with
            what hangs below them [start, end). All tokens of a stretch have ends == end, but see each other causally.
        num_row_tokens: the tokens of its rows, as if each row were alone and whole.
        num_unread_tokens: how many of them stand behind the last label of their row: nothing reads them.
    """

    ids: np.ndarray
    positions: np.ndarray
    ends: np.ndarray
    sources: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    rows: tuple[int, ...]
    label_rows: np.ndarray
    label_index: np.ndarray
    segments: tuple[tuple[int, int, int], ...]
    num_row_tokens: int = 0
    num_unread_tokens: int = 0

    @property
    def num_tokens(self) -> int:
        """Tokens that are computed."""
        return len(self.ids)


@dataclass(frozen=True)
class PackingFacts:
    """What packing did, added up over packs.

    Attributes:
        num_rows: rows in the packs.
        num_row_tokens: their tokens, as if each row were alone and whole.
        num_unread_tokens: how many of these stand behind the last label of their row and are therefore left out.
        num_computed_tokens: tokens in the packs.
        num_packs: forward passes.
        num_labels: labels of all rows, which is the sum of the packs' weights.
        num_scored: labels that are scored; one that several rows have in the same place is scored once.
    """

    num_rows: int = 0
    num_row_tokens: int = 0
    num_unread_tokens: int = 0
    num_computed_tokens: int = 0
    num_packs: int = 0
    num_labels: int = 0
    num_scored: int = 0

    def add(self, other: PackingFacts) -> PackingFacts:
        """The facts of both together."""
        return PackingFacts(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    @property
    def saved_share(self) -> float:
        """The share of all row tokens that is not computed, 0.0 to 1.0."""
        return 1.0 - self.num_computed_tokens / self.num_row_tokens if self.num_row_tokens else 0.0

    @property
    def shared_share(self) -> float:
        """The share saved by common prefixes alone: of the tokens that are read, those computed for another row."""
        num_read_tokens = self.num_row_tokens - self.num_unread_tokens
        return 1.0 - self.num_computed_tokens / num_read_tokens if num_read_tokens else 0.0


def pack_rows(
    rows: Sequence[Row],
    pass_tokens: int | None,
    *,
    share: bool = True,
    least_shared_tokens: int = LEAST_SHARED_TOKENS,
    keep_tails: bool = False,
) -> list[Pack]:
    """Lays rows out as packs of at most `pass_tokens` tokens, common prefixes once in a pack.

    Rows with a long common prefix stay together; a trie that is larger than the budget is cut where that repeats least,
    and its prefix is computed again in every part (best fit decreasing, from the leaves of the trie to its root). The
    result does not depend on the order of the rows, but for their numbers. The largest pack comes first.

    The label of a row's first token never counts: no token predicts it (upstream shifts labels the same way). Tokens
    behind a row's last label, the last labelled token among them, are left out: no label reads them. A row without any
    label is named in a pack, and counted, but nothing of it is computed; without a label in any row there is no pack.

    Args:
        rows: (input_ids, labels) of each row, of equal length: lists, arrays or tensors on the CPU; labels are IGNORED
            where nothing is trained. They need not repeat the ids.
        pass_tokens: the budget of a pack; None for one pack. A row that is longer gets a pack of its own, together
            only with rows that are prefixes of it.
        share: False puts rows side by side, each with its own copy of everything (plain packing).
        least_shared_tokens: a common stretch of fewer tokens is not shared; counted anew behind each branching.
        keep_tails: also lay out tokens that no label reads, and rows without a label; a pack may then have no label.

    Raises:
        ValueError: ids and labels differ in length or are not one-dimensional, a label is negative but not IGNORED, or
            a budget is below 1.
    """
    if pass_tokens is not None and pass_tokens < 1:
        raise ValueError(f"pass_tokens must be at least 1, not {pass_tokens}")
    if least_shared_tokens < 1:
        raise ValueError(f"least_shared_tokens must be at least 1, not {least_shared_tokens}")
    laid = [_laid(number, ids, labels, keep_tails) for number, (ids, labels) in enumerate(rows)]
    # Any fixed order of tokens brings common prefixes together; that of the bytes needs no comparison of its own.
    laid.sort(key=lambda row: (row.ids.tobytes(), row.places.tobytes(), row.targets.tobytes(), row.number))
    unread = [row for row in laid if not len(row.ids)]
    if len(unread) == len(laid):
        return []
    trie = _Trie.of(laid[len(unread) :], least_shared_tokens if share else None)
    parts = sorted(_parts(trie, pass_tokens), key=lambda part: (-part.num_tokens, part.ranges))
    return [_pack(trie, part, () if number else unread) for number, part in enumerate(parts)]


def facts_of(packs: Iterable[Pack]) -> PackingFacts:
    """What packing did to the rows of these packs."""
    packs = list(packs)
    return PackingFacts(
        num_rows=sum(len(pack.rows) for pack in packs),
        num_row_tokens=sum(pack.num_row_tokens for pack in packs),
        num_unread_tokens=sum(pack.num_unread_tokens for pack in packs),
        num_computed_tokens=sum(pack.num_tokens for pack in packs),
        num_packs=len(packs),
        num_labels=sum(len(pack.label_rows) for pack in packs),
        num_scored=sum(len(pack.sources) for pack in packs),
    )


def foresee(
    rows: Sequence[Row],
    batch_size: int,
    pass_tokens: int | None = None,
    *,
    share: bool = True,
    least_shared_tokens: int = LEAST_SHARED_TOKENS,
) -> PackingFacts:
    """What packing will do, seen on a sample: `saved_share` is the share of its tokens that need not be computed.

    Args:
        rows: some hundred rows in the order in which training meets them (shuffled, or by group).
        batch_size: rows of one step; a last incomplete step counts only where there is no complete one.
        pass_tokens: the budget of a pack, None when it is not known yet (then the share is an upper bound).
        share: as for `pack_rows`.
        least_shared_tokens: as for `pack_rows`.

    Raises:
        ValueError: as `pack_rows`, or batch_size is below 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}")
    facts = PackingFacts()
    for first in range(0, max(len(rows) - batch_size, 0) + 1, batch_size):
        step = rows[first : first + batch_size]
        facts = facts.add(facts_of(pack_rows(step, pass_tokens, share=share, least_shared_tokens=least_shared_tokens)))
    return facts


class _Laid(NamedTuple):
    """One row, read: what of it is computed, and its labels."""

    number: int
    ids: np.ndarray  # (tokens that are read,)
    places: np.ndarray  # (labels,) where the predicted tokens stand in the row, never 0
    targets: np.ndarray  # (labels,)
    num_tokens: int  # of the whole row


def _laid(number: int, ids: Any, labels: Any, keep_tails: bool) -> _Laid:
    ids, labels = np.asarray(ids, dtype=np.int64), np.asarray(labels, dtype=np.int64)
    if ids.ndim != 1 or ids.shape != labels.shape:
        raise ValueError(f"row {number} of the step has ids of shape {ids.shape} and labels of shape {labels.shape}")
    places = np.flatnonzero(labels[1:] != IGNORED) + 1
    targets = labels[places]
    if len(targets) and targets.min() < 0:
        raise ValueError(f"row {number} of the step has a negative label that is not {IGNORED}")
    num_read_tokens = len(ids) if keep_tails else int(places[-1]) if len(places) else 0
    return _Laid(number, ids[:num_read_tokens], places, targets, len(ids))


class _Node(NamedTuple):
    """A shared stretch of the trie: what the leaves [first, last) have in common below `start` tokens."""

    first: int
    last: int
    start: int  # depth at which it begins
    depth: int  # depth at which its leaves part
    children: list[int]  # numbers of the nodes that hang from it


class _Trie:
    """The trie of sorted rows: the common prefixes of neighbours say all about it, so no token is walked alone.

    A leaf is a row that no other row goes on from, after those that are prefixes of it: they end on its path and cost
    nothing, so they stay with it.
    """

    def __init__(self, leaves: list[list[_Laid]], joints: np.ndarray, nodes: list[_Node]):
        self.leaves = leaves
        self.nodes = nodes  # parents before children; the first is the root
        self._joints = joints  # (leaves - 1,) tokens shared with the next leaf
        self._lengths = np.array([len(leaf[-1].ids) for leaf in leaves], dtype=np.int64)
        own = self._lengths.copy()
        own[1:] -= joints
        self._tokens_before = np.concatenate(([0], np.cumsum(own)))

    @staticmethod
    def of(rows: list[_Laid], least_shared_tokens: int | None) -> _Trie:
        """The trie of rows in sorted order, none of them empty; None: one that shares nothing."""
        if least_shared_tokens is None:
            return _Trie([[row] for row in rows], np.zeros(len(rows) - 1, dtype=np.int64), [_root(len(rows))])
        leaves, common = _leaves(rows)
        joints, nodes, at = np.zeros(len(leaves) - 1, dtype=np.int64), [_root(len(leaves))], 0
        while at < len(nodes):  # it grows while it is walked
            node, at = nodes[at], at + 1
            cuts = np.flatnonzero(common[node.first : node.last - 1] < node.depth + least_shared_tokens) + node.first
            joints[cuts] = node.depth
            edges = [node.first, *(cuts + 1).tolist(), node.last]
            for first, last in pairwise(edges):
                if last - first > 1:
                    node.children.append(len(nodes))
                    nodes.append(_Node(first, last, node.depth, int(common[first : last - 1].min()), []))
        return _Trie(leaves, joints, nodes)

    def num_tokens(self, node: _Node) -> int:
        """Tokens of a node and of all that hangs from it."""
        behind_first = self._tokens_before[node.last] - self._tokens_before[node.first + 1]
        return int(behind_first + self._lengths[node.first]) - node.start

    def lone_leaves(self, node: _Node) -> list[_Part]:
        """The leaves that hang from a node themselves, each a part."""
        edges = [node.first]
        for child in node.children:
            edges += [self.nodes[child].first, self.nodes[child].last]
        edges.append(node.last)
        lone = [leaf for first, last in zip(edges[::2], edges[1::2]) for leaf in range(first, last)]
        return [_Part(int(self._lengths[leaf]), [(leaf, leaf + 1)]) for leaf in lone]

    def joints(self, members: list[int]) -> list[int]:
        """How many tokens each of some leaves (ascending) shares with the one before it; 0 for the first."""
        return [0, *(int(self._joints[a] if b == a + 1 else self._joints[a:b].min()) for a, b in pairwise(members))]


def _root(num_leaves: int) -> _Node:
    return _Node(0, num_leaves, 0, 0, [])


def _leaves(rows: list[_Laid]) -> tuple[list[list[_Laid]], np.ndarray]:
    """The leaves of sorted rows, and how many tokens each has in common with the next one."""
    leaves, common = [[rows[0]]], []
    for row, after in pairwise(rows):
        num_common = _num_common(row.ids, after.ids)
        if num_common == len(row.ids):
            leaves[-1].append(after)
        else:  # the next leaf differs before its own prefixes end, so this holds for all of its rows
            common.append(num_common)
            leaves.append([after])
    return leaves, np.array(common, dtype=np.int64)


def _num_common(a: np.ndarray, b: np.ndarray) -> int:
    """Length of the longest common prefix."""
    shorter = min(len(a), len(b))
    differs = a[:shorter] != b[:shorter]
    at = int(differs.argmax())
    return at if differs[at] else shorter


class _Part(NamedTuple):
    """Leaves that go into one pack, as ranges, with the tokens that they make of it, from the root down."""

    num_tokens: int
    ranges: list[tuple[int, int]]


def _parts(trie: _Trie, pass_tokens: int | None) -> list[_Part]:
    """The leaves of each pack."""
    full: list[_Part] = []
    open_: dict[int, list[_Part]] = {}  # of each node: parts that a node above may still add to
    for number in range(len(trie.nodes) - 1, -1, -1):  # children before parents
        node = trie.nodes[number]
        num_tokens = node.start + trie.num_tokens(node)
        below = [part for child in node.children for part in open_.pop(child)]
        if pass_tokens is None or num_tokens <= pass_tokens:
            open_[number] = [_Part(num_tokens, [(node.first, node.last)])]
        else:
            filled = _filled(below + trie.lone_leaves(node), node.depth, pass_tokens)
            full += [part for part in filled if part.num_tokens >= pass_tokens]
            open_[number] = [part for part in filled if part.num_tokens < pass_tokens]
    return full + open_[0]


def _filled(parts: list[_Part], depth: int, pass_tokens: int) -> list[_Part]:
    """Parts that share `depth` tokens put together, best fit decreasing; one larger than the budget stays alone."""
    bins: list[list[_Part]] = []
    rooms: list[tuple[int, int]] = []  # (free tokens, number of the bin), ascending
    for part in sorted(parts, key=lambda part: (-part.num_tokens, part.ranges)):
        at = bisect_left(rooms, (part.num_tokens - depth, -1))
        if at < len(rooms):
            free, number = rooms.pop(at)
            free -= part.num_tokens - depth
            bins[number].append(part)
        else:
            free, number = pass_tokens - part.num_tokens, len(bins)
            bins.append([part])
        if free > 0:
            insort(rooms, (free, number))
    return [
        _Part(depth + sum(part.num_tokens - depth for part in bin_), [one for part in bin_ for one in part.ranges])
        for bin_ in bins
    ]


def _pack(trie: _Trie, part: _Part, unread: Sequence[_Laid]) -> Pack:
    """The pack of some leaves; `unread` are rows to be named in it of which nothing is computed."""
    members = sorted(leaf for first, last in part.ranges for leaf in range(first, last))
    ids, positions, ends = (np.empty(part.num_tokens, dtype=np.int64) for _ in range(3))
    # Depth -> place in the pack, of the leaf at hand.
    path = np.empty(max(len(trie.leaves[member][-1].ids) for member in members), dtype=np.int64)
    # Of the leaf at hand: stretches that have not ended yet, as (depth, start, stop).
    open_: list[tuple[int, int, int]] = []
    segments: list[tuple[int, int, int]] = []
    sources, at = [], 0
    for member, joint in zip(members, trie.joints(members)):
        leaf = trie.leaves[member]
        own = leaf[-1].ids[joint:]
        _close(open_, joint, at, segments)
        open_.append((joint, at, at + len(own)))
        ids[at : at + len(own)] = own
        positions[at : at + len(own)] = np.arange(joint, joint + len(own))
        path[joint : joint + len(own)] = np.arange(at, at + len(own))
        sources += [path[row.places - 1] for row in leaf]
        at += len(own)
    _close(open_, 0, at, segments)
    segments.sort()
    for start, stop, end in segments:
        ends[start:stop] = end
    rows = [row for member in members for row in trie.leaves[member]]
    labels = _labels(rows, sources)
    rows += unread
    return Pack(
        ids=ids,
        positions=positions,
        ends=ends,
        **labels,
        rows=tuple(row.number for row in rows),
        segments=tuple(segments),
        num_row_tokens=sum(row.num_tokens for row in rows),
        num_unread_tokens=sum(row.num_tokens - len(row.ids) for row in rows),
    )


def _close(open_: list[tuple[int, int, int]], joint: int, at: int, segments: list[tuple[int, int, int]]) -> None:
    """Ends the open stretches, or what of them is below depth `joint`: the next leaf begins at place `at`."""
    while open_ and open_[-1][0] + open_[-1][2] - open_[-1][1] > joint:
        depth, start, stop = open_.pop()
        kept_tokens = max(joint - depth, 0)
        if kept_tokens:
            open_.append((depth, start, start + kept_tokens))
        segments.append((start + kept_tokens, stop, at))


def _labels(rows: list[_Laid], sources: list[np.ndarray]) -> dict[str, np.ndarray]:
    """The attributes of a pack that tell of its labels: those with the same source and target are one."""
    all_sources, all_targets = np.concatenate(sources), np.concatenate([row.targets for row in rows])
    base = int(all_targets.max(initial=0)) + 1
    merged, index, counts = np.unique(all_sources * base + all_targets, return_inverse=True, return_counts=True)
    numbers = np.array([row.number for row in rows], dtype=np.int64)
    return {
        "sources": merged // base,
        "targets": merged % base,
        "weights": counts.astype(np.float32),
        "label_rows": np.repeat(numbers, [len(row.targets) for row in rows]),
        "label_index": index.astype(np.int64),
    }
