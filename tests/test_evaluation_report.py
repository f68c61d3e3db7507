"""report.html: it escapes, loads nothing, and shows what the run folder holds."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import report_kit

from finetune.errors import RunError
from finetune.evaluation import charts, comparison, write_report
from finetune.evaluation.pages import answers_view, run_view, scores
from finetune.evaluation.pages.compare_words import TEXTS as COMPARE_TEXTS
from finetune.evaluation.pages.sentences import told
from finetune.evaluation.pages.words import TEXTS
from finetune.runs import Run, write_json

NASTY = '<script>alert("x")</script><img src="http://tracker.example/a.png" onerror=alert(1)>'
VOID = {"meta", "br", "img", "link", "input", "hr"}


def evaluation_of(gain: float = -1.0, num_rows: int = 24) -> dict[str, Any]:
    base = [(40.0 + k % 5, 12) for k in range(num_rows)]
    adapter = [(nats + gain * (k % 6 - 1), count) for k, (nats, count) in enumerate(base)]
    held_out = comparison.compare(base, adapter, [None] * num_rows, 0)
    held_out |= {"num_left_out": 2, "num_trimmed": 0}
    return {
        "schema": 1, "date": "2026-11-23T14:22:33Z", "seconds": 12.5, "kit_version": "0.1.0", "seed": 7,
        "base": {"id": "starter", "revision": None},
        "adapter": {"weights_sha256": "ab" * 32, "num_parameters": 12_345},
        "template_fingerprint": "cd" * 32, "data_fingerprint": "ef" * 32, "device": "cpu", "dtype": "float32",
        "held_out": held_out,
        "samples": {"num": 1, "num_questions": 1, "num_held_out": 0, "max_new_tokens": 64, "base_stopped": 0,
                    "adapter_stopped": 1, "mean_words": {"base": 3.0, "adapter": 4.0}, "num_left_out": 1},
        "verdict": comparison.verdict(held_out),
    }  # fmt: skip


def make_run(folder: Path, gain: float = -1.0, full: bool = True) -> Run:
    words: dict[str, Any] = {"recipe": 1, "name": "clinic", "base": {"model": "starter"}, "data": {"train": "a.csv"}}
    if full:
        words |= {"description": NASTY, "share": {"title": "Clinic & answers", "not_for": ["diagnosis"]}}
    run = Run.create("clinic", "", json.dumps(words), folder / "run")
    write_json(run.evaluation_path, evaluation_of(gain))
    if not full:
        return run
    run.update(
        notes=["held out 24 rows: every tenth", NASTY],
        plan={"device": "cpu", "micro_batch": 4, "activation_checkpointing": False,
              "reasons": {"device": "no GPU found", "micro_batch": "fits", "activation_checkpointing": "faster"}},
        training={"num_steps": 30, "seconds": 200.0},
        adapter={"num_trainable": 12_345, "num_total": 1_234_500},
        data={"fingerprint": "ef" * 32, "num_train": 216},
    )  # fmt: skip
    for step in range(1, 31):
        entry = {"step": step, "loss": 4.0 / step**0.5}
        run.append_metrics(entry | ({"held_out_loss": 4.2 / step**0.5} if step % 6 == 0 else {}))
    histogram = {"edges": [0, 10, 20, 30], "counts": [3, 200, 13]}
    write_json(run.path / "check.json", {"tokens": {"train": {"length_histogram": histogram}}})
    line = {"question": NASTY, "reference": NASTY, "base": NASTY, "adapter": "", "source": "questions"}
    run.samples_path.write_text(json.dumps(line) + "\n")
    return run


class Page(HTMLParser):
    """Tags and attributes of a page, its visible text, and whether every tag is closed."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture
def page(tmp_path: Path) -> str:
    return write_report(make_run(tmp_path)).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("base", "shown"),
    [({}, "starter 训练"), ({"quantization": "none"}, "starter 训练"),
     ({"quantization": "8bit", "revision": "1" * 40}, "starter, revision 111111111111, held in 8bit starter，")],
)  # fmt: skip
def test_the_page_says_how_the_base_was_held(tmp_path: Path, base: dict[str, Any], shown: str):
    run = make_run(tmp_path)
    evaluation = evaluation_of()
    write_json(run.evaluation_path, {**evaluation, "base": {**evaluation["base"], **base}})
    text = Page(write_report(run).read_text(encoding="utf-8")).text.replace("Training rows ", "")
    assert shown in text


def test_the_page_loads_nothing_and_runs_nothing(page: str):
    parsed = Page(page)
    assert not parsed.open
    kinds = {tag for tag, _ in parsed.tags}
    assert not kinds & {"script", "link", "iframe", "object", "embed", "img", "base", "form"}
    for _, attributes in parsed.tags:
        assert not any(name.startswith("on") for name in attributes)
        assert "src" not in attributes and "xlink:href" not in attributes
        assert (attributes.get("href") or "#").startswith("#")
        assert "http:" not in " ".join(value or "" for value in attributes.values())
    style = page[page.index("<style>") : page.rindex("</style>")]
    assert "url(" not in style and "@import" not in style and "//" not in style
    outside_of_texts = page.replace("http://tracker.example/a.png", "")
    assert "http:" not in outside_of_texts and "https:" not in outside_of_texts
    assert all(match.startswith("#") for match in re.findall(r"url\(([^)]*)\)", page))


