"""Floor 8: the command line. Thin: it parses, calls one typed function, prints; a stage is imported when it runs.

Data goes to stdout, talk to stderr. Exit codes: 0 done; 1 a fault of ours; 2 the user's input; 3 a gate or an
integrity check said no; 4 the surroundings; 5 training diverged; 75 stopped early, resumable; 130 Ctrl-C, resumable.
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from finetune import __version__
from finetune.errors import FinetuneError, IntegrityError
from finetune.hub import QUIET

# Before any library is imported: no telemetry, no chatter, and threads that wait without burning the other core.
_ENVIRONMENT = {
    **QUIET,
    "GRADIO_ANALYTICS_ENABLED": "False",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_WAIT_POLICY": "PASSIVE",
}

_RECIPE_HELP = "a recipe file, a folder with recipe.yaml, or a shipped name"
_SOURCE_HELP = "a run folder, an adapter folder, a base (folder or hub id), or starter"


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; a test freezes it."""
    parser = argparse.ArgumentParser(
        prog="finetune",
        description="A YAML recipe in, a domain chatbot out: train a LoRA adapter, prove it, talk to it.",
        epilog="Start with: finetune recipes, then finetune run quickstart",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"finetune-kit {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    command = _add(commands, "recipes", "list the shipped recipes")
    _json(command)

    command = _add(commands, "models", "list the families of models: what to download, and what was shown to work")
    _json(command)

    command = _add(commands, "new", "copy a shipped recipe out, with its data template")
    command.add_argument("name", help="the folder to make")
    command.add_argument("--from", dest="source", default="quickstart", metavar="RECIPE", help="shipped name")

    command = _add(commands, "check", "read recipe and data, without a model: every problem at once, and a page")
    _recipe(command)
    command.add_argument(
        "--output", metavar="DIR", help="folder for check.html and check.json (default: checks/NAME); only earlier "
        "ones are replaced",
    )  # fmt: skip
    command.add_argument(
        "--fix", metavar="FILE", help="also write the usable rows, mended where that is safe, to a new .jsonl file"
    )
    _processes(command)
    _json(command)

    command = _add(commands, "preview", "show what will be trained: supervised tokens in colour")
    _recipe(command)
    one = command.add_mutually_exclusive_group()
    one.add_argument("--row", type=_at_least_1, metavar="N", help="only training row N (from 1)")
    one.add_argument("--at", metavar="FILE:LINE", help="only the row that stands there, as check.html names places")
    one.add_argument("--find", metavar="TEXT", help="only rows with this text in them")
    orders = ("file", "longest", "shortest")
    one.add_argument(
        "--order", choices=orders, default="file", metavar="ORDER", help="which rows come first: " + ", ".join(orders)
    )
    command.add_argument("--rows", type=_at_least_1, metavar="N", help="at most N rows (default 3; on a page 200)")
    command.add_argument("--html", metavar="FILE", help="write a page instead; only an earlier one is replaced")
    _json(command)

    command = _add(commands, "run", "check, train, evaluate and report")
    _recipe(command)
    command.add_argument("--output", metavar="DIR", help="the run folder (default: runs/NAME-TIME)")
    command.add_argument("--resume", action="store_true", help="go on with the run in --output")
    _json(command)

    command = _add(commands, "evaluate", "evaluate a run again and rewrite its report")
    command.add_argument("run", help="a run folder")
    command.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides",
        help="change what is asked, as evaluate.gate=better_than_base; kept in the run; may be repeated",
    )  # fmt: skip
    command.add_argument(
        "--suite", metavar="NAME", action="append", dest="suites",
        help="a suite, or a file of one (.jsonl), beside the recipe's; may be given again",
    )  # fmt: skip
    command.add_argument(
        "--benchmark", metavar="TASK", action="append", dest="benchmarks",
        help="a task of lm-evaluation-harness, or a task file (.yaml), instead of the recipe's; may be given again",
    )  # fmt: skip
    command.add_argument(
        "--judge", metavar="URL", help="let a model at this OpenAI-compatible address compare the answers: their texts "
        "go there",
    )  # fmt: skip
    command.add_argument("--judge-model", metavar="MODEL", help="the name of the model that judges")
    command.add_argument("--judge-rows", action="store_true", help="also send held-out rows of your data to the judge")
    _json(command)

    command = _add(commands, "compare", "lay evaluated runs side by side: recipes, verdicts, scorecards")
    command.add_argument("runs", nargs="+", metavar="RUN", help="run folders, at least two")
    command.add_argument("--html", metavar="FILE", help="also write a page; only an earlier one is replaced")
    _json(command)

    command = _add(commands, "chat", "talk to a run, an adapter or a base in the terminal")
    _source(command, one=True)
    command.add_argument("--question", metavar="TEXT", help="ask once, print the answer, end")
    command.add_argument(
        "--image", metavar="FILE", action="append", default=[], help="show it with the question; may be given again"
    )
    command.add_argument("--without-adapter", action="store_true", help="let the bare base answer")
    command.add_argument("--system", metavar="TEXT", help="another system prompt")
    command.add_argument("--max-new-tokens", type=_at_least_1, metavar="N", help="the longest answer")
    command.add_argument(
        "--temperature", type=_temperature, default=0.0, metavar="T", help="0: likeliest words (default)"
    )

    command = _add(commands, "demo", "talk to runs, adapters or a base in a browser")
    _source(command, one=False)
    command.add_argument("--host", default="127.0.0.1", help="default 127.0.0.1: this machine only")
    command.add_argument("--port", type=_port, help="default: the first free one from 7860")
    command.add_argument("--open", action="store_true", help="open the page in a browser")

    command = _add(commands, "share", "write a run's adapter into a folder to hand on: card, proof, hashes, no rows")
    command.add_argument("run", help="a run folder that was evaluated")
    command.add_argument(
        "--to", dest="folder", metavar="FOLDER", required=True,
        help="the folder to make; an existing one is never touched",
    )  # fmt: skip
    command.add_argument(
        "--ungated", action="store_true", help="share it though no gate let it pass; the card then says so"
    )
    _json(command)

    command = _add(commands, "export", "write a run or an adapter in a form that other programs read")
    command.add_argument("source", help="a run folder or an adapter folder")
    command.add_argument("folder", help="the folder to make; an existing one is never touched")
    command.add_argument(
        "--to", choices=("merged",), required=True, metavar="FORM",
        help="merged: base and adapter as one model in full precision, compared with them after it was written",
    )  # fmt: skip
    command.add_argument(
        "--dtype", choices=("float32", "bfloat16", "float16"), metavar="DTYPE",
        help="number format of the files: float32, bfloat16, float16 (default: that of the base's files)",
    )  # fmt: skip
    command.add_argument("--base", metavar="BASE", help="use this base instead of the recorded one")
    _json(command)

    command = _add(commands, "doctor", "what this machine can do, versions, what is missing")
    _json(command)

    _add(commands, "schema", "print the JSON Schema of the recipe")
    return parser


