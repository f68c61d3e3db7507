"""How things look in a terminal: progress, reports, previews, the machine."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from finetune import resources
from finetune.errors import Problem, RunError
from finetune.runs import Run
from finetune.talk import Talk


class TerminalTalk(Talk):
    """Talk on stderr: a bar with time left on a terminal, a line now and then elsewhere."""

    _LINE_SECONDS = 10.0

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._bar: Progress | None = None
        self._task: Any = None
        self._task_name = ""
        self._last_line = 0.0
        self._started = 0.0
        self._closed = False
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"),
                TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.fields[loss]}"),
                console=self._console, transient=True,
            )  # fmt: skip

    def __enter__(self) -> TerminalTalk:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, line: str) -> None:
        self._print(f"  {line}")

    def stage(self, name: str) -> None:
        self._print(name, style="bold")

    def _print(self, line: str, style: str | None = None) -> None:
        """To stderr; when nobody reads it any more, the run goes on in silence."""
        if self._closed:
            return
        try:
            self._console.print(line, style=style, markup=False)
        except (BrokenPipeError, SystemExit):  # rich ends the program on a broken pipe
            self._closed = True
            sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  (for as long as the program lives)

    def progress(self, name: str, done: int, total: int, loss: float | None = None) -> None:
        loss_text = "" if loss is None else f"loss {loss:.3f}"
        if self._bar is not None:
            if self._task is None or self._task_name != name:
                if self._task is not None:
                    self._bar.remove_task(self._task)
                self._task, self._task_name = self._bar.add_task(name, total=total, loss=""), name
            self._bar.update(self._task, completed=done, total=total, loss=loss_text)
            return
        now = time.monotonic()
        if name != self._task_name:
            self._task_name, self._started, self._last_line = name, now, now
        if now - self._last_line >= self._LINE_SECONDS or done == total:
            self._last_line = now
            left = (now - self._started) / max(1, done) * (total - done)
            self.say(f"{name} {done}/{total}  {loss_text}  {left:.0f} s left".replace("    ", "  "))


def text_lengths(loaded: Any, splits: Any) -> dict[str, Any]:
    """Tokens of the texts of each training row, counted without torch; words where the tokenizer is not at hand.

    The chat template's own tokens are not in it: `finetune preview` and `finetune run` count exactly.
    """
    from finetune.models.base import find_base

    texts = ["\n".join(message.content for message in row.messages) for row in splits.train]
    base = loaded.recipe.base
    source = find_base(base.model, base.revision, loaded.path_of("base.model", base.model))
    file = Path(source.location) / "tokenizer.json"
    if source.is_local and file.is_file():
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(file))
        lengths = sorted(len(encoding) for encoding in tokenizer.encode_batch_fast(texts, add_special_tokens=False))
        unit = "tokens"
    else:
        lengths, unit = sorted(len(text.split()) for text in texts), "words"
    return {
        "unit": unit,
        "shortest": lengths[0],
        "median": lengths[len(lengths) // 2],
        "p99": lengths[int(len(lengths) * 0.99)],
        "longest": lengths[-1],
        "num_over_max_length": sum(length > loaded.recipe.data.max_length for length in lengths),
    }


_WHAT_BECOMES = {
    "drop": "they will be left out",
    "error": "the run will stop there",
    "trim_history": "they will lose their oldest exchanges, or be left out",
}


def length_warnings(loaded: Any, report: dict[str, Any]) -> list[str]:
    """A line when texts alone are longer than data.max_length; `texts` in the report is what `text_lengths` gives."""
    texts, words = report["texts"], loaded.recipe.data
    if not (number := texts["num_over_max_length"]):
        return []
    from finetune.prepare import too_many_unchosen

    rule = f"data.overlong is {words.overlong}: {_WHAT_BECOMES[words.overlong]}"
    if ("data", "overlong") not in loaded.marks and too_many_unchosen(number, report["num_train"]):
        rule = "the run will stop there, unless data.overlong is set"
    return [
        f"{number:,} of {report['num_train']:,} training rows are longer than data.max_length ({words.max_length:,} "
        f"tokens): their texts alone have more {texts['unit']}, before the template's own tokens; " + rule
    ]


def check_report(loaded: Any, report: dict[str, Any]) -> None:
    """The check in plain lines: data on stdout."""
    print(f"recipe    {loaded.recipe.name}: no problem found")
    for file in report["files"]:
        print(f"file      {file['name']}: {file['num_rows']:,} rows, {file['format']}, {file['encoding']}")
    print(f"rows      {report['num_train']:,} to train on, {report['num_held_out']:,} held out")
    lengths = report["texts"]
    print(
        f"lengths   {lengths['shortest']} to {lengths['longest']} {lengths['unit']} of text a row, "
        f"median {lengths['median']}, 99 % within {lengths['p99']}"
    )
    for line in report["notes"]:
        print(f"note      {line}")
    for line in report["warnings"]:
        print(f"warning   {line}")
    if loaded.recipe.data.privacy == "off":
        print("note      data.privacy is off: rows were not searched for personal data")


def preview_of(base: Any, conversation: Any, overlong: str) -> dict[str, Any]:
    """One row as tokens, as data.overlong leaves it to the training: [text, whether it is trained] in order."""
    from finetune.prepare import render_row

    messages = [{"role": message.role, "content": message.content} for message in conversation.messages]
    rendered, trimmed = render_row(base, messages, overlong)
    pieces: list[list[Any]] = []
    pending: list[int] = []
    for position, token_id in enumerate(rendered.input_ids):
        trained = rendered.labels[position] != -100
        pending.append(token_id)
        text = base.tokenizer.decode(pending, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        same_next = position + 1 < len(rendered.labels) and (rendered.labels[position + 1] != -100) == trained
        if text.endswith("\ufffd") and same_next:
            continue  # a character spread over several tokens
        pieces.append([text, trained])
        pending = []
    return {
        "where": conversation.where,
        "num_tokens": len(rendered.input_ids),
        "num_trained": rendered.num_trained,
        "found_by": rendered.how,
        "too_long": len(rendered.input_ids) > base.max_length,
        "trimmed": trimmed,
        "overlong": overlong,
        "max_length_tokens": base.max_length,
        "tokens": pieces,
    }


def _preview_title(entry: dict[str, Any]) -> str:
    share = entry["num_trained"] / entry["num_tokens"]
    text = (
        f"{entry['where']}: {entry['num_trained']} of {entry['num_tokens']} tokens are trained "
        f"({share:.0%}, found by {entry['found_by']})"
    )
    if entry["trimmed"]:
        text += "; oldest exchanges left out"
    if entry["too_long"]:
        # Nothing of such a row is trained, so its shares are not said.
        became = "the run stops here" if entry["overlong"] == "error" else "left out"
        limit = entry["max_length_tokens"]
        text = f"{entry['where']}: {became}: too long, {entry['num_tokens']} tokens (data.max_length is {limit})"
    return text


def print_preview(entry: dict[str, Any]) -> None:
    """A row with its trained tokens in green; in brackets where there is no colour."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    coloured = console.color_system is not None
    console.print(Text(_preview_title(entry), style="bold"))
    line = Text()
    before = False
    for text, marked in entry["tokens"]:
        trained = marked and not entry["too_long"]
        if not coloured and trained != before:
            line.append("[[" if trained else "]]")
        line.append(visible(text), style="bold green" if trained else "dim")
        before = trained
    if not coloured and before:
        line.append("]]")
    console.print(line)
    console.print()


