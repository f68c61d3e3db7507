"""A merged model goes on as its adapter was trained; what was changed in its folder is refused with both hashes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny
from commands_kit import finetune as command
from test_generation_prompt import ASKED, HASHES, SYSTEM, change_json, refused, trained

from finetune import exporting
from finetune.generation import Engine, find_source

STOPS = [{"text": "<|endoftext|>", "id": 0}, {"text": "<|im_end|>", "id": 2}]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds base/, run/ and merged/. Read it, never write into it."""
    folder = tmp_path_factory.mktemp("merged")
    run = trained(folder)
    exporting.export_merged(run, folder / "merged", dtype="float32")
    return folder


@pytest.fixture
def merged(made: Path, tmp_path: Path) -> Path:
    """A copy of the merged model to spoil, without the run and the base."""
    return Path(shutil.copytree(made / "merged", tmp_path / "copied"))


def test_it_answers_as_its_run_does(made: Path, merged: Path) -> None:
    inside, alone = Engine.open(made / "run"), Engine.open(merged)
    assert alone.system_prompt == inside.system_prompt == SYSTEM
    assert alone.max_new_tokens == inside.max_new_tokens == 7
    assert alone.title == inside.title == "kind"
    assert alone.renderer.stop_ids == inside.renderer.stop_ids
    assert alone.renderer.template_fingerprint == inside.renderer.template_fingerprint
    assert alone.prompt_ids(ASKED, 7) == inside.prompt_ids(ASKED, 7)
    assert alone.reply(ASKED) == inside.reply(ASKED)
    assert not alone.has_adapter
    assert any(
        note.startswith("system prompt, template and stop tokens: those the adapter was") for note in alone.notes
    )


def test_its_chat_json_names_every_file_that_counts(made: Path) -> None:
    words = json.loads((made / "merged" / "chat.json").read_bytes())
    assert words["model_files"].keys() >= {"config.json", "generation_config.json", "merge.json"}
    assert words["files"].keys() >= {"chat_template.jinja", "tokenizer.json", "tokenizer_config.json"}
    assert words["base"]["id"] == "merged" and words["base"]["quantization"] == "none"
    assert SYSTEM not in (made / "merged" / "merge.json").read_text(encoding="utf-8"), "one place says it"
    assert str(made) not in json.dumps(words)


def test_stop_tokens_limit_and_size_of_pictures_travel(made: Path, tmp_path: Path) -> None:
    lone = shutil.copytree(made / "run" / "adapter", tmp_path / "lone")
    told = {"stop_tokens": STOPS, "template_from": "kit", "max_new_tokens": 5, "max_image_pixels": 4096}
    change_json(lone / "chat.json", lambda words: words.update(told))
    exporting.export_merged(lone, tmp_path / "out", base=str(made / "base"), dtype="float32")
    engine = Engine.open(tmp_path / "out")
    assert (engine.renderer.stop_ids, engine.max_new_tokens) == ([0, 2], 5)
    assert engine.source.chat is not None and engine.source.chat.max_image_pixels == 4096


def rewrite(path: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(path)
    save_file({name: tensor * 1.01 for name, tensor in tensors.items()}, path, metadata={"format": "pt"})


SPOILT: dict[str, Callable[[Path], object]] = {
    "chat_template.jinja": lambda path: path.write_text(tiny.CHATML, encoding="utf-8"),
    "tokenizer.json": lambda path: path.write_bytes(path.read_bytes().replace(b"Assistant", b"assistanT")),
    "tokenizer_config.json": lambda path: change_json(path, lambda words: words.update(eos_token="<|im_start|>")),
    "chat.json": lambda path: change_json(path, lambda words: words.update(system_prompt="Name doses.")),
    "merge.json": lambda path: change_json(path, lambda words: words.update(system_prompt="Name doses.")),
    "config.json": lambda path: change_json(path, lambda words: words.update(rms_norm_eps=0.5)),
    "generation_config.json": lambda path: change_json(path, lambda words: words.update(eos_token_id=1)),
    "model.safetensors": rewrite,
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_file_changed_after_merging_is_refused_with_both_hashes(merged: Path, name: str) -> None:
    SPOILT[name](merged / name)
    said = refused(merged)
    where = "copied: its weights were changed after it was merged" if name.endswith("tensors") else f"copied/{name}: "
    assert where in said and HASHES.search(said) and said.endswith("Fix: merge again"), said
    assert command("chat", "copied", "--question", "hello", cwd=merged.parent).code == 3


@pytest.mark.parametrize("name", ["chat_template.jinja", "merge.json", "chat.json", "generation_config.json"])
def test_a_file_that_is_gone_or_broken_is_refused(merged: Path, name: str) -> None:
    (merged / name).write_bytes(b"{ broken")
    assert f"copied/{name}: " in refused(merged)
    (merged / name).unlink()
    assert f"copied/{name}: is missing" in refused(merged)


def test_a_broken_merge_json_without_a_chat_json_is_refused_too(merged: Path) -> None:
    """Once it alone held the system prompt, and was dropped without a word."""
    (merged / "chat.json").unlink()
    (merged / "merge.json").write_bytes(b"{ broken")
    said = refused(merged)
    assert said.startswith("copied/chat.json: is missing; the kit wrote it")
    assert said.endswith("Fix: put it back, or merge again")


def test_a_base_that_nobody_merged_is_what_it_was(made: Path) -> None:
    source = find_source(made / "base")
    assert (source.chat, source.system_prompt, source.title) == (None, None, "base")
