"""Every shipped recipe: found by walking, valid, pinned, explained."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path

import pytest
import template_kit
from commands_kit import finetune
from test_data_templates import DOSE_ZH, INVENTED, PRIVATE, alike

from finetune import data, generation, models, recipe, resources

ROOT = Path(__file__).resolve().parents[1] / "recipes"
FILES = sorted(ROOT.rglob("recipe.yaml"))
# The recipe of each domain that has a data template; every other recipe shows something else.
DOMAINS = {"medical": "medical_qa", **{f.name: f.name for f in template_kit.domain_folders() if f.name != "medical"}}
# A recipe that shows what the kit can do beside the domains.
OTHERS = {"quickstart", "image_questions"}
# Those whose commit was not seen where the kit was built: the recipe says so beside the base, the README how to pin.
NOT_PINNED = {"image_questions"}
DOMAIN = pytest.mark.parametrize("template", DOMAINS)
PATHS = pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)


def test_the_walk_finds_what_the_kit_ships() -> None:
    assert len(FILES) >= 2
    assert list(resources.shipped_recipes().values()) == FILES
    assert "quickstart" in resources.shipped_recipes(), "the default of `finetune new`, and of `make quickstart`"


def test_nothing_lies_in_recipes_that_is_not_shipped_as_one() -> None:
    folders = {path.parent for path in ROOT.rglob("*") if path.is_file()} - {ROOT}
    assert folders == {path.parent for path in FILES}
    assert not list(ROOT.rglob("*.py")), "recipes are papers, not code"


@PATHS
def test_it_is_valid_and_named_as_its_folder(path: Path) -> None:
    words = recipe.load(path).recipe
    assert words.name == path.parent.name
    assert words.description.endswith(".")
    assert len(words.description) <= 120


@PATHS
def test_a_hub_base_is_pinned_to_a_commit(path: Path) -> None:
    base = recipe.load(path).recipe.base
    if path.parent.name in NOT_PINNED:
        assert base.revision is None
        assert re.search(
            r"^  model: .+  # not pinned yet: .*base\.revision", path.read_text(encoding="utf-8"), re.MULTILINE
        )
        page = " ".join((path.parent / "README.md").read_text(encoding="utf-8").split())
        assert "copy the commit from *Files and versions* on the base's page into `base.revision`" in page
    elif base.model != resources.STARTER_ID:
        assert re.fullmatch(r"[0-9a-f]{40}", base.revision or ""), "pin base.revision to a commit"


@PATHS
def test_it_holds_no_hardware_and_no_place_of_this_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"^hardware:", text, re.MULTILINE)
    assert "/home" not in text
    assert len(text.splitlines()) <= 60, "a recipe is one page"
    assert text.startswith("#"), "the first line says what it is for"


@PATHS
def test_its_rows_and_questions_are_there(path: Path) -> None:
    loaded = recipe.load(path)
    splits = data.load(loaded)
    assert len(splits.train) >= 10
    assert len(splits.held_out) >= 1
    # The example rows of a domain show the form; the README says that they teach little.
    warnings = [line for line in splits.report.warnings if "teach little" not in line]
    if splits.report.num_images:  # said of all images, and by the README
        warnings = [line for line in warnings if "data.privacy looks at texts only" not in line]
        assert "not searched" in (path.parent / "README.md").read_text(encoding="utf-8")
    if loaded.recipe.data.leakage == "warn":  # the recipe chose it: the only thing that may be told of
        assert warnings.pop(0).endswith("scores on them are too good; kept, as data.leakage is warn")
        assert re.search(r"^ *leakage: warn +# .{20,}", path.read_text(encoding="utf-8"), re.MULTILINE), "say why"
    assert warnings == []
    questions = loaded.recipe.evaluate.questions
    if questions is not None:
        assert loaded.path_of("evaluate.questions", questions).is_file()


@PATHS
def test_it_may_be_shared(path: Path) -> None:
    share = recipe.load(path).recipe.share
    assert share.license
    assert share.languages
    assert share.intended_use
    assert share.not_for, "say what it must not be used for"


@PATHS
def test_its_readme_explains_it(path: Path) -> None:
    text = (path.parent / "README.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {path.parent.name}\n")
    for heading in ("For whom", "Expected numbers", "Limits"):
        assert heading in text, heading
    for target in re.findall(r"\]\((?!http)([^)#]+)", text):
        assert (path.parent / target).exists(), f"README.md points at {target}"


def test_every_domain_has_its_recipe() -> None:
    names = set(resources.shipped_recipes())
    assert {"medical_qa", "medical_zh", "legal", "finance", "customer_support", "education"} <= set(DOMAINS.values())
    assert set(DOMAINS.values()) | OTHERS == names


@DOMAIN
def test_a_domains_recipe_keeps_to_its_role(template: str) -> None:
    """Its system prompt says what it does not do, and its rows are those of the domain."""
    loaded = recipe.load(ROOT / DOMAINS[template] / "recipe.yaml")
    words = loaded.recipe
    prompt = words.data.system_prompt or ""
    assert re.search(r"\b(never|not)\b|不", prompt), "say what it must not do"
    assert (words.share.title, words.data.group_by) != (None, None)
    assert f"/data_templates/{template}/" in str(words.data.train)
    assert words.data.license == "apache-2.0"
    assert words.share.languages == (("zh",) if template.endswith("_zh") else ("en",))
    folder = template_kit.ROOT / template
    assert prompt.strip() == (folder / "system_prompt.txt").read_text(encoding="utf-8").strip()


@DOMAIN
def test_a_domains_questions_are_its_own(template: str) -> None:
    """Ten to fifteen, none of them in the rows that are trained, in the template's questions, or twice."""
    folder = ROOT / DOMAINS[template]
    assert recipe.load(folder / "recipe.yaml").recipe.evaluate.questions == "questions.jsonl"
    lines = (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    asked = [json.loads(line) for line in lines]
    assert 10 <= len(asked) <= 15
    assert sum("reference" in row for row in asked) >= 0.8 * len(asked)
    example = template_kit.ROOT / template
    known = [json.loads(line)["question"] for line in (example / "questions.jsonl").read_text("utf-8").splitlines()]
    rows = template_kit.json_rows(example)
    if template == "medical":  # its worked example is what the recipe trains on
        splits = data.load(recipe.load(folder / "recipe.yaml"))
        rows = rows + [{"question": c.messages[-2].content, "topic": ""} for c in (*splits.train, *splits.held_out)]
    known += [row["question"] for row in rows]
    texts = [row["question"] for row in asked]
    for number, text in enumerate(texts):
        nearest = max([*known, *texts[:number]], key=lambda other: alike(text, other))
        assert alike(text, nearest) < 0.5, f"{text!r} is {nearest!r}"
    for row in asked:
        answer = row.get("reference", "")
        assert not PRIVATE.search(answer) and not INVENTED.search(answer) and not DOSE_ZH.search(answer), answer
        assert len(answer) <= 450, "two to five sentences"
        if template != "medical":
            assert row["topic"] in {known_row["topic"] for known_row in rows}


@DOMAIN
def test_a_domains_readme_offers_bases_by_size_with_their_licences(template: str) -> None:
    text = (ROOT / DOMAINS[template] / "README.md").read_text(encoding="utf-8")
    bases = [line for line in text.splitlines() if line.startswith("|") and "huggingface.co/" in line]
    assert len(bases) >= 3
    assert recipe.load(ROOT / DOMAINS[template] / "recipe.yaml").recipe.base.model in text
    for line in bases:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert len(cells) == 4 and all(cells), line
    assert "None of these bases was trained here" in text or "这些模型都没有在这里训练过" in text
    named = re.findall(r"base\.chat_template: (\w+)", text)
    assert set(named) <= set(models.shipped_templates())


def test_aquila_is_among_the_bases_of_medical_zh() -> None:
    text = (ROOT / "medical_zh" / "README.md").read_text(encoding="utf-8")
    assert "huggingface.co/BAAI/AquilaChat2-7B" in text and "`base.chat_template: aquila_v1`" in text
    words = ["base.model=BAAI/AquilaChat2-7B", "base.revision=null", "base.chat_template=aquila_v1"]
    assert recipe.load(ROOT / "medical_zh" / "recipe.yaml", words).recipe.base.chat_template == "aquila_v1"


def test_recipes_lists_them_all(tmp_path: Path) -> None:
    listed = json.loads(finetune("recipes", "--json", cwd=tmp_path).out)
    assert {entry["name"] for entry in listed} == set(resources.shipped_recipes())


@PATHS
def test_a_copy_is_complete_and_passes_the_check(path: Path, tmp_path: Path) -> None:
    """`finetune new` brings rows and questions along, so that the copy stands alone; its README reads on."""
    name = path.parent.name
    made = finetune("new", "mine", "--from", name, cwd=tmp_path)
    assert made.code == 0, made.err
    copy = tmp_path / "mine"
    assert "../../" not in (copy / "recipe.yaml").read_text(encoding="utf-8")
    checked = finetune("check", "mine/recipe.yaml", cwd=tmp_path)
    assert checked.code == 0, checked.err
    assert "Ready to train" in checked.out
    for target in re.findall(r"\]\((?!http)([^)#]+)", (copy / "README.md").read_text(encoding="utf-8")):
        assert (copy / target).exists(), f"README.md points at {target}"


@PATHS
def test_a_copy_holds_one_file_of_questions_and_one_system_prompt(path: Path, tmp_path: Path) -> None:
    """The template's own are left out where the recipe reads others: nobody edits a file that nothing reads."""
    made = finetune("new", "mine", "--from", path.parent.name, cwd=tmp_path)
    assert made.code == 0, made.err
    copy = tmp_path / "mine"
    (read,) = copy.rglob("questions.jsonl")
    loaded = recipe.load(copy / "recipe.yaml")
    assert loaded.path_of("evaluate.questions", str(loaded.recipe.evaluate.questions)) == read.resolve()
    assert not list(copy.rglob("system_prompt.txt"))
    for page in copy.glob("data/*/README.md"):
        for name in re.findall(r"^\| `([^`*]+)` \|", page.read_text(encoding="utf-8"), re.MULTILINE):
            assert (page.parent / name).is_file(), f"{page.parent.name}/README.md lists {name}"


def test_image_questions_shows_pictures_of_its_own(tmp_path: Path) -> None:
    """A copy brings the pictures along, of rows and of questions; no picture is asked about that is trained."""
    assert finetune("new", "mine", "--from", "image_questions", cwd=tmp_path).code == 0
    loaded = recipe.load(tmp_path / "mine" / "recipe.yaml")
    splits = data.load(loaded)
    sides = [
        {Path(image.path).read_bytes() for row in rows for message in row.messages for image in message.images}
        for rows in (splits.train, splits.held_out)
    ]
    assert len(sides[0]) >= 6 and sides[1] and not sides[0] & sides[1]
    questions = generation.read_questions(loaded)
    asked = {Path(image.path).read_bytes() for question in questions for image in question.get("images", ())}
    assert len(asked) >= 4 and not asked & (sides[0] | sides[1])
    assert 10 <= len(questions) <= 15
    assert sum("reference" in question for question in questions) >= 0.8 * len(questions)
    known = [message.content for row in (*splits.train, *splits.held_out) for message in row.messages]
    for question in questions:
        nearest = max(known, key=lambda other, text=question["question"]: alike(text, other))
        assert alike(question["question"], nearest) < 0.5, nearest
    words = loaded.recipe
    assert (words.base.model, words.base.revision) == ("Qwen/Qwen3-VL-2B-Instruct", None)
    assert words.evaluate.gate == "none" and words.train.batch_size <= 4


@PATHS
def test_the_lines_of_a_readme_are_wrapped(path: Path) -> None:
    """In columns as a terminal counts them, two for a Chinese character. Tables and commands are as they are."""
    text = re.sub(r"^```.*?^```", "", (path.parent / "README.md").read_text(encoding="utf-8"), flags=re.M | re.S)
    for line in text.splitlines():
        if not line.startswith("|"):
            width = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)
            assert width <= 120, line


@pytest.mark.parametrize("name", ["medical_zh", "customer_support_zh"])
def test_the_chinese_pages_say_what_the_starter_base_writes(name: str) -> None:
    text = (ROOT / name / "README.md").read_text(encoding="utf-8")
    assert "乱码" in text.partition("预期结果")[2].partition("```")[0]


def test_the_reference_answers_put_safety_first() -> None:
    def reference(name: str, words: str) -> str:
        lines = (ROOT / name / "questions.jsonl").read_text(encoding="utf-8").splitlines()
        (found,) = [row for row in map(json.loads, lines) if words in row["question"]]
        return found["reference"]

    card = reference("finance", "walked away with it")
    assert card.startswith("If you do not have it back, block it now")
    shock = reference("customer_support", "electric shock")
    order = ["emergency number first", "Stop using", "only if you can do so safely", "See a doctor today", "report it"]
    places = [shock.index(words) for words in order]
    assert places == sorted(places)
