"""How an adapter or a merged model is spoken to: system prompt, template, stop tokens and base, beside its weights.

An adapter answers well only under the prompt it was trained under. So its folder holds the tokenizer's files, the
template (chat_template.jinja) and chat.json, which names the rest and the hash of each part; whoever serves the
adapter, in its run or copied elsewhere, takes them from there and refuses what differs. No path of a machine and no
text of a row is in them. A model that was merged has the same files; there `base` is the merged model itself.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import finetune
from finetune import resources
from finetune.errors import IntegrityError, Problem, shown
from finetune.models.adapter_check import CONFIG, WEIGHTS
from finetune.models.merged_files import MERGE_JSON
from finetune.models.sources import BaseSource
from finetune.models.templates import read_template, shipped_templates
from finetune.models.templates.safety import check_template
from finetune.models.tokenizers import clean_tokenizer_config
from finetune.models.weights import mark, marks_of
from finetune.runs import sha256_of, write_json

CHAT, TEMPLATE = "chat.json", "chat_template.jinja"
_ADAPTER_FILES = (CONFIG, WEIGHTS)
CHAT_SCHEMA = 1
# From where a template was: the base's own, one that the kit ships, or a file that the recipe names.
OF_BASE, OF_KIT, OF_RECIPE = "base", "kit", "recipe"
# What a base is recognised by, beside its name and commit.
BASE_KEYS = ("id", "revision", "is_local", "config_sha256", "weights_sha256", "vocab_size", "quantization")
_MAX_BYTES = 4 << 20
_SHOWN = 12  # characters of a hash that an error prints
_TOKENIZER_FILE = (".json", ".jinja", ".txt", ".model")
# In the header of an adapter's weights: the kit wrote it, with a chat.json beside it. adapter_config.json takes no
# words of others; a run's checkpoints, which have no chat.json on purpose, are saved without it.
MARK = "finetune_kit"
_LONGEST_TITLE = 500  # as share.title
# Read back, a tokenizer must write these as before: blanks, digits, two scripts, and its own control tokens.
_SAMPLES = ("Hello, what helps?\n\n  12,345 mg", " leading blank", "您好，发烧怎么办？第3天", "naïve café 🙂")


@dataclass(frozen=True)
class ChatFacts:
    """What chat.json holds.

    Attributes:
        system_prompt: put first in every conversation; None where the adapter was trained without one.
        template_sha256: Renderer.template_fingerprint, of the template's text and its options.
        template_from: "base", "kit" or "recipe": who gave the template.
        template_options: words handed to the template, such as {"enable_thinking": False}.
        stop_tokens: (text, id) of every token that ends an answer, by id.
        base: BASE_KEYS of the base it was trained on.
        max_new_tokens: default length limit of an answer.
        files: name -> SHA-256 of the tokenizer's files in the folder, the template among them, and of the adapter's.
        kit_version: the kit that wrote it.
        max_image_pixels: to how many pixels a picture is made smaller (data.max_image_pixels); None: no matter.
        title: share.title, or the recipe's name; None: the folder's name is all there is.
        model_files: of a merged model, name -> SHA-256 of its other files; its weights are hashed in `base`.
    """

    system_prompt: str | None
    template_sha256: str
    template_from: str
    template_options: dict[str, Any]
    stop_tokens: tuple[tuple[str, int], ...]
    base: dict[str, Any]
    max_new_tokens: int
    files: dict[str, str] = field(default_factory=dict)
    kit_version: str = finetune.__version__
    max_image_pixels: int | None = None
    title: str | None = None
    model_files: dict[str, str] = field(default_factory=dict)

    @property
    def system_prompt_sha256(self) -> str | None:
        """Hash of the system prompt, None where there is none."""
        return _sha256(self.system_prompt)

    @property
    def stop_ids(self) -> list[int]:
        """Ids of the stop tokens."""
        return [token_id for _, token_id in self.stop_tokens]

    def summary(self) -> dict[str, Any]:
        """What a manifest records of it: no text of the user's."""
        return {
            "fingerprint": self.template_sha256,
            "from": self.template_from,
            "options": self.template_options,
            "stop_tokens": [{"text": text, "id": token_id} for text, token_id in self.stop_tokens],
            "system_prompt_sha256": self.system_prompt_sha256,
        }


