"""One function a command: parsed arguments in, exit code out (None is 0)."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from finetune import resources
from finetune.errors import DataError, ModelError, Problem, RecipeError, RunError, SurroundingsError


def _print_json(value: Any) -> None:
    plain = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    print(json.dumps(value, indent=1, ensure_ascii=plain))


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _load(arguments: argparse.Namespace) -> Any:
    from finetune import recipe

    loaded = recipe.load(
        arguments.recipe,
        arguments.overrides,
        allow_outside=arguments.allow_outside,
        trust_remote_code=arguments.trust_remote_code,
    )
    for note in loaded.notes:
        _say(note)
    return loaded


def recipes(arguments: argparse.Namespace) -> None:
    """List the shipped recipes."""
    from finetune import recipe

    rows = []
    for name, path in resources.shipped_recipes().items():
        words = recipe.load(path).recipe
        rows.append({"name": name, "base": words.base.model, "description": words.description})
    if arguments.json:
        return _print_json(rows)
    name_width, base_width = (max(len(row[key]) for row in rows) for key in ("name", "base"))
    for row in rows:
        print(f"{row['name']:<{name_width}}  {row['base']:<{base_width}}  {row['description']}")
    _say("\nCopy one out with: finetune new MY_NAME --from NAME")
    return None


def models(arguments: argparse.Namespace) -> None:
    """List the families of models: what to download, and what was shown to work."""
    from finetune.cli.families import print_families
    from finetune.models import proofs

    entries = proofs.families()
    if arguments.json:
        return _print_json({"shown_with": proofs.read_proofs()["versions"], "families": entries})
    print_families(entries)
    _say("Shown on tiny models of the real classes with random weights; (?): look it up on the model's page.")
    _say("Train one with: finetune run RECIPE --set base.model=ID; the whole table: docs/models.md")
    return None


def new(arguments: argparse.Namespace) -> None:
    """Copy a shipped recipe and the data template it uses into a folder of the user's own."""
    from finetune import recipe

    names = resources.shipped_recipes()
    if arguments.source not in names:
        fix = f"choose from {', '.join(names)}"
        raise RecipeError(Problem("", "--from", "no such shipped recipe", repr(arguments.source), fix))
    target = Path(arguments.name)
    source = names[arguments.source].parent
    resources.copy_tree(source, target)
    path = target / "recipe.yaml"
    text = path.read_text(encoding="utf-8")
    templates = resources.shipped("data_templates")
    moved = {}
    for folder in sorted(entry for entry in templates.iterdir() if entry.is_dir()):
        inside = f"../../data_templates/{folder.name}/"
        if inside in text:
            resources.copy_tree(folder, target / "data" / folder.name)
            _leave_out(target / "data" / folder.name, [name for name in _OF_RECIPE if inside + name not in text])
            text = text.replace(inside, f"data/{folder.name}/")
            moved[inside] = f"data/{folder.name}/"
    own = "".join(c if c.isascii() and (c.isalnum() or c in "_-.") else "_" for c in target.resolve().name)
    own = own.lstrip("_-.")[:64] or "recipe"
    # 2024, null and 1e5 are names only in quotes.
    own = own if recipe.reads_as_text(own) else json.dumps(own)
    text = "\n".join(f"name: {own}" if line.startswith("name:") else line for line in text.split("\n"))
    path.write_text(text, encoding="utf-8")
    for page in target.rglob("*.md"):
        page.write_text(_links_of_a_copy(page, moved), encoding="utf-8")
    print(path)
    _say(f"Next: put your rows into {target}/data, then finetune check {path}")


# In a data template's folder, and once more in the recipe, which reads its own alone.
_OF_RECIPE = ("questions.jsonl", "system_prompt.txt")


def _leave_out(folder: Path, names: list[str]) -> None:
    """Take files out of a copied data template, and out of the list of files on its page: nothing would read them."""
    for name in names:
        (folder / name).unlink(missing_ok=True)
    page = folder / "README.md"
    lines = page.read_text(encoding="utf-8").splitlines(keepends=True)
    lines = [line for line in lines if not line.startswith(tuple(f"| `{name}` |" for name in names))]
    page.write_text("".join(lines), encoding="utf-8")


def _links_of_a_copy(page: Path, moved: dict[str, str]) -> str:
    """The text of a copied page whose links lead somewhere: into the copy, or the words alone stay.

    Args:
        page: a Markdown file of the copy.
        moved: old beginning of a link -> new one, of the folders that were copied along.
    """
    import re

    def mended(link: re.Match[str]) -> str:
        words, goal = link.groups()
        if re.match(r"[a-z]+:|#", goal):
            return link.group()
        for old, new in moved.items():
            goal = new + goal.removeprefix(old) if goal.startswith(old) else goal
        return f"[{words}]({goal})" if (page.parent / goal.split("#")[0]).exists() else words

    return re.sub(r"\[([^\[\]]*)\]\(([^()\s]+)\)", mended, page.read_text(encoding="utf-8"))


