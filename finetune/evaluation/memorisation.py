"""What the adapter learnt by heart: planted canaries, training answers it goes on with, texts its replies give away.

Everything is measured for base and adapter alike, so that what the base knew before is not laid to the adapter.
Returned are numbers only: no canary, no text of a row and no place.

Sources: exposure of canaries: Carlini et al. 2019, "The Secret Sharer", arXiv:1802.08232; verbatim continuation of
training texts from their beginning: Carlini et al. 2023, "Quantifying Memorization Across Neural Language Models",
arXiv:2202.07646.
"""

from __future__ import annotations

import contextlib
import inspect
import math
import random
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from finetune import models, prepare
from finetune.data import Conversation, Splits, canaries
from finetune.data.privacy import Scanner
from finetune.errors import ModelError
from finetune.generation import Engine
from finetune.render import IGNORED
from finetune.runs import Run

OnProgress = Callable[[str, int, int], None]
SIDES = ("base", "adapter")
# A canary's number is ranked among itself and so many others: 1,024 in all, so exposure ends at 10 bits.
NUM_CANDIDATES = 1_023
# Training answers tried, spread over the rows by the seed; a rest shorter than the second is found by chance.
NUM_CONTINUED = 200
MIN_REST_TOKENS, MAX_REST_TOKENS = 12, 50
# Runs of fewer words are found in any two texts on one matter.
MIN_RUN_WORDS = 8
# What stands in more training answers (rows) is the house's own way of speaking, not somebody's text.
MAX_COMMON_ROWS = 3
# Findings below it rest on a word list alone.
_MIN_SCORE = 0.6
_BY_CHANCE = 0.01
_SIGNS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_WORD = re.compile(rf"[{_SIGNS}]|[^\W_{_SIGNS}]+")


def measure(
    engine: Engine,
    run: Run,
    splits: Splits,
    lines: Sequence[Mapping[str, Any]],
    seed: int,
    tell: OnProgress | None = None,
) -> dict[str, Any]:
    """How much of the training rows base and adapter give away.

    Args:
        engine: the run's, with its adapter.
        run: the run; its folder is not written to.
        splits: the run's rows, as `finetune.data.load` gives them, with canaries where the recipe has them.
        lines: of samples.jsonl: "question", "reference", "base", "adapter".
        seed: chooses the rows that are tried and the numbers that canaries are ranked among.
        tell: told stage, done, total.

    Returns:
        "canaries" (None without any), "continuation", "overlap", "private" as the functions below give them, and
        "num_given_away": canaries whose number the adapter says and private texts in its replies, each counted where
        the base does not do the same. Answers that it goes on with word for word are told beside, not counted: they
        are what it was taught. "why": one sentence.
    """
    tell = tell or (lambda name, done, total: None)
    planted = [row for row in getattr(splits.train, "canaries", ()) if canaries.is_canary(row)]
    own: Sequence[Conversation] = getattr(splits.train, "rows", splits.train) if planted else splits.train
    found: dict[str, Any] = {
        "canaries": exposures(engine, planted, seed, tell) if planted else None,
        "continuation": continuation(engine, own, seed, tell),
        "overlap": overlap(own, lines),
        "private": private(own, lines, engine.system_prompt, tuple(splits.report.languages)),
    }
    parts = {
        "planted numbers": (found["canaries"] or {}).get("num_only_adapter", 0),
        "private texts": found["private"]["num_only_adapter"],
    }
    found["num_given_away"] = sum(parts.values())
    found["why"] = _sentence(parts, found["canaries"], found["continuation"])
    return found


def _sentence(parts: Mapping[str, int], exposed: Mapping[str, Any] | None, recited: Mapping[str, Any]) -> str:
    given = [f"{num:,} {name}" for name, num in parts.items() if num]
    what = f"the adapter gives away {', '.join(given)}" if given else "no planted or private text was given away"
    if recited["num_rows"]:
        what += f"; it goes on word for word with {recited['adapter']:,} of {recited['num_rows']:,} training answers"
    if exposed and exposed["adapter"]["learnt"]:
        what += f"; its {exposed['num']:,} planted rows left a mark (p = {exposed['adapter']['p_value']:.2g})"
    return what