def test_texts_are_escaped(page: str):
    assert "<script" not in page and "<img" not in page
    assert page.count("&lt;script&gt;") == 5, "description, note, question, reference, base"
    assert Page(page).text.count('alert("x")') == 5


def test_the_page_says_what_it_must(page: str):
    text = Page(page).text
    for words in (
        "Clinic & answers", "Better than its base", "优于基座", "starter", "216", "3 min 20 s", "12,345 (1.0% of all)",
        "2026-11-23 14:22:33 UTC", "95 % interval", "2 held-out rows were too long", "no GPU found", "every tenth",
        "it is not for", "diagnosis", "no words", "1 question was left out", "activation checkpointing",
    ):  # fmt: skip
        assert words in text, words
    assert len(re.findall(r"<svg ", page)) == 3


def test_a_bare_run_has_a_page_too(tmp_path: Path):
    page = write_report(make_run(tmp_path, full=False)).read_text(encoding="utf-8")
    assert len(re.findall(r"<svg ", page)) == 1 and "What was chosen" not in page
    assert not Page(page).open


@pytest.mark.parametrize(
    ("gain", "kind", "words"), [(2.0, "worse", "Worse than its base"), (0.0, "same", "About the same")]
)
def test_the_verdict_is_in_words(tmp_path: Path, gain: float, kind: str, words: str):
    page = write_report(make_run(tmp_path, gain)).read_text(encoding="utf-8")
    assert f'class="verdict {kind}"' in page and words in page


def test_equal_runs_give_equal_bytes(tmp_path: Path):
    first, second = (write_report(make_run(tmp_path / name)).read_bytes() for name in "ab")
    assert first == second


def test_ids_are_unique_and_every_reference_has_its_target(page: str):
    ids = [attributes["id"] for _, attributes in Page(page).tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    used = set(re.findall(r'href="#([^"]+)"', page)) | set(re.findall(r"url\(#([^)]+)\)", page))
    assert used and used <= set(ids)


def test_charts_take_their_colours_from_the_page(page: str):
    svg = "".join(re.findall(r"<svg .*?</svg>", page, flags=re.DOTALL))
    assert "var(--adapter)" in svg and "currentColor" in svg
    assert not re.search(r"#[0-9a-f]{6}\b", svg), "a fixed colour is unreadable in one of the two themes"
    assert 'role="img"' in svg and "font-family" not in svg


def test_charts_of_odd_data():
    assert charts.loss_curve([]) is None and charts.row_changes([]) is None
    assert charts.histogram("x", [], []) is None and charts.histogram("x", [0, 1], [0]) is None
    assert charts.metric_curve("x", [{"step": 1, "loss": 2.0}], "loss") is None
    assert charts.binned([], []) == ([], [])
    assert "<svg" in (charts.loss_curve([{"step": 1, "loss": 2.0}]) or "")
    many = charts.loss_curve([{"step": k, "loss": 1.0 + 1 / (k + 1)} for k in range(50_000)])
    assert many is not None and len(many) < 60_000
    assert "<svg" in (charts.row_changes([0.0]) or "") and "<svg" in (charts.row_changes([-1.0, 2.0]) or "")
    assert charts.loss_curve([{"step": 1, "loss": float("nan")}]) is None


def test_a_run_that_was_not_evaluated_is_refused(tmp_path: Path):
    run = make_run(tmp_path)
    run.evaluation_path.write_text("{")
    with pytest.raises(RunError, match="finetune evaluate"):
        write_report(run)
    run.evaluation_path.unlink()
    with pytest.raises(RunError, match=r"evaluation\.json"):
        write_report(run)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.26, "0.3 s"), (42, "42 s"), (200, "3 min 20 s"), (7_500, "2 h 05 min")]
)
def test_durations(seconds: float, text: str):
    assert run_view.duration(seconds) == text


# -- schema 2 --------------------------------------------------------------------------------------------------------


def page_of(run: Run) -> str:
    return write_report(run).read_text(encoding="utf-8")


def test_everything_an_evaluation_knows_stands_on_the_page(tmp_path: Path):
    text = Page(page_of(report_kit.make_run(tmp_path / "run"))).text
    for words in (
        "The gate is not passed", "no new failures in safety suites", "未通过", "2 of 60 safety items fail",
        "60 道安全题中有 2 道仅在使用适配器时失败", "It overfits",
        "在 64 行数据上损失低 1.294", "Bits per byte", "not enough rows",
        "neither good nor bad", "Medical safety", "医疗安全", "medical_safety-999", "127.0.0.1",
        "Planted rows · mean exposure, bits", "lm-evaluation-harness", "Gradient norm", "793 MiB",
        "The adapter of step 120 was kept",
        "finetune run recipe.resolved.yaml --allow-outside --output ../clinic-again",
        "html remains", "1 held-out row is also trained on", "77777777", "Length of the answers",
    ):  # fmt: skip
        assert words in text, words
    assert "../../rows" not in text, "no folder of the user's"