def chat_facts(
    renderer: Any,
    base: dict[str, Any],
    *,
    system_prompt: str | None,
    max_new_tokens: int,
    chat_template: str = "auto",
    quantization: str = "none",
    max_image_pixels: int | None = None,
    title: str | None = None,
) -> ChatFacts:
    """The facts of a renderer (finetune.render.Renderer) and a base (`base_facts`), for `save_chat` or to compare.

    Args:
        chat_template: the recipe's base.chat_template; it tells whose the template is.
        quantization: how the base was held in training.
        title: the recipe's share.title, or its name.
    """
    tokenizer, template = renderer.tokenizer, renderer.template
    if any(read_template(name) == template for name in shipped_templates()):
        given_by = OF_KIT
    else:
        given_by = OF_BASE if chat_template == "auto" else OF_RECIPE
    texts = tokenizer.convert_ids_to_tokens(list(renderer.stop_ids))
    known = {**base, "quantization": base.get("quantization") or quantization}
    return ChatFacts(
        system_prompt=system_prompt or None,
        template_sha256=renderer.template_fingerprint,
        template_from=given_by,
        template_options=dict(renderer.options),
        stop_tokens=tuple(zip(texts, renderer.stop_ids)),
        base={key: known.get(key) for key in BASE_KEYS},
        max_new_tokens=max_new_tokens,
        max_image_pixels=max_image_pixels if renderer.images is not None else None,
        title="".join(c if c.isprintable() else " " for c in title or "").strip() or None,
    )


# -- writing ---------------------------------------------------------------------------------------------------------


def save_chat(folder: Path, tokenizer: Any, facts: ChatFacts) -> str:
    """Write the tokenizer's files, chat_template.jinja and chat.json into the folder of an adapter or a merged model.

    chat.json names the hashes of the other files too, so write them first. An adapter's weights are marked, so that a
    chat.json that is gone later is missed. The tokenizer is read back and must give the same ids: one that does not
    survive being saved is refused now.

    Returns:
        SHA-256 of chat.json, for the manifest.

    Raises:
        IntegrityError: the tokenizer read back writes other ids.
    """
    with tempfile.TemporaryDirectory(prefix="finetune-chat-") as name:
        staging = Path(name)
        tokenizer.save_pretrained(staging)
        (staging / TEMPLATE).write_bytes(tokenizer.chat_template.encode())
        clean_tokenizer_config(staging)
        files = sorted(path for path in staging.iterdir() if path.suffix in _TOKENIZER_FILE)
        _same_tokenizer(tokenizer, _open_tokenizer(staging), facts)
        for path in files:
            shutil.copyfile(path, folder / path.name)
    if (folder / WEIGHTS).is_file():
        mark(folder / WEIGHTS, {MARK: facts.kit_version})
    names = [path.name for path in files] + [name for name in _ADAPTER_FILES if (folder / name).is_file()]
    is_merged = (folder / MERGE_JSON).is_file()
    others = {path.name for path in folder.glob("*.json")} - {*names, CHAT} if is_merged else set()
    write_json(
        folder / CHAT,
        {
            "schema": CHAT_SCHEMA,
            "kit_version": facts.kit_version,
            "title": facts.title,
            "system_prompt": facts.system_prompt,
            "system_prompt_sha256": facts.system_prompt_sha256,
            "template_sha256": facts.template_sha256,
            "template_from": facts.template_from,
            "template_options": facts.template_options,
            "stop_tokens": facts.summary()["stop_tokens"],
            "max_new_tokens": facts.max_new_tokens,
            "max_image_pixels": facts.max_image_pixels,
            "base": facts.base,
            "files": {name: sha256_of(folder / name) for name in names},
            "model_files": {name: sha256_of(folder / name) for name in sorted(others)},
        },
    )
    return sha256_of(folder / CHAT)


