"""How things look in a terminal: progress, reports, previews, the machine."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from finetune import resources
from finetune.errors import RunError, first_places
from finetune.runs import Run
from finetune.talk import Talk

# Beyond so many things (bytes, mostly) a share says more than two long numbers.
_MANY = 1_000_000


class TerminalTalk(Talk):
    """Talk on stderr: a bar with time left on a terminal, a line now and then elsewhere."""

    _LINE_SECONDS = 10.0
    _SHORT_SECONDS = 2.0

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
                TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[counted]}"),
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
        counted = f"{done:,}/{total:,}" if total < _MANY else f"{done / total:.0%}"
        if self._bar is not None:
            if self._task is None or self._task_name != name:
                if self._task is not None:
                    self._bar.remove_task(self._task)
                self._task, self._task_name = self._bar.add_task(name, total=total, loss="", counted=""), name
            self._bar.update(self._task, completed=done, total=total, loss=loss_text, counted=counted)
            return
        now = time.monotonic()
        if name != self._task_name:
            self._task_name, self._started, self._last_line = name, now, now
        # What takes no time needs no line.
        ended = done >= total and now - self._started >= self._SHORT_SECONDS
        if now - self._last_line >= self._LINE_SECONDS or ended:
            self._last_line = now
            left = (now - self._started) / max(1, done) * max(0, total - done)
            self.say(f"{name} {counted}  {loss_text}  {left:.0f} s left".replace("    ", "  "))


def check_report(report: dict[str, Any]) -> None:
    """The check in plain lines: data on stdout, the verdict last."""
    from finetune.checking.lengths import lines_of
    from finetune.checking.verdict import reasons
    from finetune.data.shapes import plural

    print(f"recipe    {report['recipe']['name']}")
    for file in report["files"]:
        print(f"file      {file['name']}: {file['num_rows']:,} rows, {file['format']}, {file['encoding']}")
    print(f"rows      {report['num_train']:,} to train on, {report['num_held_out']:,} held out")
    for word, line in lines_of(report["lengths"]) if report["lengths"] else ():
        print(f"{word:<10}{line}")
    for line in report["notes"]:
        print(f"note      {line}")
    if report["settings"]["privacy"] == "off":
        print("note      data.privacy is off: rows were not searched for personal data")
    print(f"\n{report['verdict']['sentence']}")
    for number, reason in enumerate(reasons(report, "en"), 1):
        counted = f" ({plural(reason.num, 'row')})" if reason.num and reason.code.startswith("finding:") else ""
        places = f": {first_places(reason.places, reason.num)}" if reason.places else ""
        line = f"{number:>3}. {reason.what}{counted}{places}"
        print(f"{line}{'' if line.endswith('...') else '.'} {reason.fix}".rstrip())


def print_preview(entry: dict[str, Any]) -> None:
    """A row with its trained tokens in green; in brackets where there is no colour."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    coloured = console.color_system is not None
    from finetune.checking.preview import title_of

    console.print(Text(title_of(entry), style="bold"))
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


def run_summary(finished: Run, as_json: bool) -> None:
    """The end of a run: numbers, three answers side by side, where things are, what to do next."""
    from finetune import evaluation
    from finetune.cli.scoring import print_evaluation

    result = json.loads(finished.evaluation_path.read_bytes())
    samples = evaluation.shown_samples(finished)
    if as_json:
        print(
            json.dumps(
                {
                    "run": str(finished.path),
                    "status": finished.manifest["status"],
                    "held_out": result["held_out"],
                    "verdict": result["verdict"],
                    "scorecard": result.get("scorecard"),
                    "gate": result.get("gate"),
                    "training": finished.manifest["training"],
                    "report": str(finished.report_path),
                },
                indent=1,
            )
        )
        return
    print()
    if result["verdict"].get("result"):
        print_evaluation(result)
    else:  # of an older kit
        print("\n".join(evaluation.compare_lines(result)))
    print()
    for sample in [line for line in samples if not line["source"].startswith("suite:")][:3]:
        print(f"Question  {_one_line(sample['question'])}")
        print(f"  base    {_one_line(sample['base'])}")
        print(f"  adapter {_one_line(sample['adapter'])}\n")
    print(f"run       {finished.path}")
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