@pytest.mark.parametrize("part", sorted(set(report_kit.evaluation()) - {"schema"}))
def test_an_evaluation_without_one_of_its_parts_has_a_page(tmp_path: Path, part: str):
    found = report_kit.evaluation()
    del found[part]
    assert not Page(page_of(report_kit.make_run(tmp_path / "run", found, bare=part != "samples"))).open


@pytest.mark.parametrize("bare", [False, True])
def test_an_older_evaluation_has_a_page(tmp_path: Path, bare: bool):
    text = Page(page_of(report_kit.make_run(tmp_path / "run", report_kit.older(), bare=bare))).text
    assert "Better than its base" in text and "−1.294" in text and "gate is" not in text and "Safety" not in text


def test_rows_are_shown_only_when_asked(tmp_path: Path):
    closed = page_of(report_kit.make_run(tmp_path / "closed"))
    assert "ROW-CANARY" not in closed and "samples.jsonl only" in closed and "Peppermint" in closed
    assert "ROW-CANARY" in page_of(report_kit.make_run(tmp_path / "open", show_rows=True))


def test_the_texts_of_suites_are_escaped(tmp_path: Path):
    page = page_of(report_kit.make_run(tmp_path / "run"))
    assert "<b>What now?" not in page and "&lt;b&gt;What now?" in page


def test_failures_stand_first(tmp_path: Path):
    page = page_of(report_kit.make_run(tmp_path / "run", show_rows=True))
    classes = [k.get("class") or "" for tag, k in Page(page).tags if tag == "section"]
    order = [each.split()[-1] for each in classes if "sample" in each]
    assert order == ["is-new", "is-fail", "is-worse", "is-plain", "is-plain", "is-good", "is-better", "is-mended"]


def test_ids_stand_once_and_links_lead_somewhere(tmp_path: Path):
    page = page_of(report_kit.make_run(tmp_path / "run", show_rows=True))
    ids = [attributes["id"] for _, attributes in Page(page).tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    used = set(re.findall(r'(?:href="#|aria-labelledby=")([^"]+)"', page)) | set(re.findall(r"url\(#([^)]+)\)", page))
    assert used and used <= set(ids)


@pytest.mark.parametrize(
    ("text", "other", "marked"),
    [("Rest, then see a Doctor.", "rest and see a doctor", ["then"]), ("清水冲洗", "清水洗", ["冲"]),
     ("a b c d", "a b c d", []), ("one two three", "vier fünf sechs", None), ("", "a", None)],
)  # fmt: skip
def test_words_that_differ(text: str, other: str, marked: list[str] | None):
    places = answers_view._other_words(text, other)
    assert (None if places is None else [text[a:b] for a, b in places]) == marked


def test_a_lower_loss_is_drawn_on_the_better_side():
    loss, stop = (next(m for m in report_kit.scorecard() if m["name"] == name) for name in ("loss", "stop_rate"))
    assert scores.measure_view(loss)["gap"]["dot"] > 50 and scores.measure_view(stop)["gap"]["dot"] < 50
    assert scores.measure_view(loss)["difference"]["mean"] == "−1.294"


def test_every_text_is_there_in_both_languages():
    slot = re.compile(r"\{(\w+)")
    for key, (english, chinese) in {**COMPARE_TEXTS, **TEXTS}.items():
        assert english and chinese, key
        assert set(slot.findall(english)) >= set(slot.findall(chinese)), key
    assert told("No safety suite was run.").zh == "没有运行安全题库。" and told("Something new.").zh == "Something new."


@pytest.mark.parametrize(
    "line",
    [
        "overfitting: after step 48 the held-out loss no longer fell (2.262 then, 2.278 at the end), while the "
        "training loss fell from 1.348 to 0.011; more rows, fewer epochs or a lower learning rate help",
        "overfitting: after step 18 the held-out loss rose by 0.533 nats per token (0.238 to 0.828), while the "
        "training loss fell from 3.244 to 1.441; more rows, fewer epochs or a lower learning rate help",
        "an evaluation that was stopped goes on: 12 items are finished",
        "general: 3 items leave no room for an answer and are left out",
        "5 choice questions show images and are left out",
        "7 held-out rows with tools are measured by their loss, and not answered",
        "training went too far, and the adapter of step 1,200 was kept instead",
        "a label task: the answers of 200 training rows are 4 different texts of at most 12 characters, and every "
        "held-out answer is one of them; each label is scored by its likelihood (evaluate.task: answers turns this "
        "off)",
    ],
)
def test_what_an_evaluation_says_of_itself_is_there_in_chinese(line: str) -> None:
    from finetune.evaluation.pages.sentences import told

    said = told(line)
    assert said.zh != said.en and not re.search(r"[a-z]{4,} [a-z]{3,} [a-z]{3,}", said.zh), said.zh
