"""System prompt, template, stop tokens and base travel with the adapter; what differs at serving is refused."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny
from commands_kit import finetune as command

from finetune import models, workflow
from finetune.errors import IntegrityError, ModelError
from finetune.generation import Engine, find_source
from finetune.models.chat_facts import ChatFacts
from finetune.models.weights import mark, marks_of
from finetune.render.renderer import fingerprint
from finetune.runs import sha256_of

SYSTEM = "Be kind and brief."
ASKED = [{"role": "user", "content": "hello, user"}]
HASHES = re.compile(r"[0-9a-f]{12} in training, [0-9a-f]{12} now")
FILES = {
    "adapter_config.json", "adapter_model.safetensors",
    "chat.json", "chat_template.jinja", "tokenizer.json", "tokenizer_config.json",
}  # fmt: skip
RECIPE = """\
recipe: 1
name: kind
base: {{model: ./{base}, chat_template: {template}}}
data:
  train: rows.jsonl
  held_out: held.jsonl
  system_prompt: {system}
  max_length: 96
  duplicates: keep
  near_duplicates: keep
  leakage: "off"
adapter: {{r: 2, alpha: 4}}
train: {{epochs: 1, batch_size: 8, learning_rate: 1e-2}}
evaluate: {{max_new_tokens: 7}}
"""


def trained(folder: Path, template: str = "auto") -> Path:
    """A finished run over a base in a folder beside its recipe."""
    tiny.save_base(folder / "base")
    (folder / "own.jinja").write_text("{#- own -#}\n" + tiny.CHATML_MARKED + "\n", encoding="utf-8")
    for name, first, num in (("rows", 0, 16), ("held", 100, 4)):
        rows = [{"question": f"hello number {k}", "answer": f"hi, kind number {k}"} for k in range(first, first + num)]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    text = RECIPE.format(base="base", template=template, system=SYSTEM)
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")
    return workflow.run(folder / "recipe.yaml", folder / "run").path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds base/, run/ and the rows. Read it, never write into it."""
    folder = tmp_path_factory.mktemp("served")
    trained(folder)
    return folder


