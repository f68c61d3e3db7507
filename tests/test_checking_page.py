"""check.html from reports made by hand: words, verdicts, tables, drawings, and where it may be written."""

from __future__ import annotations

import itertools
import os
import re
import string
from html.parser import HTMLParser
from pathlib import Path

import checking_kit
import pytest

from finetune.checking import check_target, with_lengths, write_check
from finetune.checking.charts import flow, histogram
from finetune.checking.report import render
from finetune.checking.verdict import grouped, reasons
from finetune.checking.view import places, share, size_shown, view
from finetune.checking.words import TEXTS, say
from finetune.data.findings import KINDS
from finetune.data.privacy import KINDS as PRIVACY_KINDS
from finetune.errors import DataError, Problem, RunError

MADE = {"clean": checking_kit.clean, "looked_at": checking_kit.looked_at, "refused": checking_kit.refused}


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, text: str):
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.headings: dict[str, list[int]] = {"en": [], "zh": []}
        self.tables: list[int] = []
        self.outside: list[str] = []
        self.tags: set[str] = set()
        self.language = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {key: value or "" for key, value in attrs}
        self.tags.add(tag)
        if tag == "article":
            self.language = found["class"].removeprefix("in-")
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "a":
            self.links.append(found["href"])
        if re.fullmatch("h[1-6]", tag) and self.language:
            self.headings[self.language].append(int(tag[1]))
        if tag == "table":
            self.tables.append(0)
        if tag == "th" and self.tables:
            self.tables[-1] += 1
        self.outside += [found[key] for key in ("src", "srcset", "action", "data", "background") if key in found]
        self.outside += [found["href"]] if not found.get("href", "#").startswith("#") else []
        self.outside += [key for key in found if key.startswith("on")]


@pytest.mark.parametrize("key", TEXTS)
def test_every_text_stands_in_both_languages_with_the_same_slots(key: str) -> None:
    english, chinese = TEXTS[key]
    slots = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in (english, chinese)]
    assert slots[0] == slots[1]
    if key not in ("language_name", "colon", "comma", "aside"):
        assert re.search(r"[\u4e00-\u9fff]", chinese), "hand-written Chinese"
    assert not re.search(r"[\u4e00-\u9fff]", english)


def test_every_kind_has_its_words() -> None:
    for kind in (*KINDS.values(), *PRIVACY_KINDS.values()):
        assert kind.title_en and re.search(r"[\u4e00-\u9fff]", kind.title_zh)


@pytest.mark.parametrize("name", MADE)
def test_the_page_is_one_file_that_loads_nothing(name: str) -> None:
    text = render(MADE[name]())
    page = Page(text)
    assert text.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert not page.tags & {"script", "iframe", "link", "object", "embed", "img", "form", "base"}
    assert "http:" not in text and "https:" not in text and "@import" not in text and "url(" not in text
    assert page.outside == []
    assert "default-src 'none'" in text


@pytest.mark.parametrize("name", MADE)
def test_the_page_can_be_walked_without_seeing_it(name: str) -> None:
    page = Page(render(MADE[name]()))
    assert len(page.ids) == len(set(page.ids))
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids), "a reason leads to its section"
    for levels in page.headings.values():
        assert levels[0] == 1 and levels.count(1) == 1
        assert all(after - before <= 1 for before, after in itertools.pairwise(levels)), "no level is skipped"
    assert page.headings["en"] == page.headings["zh"], "both languages say the same things"
    assert page.tables and all(page.tables), "every table names its columns or rows"


def test_the_three_verdicts() -> None:
    kinds = {name: made()["verdict"]["kind"] for name, made in MADE.items()}
    assert kinds == {"clean": "ready", "looked_at": "look", "refused": "not_ready"}
    ready = checking_kit.clean()["verdict"]
    assert ready["sentence"] == (
        "Ready to train: 4,500 rows to train on, 500 held out; nothing was found that needs a look first."
    )
    assert ready["reasons"] == []
    refused = checking_kit.refused()["verdict"]
    assert refused["sentence"].startswith("Not ready to train: 2 kinds of problem must be put right first.")
    assert [reason["stops"] for reason in refused["reasons"][:3]] == [True, True, False]


def test_every_reason_says_what_to_do_in_the_language_of_the_reader() -> None:
    report = checking_kit.looked_at()
    for language in ("en", "zh"):
        found = reasons(report, language)
        assert {reason.code for reason in found} == {
            "leakage", "privacy", "bad_rows", "finding:mojibake", "finding:refusal", "finding:html_remains",
            "near_duplicates", "other_answers", "overlong", "warning",
        }  # fmt: skip
        for reason in found:
            if reason.code == "warning":  # in the words of another room, which may be English ones only
                assert reason.what == "a warning in other words" and reason.fix and reason.language == "en"
                continue
            assert reason.what and reason.fix and reason.language == language
            assert bool(re.search(r"[\u4e00-\u9fff]", reason.what + reason.fix)) == (language == "zh")
    assert f"{KINDS['mojibake'].title_zh}" in render(report)