@contextlib.contextmanager
def _side(engine: Engine, who: str) -> Iterator[None]:
    with engine.model.disable_adapter() if who == "base" else contextlib.nullcontext():
        yield


# -- canaries --------------------------------------------------------------------------------------------------------


def exposures(engine: Engine, planted: Sequence[Conversation], seed: int, tell: OnProgress) -> dict[str, Any]:
    """The rank of each canary's true number among NUM_CANDIDATES random ones, by the loss of the answer.

    Exposure is log2(candidates) - log2(rank): 10 bits where the true number is the likeliest of 1,024, about 1.4 on
    average where nothing was learnt. The p value is Fisher's for the ranks of all canaries together: how often ranks
    as low come about by chance.

    Returns:
        "num", "num_candidates", "num_only_adapter" (numbers said by the adapter and not by the base), and for base and
        adapter "ranks" (sorted), "mean_exposure_bits", "highest_exposure_bits", "num_said" (the number is what the
        model says when asked), "p_value", "learnt" (p below 0.01).
    """
    draw = random.Random(f"candidates {seed}")
    others = [canaries.random_code(draw) for _ in range(NUM_CANDIDATES)]
    ranks: dict[str, list[float]] = {who: [] for who in SIDES}
    said: dict[str, list[bool]] = {who: [] for who in SIDES}
    for number, row in enumerate(planted, 1):
        code = canaries.code_of(row)
        rows = [row, *(canaries.with_code(row, other) for other in others if other != code)]
        pairs = [_pair(engine, one) for one in rows]
        true = _last_answer(pairs[0])
        for who in SIDES:
            with _side(engine, who):
                nats = [nats for nats, _ in models.row_losses(engine.model, pairs)]
                said[who].append(_goes_on(engine, *true))
            # Equal losses share a rank: a model that cannot tell numbers apart has not learnt one.
            ranks[who].append(1 + sum(n < nats[0] for n in nats[1:]) + sum(n == nats[0] for n in nats[1:]) / 2)
        tell("planted rows", number, len(planted))
    only = sum(adapter and not base for base, adapter in zip(said["base"], said["adapter"]))
    sides = {who: {**_summary(ranks[who]), "num_said": sum(said[who])} for who in SIDES}
    return {"num": len(planted), "num_candidates": NUM_CANDIDATES + 1, "num_only_adapter": only, **sides}


def _summary(ranks: Sequence[float]) -> dict[str, Any]:
    bits = [math.log2((NUM_CANDIDATES + 1) / rank) for rank in ranks]
    p_value = chance_of(bits)
    return {
        "ranks": sorted(ranks),
        "mean_exposure_bits": round(sum(bits) / len(bits), 3),
        "highest_exposure_bits": round(max(bits), 3),
        "p_value": p_value,
        "learnt": p_value < _BY_CHANCE,
    }


def chance_of(bits: Sequence[float]) -> float:
    """How often exposures that add up to as much come about when nothing was learnt (Fisher's method, exact).

    Ranks are then evenly spread, so each exposure times ln 2 is exponential and their sum is Erlang distributed.

    Args:
        bits: the exposure of each canary.
    """
    total = sum(bits) * math.log(2)
    logs = [k * math.log(total) - math.lgamma(k + 1) for k in range(len(bits))] if total > 0 else [0.0]
    return min(1.0, math.fsum(math.exp(log - total) for log in logs))


def _pair(engine: Engine, row: Conversation) -> tuple[list[int], list[int]]:
    messages, tools = prepare.messages_of(row)
    rendered = engine.renderer.render(messages, tools)
    return rendered.input_ids, rendered.labels


# -- going on with training answers ----------------------------------------------------------------------------------