@pytest.fixture
def mine(made: Path, tmp_path: Path) -> Path:
    """A copy of it all to spoil, and the adapter alone in lone/."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    shutil.copytree(made / "run" / "adapter", tmp_path / "lone")
    return tmp_path


def refused(source: Path, base: Path | None = None) -> str:
    """What an engine says that does not open; always with exit code 3."""
    with pytest.raises(IntegrityError) as refusal:
        Engine.open(source, base=str(base) if base else None)
    assert refusal.value.exit_code == 3
    return str(refusal.value)


def change_json(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    words = json.loads(path.read_bytes())
    change(words)
    path.write_text(json.dumps(words), encoding="utf-8")


def test_the_adapter_folder_says_how_to_speak_to_it(made: Path) -> None:
    adapter = made / "run" / "adapter"
    assert {path.name for path in adapter.iterdir()} == FILES
    words = json.loads((adapter / "chat.json").read_bytes())
    assert words["system_prompt"] == SYSTEM
    assert words["stop_tokens"] == [{"text": "<|im_end|>", "id": 2}]
    assert words["template_options"] == {"enable_thinking": False}
    assert (words["template_from"], words["max_new_tokens"]) == ("base", 7)
    assert words["base"]["id"] == "base" and words["base"]["quantization"] == "none"
    assert words["base"]["weights_sha256"] == sha256_of(made / "base" / "model.safetensors")
    assert (adapter / "chat_template.jinja").read_text(encoding="utf-8") == tiny.CHATML_MARKED
    for path in adapter.glob("*.json*"):
        assert str(made) not in path.read_text(encoding="utf-8"), path.name


def test_the_manifest_records_the_same_and_no_text_of_the_users(made: Path) -> None:
    manifest = json.loads((made / "run" / "manifest.json").read_bytes())
    words = json.loads((made / "run" / "adapter" / "chat.json").read_bytes())
    template = manifest["template"]
    assert template["fingerprint"] == words["template_sha256"]
    for key in ("system_prompt_sha256", "stop_tokens"):
        assert template[key] == words[key]
    assert template["options"] == words["template_options"]
    for key in ("id", "config_sha256", "weights_sha256", "vocab_size"):
        assert manifest["base"][key] == words["base"][key]
    assert manifest["adapter"]["chat_sha256"] == sha256_of(made / "run" / "adapter" / "chat.json")
    assert SYSTEM not in json.dumps(manifest)


def test_copied_out_it_answers_as_in_its_run(mine: Path) -> None:
    inside = Engine.open(mine / "run")
    alone = Engine.open(mine / "lone", base=str(mine / "base"))
    assert alone.system_prompt == inside.system_prompt == SYSTEM
    assert alone.max_new_tokens == inside.max_new_tokens == 7
    assert alone.renderer.stop_ids == inside.renderer.stop_ids == [2]
    assert alone.prompt_ids(ASKED, 7) == inside.prompt_ids(ASKED, 7)
    assert alone.reply(ASKED) == inside.reply(ASKED)
    fingerprint = inside.renderer.template_fingerprint[:12]
    said = f"system prompt, template and stop tokens: those the adapter was trained with ({fingerprint})"
    assert said in alone.notes and said in inside.notes


def test_a_base_in_a_folder_has_to_be_named_where_it_is_not(mine: Path) -> None:
    with pytest.raises(ModelError) as refusal:
        find_source(mine / "lone")
    said = "was trained on a base in a folder that is not here (got 'base'). Fix: name that folder with --base"
    assert said in str(refusal.value)


def test_a_starter_adapter_needs_no_base_named(mine: Path) -> None:
    config = mine / "lone" / "adapter_config.json"
    change_json(config, lambda words: words.update(base_model_name_or_path="starter"))
    change_json(mine / "lone" / "chat.json", lambda words: words["files"].update({config.name: sha256_of(config)}))
    assert find_source(mine / "lone").base.label == "starter"
    assert "starter: is not the base that the adapter was trained on: its config is another" in refused(mine / "lone")


def other_weights(path: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(path)
    save_file({name: 3 * tensor for name, tensor in tensors.items()}, path, metadata={"format": "pt"})


SPOILT: dict[str, Callable[[Path], object]] = {
    "adapter_config.json": lambda path: change_json(path, lambda words: words.update(lora_alpha=10 * words["r"])),
    "adapter_model.safetensors": other_weights,
    "chat_template.jinja": lambda path: path.write_text(tiny.CHATML, encoding="utf-8"),
    "tokenizer.json": lambda path: path.write_bytes(path.read_bytes().replace(b"Assistant", b"assistanT")),
    "tokenizer_config.json": lambda path: change_json(path, lambda words: words.update(eos_token="<|im_start|>")),
    "chat.json": lambda path: change_json(path, lambda words: words.update(system_prompt="Name doses.")),
}


@pytest.mark.parametrize("name", SPOILT)
@pytest.mark.parametrize("place", ["run/adapter", "lone"])
def test_a_file_changed_after_training_is_refused_with_both_hashes(mine: Path, place: str, name: str) -> None:
    path = mine / place / name
    SPOILT[name](path)
    said = refused(mine / place, mine / "base")
    assert f"{path.parent.name}/{name}: " in said and "was changed after training" in said
    assert HASHES.search(said), said
    path.unlink()
    if not name.startswith("adapter_") and (place == "run/adapter" or name != "chat.json"):
        assert "is missing" in refused(mine / place, mine / "base")


def test_a_link_out_of_the_folder_is_not_followed(mine: Path) -> None:
    (mine / "lone" / "tokenizer.json").rename(mine / "elsewhere.json")
    (mine / "lone" / "tokenizer.json").symlink_to(mine / "elsewhere.json")
    assert "lone/tokenizer.json: is missing" in refused(mine / "lone", mine / "base")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda words: words.update(schema=2),
        lambda words: words.pop("files"),
        lambda words: words.update(stop_tokens=[]),
        lambda words: words.update(stop_tokens=[{"text": "x", "id": True}]),
        lambda words: words.update(max_new_tokens="many"),
        lambda words: words["files"].update({"../run/manifest.json": "0" * 64}),
    ],
)
def test_a_broken_chat_json_is_refused_in_one_line(mine: Path, spoil: Callable[[dict[str, Any]], object]) -> None:
    change_json(mine / "lone" / "chat.json", spoil)
    said = refused(mine / "lone", mine / "base")
    assert said.startswith("lone/chat.json: ") and "\n" not in said


def test_hashes_forged_to_fit_are_found_by_what_they_stand_for(mine: Path) -> None:
    """Template and its file's hash are changed together: the fingerprint does not fit, whatever stands in it."""
    path = mine / "lone" / "chat_template.jinja"
    for text in (tiny.CHATML, "{{ messages[0].content }}", "{% if %}", ""):  # the last three cannot even be trained
        path.write_text(text, encoding="utf-8")
        forged = {path.name: sha256_of(path)}
        change_json(mine / "lone" / "chat.json", lambda words, forged=forged: words["files"].update(forged))
        said = refused(mine / "lone", mine / "base")
        assert "lone/chat_template.jinja: is not what the adapter was trained with" in said and HASHES.search(said)
    asked = command("chat", "lone", "--base", "./base", "--question", "hello", cwd=mine)
    assert asked.code == 3 and HASHES.search(asked.err), asked.err


