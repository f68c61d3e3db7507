"""What a RUN, ADAPTER or BASE argument turned out to be; loads no weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune import models, recipe, resources
from finetune.errors import IntegrityError, ModelError, Problem, RunError
from finetune.generation.questions import read_questions
from finetune.runs import MANIFEST, Run, sha256_of

_DEFAULT_NEW_TOKENS = 256


@dataclass(frozen=True)
class Source:
    """What a RUN, ADAPTER or BASE argument turned out to be."""

    title: str
    base: models.BaseSource
    adapter_dir: Path | None
    system_prompt: str | None
    questions: tuple[str, ...]
    chat_template: str
    template_file: Path | None
    max_new_tokens: int
    thinking: str
    chat: models.ChatFacts | None = None  # what the folder of the adapter, or of the merged model, says of itself
    where: str = ""  # the recipe that the words above are of; "" outside of a run
    max_image_pixels: int = models.DEFAULT_MAX_PIXELS
    quantization: str = "none"  # how the base was held in training, and is held here


def find_source(source: str | Path, base: str | None = None) -> Source:
    """Look at a run folder, an adapter folder, a base folder, a hub id or "starter"; loads no weights.

    Args:
        source: what the user named.
        base: the base to use instead of the recorded one.

    Raises:
        RunError: the run has no adapter yet.
        ModelError: nothing of the kind, or an adapter folder whose base is not known.
        IntegrityError: a file of the adapter's was changed after training, or the recipe's system prompt was.
    """
    path = Path(source)
    if (path / MANIFEST).is_file():
        return _from_run(Run.open(path), base)
    if path.name == "adapter" and (path.parent / MANIFEST).is_file():
        # Its run knows the template and the system prompt it was trained with.
        return _from_run(Run.open(path.parent), base)
    if (path / "adapter_config.json").is_file():
        return _from_adapter(path, base)
    if not path.exists() and "/" not in str(source) and str(source) != resources.STARTER_ID:
        # transformers would look for a model of that bare name on the hub.
        fix = "name a run folder, an adapter folder, a base folder, a hub id like owner/name, or starter"
        raise ModelError(Problem(str(source), "", "no such run, adapter or base", fix=fix))
    in_a_folder = "/" in str(source) and "://" not in str(source) and (path.is_absolute() or path.parent.is_dir())
    if in_a_folder and not path.exists():
        other = "" if path.is_absolute() else f"; an id of the hub is looked for where no folder {path.parent} lies"
        raise ModelError(Problem(str(source), "", "no such run, adapter or base", fix=f"check the path{other}"))
    found = models.find_base(str(source), None, path if path.is_dir() else None)
    chat = models.read_chat(Path(found.location)) if found.is_local else None
    if chat is None:
        return Source(found.label, found, None, None, (), "auto", None, _DEFAULT_NEW_TOKENS, "off")
    # A model that was merged goes on as its adapter was trained.
    title, prompt = chat.title or found.label, chat.system_prompt
    return Source(title, found, None, prompt, (), "auto", None, chat.max_new_tokens, "off", chat)


def _from_adapter(path: Path, base: str | None) -> Source:
    """An adapter's folder outside of a run: what chat.json says is all that is known of its prompt."""
    config = models.check_adapter(path)
    chat = models.read_chat(path)
    trained_on = config.get("base_model_name_or_path")
    name = base or trained_on
    if not name:
        raise ModelError(Problem(str(path), "", "does not name its base", fix="add --base MODEL"))
    was_folder = chat is not None and chat.base.get("is_local") and name != resources.STARTER_ID
    if base is None and was_folder and not Path(name).is_dir():
        what = "was trained on a base in a folder that is not here"
        raise ModelError(Problem(str(path), "", what, repr(name), "name that folder with --base"))
    # The commit belongs to the base it was trained on, not to another one.
    found = models.find_base(name, config.get("revision") if name == trained_on else None)
    title = (chat and chat.title) or path.resolve().name
    if chat is None:
        return Source(title, found, path, None, (), "auto", None, _DEFAULT_NEW_TOKENS, "off")
    return Source(
        title,
        found,
        path,
        chat.system_prompt,
        (),
        "auto",
        None,
        chat.max_new_tokens,
        "off",
        chat,
        quantization=models.kind_of(chat.base.get("quantization")),
    )


def _chat_of(run: Run) -> models.ChatFacts | None:
    """chat.json of a run's adapter, seen to be the one that the run wrote; None in runs of older kits."""
    where, fix = f"{run.path.name}/adapter/{models.CHAT}", "put it back, or start a new run"
    path = run.adapter_dir / models.CHAT
    expected = (run.manifest.get("adapter") or {}).get("chat_sha256")
    if expected is not None and not path.is_file():
        raise IntegrityError(Problem(where, "", "is missing", fix=fix))
    chat = models.read_chat(run.adapter_dir)
    if chat is not None and expected is not None and (found := sha256_of(path)) != expected:
        got = models.then_now(expected, found)
        raise IntegrityError(Problem(where, "", "was changed after training", got, fix))
    return chat


def _from_run(run: Run, base: str | None) -> Source:
    if not (run.adapter_dir / "adapter_config.json").is_file():
        status = run.manifest.get("status")
        fix = (
            "let `finetune run --resume` finish it"
            if status in ("interrupted", "running", "failed")
            else "start a new run"
        )
        raise RunError(Problem(str(run.path), "", "has no adapter yet", str(status), fix))
    # The rows may be gone or elsewhere by now; to talk, they are not needed.
    loaded = recipe.load(run.resolved_path, allow_outside=True, must_exist=False)
    words = loaded.recipe
    folder = None if base else loaded.path_of("base.model", words.base.model)
    # A branch may have moved since: the adapter belongs to the commit it was trained on.
    facts = run.manifest.get("base") or {}
    commit = words.base.revision if facts.get("is_local", True) else facts.get("revision") or words.base.revision
    template = words.base.chat_template
    chat, where = _chat_of(run), f"{run.path.name}/{run.resolved_path.name}"
    if chat is not None:
        models.check_system_prompt(chat, words.data.system_prompt, where)
    return Source(
        title=words.name,
        base=models.find_base(base or words.base.model, None if base else commit, folder),
        adapter_dir=run.adapter_dir,
        system_prompt=words.data.system_prompt,
        questions=_example_questions(loaded),
        chat_template=template,
        template_file=loaded.path_of("base.chat_template", template),
        max_new_tokens=words.evaluate.max_new_tokens,
        thinking=words.base.thinking,
        chat=chat,
        where=where,
        max_image_pixels=words.data.max_image_pixels,
        quantization=models.kind_of(facts.get("quantization") or words.base.quantization),
    )


def _example_questions(loaded: Any) -> tuple[str, ...]:
    """The recipe's questions, as examples for the page; none when their file is gone."""
    name = loaded.recipe.evaluate.questions
    if name is None or not loaded.path_of("evaluate.questions", name).is_file():
        return ()
    return tuple(question["question"] for question in read_questions(loaded, with_images=False))