def _same_tokenizer(before: Any, after: Any, facts: ChatFacts) -> None:
    """See that a tokenizer read back is the one that was saved."""
    controls = "a".join(sorted(map(str, before.all_special_tokens)))
    for text in (*_SAMPLES, controls, facts.system_prompt or ""):
        if before(text).input_ids != after(text).input_ids:
            raise IntegrityError("the tokenizer, saved and read back, writes other tokens; the adapter is not usable")
    names = ("chat_template", "eos_token_id", "pad_token_id", "bos_token_id")
    changed = [name for name in names if getattr(before, name) != getattr(after, name)]
    if changed or len(before) != len(after):
        what = ", ".join(changed) or "its size"
        raise IntegrityError(f"the tokenizer, saved and read back, is another one: {what}; the adapter is not usable")


# -- reading ---------------------------------------------------------------------------------------------------------


def read_chat(folder: Path) -> ChatFacts | None:
    """What a folder says of itself; None where it has no chat.json (a stranger's adapter, a checkpoint, a base).

    Raises:
        IntegrityError: it cannot be read, or a file beside it is not the one it names; with both hashes. Or it is
            gone from a folder that the kit wrote it into.
    """
    path = folder / CHAT
    where, again = f"{folder.name}/{CHAT}", _again(folder)
    if not path.exists() and not path.is_symlink():
        if (folder / MERGE_JSON).exists() or MARK in marks_of(folder / WEIGHTS):
            what = "is missing; the kit wrote it, and nothing else says with which system prompt and template to ask"
            raise IntegrityError(Problem(where, "", what, fix=f"put it back, or {again}"))
        return None
    try:
        if path.is_symlink() or path.stat().st_size > _MAX_BYTES:
            raise ValueError
        words = json.loads(path.read_bytes())
        if words["schema"] != CHAT_SCHEMA:
            raise IntegrityError(
                Problem(where, "schema", "needs another finetune-kit", shown(words["schema"], 20), "update it")
            )
        facts = _facts_of(words)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise IntegrityError(Problem(where, "", "cannot be read", fix=again)) from None
    problems: list[str | Problem] = []
    if facts.system_prompt_sha256 != words.get("system_prompt_sha256"):
        got = then_now(words.get("system_prompt_sha256"), facts.system_prompt_sha256)
        problems.append(Problem(where, "system_prompt", "was changed after training", got, again))
    for name, expected in sorted({**facts.model_files, **facts.files}.items()):
        found = sha256_of(folder / name) if (folder / name).is_file() and not (folder / name).is_symlink() else None
        if found != expected:
            what = "is missing" if found is None else "was changed after training"
            got = then_now(expected, found) if found else ""
            problems.append(Problem(f"{folder.name}/{name}", "", what, got, again))
    if problems:
        raise IntegrityError(problems)
    return facts


def _again(folder: Path) -> str:
    """What to do about a folder that is not whole."""
    return "merge again" if (folder / MERGE_JSON).exists() else "fetch the adapter again, with all of its files"


def _facts_of(words: dict[str, Any]) -> ChatFacts:
    """chat.json's words as facts. Raises ValueError, KeyError or TypeError where they are not of its form."""
    prompt, options, base, files = (words[k] for k in ("system_prompt", "template_options", "base", "files"))
    stops = tuple((token["text"], token["id"]) for token in words["stop_tokens"])
    limit, pixels, title = words["max_new_tokens"], words.get("max_image_pixels"), words.get("title")
    others = words.get("model_files", {})
    is_right = (
        isinstance(prompt, (str, type(None)))
        and all(isinstance(words[key], str) for key in ("template_sha256", "template_from", "kit_version"))
        and all(isinstance(table, dict) for table in (options, base, files, others))
        and all(isinstance(text, str) and type(token_id) is int and token_id >= 0 for text, token_id in stops)
        and type(limit) is int
        and limit > 0
        and (pixels is None or (type(pixels) is int and pixels > 0))
        and stops
        and TEMPLATE in files
        and all(Path(name).name == name and isinstance(value, str) for name, value in {**files, **others}.items())
        and (title is None or (isinstance(title, str) and title.isprintable() and 0 < len(title) <= _LONGEST_TITLE))
    )
    if not is_right:
        raise ValueError
    return ChatFacts(
        system_prompt=prompt,
        template_sha256=words["template_sha256"],
        template_from=words["template_from"],
        template_options=options,
        stop_tokens=stops,
        base=base,
        max_new_tokens=limit,
        files=files,
        kit_version=words["kit_version"],
        max_image_pixels=pixels,
        title=title,
        model_files=others,
    )