def test_a_strangers_template_is_looked_at_before_it_is_run(mine: Path) -> None:
    """An adapter's folder comes from anywhere; its hashes only say that it fits itself."""
    path = mine / "lone" / "chat_template.jinja"
    path.write_text("{{ messages.__class__.__mro__ }}", encoding="utf-8")
    forged = sha256_of(path)

    def forge(words: dict[str, Any]) -> None:
        words["files"].update({path.name: forged})
        words["template_sha256"] = fingerprint(path.read_text(encoding="utf-8"), words["template_options"])

    change_json(mine / "lone" / "chat.json", forge)
    with pytest.raises(ModelError, match="reaches for Python's internals"):
        Engine.open(mine / "lone", base=str(mine / "base"))


def test_stop_tokens_that_the_tokenizer_does_not_know_by_these_ids_are_refused(mine: Path) -> None:
    change_json(mine / "lone" / "chat.json", lambda words: words["stop_tokens"][0].update(id=1))
    said = refused(mine / "lone", mine / "base")
    assert "lone/chat.json: stop_tokens: is not what the adapter was trained with" in said and HASHES.search(said)


def test_answers_end_at_the_stop_tokens_that_the_adapter_brings(mine: Path) -> None:
    """A base may name more of them than its tokenizer: they are known in training, and travel."""
    more = [{"text": "<|endoftext|>", "id": 0}, {"text": "<|im_end|>", "id": 2}]
    change_json(mine / "lone" / "chat.json", lambda words: words.update(stop_tokens=more, template_from="kit"))
    assert Engine.open(mine / "lone", base=str(mine / "base")).renderer.stop_ids == [0, 2]


def test_a_recipe_with_another_system_prompt_is_refused(mine: Path) -> None:
    path = mine / "run" / "recipe.resolved.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace(SYSTEM, "Name doses."), encoding="utf-8")
    for source in (mine / "run", mine / "run" / "adapter"):
        said = refused(source)
        assert said.startswith(
            "run/recipe.resolved.yaml: data.system_prompt: is not the one the adapter was trained with (got "
        )
        assert HASHES.search(said) and said.endswith("`finetune chat --system` tries another one out")
    with pytest.raises(IntegrityError, match=r"data\.system_prompt"):
        workflow.evaluate_again(mine / "run")


def test_a_recipe_with_another_template_is_refused(mine: Path) -> None:
    path = mine / "run" / "recipe.resolved.yaml"
    text = path.read_text(encoding="utf-8")
    assert text.count("chat_template: auto") == 1
    path.write_text(text.replace("chat_template: auto", "chat_template: plain"), encoding="utf-8")
    said = refused(mine / "run")
    assert "base.chat_template: the chat template is not what the adapter was trained with" in said
    assert HASHES.search(said)