def test_a_finding_that_stops_is_told_once_and_in_its_own_words() -> None:
    made = view(checking_kit.refused(), "zh")
    assert [problem["what"]["text"] for problem in made["problems"]] != []
    assert "312 of 5,000" not in render(checking_kit.refused())
    stopping = [reason["what"] for reason in made["reasons"] if reason["stops"]]
    assert KINDS["mojibake"].title_zh in stopping


def test_no_row_is_unaccounted_for() -> None:
    rows = view(checking_kit.looked_at(), "en")["rows"]
    assert sum(part["num"] for part in rows["parts"]) == rows["read"] == 5_000
    assert [part["num"] for part in rows["parts"]] == [4_380, 500, 12, 99, 9]
    assert rows["more"] == 0 and not rows["stopped"]
    stopped = view(checking_kit.refused(), "en")["rows"]
    assert {part["label"]: part["num"] for part in stopped["parts"]} == {
        say("usable", "en"): 4_988, say("bad_rows_now", "en"): 12,
    }  # fmt: skip
    assert stopped["stopped"]
    weighted = checking_kit.clean() | {"num_train": 9_000}
    assert view(weighted, "en")["rows"]["more"] == 4_500


def test_rows_too_short_to_be_sure_of_are_counted_as_unclear() -> None:
    shown = view(checking_kit.clean(), "en")["languages"]
    assert [(row["name"], row["num"]) for row in shown["rows"]] == [
        ("English", 4_900),
        ("Chinese", 80),
        ("unclear", 20),
    ]
    assert shown["declared"] == ["English"]


def test_lengths_that_come_later_change_the_verdict() -> None:
    report = checking_kit.clean()
    facts, report["lengths"] = report["lengths"], None
    facts["train"]["num_over"], facts["train"]["over_places"] = 3, ["a.csv:2"]
    made = with_lengths(report, facts)
    assert report["verdict"]["kind"] == "ready" and made["verdict"]["kind"] == "look"
    assert made["verdict"]["reasons"][0]["what"] == "3 training rows are longer than data.max_length (512 tokens)"
    assert made["lengths"] == facts


def test_places_are_gathered_by_file_and_folded_when_many() -> None:
    few = places(["a.csv:3", "b.csv:9", "a.csv:12"], 3, "en")
    assert few is not None and not few["folded"]
    assert few["lines"] == [("a.csv", "lines 3, 12"), ("b.csv", "line 9")]
    many = places([f"a.csv:{line}" for line in range(100)], 312, "zh")
    assert many is not None and many["folded"]
    assert many["title"] == "位置（312 处中的前 100 处）"
    assert places(["pairs/7.txt"], 1, "en") == {"title": "Places", "lines": [("pairs/7.txt", "")], "folded": False}
    assert places([], 0, "en") is None


@pytest.mark.parametrize(
    ("number", "total", "says"),
    [(1, 2, "50 %"), (1, 3, "33 %"), (1, 30, "3.3 %"), (1, 5_000, "< 0.1 %"), (4_999, 5_000, "> 99 %"),
     (5, 5, "100 %"), (0, 5, "0 %"), (0, 0, "")],
)  # fmt: skip
def test_shares(number: int, total: int, says: str) -> None:
    assert share(number, total) == says


def test_sizes() -> None:
    sizes = [size_shown(number) for number in (0, 812, 1_200, 34_000, 2_100_000_000)]
    assert sizes == ["0 B", "812 B", "1.2 kB", "34 kB", "2.1 GB"]


def test_problems_of_one_kind_are_one_entry() -> None:
    rows = [Problem(f"a.csv:{k}", f"row {k - 1}, key id", "the answer is empty", fix="fill") for k in range(2, 252)]
    entries = grouped([*rows, Problem("a.csv:9", "", "ends inside a string"), "a line alone"], {})
    assert [(entry["what"], entry["num"]) for entry in entries] == [
        ("the answer is empty", 250), ("ends inside a string", 1), ("a line alone", 1),
    ]  # fmt: skip
    assert entries[0]["keys"] == ["key id"] and len(entries[0]["places"]) == 100
    assert entries[0]["places"][:2] == ["a.csv:2", "a.csv:3"]
    long = [Problem(f"a.csv:{k}", "", f"{k} tokens; the limit is 32", fix="shorten it") for k in (40, 50)]
    assert [(entry["what"], entry["num"]) for entry in grouped(long, {})] == [("N tokens; the limit is N", 2)]
    assert grouped(long[:1], {})[0]["what"] == "40 tokens; the limit is 32"
    counted = {"reasons": [{"what": "key id: the answer is empty", "num": 9_000, "places": ["a.csv:2"]}]}
    (entry,) = grouped(rows, counted)
    assert (entry["what"], entry["fix"], entry["num"]) == ("key id: the answer is empty", "fill", 9_000)


