"""The page docs/commands.md, made from the parser; a test holds the file in step with it.

`python -m finetune.cli.reference` rewrites the generated pages of a checkout: docs/commands.md, docs/recipe.md and
docs/models.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from finetune.cli import build_parser

_HEAD = """# Commands

<!-- Made by finetune.cli.reference from the parser. Not edited by hand: run `make docs`. -->

Data goes to stdout, talk to stderr. `--json` prints one JSON value on stdout and nothing else there.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | a fault of finetune-kit; `--debug` shows its traceback |
| 2 | the recipe, the data, the base or the command line is wrong; every problem has a line that says what to do |
| 3 | a gate or an integrity check said no |
| 4 | the surroundings: a missing extra, GPU, disk space, network |
| 5 | training was stopped because it diverged |
| 75 | stopped early (SIGTERM); `finetune run ... --resume` goes on |
| 130 | Ctrl-C; `finetune run ... --resume` goes on |
"""


def commands() -> dict[str, argparse.ArgumentParser]:
    """Name -> parser of every command, in the order of the help."""
    for action in build_parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    raise AssertionError("the parser has no commands")


def arguments_of(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """The arguments of a command in the order of its help, `--help` left out."""
    actions = [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]
    return [a for a in actions if not a.option_strings] + [a for a in actions if a.option_strings]


def written(action: argparse.Action) -> str:
    """How an argument is written: `RECIPE`, `--row N`, `--json`."""
    if not action.option_strings:
        many = action.nargs in ("*", "+")
        name = action.dest.rstrip("s").upper() if many else action.dest.upper()
        return f"[{name} ...]" if action.nargs == "*" else f"{name} ..." if many else name
    takes_value = action.nargs != 0
    value = f" {action.metavar or action.dest.upper()}" if takes_value else ""
    return action.option_strings[-1] + value


def commands_page() -> str:
    """The whole of docs/commands.md. Not argparse's own help, whose layout changes with the Python version."""
    lines = [_HEAD]
    for name, parser in commands().items():
        positional = [written(action) for action in arguments_of(parser) if not action.option_strings]
        lines += [f"## finetune {name}", "", parser.description or "", ""]
        lines += ["    " + " ".join(["finetune", name, *positional, "[options]"]), ""]
        lines += ["| argument | meaning |", "|---|---|"]
        lines += [f"| `{written(action)}` | {_sentence(action)} |" for action in arguments_of(parser)]
        lines.append("")
    return "\n".join(lines)


def _sentence(action: argparse.Action) -> str:
    text = (action.help or "").replace("%%", "%").replace("|", "\\|")
    return text[:1].upper() + text[1:]


def main() -> None:
    """Rewrite the generated pages of this checkout."""
    from finetune.cli.families import models_page
    from finetune.recipe import reference_page

    docs = Path(__file__).resolve().parents[2] / "docs"
    pages = (("commands.md", commands_page()), ("recipe.md", reference_page()), ("models.md", models_page()))
    for name, page in pages:
        (docs / name).write_text(page, encoding="utf-8", newline="\n")
        print(docs / name)


if __name__ == "__main__":
    main()