def load_chat_tokenizer(folder: Path, facts: ChatFacts) -> Any:
    """The tokenizer in an adapter's folder, with new tokens and template, as it was trained with. No network.

    Only the files that chat.json names are looked at.

    Raises:
        IntegrityError: it cannot be opened.
        ModelError: the template is not fit to be run, see `check_template`.
    """
    check_template((folder / TEMPLATE).read_bytes().decode(errors="replace"), f"{folder.name}/{TEMPLATE}")
    with tempfile.TemporaryDirectory(prefix="finetune-chat-") as name:
        for file in facts.files.keys() - set(_ADAPTER_FILES):
            shutil.copyfile(folder / file, Path(name) / file)
        try:
            return _open_tokenizer(Path(name))
        except Exception as error:  # somebody's file: whatever transformers raises is about it
            what = f"the tokenizer cannot be opened: {type(error).__name__}"
            raise IntegrityError(Problem(folder.name, "", what, fix=_again(folder))) from error


def _open_tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, use_fast=True, local_files_only=True)
    # As bytes: a line break more or less is another template.
    tokenizer.chat_template = (folder / TEMPLATE).read_bytes().decode()
    return tokenizer


# -- comparing -------------------------------------------------------------------------------------------------------


def compare_chat(recorded: ChatFacts, now: ChatFacts, where: str, *, of_recipe: bool) -> list[str]:
    """See that what recipe and base give now is what the adapter was trained with.

    Args:
        recorded: from the adapter's folder.
        now: of recipe and base as they are; its `base` is not looked at, see `check_base`.
        where: whose words `now` holds, for the message.
        of_recipe: whether a recipe or a base alone gives them, for the message. Its system prompt has a check of its
            own, `check_system_prompt`, which needs no tokenizer.

    Returns:
        Notes: differences that come with another version of the kit and change nothing, one line each.

    Raises:
        IntegrityError: every difference, with both hashes and what to do.
    """
    problems: list[str | Problem] = []
    notes: list[str] = []
    parts = (
        ("base.chat_template", "the chat template is", recorded.template_sha256, now.template_sha256),
        ("base", "the stop tokens are", _stops(recorded), _stops(now)),
    )
    for key, what, then, today in parts:
        if then == today:
            continue
        if recorded.kit_version != now.kit_version and recorded.template_from == now.template_from == OF_KIT:
            notes.append(f"{what} another in this version of the kit; served with the adapter's own ({then[:_SHOWN]})")
            continue
        problems.append(_other(where, key, what, then, today, of_recipe))
    if problems:
        raise IntegrityError(problems)
    return notes


def check_system_prompt(recorded: ChatFacts, now: str | None, where: str) -> None:
    """See that a recipe's system prompt is the one the adapter was trained with.

    Raises:
        IntegrityError: it is another; with both hashes, and without its text.
    """
    if recorded.system_prompt != (now or None):
        fix = "put it back, or start a new run; `finetune chat --system` tries another one out"
        got = then_now(recorded.system_prompt_sha256, _sha256(now))
        what = "is not the one the adapter was trained with"
        raise IntegrityError(Problem(where, "data.system_prompt", what, got, fix))


def another_template(recorded: ChatFacts, now: str, where: str, *, of_recipe: bool) -> IntegrityError:
    """The error of `compare_chat` for a template that cannot even be used; `now` is its fingerprint."""
    template = (recorded.template_sha256, now)
    return IntegrityError(_other(where, "base.chat_template", "the chat template is", *template, of_recipe))


def _other(where: str, key: str, what: str, then: str, now: str, of_recipe: bool) -> Problem:
    fix = "put base.chat_template and base.thinking back, or start a new run" if of_recipe else _OTHER_BASE
    return Problem(where, key, f"{what} not what the adapter was trained with", then_now(then, now), fix)


_NOT_AS_TRAINED = "is not what the adapter was trained with"
_OTHER_BASE = "name the base it was trained on with --base"