def test_another_base_of_the_same_shapes_is_refused(mine: Path) -> None:
    """Only shapes would fit: its weights are others, or its config turns positions in another way."""
    from safetensors.torch import load_file, save_file

    weights = mine / "base" / "model.safetensors"
    tensors = load_file(weights)
    save_file({name: tensor * 1.01 for name, tensor in tensors.items()}, weights, metadata={"format": "pt"})
    for source, base in ((mine / "run", mine / "base"), (mine / "lone", mine / "base")):
        said = refused(source, base)
        assert said.startswith("base: is not the base that the adapter was trained on: its weights are others (got ")
        assert HASHES.search(said) and said.endswith(
            "Fix: name the base it was trained on with --base: the folder that was called 'base'"
        )
    tiny.save_base(mine / "turned", rope_parameters={"rope_type": "default", "rope_theta": 500.0})
    assert "turned: is not the base that the adapter was trained on: its config is another" in refused(
        mine / "lone", mine / "turned"
    )


def test_a_base_whose_own_template_was_changed_is_refused(mine: Path) -> None:
    """The weights are the same; but what the base is asked with is not what the adapter was trained on."""
    (mine / "base" / "chat_template.jinja").write_text(tiny.CHATML_MARKED + "!", encoding="utf-8")
    for source, where in ((mine / "run", "run/recipe.resolved.yaml"), (mine / "lone", "base")):
        said = refused(source, mine / "base")
        assert said.startswith(f"{where}: base.chat_template: the chat template is not what the adapter was")
        assert HASHES.search(said)


def test_a_base_that_stops_elsewhere_is_refused(mine: Path) -> None:
    change_json(mine / "base" / "tokenizer_config.json", lambda words: words.update(eos_token="<|endoftext|>"))
    said = refused(mine / "lone", mine / "base")
    assert "the stop tokens are not what the adapter was trained with" in said and HASHES.search(said)


def unmarked(folder: Path) -> None:
    """As another program, an older kit or a checkpoint leaves it: no chat.json, and no mark of the kit's."""
    from safetensors.torch import load_file, save_file

    weights = folder / "adapter_model.safetensors"
    save_file(load_file(weights), weights, metadata={"format": "pt"})
    (folder / "chat.json").unlink()


def test_without_the_chat_json_that_the_kit_wrote_it_is_refused(mine: Path) -> None:
    (mine / "lone" / "chat.json").unlink()
    said = refused(mine / "lone", mine / "base")
    assert said.startswith("lone/chat.json: is missing; the kit wrote it, and nothing else says with which system ")
    assert said.endswith("Fix: put it back, or fetch the adapter again, with all of its files")
    shutil.copyfile(mine / "run" / "adapter" / "chat.json", mine / "lone" / "chat.json")
    assert Engine.open(mine / "lone", base=str(mine / "base")).system_prompt == SYSTEM


def test_the_mark_changes_no_tensor(tmp_path: Path) -> None:
    import torch
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    path = tmp_path / "x.safetensors"
    tensors = {"a": torch.arange(7, dtype=torch.float32), "b": torch.ones(3, 5, dtype=torch.bfloat16)}
    save_file(tensors, path, metadata={"format": "pt"})
    assert marks_of(path) == {"format": "pt"}
    mark(path, {"finetune_kit": "1"})
    with safe_open(path, "pt") as file:
        assert file.metadata() == {"format": "pt", "finetune_kit": "1"} == marks_of(path)
    again = load_file(path)
    assert again.keys() == tensors.keys() and all(torch.equal(again[name], tensors[name]) for name in tensors)
    assert (path.stat().st_size - sum(t.numel() * t.element_size() for t in tensors.values())) % 8 == 0
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.safetensors"]
    path.write_bytes(b"\xff" * 9)
    assert marks_of(path) == marks_of(tmp_path / "none") == {}