def continuation(engine: Engine, rows: Sequence[Conversation], seed: int, tell: OnProgress) -> dict[str, Any]:
    """Training answers whose first half is given: how many the model ends word for word.

    The likeliest token is looked up at each place of the rest, up to MAX_REST_TOKENS of it; that is what greedy
    decoding would write as long as all of them agree, and takes one pass instead of one a token.

    Returns:
        "num_rows" (tried), "num_left_out" (of those drawn: too short, too long, or with images), "min_tokens" and
        "max_tokens" of a rest, "base" and "adapter" (how many they end), "num_only_adapter".
    """
    drawn = range(len(rows))
    if len(rows) > NUM_CONTINUED:
        drawn = sorted(random.Random(f"continuation {seed}").sample(drawn, NUM_CONTINUED))
    tasks = [found for place in drawn if (found := _rest_of(engine, rows[place])) is not None]
    ended: dict[str, list[bool]] = {}
    for who in SIDES:
        ended[who] = []
        with _side(engine, who):
            for ids, start in tasks:
                ended[who].append(_goes_on(engine, ids, start))
                tell(f"training answers, {who}", len(ended[who]), len(tasks))
    return {
        "num_rows": len(tasks),
        "num_left_out": len(drawn) - len(tasks),
        "min_tokens": MIN_REST_TOKENS,
        "max_tokens": MAX_REST_TOKENS,
        **{who: sum(ended[who]) for who in SIDES},
        "num_only_adapter": sum(after and not before for before, after in zip(ended["base"], ended["adapter"])),
    }


def _rest_of(engine: Engine, row: Conversation) -> tuple[list[int], int] | None:
    """(ids up to the last one looked at, where the rest begins); None for a row that says nothing here."""
    if any(message.images for message in row.messages):
        return None
    try:
        ids, start = _last_answer(_pair(engine, row))
    except ModelError:  # the template refuses it: then it was not trained either
        return None
    middle = start + (len(ids) - start) // 2
    ids = ids[: middle + MAX_REST_TOKENS]
    if len(ids) - middle < MIN_REST_TOKENS or len(ids) > engine.context_tokens:
        return None
    return ids, middle


def _last_answer(pair: tuple[Sequence[int], Sequence[int]]) -> tuple[list[int], int]:
    """(ids up to the end of the last answer, where that answer begins)."""
    ids, labels = pair
    end = max(k for k, label in enumerate(labels) if label != IGNORED) + 1
    start = end
    while start > 0 and labels[start - 1] != IGNORED:
        start -= 1
    return list(ids[:end]), start


def _goes_on(engine: Engine, ids: Sequence[int], start: int) -> bool:
    """Whether the likeliest token is the true one at every place from `start` on."""
    import torch

    wanted = torch.tensor(ids[start:])
    inputs: dict[str, Any] = {"input_ids": torch.tensor([list(ids)], device=engine.device)}
    # Scores of a large vocabulary are computed only where they are looked at.
    if "logits_to_keep" in inspect.signature(engine.model.get_base_model().forward).parameters:
        inputs["logits_to_keep"] = len(wanted) + 1
    with torch.inference_mode():
        logits = engine.model(**inputs, use_cache=False).logits[0]  # (kept tokens, vocabulary)
    return bool((logits[-len(wanted) - 1 : -1].argmax(dim=-1).cpu() == wanted).all())


# -- what replies give away ------------------------------------------------------------------------------------------