def check(arguments: argparse.Namespace) -> None:
    """Recipe and data, without any model weights: a summary on stdout, a page and its JSON in a folder."""
    loaded = _load(arguments)
    # Behind the recipe: a wrong one is refused before the libraries that read rows are imported.
    from finetune import checking, evaluation
    from finetune.cli import show

    evaluation.suites_of(loaded)

    folder = Path(arguments.output) if arguments.output else checking.default_folder(loaded.recipe.name)
    checking.check_target(folder)
    if arguments.fix:
        checking.check_fix_target(loaded, Path(arguments.fix))
    with show.TerminalTalk() as talk:
        result = checking.check(loaded, num_processes=arguments.processes, talk=talk)
    paths: tuple[Path, ...] = ()
    try:
        paths = checking.write_check(folder, result.report)
    except SurroundingsError as error:
        if arguments.output:
            raise
        # The check itself is done: it is told all the same.
        _say(f"no page was written: {error}. Name a folder with --output")
    if arguments.json:
        _print_json(result.report)
        for path in paths:
            _say(str(path))
    else:
        show.check_report(result.report)
        for word, path in zip(("page", "json"), paths):
            print(f"{word:<10}{path}")
    if arguments.fix:
        with show.TerminalTalk() as talk:
            lines = checking.write_fixed(
                loaded, result, Path(arguments.fix), num_processes=arguments.processes, talk=talk
            )
        for line in lines:
            _say(line)
    result.require()


def preview(arguments: argparse.Namespace) -> None:
    """What will be trained, token by token."""
    loaded = _load(arguments)
    from finetune import data, prepare
    from finetune.checking import preview as pages
    from finetune.cli import show
    from finetune.cli.choosing import chosen_rows

    if arguments.html:
        pages.check_page_target(Path(arguments.html))
    with show.TerminalTalk() as talk:
        splits = data.load(loaded, talk=talk)
        base = prepare.open_quickly(loaded) or prepare.open_base(loaded, talk=talk)
        chosen = chosen_rows(arguments, splits.train, arguments.rows or (200 if arguments.html else 3))
        plain = not (arguments.row or arguments.at or arguments.find or arguments.rows or arguments.order != "file")
        for line in base.notes:
            _say(line)
        if arguments.html:
            pages.write_page(Path(arguments.html), loaded, splits, base, rows=None if plain else chosen, talk=talk)
            print(arguments.html)
            return None
    previews = [
        pages.preview_of(base, splits.train[number], loaded.recipe.data.overlong, number + 1) for number in chosen
    ]
    if arguments.json:
        return _print_json(previews)
    for entry in previews:
        show.print_preview(entry)
    return None


def run(arguments: argparse.Namespace) -> None:
    """Check, train, evaluate, report."""
    from finetune import recipe
    from finetune.cli import show

    # A wrong recipe is refused here, before the libraries that train are imported.
    recipe.load(
        arguments.recipe,
        arguments.overrides,
        allow_outside=arguments.allow_outside,
        trust_remote_code=arguments.trust_remote_code,
    )
    from finetune import workflow

    with show.TerminalTalk() as talk:
        finished = workflow.run(
            arguments.recipe,
            arguments.output,
            resume=arguments.resume,
            overrides=arguments.overrides,
            allow_outside=arguments.allow_outside,
            talk=talk,
        )
    show.run_summary(finished, as_json=arguments.json)
    workflow.check_gate(finished)


def evaluate(arguments: argparse.Namespace) -> None:
    """Evaluate a run again, with other suites, benchmarks or a judge where the command names some."""
    from finetune import evaluation, workflow
    from finetune.cli import show

    if bool(arguments.judge) != bool(arguments.judge_model) or (arguments.judge_rows and not arguments.judge):
        fix = "give --judge URL and --judge-model MODEL together"
        raise RunError(Problem("", "--judge", "needs an address and the name of a model", fix=fix))
    wishes = evaluation.Wishes(
        suites=tuple(arguments.suites or ()),
        benchmarks=tuple(arguments.benchmarks) if arguments.benchmarks else None,
        judge=arguments.judge,
        judge_model=arguments.judge_model or "",
        judge_rows=arguments.judge_rows,
    )
    with show.TerminalTalk() as talk:
        finished = workflow.evaluate_again(arguments.run, talk, wishes=wishes, overrides=arguments.overrides)
    if arguments.json:
        _print_json(json.loads(finished.evaluation_path.read_bytes()))
    else:
        show.run_summary(finished, as_json=False)
    workflow.check_gate(finished)


def compare(arguments: argparse.Namespace) -> None:
    """Lay evaluated runs side by side."""
    from finetune.evaluation import runs_compared

    if arguments.html:
        found = runs_compared.write_comparison(arguments.runs, Path(arguments.html))
        _say(arguments.html)
    else:
        found = runs_compared.compare_runs(arguments.runs)
    if arguments.json:
        return _print_json(found)
    for line in runs_compared.comparison_lines(found):
        print(line)
    return None