def test_checkpoints_of_a_run_are_not_marked(made: Path) -> None:
    """They have no chat.json on purpose; served, they are told of and not refused."""
    found = sorted((made / "run" / "checkpoints").glob("step-*"))
    assert found
    for folder in found:
        assert "finetune_kit" not in marks_of(folder / "adapter_model.safetensors")
        engine = Engine.open(folder, base=str(made / "base"))
        assert any(note.startswith("the adapter has no chat.json: nothing says how") for note in engine.notes)


def test_an_adapter_is_titled_by_its_recipe_wherever_it_lies(mine: Path) -> None:
    assert find_source(mine / "lone", str(mine / "base")).title == "kind"
    for title in ("x" * 501, "two\nlines", "", 7):
        shutil.copyfile(mine / "run" / "adapter" / "chat.json", mine / "lone" / "chat.json")
        change_json(mine / "lone" / "chat.json", lambda words, title=title: words.update(title=title))
        assert "lone/chat.json: cannot be read" in refused(mine / "lone", mine / "base")
    change_json(mine / "lone" / "chat.json", lambda words: words.pop("title"))  # as an older kit wrote it
    assert find_source(mine / "lone", str(mine / "base")).title == "lone"


def test_the_title_of_the_card_goes_before_the_recipes_name(mine: Path) -> None:
    path = mine / "recipe.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "share: {title: Kind answers}\n", encoding="utf-8")
    run = workflow.run(path, mine / "titled")
    assert json.loads((run.adapter_dir / "chat.json").read_bytes())["title"] == "Kind answers"


@pytest.mark.parametrize("kind", ["4bit", "8bit"])
def test_a_base_is_held_as_recorded_and_not_as_the_recipe_says_now(mine: Path, kind: str) -> None:
    change_json(mine / "lone" / "chat.json", lambda words: words["base"].update(quantization={"kind": kind}))
    assert find_source(mine / "lone", str(mine / "base")).quantization == kind
    change_json(mine / "run" / "manifest.json", lambda words: words["base"].update(quantization={"kind": kind}))
    assert "quantization: none" in (mine / "run" / "recipe.resolved.yaml").read_text(encoding="utf-8")
    assert find_source(mine / "run").quantization == find_source(mine / "run" / "adapter").quantization == kind


def test_without_a_chat_json_it_loads_and_says_so(mine: Path) -> None:
    unmarked(mine / "lone")
    alone = Engine.open(mine / "lone", base=str(mine / "base"))
    assert alone.system_prompt is None
    assert any(note.startswith("the adapter has no chat.json: nothing says how it was trained") for note in alone.notes)
    unmarked(mine / "run" / "adapter")
    assert "run/adapter/chat.json: is missing" in refused(mine / "run")
    change_json(mine / "run" / "manifest.json", lambda words: words["adapter"].pop("chat_sha256"))
    inside = Engine.open(mine / "run", base=str(mine / "base"))
    assert inside.system_prompt == SYSTEM
    assert any(note.startswith("the adapter has no chat.json, as in runs of older kits") for note in inside.notes)


def test_in_its_run_chat_json_is_the_one_that_the_run_wrote(mine: Path) -> None:
    """Changed so that it fits itself, it still is not what the manifest names."""

    def forge(words: dict[str, Any]) -> None:
        facts = models.read_chat(mine / "lone")
        assert facts is not None
        changed = replace(facts, system_prompt="Name doses.")
        words.update(system_prompt="Name doses.", system_prompt_sha256=changed.system_prompt_sha256)

    change_json(mine / "run" / "adapter" / "chat.json", forge)
    assert refused(mine / "run").startswith("run/adapter/chat.json: was changed after training (got ")