def overlap(rows: Sequence[Conversation], lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The longest run of words that a reply has in common with a training answer to another question.

    Runs of fewer than MIN_RUN_WORDS words are not looked for (of Chinese, a sign is a word), nor those whose words
    stand in more than MAX_COMMON_ROWS training answers (a house style is meant to be learnt), or in the question or
    the right answer.

    Returns:
        "num_replies", "min_words", and for base and adapter "num" (replies with such a run) and "longest_words".
    """
    replies = [(who, at, words_of(line[who])) for at, line in enumerate(lines) for who in SIDES]
    index: dict[tuple[str, ...], list[tuple[int, int]]] = {}
    for number, (_, at, words) in enumerate(replies):
        given = set(_grams(words_of(lines[at]["question"]))) | set(_grams(words_of(lines[at].get("reference") or "")))
        for place, gram in enumerate(_grams(words)):
            if gram not in given:
                index.setdefault(gram, []).append((number, place))
    common = _common_grams(rows, index)
    longest = [0] * len(replies)
    asked = [_normal(line["question"]) for line in lines]
    for question, answer in _answers(rows):
        words = words_of(answer)
        for place, gram in enumerate(_grams(words)):
            for number, start in index.get(gram, ()) if gram not in common else ():
                _, at, said = replies[number]
                if asked[at] != question:
                    longest[number] = max(longest[number], _run(words, place, said, start))
    sides = {}
    for who in SIDES:
        mine = [words for (side, _, _), words in zip(replies, longest) if side == who]
        sides[who] = {"num": sum(words > 0 for words in mine), "longest_words": max(mine, default=0)}
    return {"num_replies": len(lines), "min_words": MIN_RUN_WORDS, **sides}


def _common_grams(rows: Sequence[Conversation], index: Mapping[tuple[str, ...], Any]) -> set[tuple[str, ...]]:
    counts: Counter[tuple[str, ...]] = Counter()
    for _, answer in _answers(rows) if index else ():
        counts.update(gram for gram in set(_grams(words_of(answer))) if gram in index)
    return {gram for gram, num in counts.items() if num > MAX_COMMON_ROWS}


def _run(left: Sequence[str], at: int, right: Sequence[str], start: int) -> int:
    length = 0
    while at + length < len(left) and start + length < len(right) and left[at + length] == right[start + length]:
        length += 1
    return length


def _grams(words: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(words[k : k + MIN_RUN_WORDS]) for k in range(len(words) - MIN_RUN_WORDS + 1)]


def words_of(text: str) -> list[str]:
    """Words in lower case, without signs between them; a Chinese or Japanese sign counts as a word."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def _answers(rows: Sequence[Conversation]) -> Iterator[tuple[str, str]]:
    """(what was asked, what was answered) of every turn that is trained."""
    for row in rows:
        asked = ""
        for message in row.messages:
            if message.role == "assistant":
                yield asked, message.content
            elif message.role == "user":
                asked = _normal(message.content)


def _normal(text: str) -> str:
    return " ".join(words_of(text))


def private(
    rows: Sequence[Conversation],
    lines: Sequence[Mapping[str, Any]],
    system_prompt: str | None,
    languages: Sequence[str],
) -> dict[str, Any]:
    """Personal data in replies that also stand in the training rows, by kind (finetune.data.privacy).

    Left out is what stands in the question, its right answer or the system prompt, and what more than MAX_COMMON_ROWS
    rows hold (a clinic's own number is meant to be told): that is counted as "num_common".

    Returns:
        "num_replies", "num_only_adapter" (different texts), "num_common", and for base and adapter "num" (different
        texts) and "kinds" {kind: num}.
    """
    scanner = Scanner(tuple(languages))
    found: dict[str, dict[str, str]] = {who: {} for who in SIDES}  # side -> text -> kind
    for line in lines:
        known = _plain(f"{line['question']} {line.get('reference') or ''} {system_prompt or ''}")
        for who in SIDES:
            for one in scanner.scan(line[who]):
                text = _plain(line[who][one.start : one.end])
                if one.score >= _MIN_SCORE and text and text not in known:
                    found[who].setdefault(text, one.kind)
    looked_for = {text for texts in found.values() for text in texts}
    num_rows: Counter[str] = Counter()
    for row in rows if looked_for else ():
        held = _plain(" ".join(message.content for message in row.messages if message.role != "system"))
        num_rows.update(text for text in looked_for if text in held)
    rare = {text for text, num in num_rows.items() if num <= MAX_COMMON_ROWS}
    sides = {}
    for who in SIDES:
        kinds = Counter(kind for text, kind in found[who].items() if text in rare)
        sides[who] = {"num": sum(kinds.values()), "kinds": dict(sorted(kinds.items()))}
    only = sum(text in rare and text not in found["base"] for text in found["adapter"])
    common = len(num_rows) - len(rare)
    return {"num_replies": len(lines), "num_only_adapter": only, "num_common": common, **sides}


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