def check_base(recorded: ChatFacts, source: BaseSource, facts: dict[str, Any]) -> list[str]:
    """See that a base is the one the adapter was trained on: by its config's hash, and its weights' where known.

    Args:
        recorded: from the adapter's folder.
        source: the base at hand.
        facts: `base_facts` of it.

    Returns:
        Notes: what could not be compared, one line each.

    Raises:
        IntegrityError: it is another one; with both hashes.
    """
    name = recorded.base.get("id")
    for key, what in (("config_sha256", "its config is another"), ("weights_sha256", "its weights are others")):
        then, now = recorded.base.get(key), facts.get(key)
        if then and now and then != now:
            was_folder = recorded.base.get("is_local") and name != resources.STARTER_ID
            called = "the folder that was called " if was_folder else ""
            at = f" at {recorded.base['revision']}" if recorded.base.get("revision") else ""
            trained_on = f"{called}{name!r}{at}"
            problem = Problem(
                source.label, "", f"is not the base that the adapter was trained on: {what}", then_now(then, now),
                f"{_OTHER_BASE}: {trained_on}",
            )  # fmt: skip
            raise IntegrityError(problem)
    then, now = recorded.base.get("revision"), facts.get("revision")
    if then and now and then != now:
        return [f"base: {source.label} is at commit {now[:_SHOWN]}, the adapter was trained at {then[:_SHOWN]}"]
    if not facts.get("weights_sha256") and recorded.base.get("weights_sha256"):
        return [f"base: the weights of {source.label} were not compared with those trained on; its config is the same"]
    if facts.get("weights_sha256") and not recorded.base.get("weights_sha256"):
        return [f"base: the run recorded no hash of the base's weights, so those of {source.label} were not compared"]
    return []


def check_merged(recorded: ChatFacts, source: BaseSource, facts: dict[str, Any]) -> None:
    """See that a merged model is the one that was written; `facts`: `base_facts` of it.

    Raises:
        IntegrityError: its weights or its config are others; with both hashes.
    """
    for key, what in (("config_sha256", "its config was"), ("weights_sha256", "its weights were")):
        then, now = recorded.base.get(key), facts.get(key)
        if then != now:
            got = then_now(then, now)
            raise IntegrityError(Problem(source.label, "", f"{what} changed after it was merged", got, "merge again"))


def check_own_template(recorded: ChatFacts, folder: Path, fingerprint: Callable[[str, dict[str, Any]], str]) -> None:
    """See that a folder's template is the one that chat.json names, before anything is made of it.

    Args:
        recorded: from the folder.
        folder: of an adapter or a merged model.
        fingerprint: of a template's text and options (finetune.render).

    Raises:
        IntegrityError: it is another; with both hashes.
    """
    now = fingerprint((folder / TEMPLATE).read_bytes().decode(errors="replace"), recorded.template_options)
    if now != recorded.template_sha256:
        got = then_now(recorded.template_sha256, now)
        raise IntegrityError(Problem(f"{folder.name}/{TEMPLATE}", "", _NOT_AS_TRAINED, got, _again(folder)))


def check_stop_tokens(recorded: ChatFacts, folder: Path, tokenizer: Any) -> None:
    """See that a folder's tokenizer knows the stop tokens of chat.json by their ids.

    Raises:
        IntegrityError: they are others; with both hashes.
    """
    found = tokenizer.convert_ids_to_tokens(recorded.stop_ids)
    if [text for text, _ in recorded.stop_tokens] != found:
        got = then_now(_stops(recorded), _sha256(repr(sorted(zip(map(str, found), recorded.stop_ids)))))
        raise IntegrityError(Problem(f"{folder.name}/{CHAT}", "stop_tokens", _NOT_AS_TRAINED, got, _again(folder)))


def then_now(then: str | None, now: str | None) -> str:
    """Two hashes as a message shows them."""
    return f"{(then or 'none')[:_SHOWN]} in training, {(now or 'none')[:_SHOWN]} now"


def _stops(facts: ChatFacts) -> str:
    return _sha256(repr(sorted(facts.stop_tokens))) or ""


def _sha256(text: str | None) -> str | None:
    return hashlib.sha256(text.encode()).hexdigest() if text else None
