"""Every data template: explained, read and rendered by the kit with no finding, its rows what they promise to be."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import shutil
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import template_kit

from finetune import data, prepare, recipe, resources
from finetune.generation import read_questions

ROOT = template_kit.ROOT
FOLDERS = sorted(path for path in ROOT.iterdir() if path.is_dir())
TABLES = sorted(path for path in ROOT.rglob("*") if path.suffix in (".csv", ".jsonl"))
MEDICAL = ROOT / "medical"
# Folder of a shape -> the layout that its rows are recognised as.
SHAPES = {name: name for name in ("alpaca", "messages", "preference", "prompt_completion", "question_answer", "rated")}
SHAPES |= {"sharegpt": "sharegpt", "tools": "messages", "image_question_answer": "question_answer"}
DOMAINS = ("customer_support", "customer_support_zh", "education", "finance", "legal", "medical", "medical_zh")
FORMS = ("template.jsonl", "template.csv", "template.xlsx")
NUM_ROWS = 36

SECTIONS = ("Files", "A good row", "Bad rows, and why", "How many rows", "What must not be in it", "Check it", "Limits")
SECTIONS_ZH = ("文件", "好的一行", "不好的例子和原因", "需要多少行", "不能放进去的内容", "怎么检查", "局限")

DOSE = re.compile(
    r"\d+(\.\d+)?\s*(mg|mcg|µg|g|grams?|milligrams?|ml|millilit(er|re)s?|cc|iu|units?|tablets?|pills?|drops)\b", re.I
)
SPELLED_DOSE = re.compile(
    r"\b(half an?|one|two|three|four|five|six)\s(tablets?|pills?|drops?|spoonfuls?|milligrams?|millilit(er|re)s?)\b",
    re.I,
)
DOSE_ZH = re.compile(r"[\d.一二两三四五六七八九十半]+\s*(毫克|微克|毫升|克|片|粒|滴|支|袋|包|勺|mg|ml)")
PRIVATE = re.compile(r"@|https?:|www\.|\d{6,}|\+\d")
INVENTED = re.compile(r"stud(y|ies) (show|prove)|research shows|according to|section \d|研究表明|据统计|根据第", re.I)

domains = pytest.mark.parametrize("domain", DOMAINS)


def rows(name: str) -> list[dict[str, str]]:
    with (MEDICAL / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def template(domain: str) -> list[dict[str, str]]:
    return template_kit.json_rows(ROOT / domain)


def asked(domain: str) -> list[str]:
    with (ROOT / domain / "questions.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line)["question"] for line in file]


def folded(text: str) -> str:
    """A question as a reader would call it the same: letters and digits only."""
    return " ".join(re.findall(r"\w+", text.lower()))


def alike(one: str, other: str) -> float:
    """The share of runs of four characters that two texts have in common (Jaccard), 0 to 1."""

    def runs(text: str) -> set[str]:
        text = folded(text)
        return {text[start : start + 4] for start in range(max(1, len(text) - 3))}

    return len(runs(one) & runs(other)) / len(runs(one) | runs(other))


def load(folder: Path, recipe_text: str, *overrides: str) -> tuple[recipe.LoadedRecipe, data.Splits]:
    path = folder / "recipe.yaml"
    path.write_text(recipe_text, encoding="utf-8")
    loaded = recipe.load(path, list(overrides))
    return loaded, data.load(loaded)


def told(report: data.DataReport) -> list[str]:
    """All that a check finds fault with; not the note on how few rows there are."""
    found = [line for line in report.warnings if "teach little" not in line]
    # Answers rated as bad are left out of a training that imitates answers; that is what they are for.
    found += [f"dropped {why}: {num}" for why, num in report.dropped.items() if num and why != "disliked answer"]
    found += [f"finding {kind}: {about}" for kind, about in report.findings.items()]
    found += [f"privacy {kind}: {about}" for kind, about in report.privacy.get("kinds", {}).items()]
    for name in ("exact", "near", "same_question_other_answer"):
        if report.duplicates.get(name):
            found.append(f"duplicates {name}: {report.duplicates[name]}")
    if report.bad_rows.get("num") or report.leakage.get("num_rows"):
        found.append(f"bad rows or leakage: {report.bad_rows}, {report.leakage}")
    return found


def render(loaded: recipe.LoadedRecipe, splits: data.Splits) -> None:
    """Every row through the one renderer with the starter base: something is trained, and not all of it."""
    base = prepare.open_base(loaded)
    for conversation in itertools.chain(splits.train, splits.held_out):
        rendered = base.renderer.render([message.as_dict() for message in conversation.messages])
        trained = sum(label != -100 for label in rendered.labels)
        assert 0 < trained < len(rendered.input_ids), conversation.where


# ------------------------------------------------------------------------------------------- folders and files


def test_the_walk_finds_what_the_kit_ships() -> None:
    assert {path.name for path in FOLDERS} == set(SHAPES) | set(DOMAINS)
    assert [path.name for path in template_kit.domain_folders()] == sorted(DOMAINS)
    assert len(TABLES) == len(SHAPES) + 3 * len(DOMAINS) + 2
    assert resources.shipped("data_templates") == ROOT


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_folder_is_explained_and_listed(folder: Path) -> None:
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert f"]({folder.name}/README.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    for goal in re.findall(r"\]\((?!http)([^)#]+)", text):
        assert (folder / goal).is_file(), goal


@pytest.mark.parametrize("path", TABLES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_every_file_is_utf8_with_a_last_line_end(path: Path) -> None:
    text = path.read_bytes().decode("utf-8")
    assert text.endswith("\n")
    assert "\r" not in text
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            table = list(csv.reader(file, strict=True))
        assert len({len(row) for row in table}) == 1, "every row has as many cells as the header line"
    else:
        assert all(isinstance(json.loads(line), dict) for line in text.splitlines())


# ------------------------------------------------------------------------------------------- the shapes


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_is_recognised_read_and_rendered(name: str, tmp_path: Path) -> None:
    file = next(path for path in (ROOT / name).iterdir() if path.stem == "template")
    shutil.copytree(ROOT / name, tmp_path, dirs_exist_ok=True)
    text = f"recipe: 1\nbase: {{model: starter}}\ndata: {{train: {file.name}, held_out: 0.3}}\n"
    loaded, splits = load(tmp_path, text + "share: {languages: [en]}\n")
    assert splits.report.files[0].format == SHAPES[name]
    assert splits.report.num_rows_read >= 6
    assert splits.train and splits.held_out
    expected = "data.privacy looks at texts only", "show one of the training rows' images"  # its README says so
    shown = expected if name == "image_question_answer" else ()
    assert [line for line in told(splits.report) if not any(words in line for words in shown)] == []
    if name not in ("tools", "image_question_answer"):  # The starter knows no tools and takes no images.
        render(loaded, splits)


def test_a_preference_template_prefers_neither_long_nor_equal_answers() -> None:
    pairs = template_kit.json_rows(ROOT / "preference")
    assert all(set(pair) == {"prompt", "chosen", "rejected"} for pair in pairs)
    assert all(alike(pair["chosen"], pair["rejected"]) < 0.5 for pair in pairs)
    assert any(len(pair["chosen"]) < len(pair["rejected"]) for pair in pairs)


def test_a_rated_template_has_both_ratings() -> None:
    ratings = [
        json.loads(line)["label"] for line in (ROOT / "rated" / "template.jsonl").read_text("utf-8").splitlines()
    ]
    assert min(ratings.count(True), ratings.count(False)) >= 3


def test_a_tool_is_only_called_with_what_it_knows_and_each_call_is_answered() -> None:
    conversations = template_kit.json_rows(ROOT / "tools")
    num_without_call = 0
    for conversation in conversations:
        known = {tool["function"]["name"]: tool["function"]["parameters"] for tool in conversation["tools"]}
        calls = [call for message in conversation["messages"] for call in message.get("tool_calls", ())]
        results = [message for message in conversation["messages"] if message["role"] == "tool"]
        assert [call["id"] for call in calls] == [result["tool_call_id"] for result in results]
        assert [call["function"]["name"] for call in calls] == [result["name"] for result in results]
        for call in calls:
            arguments = json.loads(call["function"]["arguments"])
            schema = known[call["function"]["name"]]
            assert set(schema["required"]) <= set(arguments) <= set(schema["properties"])
        num_without_call += not calls
    assert num_without_call, "a model must also see when not to call"


# ------------------------------------------------------------------------------------------- the domains


@domains
@pytest.mark.parametrize("form", FORMS)
def test_a_domain_is_checked_and_rendered_with_no_finding(domain: str, form: str, tmp_path: Path) -> None:
    """With the recipe of its own README, on the starter base."""
    folder = tmp_path / domain
    shutil.copytree(ROOT / domain, folder)
    text = re.findall(r"```yaml\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)[0]
    text = text.replace("train: template.jsonl", f"train: {form}")
    loaded, splits = load(folder, text, "base.model=starter")
    assert splits.report.files[0].format == "question_answer"
    assert len(splits.train) + len(splits.held_out) == NUM_ROWS
    assert {row.group for row in splits.train}.isdisjoint(row.group for row in splits.held_out)
    assert told(splits.report) == []
    assert splits.report.privacy["rule"] == "warn"
    assert set(splits.report.languages) == {"zh" if domain.endswith("_zh") else "en"}
    assert len(read_questions(loaded)) >= 6
    prompt = (folder / "system_prompt.txt").read_text(encoding="utf-8")
    assert (loaded.recipe.data.system_prompt or "").strip() == prompt.strip(), "the README shows another one"
    render(loaded, splits)


def test_a_planted_fault_is_told(tmp_path: Path) -> None:
    """The test above sees what it looks for."""
    found = template("legal")
    found[0]["answer"] = found[0]["answer"].replace("practical", "practi\u200bcal")
    found[1]["answer"] += " Write to sam.reed@lawfirm.com about it."
    found[2]["answer"] = "As an AI language model, I would say this. " + found[2]["answer"]
    found.append(dict(found[3]))
    (tmp_path / "rows.csv").write_bytes(template_kit.csv_bytes(found))
    text = "recipe: 1\nbase: {model: starter}\ndata: {train: rows.csv, held_out: 0.2}\nshare: {languages: [en]}\n"
    lines = "\n".join(told(load(tmp_path, text)[1].report))
    for sign in ("hidden_characters", "privacy email", "boilerplate", "dropped duplicate: 1"):
        assert sign in lines


@domains
def test_the_three_forms_hold_the_same_rows(domain: str) -> None:
    from openpyxl import load_workbook

    expected = template(domain)
    with (ROOT / domain / "template.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.DictReader(file)) == expected
    book = load_workbook(ROOT / domain / "template.xlsx")
    assert book.sheetnames == ["template"]
    header, *cells = book["template"].iter_rows(values_only=True)
    assert header == template_kit.COLUMNS
    assert [dict(zip(template_kit.COLUMNS, row)) for row in cells] == expected
    assert (ROOT / domain / "template.csv").read_bytes() == template_kit.csv_bytes(expected)


def test_the_workbook_is_made_with_the_same_bytes_each_time() -> None:
    made = template_kit.xlsx_bytes(template("legal"))
    times = {entry.date_time for entry in zipfile.ZipFile(io.BytesIO(made)).infolist()}
    assert times == {(2026, 1, 1, 0, 0, 0)}
    about = zipfile.ZipFile(io.BytesIO(made)).read("docProps/core.xml")
    assert set(re.findall(rb"\d{4}-\d\d-\d\dT[^<]*", about)) == {b"2026-01-01T00:00:00Z"}
    assert template_kit.xlsx_bytes(template("legal")) == made


@domains
def test_the_rows_are_enough_balanced_and_whole(domain: str) -> None:
    found = template(domain)
    assert len(found) == NUM_ROWS
    topics = Counter(row["topic"] for row in found)
    assert len(topics) >= 10
    assert set(topics.values()) == {3}, "three rows a topic"
    for number, row in enumerate(found, 1):
        assert set(row) == set(template_kit.COLUMNS)
        assert all(value and value == value.strip() for value in row.values()), number
        assert 2 <= len(re.findall(r"[.!?。！？](?=\s|$|[^\x00-\x7f])", row["answer"])) <= 6, f"row {number}: sentences"
        assert re.search(r"[.!?。！？]$", row["answer"]), f"row {number}: the last sentence is not ended"
    assert any(re.search("[?？]", row["answer"]) for row in found), "an unclear question is answered by asking back"


@domains
def test_the_signs_are_those_of_the_language(domain: str) -> None:
    for number, row in enumerate(template(domain), 1):
        text = row["question"] + " " + row["answer"]
        if domain.endswith("_zh"):
            assert not re.search(r"[,;:?!()\"'<>]|\.(?!\d)", text), f"row {number}: a sign of another language"
            assert text.count("“") == text.count("”"), f"row {number}"
        else:
            assert text.isascii(), f"row {number}: not plain"
            assert text.count('"') % 2 == 0, f"row {number}"


@domains
def test_no_two_rows_are_nearly_the_same(domain: str) -> None:
    found = template(domain)
    for (first, one), (second, other) in itertools.combinations(enumerate(found, 1), 2):
        assert alike(one["question"], other["question"]) < 0.5, f"questions {first} and {second}"
        assert alike(one["answer"], other["answer"]) < 0.4, f"answers {first} and {second}"


def test_nearly_the_same_is_seen() -> None:
    assert alike("How do I stop a nosebleed?", "How do I stop a nose bleed now?") > 0.5
    assert alike("感冒药和退烧药能一起吃吗？", "感冒药和退烧药可以一起吃吗？") > 0.3
    assert alike("Where is my parcel?", "Can I pay by invoice?") < 0.1


@domains
def test_the_questions_are_not_in_the_rows(domain: str) -> None:
    questions = asked(domain)
    known = [row["question"] for row in template(domain)]
    known += [row["question"] for name in ("train.csv", "held_out.csv") for row in rows(name) if domain == "medical"]
    assert len(questions) >= (6 if domain == "medical" else 8)
    assert len({folded(question) for question in questions}) == len(questions)
    for number, question in enumerate(questions, 1):
        most = max(alike(question, other) for other in known)
        # The worked example's questions are other wordings of what it teaches, so they come nearer.
        assert most < (0.8 if domain == "medical" else 0.5), f"question {number}"
        assert folded(question) not in map(folded, known), f"question {number}"


@domains
def test_no_row_names_a_dose_a_person_or_an_invented_source(domain: str) -> None:
    dose = DOSE_ZH if domain == "medical_zh" else DOSE
    for number, row in enumerate(template(domain), 1):
        text = row["question"] + " " + row["answer"]
        assert not PRIVATE.search(text), f"row {number}"
        assert not INVENTED.search(text), f"row {number}"
        if domain.startswith("medical"):
            assert not dose.search(text), f"row {number}"
            assert not SPELLED_DOSE.search(text), f"row {number}"
    for sign in ("take 500 mg", "2 tablets"):
        assert DOSE.search(sign)
    assert SPELLED_DOSE.search("give two tablets")
    assert DOSE_ZH.search("每次两片") and DOSE_ZH.search("5毫升")
    assert PRIVATE.search("write to a@b.example") and INVENTED.search("Studies show that")


@pytest.mark.parametrize("domain", [name for name in DOMAINS if name.startswith("medical")])
def test_an_emergency_is_sent_to_urgent_help(domain: str) -> None:
    urgent = "120" if domain.endswith("_zh") else "emergency"
    emergencies = [row for row in template(domain) if row["topic"] in ("emergencies", "紧急情况")]
    assert len(emergencies) == 3
    assert all(urgent in row["answer"] for row in emergencies)


@domains
def test_a_domain_readme_says_what_is_needed(domain: str) -> None:
    text = (ROOT / domain / "README.md").read_text(encoding="utf-8")
    for section in SECTIONS_ZH if domain.endswith("_zh") else SECTIONS:
        assert f"\n## {section}\n" in text, section
    assert "Apache-2.0" in text and "finetune check" in text
    if domain.endswith("_zh"):
        assert "\nEnglish: " in text, "one line for those who cannot read the rest"
    num_questions = len(asked(domain))
    for name, num in [*((form, NUM_ROWS) for form in FORMS), ("questions.jsonl", num_questions)]:
        assert f"| `{name}` | {num} |" in text
    # The good row that is quoted is one of the rows.
    quoted = re.sub(r"\s+", "", text.replace("\n> ", ""))
    answers: list[Any] = [re.sub(r"\s+", "", row["answer"]) for row in template(domain)]
    assert sum(answer in quoted for answer in answers) == 1
    assert len(re.findall(r"(?m)^\| [^`|]+ \| [^|]+ \| [^|]+ \|$", text.split("## ")[3])) - 1 >= 2, "two bad rows"


# ------------------------------------------------------------------------------------------- the worked example


def test_medical_rows_are_enough_and_none_is_empty() -> None:
    train, held_out = rows("train.csv"), rows("held_out.csv")
    assert len(train) >= 200
    assert len(held_out) >= 40
    for row in train + held_out:
        assert set(row) == {"question", "answer", "topic"}
        assert all(value and value == value.strip() for value in row.values())


def test_medical_topics_are_asked_in_several_ways_and_every_held_out_topic_is_taught() -> None:
    taught = Counter(row["topic"] for row in rows("train.csv"))
    asked = Counter(row["topic"] for row in rows("held_out.csv"))
    assert len(taught) >= 40
    assert min(taught.values()) >= 3
    assert set(asked) <= set(taught)


def test_no_medical_question_is_asked_twice() -> None:
    questions = [folded(row["question"]) for name in ("train.csv", "held_out.csv") for row in rows(name)]
    questions += [folded(row["question"]) for row in template("medical")]
    questions += [folded(question) for question in asked("medical")]
    twice = [question for question, times in Counter(questions).items() if times > 1]
    assert not twice


def test_medical_texts_name_no_dose() -> None:
    for name in ("train.csv", "held_out.csv"):
        for number, row in enumerate(rows(name), 2):
            assert not DOSE.search(f"{row['question']} {row['answer']}"), f"{name}:{number}"


def test_the_medical_readme_counts_right() -> None:
    text = (MEDICAL / "README.md").read_text(encoding="utf-8")
    for name in ("train.csv", "held_out.csv"):
        assert f"| `{name}` | {len(rows(name))} |" in text
    assert "Not medical advice" in text
