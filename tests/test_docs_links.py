"""The Markdown pages of the repository: every relative link leads to a file, and to a heading where it names one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
_GLOBS = (
    "README.md", "CONTRIBUTING.md", "docs/*.md", "recipes/**/README.md", "data_templates/**/README.md",
    "benchmarks/README.md", "demo/README.md",
)  # fmt: skip
PAGES = sorted({page for pattern in _GLOBS for page in ROOT.glob(pattern)})
_LINK = re.compile(r"\]\(([^()\s]+)\)")
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def _links(page: Path) -> list[str]:
    text = _FENCED.sub("", page.read_text(encoding="utf-8"))
    return [goal for goal in _LINK.findall(text) if not re.match(r"[a-z]+:", goal)]


def _anchors(page: Path) -> set[str]:
    """The names that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", _FENCED.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_there_are_pages_with_links() -> None:
    assert len(PAGES) >= 10
    assert sum(len(_links(page)) for page in PAGES) >= 20


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    broken = []
    for goal in _links(page):
        name, _, heading = goal.partition("#")
        target = (page.parent / name) if name else page
        if not target.exists() or (heading and target.suffix == ".md" and heading not in _anchors(target)):
            broken.append(goal)
    assert not broken