def _check_takes_images(base: Any, talk: Any) -> None:
    """Raises ModelError where a base takes no images; asks its config alone, no weights."""
    from finetune import models

    found = models.fetch(base, talk, weights=False)
    config = models.load_config(found)
    if models.image_input(found, config) is None:
        what = f"{base.label}: {models.why_no_images(config)}"
        raise ModelError(Problem("", "--image", what, fix="leave --image out, or name a base of the Qwen-VL kind"))


def chat(arguments: argparse.Namespace) -> None:
    """Talk in the terminal."""
    from finetune import data
    from finetune.cli import chatting, show
    from finetune.generation import Engine, find_source

    _not_a_file(arguments.source)
    if arguments.question is not None and not arguments.question.strip():
        raise DataError(Problem("", "--question", "is empty", fix="ask something"))
    data.question_with(arguments.question or "", arguments.image)  # a wrong file is told before a base is fetched
    with show.TerminalTalk() as talk:
        source = find_source(arguments.source, arguments.base)
        if arguments.image:
            _check_takes_images(source.base, talk)
        engine = Engine(source, talk=talk)
    for line in engine.notes:
        _say(f"  {line}")
    most = engine.context_tokens // 2
    if arguments.max_new_tokens and arguments.max_new_tokens > most:
        _say(f"  an answer takes at most {most} tokens: half of what this base can look at")
    if arguments.system is not None:
        engine.system_prompt = arguments.system or None
    options = {"max_new_tokens": arguments.max_new_tokens, "temperature": arguments.temperature}
    if arguments.question is not None:
        messages = [data.question_with(arguments.question, arguments.image)]
        print(show.visible(engine.reply(messages, adapter=not arguments.without_adapter, **options)))
        return
    chatting.loop(
        engine, adapter=engine.has_adapter and not arguments.without_adapter, options=options, files=arguments.image
    )


def demo(arguments: argparse.Namespace) -> None:
    """Talk in a browser."""
    import importlib.util

    if importlib.util.find_spec("gradio") is None:
        fix = "pip install 'finetune-kit[demo]'"
        raise SurroundingsError(Problem("", "finetune demo", "needs the extra 'demo' (gradio)", fix=fix))
    sources = arguments.sources or [_newest_run()]
    for source in sources:
        _not_a_file(source)
    path = resources.shipped("demo") / "app.py"
    spec = importlib.util.spec_from_file_location("finetune_demo_app", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    from finetune.cli import show

    address = {"host": arguments.host, "port": arguments.port, "open_browser": arguments.open}
    module.launch(sources, base=arguments.base, **address, block=True, talk=show.TerminalTalk())


def export(arguments: argparse.Namespace) -> None:
    """Write base and adapter as one model, and say how exact that is."""
    _not_a_file(arguments.source)
    from finetune import exporting
    from finetune.cli import show

    with show.TerminalTalk() as talk:
        facts = exporting.export_merged(
            arguments.source, arguments.folder, base=arguments.base, dtype=arguments.dtype, talk=talk
        )
    if arguments.json:
        return _print_json(facts)
    for line in exporting.lines(facts):
        print(line)
    print(f"\n{'folder':<14}{arguments.folder}")
    return None


def share(arguments: argparse.Namespace) -> None:
    """Write a run's adapter into a folder that can be handed on."""
    from finetune import sharing

    facts = sharing.share_run(arguments.run, arguments.folder, ungated=arguments.ungated)
    for reason in facts["why_ungated"]:
        _say(f"the card says: {reason}")
    for name in facts["left_out"]:
        _say(f"left out, as it is no file of an adapter: {name}")
    if arguments.json:
        return _print_json(facts)
    for name, file in facts["files"].items():
        print(f"{file['sha256'][:12]}  {file['num_bytes']:>12,}  {name}")
    print(f"\n{'folder':<14}{arguments.folder}")
    return None


def _not_a_file(source: str) -> None:
    """A file is never looked up on the hub: it is a slip, such as the recipe instead of its run."""
    if Path(source).is_file():
        what, fix = "is a file", "name a run folder, an adapter folder, a base, or starter"
        raise RunError(Problem(source, "", what, fix=fix))


def _newest_run() -> str:
    """The newest finished run under runs/, or the starter base."""
    found = []
    for path in Path("runs").glob("*/manifest.json"):
        try:
            manifest = json.loads(path.read_bytes())
        except (OSError, ValueError):
            continue
        if manifest.get("status") == "finished":
            found.append((manifest.get("ended_at") or "", str(path.parent)))
    if not found:
        _say("no finished run under runs/: the starter base answers")
        return resources.STARTER_ID
    newest = max(found)[1]
    _say(f"the newest run answers: {newest}")
    return newest


def doctor(arguments: argparse.Namespace) -> int:
    """What this machine can do; exit code 4 when something needed is missing."""
    from finetune.cli import show

    facts = show.doctor_facts()
    if arguments.json:
        _print_json(facts)
    else:
        show.print_doctor(facts)
    return 0 if not facts["missing"] else SurroundingsError.exit_code


def schema(arguments: argparse.Namespace) -> None:
    """The JSON Schema of the recipe."""
    from finetune import recipe

    _print_json(recipe.json_schema())