def test_a_template_of_the_recipes_own_travels_too(tmp_path: Path) -> None:
    """The file may be gone by the time the run is talked to; the adapter brings it, line break at its end and all."""
    run = trained(tmp_path, template="own.jinja")
    words = json.loads((run / "adapter" / "chat.json").read_bytes())
    assert words["template_from"] == "recipe"
    shutil.copytree(run / "adapter", tmp_path / "lone")
    text = Engine.open(run).renderer.template
    (tmp_path / "own.jinja").unlink()
    inside, alone = Engine.open(run), Engine.open(tmp_path / "lone", base=str(tmp_path / "base"))
    assert alone.renderer.template == inside.renderer.template == text
    assert "chat template: the recipe's file is gone; the adapter's own is used" in inside.notes
    (tmp_path / "own.jinja").write_text(tiny.CHATML_MARKED, encoding="utf-8")
    assert "base.chat_template: the chat template is not what" in refused(run)


def facts(**changes: Any) -> ChatFacts:
    words: dict[str, Any] = {
        "system_prompt": None, "template_sha256": "a" * 64, "template_from": "kit", "template_options": {},
        "stop_tokens": (("</s>", 2),), "base": {}, "max_new_tokens": 8,
    }  # fmt: skip
    return ChatFacts(**{**words, **changes})


def test_a_template_that_a_newer_kit_ships_differently_is_told_and_not_refused() -> None:
    recorded = facts(kit_version="0.0.1")
    notes = models.compare_chat(recorded, facts(template_sha256="b" * 64), "run", of_recipe=True)
    assert notes == [
        "the chat template is another in this version of the kit; served with the adapter's own (aaaaaaaaaaaa)"
    ]
    with pytest.raises(IntegrityError):
        models.compare_chat(facts(), facts(template_sha256="b" * 64), "run", of_recipe=True)


def test_what_could_not_be_compared_is_told() -> None:
    source = models.BaseSource("owner/name", "owner/name", None, False)
    recorded = facts(base={"id": "owner/name", "revision": "1" * 40, "config_sha256": "c", "weights_sha256": "w"})
    now = {"config_sha256": "c", "weights_sha256": None, "revision": "1" * 40}
    assert models.check_base(recorded, source, {**now, "weights_sha256": "w"}) == []
    assert "were not compared" in models.check_base(recorded, source, now)[0]
    assert "is at commit 222222222222" in models.check_base(recorded, source, {**now, "revision": "2" * 40})[0]
    unknown = facts(base={"id": "owner/name", "config_sha256": "c"})
    assert "the run recorded no hash" in models.check_base(unknown, source, {**now, "weights_sha256": "w"})[0]


def test_a_tokenizer_that_does_not_survive_being_saved_is_refused(tmp_path: Path, tiny_base: Path) -> None:
    from finetune.render import Renderer

    tokenizer, _ = models.load_tokenizer(models.find_base(str(tiny_base), None, tiny_base))
    written = models.chat_facts(Renderer(tokenizer), {}, system_prompt=None, max_new_tokens=8)

    class Shouting(type(tokenizer)):
        """Its code does what its file does not say, as tokenizers that came with code of their own did."""

        def __call__(self, text: Any, *args: Any, **words: Any) -> Any:
            return super().__call__(text.upper(), *args, **words)

    tokenizer.__class__ = Shouting
    with pytest.raises(IntegrityError, match="saved and read back, writes other tokens"):
        models.save_chat(tmp_path, tokenizer, written)
    assert not list(tmp_path.iterdir())


def test_commands_end_with_3(mine: Path) -> None:
    path = mine / "run" / "recipe.resolved.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace(SYSTEM, "Name doses."), encoding="utf-8")
    for words in (("chat", "run", "--question", "hello"), ("evaluate", "run"), ("demo", "run")):
        ended = command(*words, cwd=mine)
        assert ended.code == 3, ended.err
        assert "data.system_prompt: is not the one the adapter was trained with" in ended.err
        assert "Name doses" not in ended.err and SYSTEM not in ended.err


def test_a_source_that_is_not_there_is_told_without_words_of_a_recipe(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    for words in (("chat", "runs/nothing", "--question", "hello"), ("export", "runs/nothing", "--to", "merged", "out")):
        ended = command(*words, cwd=tmp_path)
        assert ended.code == 2, ended.err
        assert "runs/nothing: no such run, adapter or base. Fix: check the path; an id of the hub" in ended.err
        assert "base.revision" not in ended.err