def check_page_target(path: Path) -> None:
    """See that a preview page may be written there: nothing is there, or an earlier preview page.

    Raises:
        RunError: something else is there.
    """
    if not os.path.lexists(path):
        return
    try:
        # Only a plain file is opened: reading from a pipe would wait for ever.
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if file.read(len(_PAGE_START)) == _PAGE_START.encode():
                    return
    except OSError:
        pass  # what cannot be read is nothing of ours
    what = "exists, and is no page that this command wrote"
    raise RunError(Problem(str(path), "--html", what, fix="name another file"))


def write_preview_page(path: Path, name: str, previews: list[dict[str, Any]]) -> None:
    """The previews as one self-contained HTML file.

    Raises:
        RunError: something else than an earlier preview page is there.
        SurroundingsError: it cannot be written.
    """
    import jinja2

    from finetune.runs import write_text

    environment = jinja2.Environment(autoescape=True)
    page = environment.from_string(_PREVIEW_PAGE).render(
        name=name, previews=[{**entry, "title": _preview_title(entry)} for entry in previews]
    )
    check_page_target(path)  # once more: rendering took its time
    write_text(path, _PAGE_START + page)


# By this beginning a page is known as one of ours.
_PAGE_START = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="generator" content="finetune preview">
"""
_PREVIEW_PAGE = """<meta name="viewport" content="width=device-width,initial-scale=1">
<title>{{ name }}: what is trained</title>
<style>
:root{color-scheme:light dark}
body{font:16px/1.6 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
pre{white-space:pre-wrap;overflow-wrap:anywhere;border:1px solid #8884;border-radius:.5rem;padding:1rem}
.on{background:#2a94;border-bottom:2px solid #2a9}.off{opacity:.65}
h2{font-size:1rem;margin:1.5rem 0 .5rem}
</style></head><body>
<h1>{{ name }}: what is trained</h1>
<p>Underlined <span class="on">green</span> tokens are trained: the answers and the token that ends each of them.
Everything else is only read. Of rows left out, nothing is.</p>
{% for entry in previews %}<h2>{{ entry.title }}</h2>
<pre>{% for text, trained in entry.tokens -%}
<span class="{{ 'on' if trained and not entry.too_long else 'off' }}">{{ text }}</span>
{%- endfor %}</pre>
{% endfor %}</body></html>
"""


def run_summary(finished: Run, as_json: bool) -> None:
    """The end of a run: numbers, three answers side by side, where things are, what to do next."""
    from finetune import evaluation

    result = json.loads(finished.evaluation_path.read_bytes())
    samples = [json.loads(line) for line in finished.samples_path.read_text(encoding="utf-8").splitlines()]
    if as_json:
        print(
            json.dumps(
                {
                    "run": str(finished.path),
                    "status": finished.manifest["status"],
                    "held_out": result["held_out"],
                    "verdict": result["verdict"],
                    "training": finished.manifest["training"],
                    "report": str(finished.report_path),
                },
                indent=1,
            )
        )
        return
    print()
    for sample in samples[:3]:
        print(f"Question  {sample['question']}")
        print(f"  base    {_one_line(sample['base'])}")
        print(f"  adapter {_one_line(sample['adapter'])}\n")
    for line in evaluation.compare_lines(result):
        print(line)
    print(f"\nrun       {finished.path}")
    print(f"report    {finished.report_path}")
    print(f"talk      finetune chat {finished.path}")
    print(f"browser   finetune demo {finished.path}")


# Control characters as their pictures: a row or an answer must not drive the terminal.
_PICTURES = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"} | {127: 0x2421}
_PICTURES |= dict.fromkeys(range(128, 160), 0xFFFD)


def visible(text: str) -> str:
    """Text with its control characters shown instead of obeyed; line ends and tabs stay."""
    return text.translate(_PICTURES)


def _one_line(text: str, limit: int = 400) -> str:
    line = visible(" ".join(text.split()))
    return line if len(line) <= limit else line[: limit - 1] + "…"


def doctor_facts() -> dict[str, Any]:
    """Versions, machine, disk, and what is missing for which part."""
    import importlib.util
    import shutil

    from finetune import hardware
    from finetune.runs import environment_facts

    here = hardware.machine()
    missing = []
    for package in ("torch", "transformers", "peft", "trl", "datasets"):
        if importlib.util.find_spec(package) is None:
            missing.append(f"{package}: reinstall finetune-kit")
    starter, recipes = True, []
    try:
        recipes = list(resources.shipped_recipes())
        resources.starter_base()
    except RunError as error:
        starter = False
        missing.append(str(error))
    optional = []
    if importlib.util.find_spec("gradio") is None:
        optional.append("gradio, for finetune demo: pip install 'finetune-kit[demo]'")
    environment = environment_facts()
    return {
        **environment,
        "device": here.device,
        "gpu": here.gpu_name,
        "gpu_memory_bytes": here.gpu_memory_bytes,
        "memory_bytes": here.memory_bytes,
        "num_cpus": here.num_cpus,
        "free_disk_bytes": shutil.disk_usage(".").free,
        "starter_base": starter,
        "shipped_recipes": recipes,
        "missing": missing,
        "optional": optional,
    }


def print_doctor(facts: dict[str, Any]) -> None:
    """The facts as lines."""
    gib = 1 << 30
    memory = f"{facts['memory_bytes'] / gib:.0f} GiB" if facts["memory_bytes"] else "unknown"
    print(f"system    {facts['system']}, {facts['num_cpus']} CPUs, {memory} memory")
    if facts["gpu"]:
        size = f", {facts['gpu_memory_bytes'] / gib:.0f} GiB" if facts["gpu_memory_bytes"] else ""
        print(f"device    {facts['gpu']}{size}")
    else:
        print("device    no GPU found: small bases train on the CPU, larger ones are slow")
    print(f"disk      {facts['free_disk_bytes'] / gib:.0f} GiB free here")
    print("versions  " + ", ".join(f"{name} {version}" for name, version in facts["versions"].items()))
    print(f"recipes   {', '.join(facts['shipped_recipes'])}")
    if facts["starter_base"]:
        print("starter   the bundled base is in place")
    for line in facts["optional"]:
        print(f"optional  {line}")
    for line in facts["missing"]:
        print(f"missing   {line}")
    print("all set" if not facts["missing"] else "not ready: see missing")