def _at_least_1(text: str) -> int:
    return _number(text, int, 1, float("inf"), "a whole number from 1")


def _port(text: str) -> int:
    return _number(text, int, 0, 65_535, "a whole number from 0 to 65535")


def _temperature(text: str) -> float:
    return _number(text, float, 0.0, 100.0, "a number from 0 to 100")


def _number(text: str, kind: Any, low: float, high: float, expected: str) -> Any:
    """`text` as a number of that kind within its bounds; argparse prints the refusal."""
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not low <= value <= high:
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
    return value


def _add(commands: argparse._SubParsersAction, name: str, text: str) -> argparse.ArgumentParser:
    # Half-written options are refused: they would change their meaning when an option is added.
    command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False)
    command.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return command


def _recipe(command: argparse.ArgumentParser) -> None:
    command.add_argument("recipe", help=_RECIPE_HELP)
    command.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides",
        help="change a setting, as train.epochs=1; may be repeated",
    )  # fmt: skip
    command.add_argument(
        "--allow-outside", action="store_true", help="let the recipe name files outside its own folder"
    )
    command.add_argument("--trust-remote-code", action="store_true", help="refused: the code of a base never runs")


def _source(command: argparse.ArgumentParser, one: bool) -> None:
    if one:
        command.add_argument("source", help=_SOURCE_HELP)
    else:
        command.add_argument("sources", nargs="*", help=f"{_SOURCE_HELP} (default: the newest run)")
    command.add_argument("--base", metavar="BASE", help="use this base instead of the recorded one")


def _processes(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--processes", type=_at_least_1, metavar="N", help="how many read and check at once; changes no result"
    )


def _json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print JSON on stdout")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit code."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that is not UTF-8 shows \\u4f60 instead of ending the command.
            stream.reconfigure(errors="backslashreplace")
    arguments = build_parser().parse_args(argv)
    if not arguments.debug:
        # Upstream announces its own renamed words this way; a user can do nothing about them.
        warnings.simplefilter("ignore", FutureWarning)
    from finetune.cli import commands

    if arguments.command in ("check", "preview"):
        # Ended in the usual way, the program clears its private copies of rows away; a run looks to it itself.
        signal.signal(signal.SIGTERM, _end)
    try:
        code = getattr(commands, arguments.command)(arguments) or 0
        sys.stdout.flush()
        return code
    except FinetuneError as error:
        return _report(error, arguments.debug)
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if arguments.debug:
            raise
        print(f"error: a fault of finetune-kit: {type(error).__name__}", file=sys.stderr)
        print("Fix: run it again with --debug and report what it shows", file=sys.stderr)
        return 1


def _end(number: int, _: object) -> None:
    raise SystemExit(128 + number)


def _report(error: FinetuneError, debug: bool) -> int:
    """All problems of an error on stderr, one kind a line; gives its exit code."""
    if debug:
        import traceback

        traceback.print_exception(error)
    lines = [f"error: {line}" for line in "\n".join(error.lines()).splitlines()]
    if error.exit_code == IntegrityError.exit_code:
        _print_red(lines)
    else:
        print("\n".join(lines), file=sys.stderr)
    return error.exit_code


def _print_red(lines: Sequence[str]) -> None:
    """What a gate or an integrity check refused, in red where the terminal has colours and NO_COLOR is not set."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)
    for line in lines:
        console.print(line, style="red")
