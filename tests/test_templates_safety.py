"""FAULT 75: a template is a program of strangers. What could do harm is refused before it is rendered here."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from chat_kit import tokenizer_of, trl_template

from finetune.errors import ModelError
from finetune.models.templates import read_template, shipped_template, shipped_templates
from finetune.models.templates.choosing import choose_template
from finetune.models.templates.safety import check_template, is_harmless, problem_of

ANSWER = "{% for message in messages %}{{ message.content }}{% endfor %}"
TIME = "rendering two small conversations takes more than 200 ms"
MEMORY = "rendering two small conversations takes more than 64 MB"
LISTS = "".join(f"{{% for {letter} in [1, 2, 3, 4, 5, 6, 7, 8, 9] %}}" for letter in "abcdefgh")
HOSTILE = {
    "nested loops": ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", TIME),
    "nested loops over lists": (LISTS + "{% endfor %}" * 8, TIME),
    "a loop over a loop's text": (
        "{% for m in messages %}{% for c in m.content %}{% for d in m.content %}{% for e in m.content %}"
        "{% for f in m.content %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}", TIME),
    "a huge text": ("{{ 'a' * 2000000000 }}", MEMORY),
    "a huge text by its width": ("{{ 'a' | center(1000000000) }}", MEMORY),
    "a huge text by its format": ("{{ '{:1000000000}'.format(1) }}", MEMORY),
    "a text that doubles": (
        "{% set ns = namespace(x='ab') %}{% for m in messages %}{% for c in m.content %}"
        "{% set ns.x = ns.x + ns.x %}{% endfor %}{% endfor %}", MEMORY),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_fault_75_a_heavy_template_is_stopped(what: str) -> None:
    text, reason = HOSTILE[what]
    with pytest.raises(ModelError) as caught:
        check_template(text + ANSWER, "own.jinja", "recipe.yaml:3:3")
    # which of the two limits is met first may differ from machine to machine
    said = str(caught.value)
    assert said in {
        f"recipe.yaml:3:3: base.chat_template: {limit} (got own.jinja). Fix: take another template"
        for limit in (reason, TIME, MEMORY)
    }


INSIDE = {
    "{{ ''.__class__ }}": "the template reaches for Python's internals: __class__ (line 1)",
    "x\n{{ ''['__class__'] }}": "the template reaches for Python's internals: __class__ (line 2)",
    "{{ messages | attr('append') }}": "the template reaches for Python's internals: the filter attr (line 1)",
    "{% include 'secrets' %}": "the template loads other files (line 1)",
    "{% from 'secrets' import x %}": "the template loads other files (line 1)",
}


@pytest.mark.parametrize("text", INSIDE)
def test_fault_75_a_template_that_reaches_elsewhere_is_refused_unrun(text: str) -> None:
    with pytest.raises(ModelError) as caught:
        check_template(text, "own.jinja")
    fix = "take another template; a chat template needs no such thing"
    assert str(caught.value) == f"base.chat_template: {INSIDE[text]} (got own.jinja). Fix: {fix}"


def test_what_is_no_template_says_its_line() -> None:
    found = problem_of("a\n{% for %}")
    assert (
        found is not None and found[0].startswith("is no Jinja template: line 2: ") and found[1] == "correct the line"
    )
    assert problem_of("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}") == (
        "the template is nested too deeply to be read", "take another template"
    )  # fmt: skip
    assert problem_of("a" * 300_001) == (
        "the template is 300,001 characters long; 300,000 are allowed", "take a shorter one"
    )  # fmt: skip


def test_fault_75_the_bases_own_template_is_looked_at_too() -> None:
    text = HOSTILE["nested loops"][0] + ANSWER
    with pytest.raises(ModelError) as caught:
        choose_template(None, tokenizer_of("chatml", text))
    assert TIME in str(caught.value) or MEMORY in str(caught.value)
    assert "the base's own template" in str(caught.value)
    assert str(caught.value).endswith(". Fix: set base.chat_template: chatml, or to a file"), "nobody mends a base"


def test_fault_75_a_file_of_the_recipe_is_looked_at_too(tmp_path: Path) -> None:
    path = tmp_path / "own.jinja"
    path.write_text("{{ ''.__class__ }}")
    with pytest.raises(ModelError, match="reaches for Python's internals"):
        read_template("own.jinja", path)


@pytest.mark.parametrize("name", shipped_templates())
def test_the_shipped_templates_pass(name: str) -> None:
    assert problem_of(shipped_template(name)) is None
    assert is_harmless(shipped_template(name)) or name == "gpt_oss"  # whose types of tools call themselves


def test_templates_of_the_hub_pass_and_most_need_no_trial() -> None:
    import trl

    found = sorted((Path(str(trl.__file__)).parent / "chat_templates").glob("*.jinja"))
    assert len(found) > 20
    for path in found[::7]:
        assert problem_of(path.read_text(encoding="utf-8")) is None, path.name
    for name in ("qwen2_5", "qwen3", "llama3", "llama3_2", "gemma3", "phi3", "glm4moe"):
        assert is_harmless(trl_template(name)), name


def test_a_template_is_tried_once_only() -> None:
    text = trl_template("gptoss") + "{#- once -#}"
    assert not is_harmless(text)
    check_template(text, "own.jinja")
    start = time.perf_counter()
    for _ in range(100):
        check_template(text, "own.jinja")
    assert time.perf_counter() - start < 2, "a hundred trials would take far longer"
