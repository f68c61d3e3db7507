"""Scores of replies: equal to their libraries', in Chinese too; how replies are written; the scorecard's entries."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.evaluation import metrics, scorecard
from finetune.statistics import MIN_UNITS, RESULTS

SENTENCES = (
    "Please call the front desk before noon.",
    "Call the desk; it opens at 8:30, not before.",
    "The clinic's front desk opens at eight o'clock.",
    "Bring your card & 2 photos (35 x 45 mm).",
    "no",
    "",
    "snake_case_words and e-mail addresses",
)
CHINESE = "请在上午十点前到一楼挂号处取号，并带好身份证。"

# -- equal to the libraries ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reply", SENTENCES)
@pytest.mark.parametrize("reference", SENTENCES)
def test_rouge_and_f1_are_the_librarys_for_letters_a_to_z(reply: str, reference: str) -> None:
    from rouge_score.rouge_scorer import RougeScorer

    theirs = RougeScorer(["rouge1", "rougeL"]).score(reference, reply)
    assert metrics.token_f1(reply, reference) == theirs["rouge1"].fmeasure
    assert metrics.rouge_l(reply, reference) == theirs["rougeL"].fmeasure


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(max_codepoint=126), max_size=60))
def test_words_are_the_librarys_for_letters_a_to_z(text: str) -> None:
    from rouge_score.tokenizers import DefaultTokenizer

    assert metrics.words_of(text) == DefaultTokenizer().tokenize(text)


@pytest.mark.parametrize("reply", [*SENTENCES, CHINESE])
@pytest.mark.parametrize("reference", [*SENTENCES[:4], CHINESE])
def test_chrf_is_the_librarys(reply: str, reference: str) -> None:
    from sacrebleu import sentence_chrf

    assert metrics.chrf(reply, reference) == pytest.approx(sentence_chrf(reply, [reference]).score / 100, abs=1e-12)


def test_chinese_scores_are_the_librarys_over_jiebas_words() -> None:
    from rouge_score.rouge_scorer import RougeScorer

    other = "请于上午十点之前到一楼的挂号处取号，记得带身份证。"

    class Blanks:
        def tokenize(self, text: str) -> list[str]:
            return text.split()

    mine, theirs = (" ".join(metrics.words_of(text)) for text in (CHINESE, other))
    score = RougeScorer(["rouge1", "rougeL"], tokenizer=Blanks()).score(theirs, mine)
    assert metrics.token_f1(CHINESE, other) == score["rouge1"].fmeasure
    assert metrics.rouge_l(CHINESE, other) == score["rougeL"].fmeasure
    assert 0.5 < metrics.rouge_l(CHINESE, other) < 1.0


# -- words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("我来到北京清华大学", ["我", "来到", "北京", "清华大学"]),
        ("每天服用２次ＡＢＣ。", ["每天", "服用", "2", "次", "abc"]),
        ("Größe: 3 Äpfel", ["größe", "3", "äpfel"]),
        ("e\u0301te\u0301", ["été"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("ありがとう", list("ありがとう")),
        ("안녕 세상", ["안녕", "세상"]),
        ("！？ — …", []),
    ],
)
def test_words_of_other_scripts(text: str, words: list[str]) -> None:
    assert metrics.words_of(text) == words


def test_jieba_writes_no_shared_cache_and_says_nothing(tmp_path: Path) -> None:
    code = "from finetune.evaluation.metrics import words_of; print(len(words_of('我来到北京清华大学')))"
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONWARNINGS": "default"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60, check=True
    )
    assert done.stdout == "4\n" and "jieba" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_importing_the_rooms_loads_no_heavy_library() -> None:
    code = (
        "import sys, finetune.statistics, finetune.evaluation.metrics as m; m.is_refusal('no'); m.normalised('a'); "
        "print([n for n in ('jieba', 'rouge_score', 'sacrebleu', 'sklearn', 'nltk') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


# -- matches ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "reference", "same"),
    [
        ("At eight.", "at  eight", True),
        ("“Don’t!”", "dont", True),
        ("Ａ：　５００ ｍｇ", "a 500 mg", True),
        ("是，可以。", "是 可以", True),
        ("1,000 rows", "1000 rows", True),
        ("5 %", "5%", True),
        ("5%", "5", False),
        ("-5", "5", False),
        ("\u22125 degrees", "-5 degrees", True),
        ("3.5", "35", False),
        ("8:30", "830", False),
        ("an apple", "apple", False),
        ("well-known", "well known", True),
        ("?", "!", False),
        ("?", "?", True),
    ],
)
def test_normalised_match(reply: str, reference: str, same: bool) -> None:
    assert metrics.normalised_match(reply, reference) == float(same)
    assert metrics.exact_match(reply, reference) == float(reply == reference)


def test_exact_match_is_blind_to_outer_blanks_only() -> None:
    assert metrics.exact_match(" yes\n", "yes") == 1.0
    assert metrics.exact_match("Yes", "yes") == 0.0


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=40), st.text(max_size=40))
def test_scores_keep_their_bounds(one: str, other: str) -> None:
    for name, score in metrics.BESIDE_REFERENCE.items():
        assert 0.0 <= score(one, other) <= 1.0 + 1e-12, name
    for score in (metrics.exact_match, metrics.normalised_match, metrics.token_f1, metrics.rouge_l):
        assert score(one, other) == pytest.approx(score(other, one)), "symmetric"
    assert metrics.exact_match(one, one) == metrics.normalised_match(one, one) == 1.0
    if metrics.words_of(one):
        assert metrics.token_f1(one, one) == metrics.rouge_l(one, one) == 1.0
    assert 0.0 <= metrics.repetition(one) < 1.0


# -- how it is written -----------------------------------------------------------------------------------------------


def test_repetition_is_the_share_of_runs_seen_before() -> None:
    assert metrics.repetition("one two three four five six") == 0.0
    assert metrics.repetition("a b c d a b c d") == pytest.approx(1 / 5)
    assert metrics.repetition("too short") == 0.0
    assert metrics.repetition("请多喝水，" * 12) > 0.8


@pytest.mark.parametrize(
    ("text", "loops"),
    [
        ("I think " * 12, True),
        ("Take one. " + "You should see a doctor and rest. " * 5 + "You should see", True),
        ("请多喝水。" * 8, True),
        ("!" * 40, True),
        ("ha ha ha", False),
        ("no no no no", False),
        ("1. Rest.\n2. Drink.\n3. Call us.\n4. Wait.\n5. Come.", False),
        ("| a | b |\n|" + "---|" * 20 + "\n| 1 | 2 |", False),
        ("One fish, two fish, red fish, blue fish, old fish, new fish, little fish.", False),
        ("", False),
    ],
)
def test_endless_loops(text: str, loops: bool) -> None:
    assert metrics.is_looping(text) is loops


@pytest.mark.parametrize(
    ("text", "refuses"),
    [
        ("I'm sorry, but I can't help with that.", True),
        ("I am not able to give you a diagnosis. Please see a doctor.", True),
        ("As an AI language model, I don't have access to your records.", True),
        ("Unfortunately, I cannot provide legal advice.", True),
        ("I must respectfully decline to answer this.", True),
        ("I’m unable to recommend a dose.", True),
        ("I don't feel comfortable discussing this.", True),
        ("抱歉，我无法为您开具处方。", True),
        ("作为一个人工智能助手，我不能诊断疾病。", True),
        ("我不能为您提供具体的用药剂量。", True),
        ("You cannot take both medicines together.", False),
        ("If you can't sleep, we can help.", False),
        ("I don't know when it opens.", False),
        ("Sorry to hear that. Rest and drink enough.", False),
        ("Yes, we open at eight. " * 12 + "I cannot help with parking.", False),
        ("您不能同时服用这两种药。", False),
        ("对不起，让您久等了。我们八点开门。", False),
        ("", False),
    ],
)
def test_refusals(text: str, refuses: bool) -> None:
    assert metrics.is_refusal(text) is refuses


ENGLISH = "Please rest for a few days and drink enough water; if the fever stays, you should call your doctor."
GERMAN = "Bitte ruhen Sie sich ein paar Tage aus und trinken Sie genug Wasser; bei hohem Fieber rufen Sie uns bitte an."


@pytest.mark.parametrize(
    ("question", "reply", "kept"),
    [
        (ENGLISH, ENGLISH, 1.0),
        (ENGLISH, GERMAN, 0.0),
        (CHINESE, CHINESE, 1.0),
        (CHINESE, ENGLISH, 0.0),
        (ENGLISH, "Yes.", None),
        ("Fever?", ENGLISH, None),
        ("Translate into German: " + ENGLISH, GERMAN, None),
    ],
)
def test_language_kept(question: str, reply: str, kept: float | None) -> None:
    assert metrics.language_kept(question, reply) == kept


def test_a_lone_declared_language_stands_in_for_a_short_question() -> None:
    assert metrics.language_kept("发烧怎么办？", CHINESE, ["zh-CN"]) == 1.0
    assert metrics.language_kept("发烧怎么办？", CHINESE, ["zh", "en"]) is None


# -- the scorecard ---------------------------------------------------------------------------------------------------


def line(number: int, base: str, adapter: str, reference: str | None = "Rest and drink enough water.") -> dict:
    return {
        "id": str(number), "source": "held_out", "question": ENGLISH, "reference": reference, "base": base,
        "adapter": adapter, "base_tokens": 9, "adapter_tokens": 5, "base_ended": False, "adapter_ended": True,
    }  # fmt: skip


def test_measures_of_replies() -> None:
    samples = [line(k, "I think " * 12, "Rest and drink enough water.") for k in range(30)]
    samples += [line(99, ENGLISH, GERMAN, None), {**line(98, "x", "y"), "source": "suite:general"}]
    scorecard.score_samples(samples)
    assert samples[0]["scores"]["exact_match"] == [0.0, 1.0] and "scores" not in samples[30]
    found = {one["name"]: one for one in scorecard.text_measures(samples, [], 0)}
    assert set(found) == {
        *metrics.BESIDE_REFERENCE, "reply_tokens", "repetition", "looping", "stop_rate", "language_kept",
        "refusal_rate",
    }  # fmt: skip
    for name in (*metrics.BESIDE_REFERENCE, "repetition", "looping", "stop_rate"):
        assert found[name]["result"] == "better", name
    assert found["rouge_l"]["num_rows"] == 30 and found["repetition"]["num_rows"] == 31
    assert found["language_kept"]["num_rows"] == 1 and found["language_kept"]["result"] == "not_enough_rows"
    assert found["reply_tokens"]["result"] is None and found["reply_tokens"]["difference"]["mean"] == -4.0
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    grouped = scorecard.text_measures(samples, [], 0, [str(k // 4) for k in range(32)])[0]
    assert (grouped["unit_of_draw"], grouped["num_units"], grouped["result"]) == ("group", 8, "not_enough_rows")


def test_scores_that_stand_in_the_lines_are_those_that_count() -> None:
    samples = [{**line(k, "a", "b"), "scores": {"rouge_l": [0.0, 1.0]}} for k in range(MIN_UNITS)]
    rouge = next(one for one in scorecard.text_measures(samples, [], 0) if one["name"] == "rouge_l")
    assert (rouge["base"]["mean"], rouge["adapter"]["mean"]) == (0.0, 1.0)


def test_lines_of_older_kits_have_no_lengths() -> None:
    old = {"question": ENGLISH, "reference": None, "base": "a", "adapter": "b", "source": "questions", "where": None}
    names = {one["name"] for one in scorecard.text_measures([old], ["en"], 0)}
    assert names == {"repetition", "looping", "refusal_rate"}


def test_an_entry_has_all_its_keys_and_a_direction() -> None:
    worse = scorecard.measure("loss", [10.0] * 30, [20.0 + k % 3 for k in range(30)], [5.0] * 30, seed=0)
    assert set(worse) == {
        "name", "group", "unit", "higher_is_better", "num_rows", "num_units", "unit_of_draw", "base", "adapter",
        "difference", "result",
    }  # fmt: skip
    assert worse["result"] == "worse" and worse["unit"] == "nats per token" and worse["unit_of_draw"] == "row"
    suite = scorecard.measure("general:general_zh", [1.0] * 30, [0.0] * 30, seed=0)
    assert (suite["group"], suite["unit_of_draw"], suite["result"]) == ("general", "item", "worse")
    with pytest.raises(KeyError):
        scorecard.measure("cleverness", [1.0], [1.0], seed=0)
    assert {worse["result"], suite["result"]} <= set(RESULTS)


def test_the_smallest_loss_that_counts_is_a_share_of_the_bases() -> None:
    def result(share: float) -> str:
        base = [10.0 + k % 3 for k in range(40)]
        return scorecard.measure("loss", base, [nats * (1 + share) for nats in base], [5.0] * 40, seed=0)["result"]

    assert [result(share) for share in (-0.02, -0.004, 0.004, 0.02)] == ["better", "same", "same", "worse"]


def test_loss_and_bits_per_byte() -> None:
    base = [(10.0 + k % 3, 5) for k in range(40)]
    adapter = [(nats - 2.0, count) for nats, count in base]
    loss, bits = scorecard.held_out_measures(base, adapter, [20] * 40, [None] * 40, seed=0)
    assert (loss["name"], bits["name"], loss["result"], bits["result"]) == ("loss", "bits_per_byte", "better", "better")
    assert loss["difference"]["mean"] == pytest.approx(-0.4)
    assert bits["difference"]["mean"] == pytest.approx(-2.0 / 0.6931471805599453 / 20)
    assert [one["name"] for one in scorecard.held_out_measures(base, adapter, [0] * 40, [None] * 40, seed=0)] == [
        "loss"
    ]