def test_drawings_are_numbers_and_fixed_words() -> None:
    drawn = histogram([0, 10, 20, 30], [5, 0, 2], 'about "<rows>"', "tokens", limit=15)
    assert drawn == histogram([0, 10, 20, 30], [5, 0, 2], 'about "<rows>"', "tokens", limit=15)
    assert "&lt;rows&gt;" in drawn and drawn.count('class="bar') == 2 and drawn.count(" over") == 1
    assert 'class="limit"' in drawn
    assert 'class="limit"' not in histogram([0, 10, 20], [5, 2], "", "tokens", limit=5_000), "far off: not drawn"
    assert histogram([], [], "", "") == "" and histogram([0, 1], [0], "", "") == ""
    assert flow([]) == "" and flow([("train", 10), ("out", 1)]).count("<path") == 2


def test_every_part_that_rows_have_is_drawn() -> None:
    report = checking_kit.clean()
    english = view(report, "en")["lengths"]["drawings"]
    assert [drawing["title"] for drawing in english] == ["Whole row", "Answers", "Questions"], "no system turn anywhere"
    report["lengths"]["train"]["system_histogram"] = {"edges": [0, 8, 16], "counts": [9, 4]}
    titles = [drawing["title"] for drawing in view(report, "zh")["lengths"]["drawings"]]
    assert titles == [say(f"part_{part}", "zh") for part in ("total", "answer", "prompt", "system")]
    assert render(report).count('<svg class="chart"') == 8


def test_names_of_files_and_reasons_cannot_become_markup() -> None:
    report = checking_kit.looked_at()
    report["recipe"]["name"] = "<script>x"
    report["files"][0]["name"] = '"><img src=x>'
    text = render(report)
    assert "<script" not in text and "<img" not in text and "<b>odd" not in text


def test_the_page_begins_in_the_language_of_the_rows() -> None:
    report = checking_kit.clean()
    assert 'id="to-en" checked' in render(report)
    report["settings"]["languages"] = ["zh", "en"]
    assert 'id="to-zh" checked' in render(report)
    report["settings"]["languages"], report["languages"] = [], {"zh": 9, "en": 3}
    assert 'id="to-zh" checked' in render(report)
    report["languages"] = {}
    assert 'id="to-en" checked' in render(report)


def test_words_instead_of_tokens_and_nothing_at_all() -> None:
    report = checking_kit.clean()
    report["lengths"]["unit"] = "words"
    assert "tokenizer is not on this machine" in render(report)
    report["lengths"] = None
    assert "Not counted in this check." in render(report)
    empty = checking_kit.refused() | {"files": [], "num_rows_read": 0, "findings": {}, "bad_rows": {}}
    assert "No file could be read." in render(checking_kit.finished(empty))


@pytest.mark.parametrize("rule", ["warn", "refuse", "redact"])
def test_personal_data_by_its_rule(rule: str) -> None:
    report = checking_kit.looked_at()
    report["privacy"]["rule"] = rule
    assert f"(data.privacy: {rule})" in render(report)
    told = {reason.code for reason in reasons(report, "en")}
    assert ("privacy" in told) == (rule == "warn"), "redacted rows need no look"
    report["privacy"] = {}
    report["settings"]["privacy"] = "off"
    assert "were not searched for personal data" in render(report)


# -- where it is written ---------------------------------------------------------------------------------------------


def test_an_earlier_check_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "checks" / "mine"
    page, file = write_check(folder, checking_kit.clean())
    before = page.read_bytes(), file.read_bytes()
    check_target(folder)
    write_check(folder, checking_kit.refused())
    assert page.read_bytes() != before[0] and file.read_bytes() != before[1]
    assert sorted(path.name for path in folder.iterdir()) == ["check.html", "check.json"]


@pytest.mark.parametrize("name", ["check.html", "check.json"])
@pytest.mark.parametrize("kind", ["text", "empty", "folder", "link", "pipe"])
def test_nothing_else_is_ever_replaced(name: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to("nowhere")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.write_text('{"mine": 1}' if kind == "text" else "")
    with pytest.raises(RunError, match="exists, and no check wrote it"):
        check_target(tmp_path)


def test_a_run_keeps_the_check_it_was_trained_on(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(RunError, match="is the folder of a run"):
        check_target(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="is no folder"):
        check_target(tmp_path / "file")


def test_an_error_of_the_data_carries_what_was_found() -> None:
    assert DataError("wrong").report is None
    error = DataError([Problem("a", "", "wrong")], report={"num_rows_read": 3})
    assert error.report == {"num_rows_read": 3} and error.exit_code == 2 and str(error) == "a: wrong"
