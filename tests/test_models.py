"""Bases and tokenizers: what is found, what is refused before anything heavy is loaded, and what is said aloud."""

from __future__ import annotations

import json
import re
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny

from finetune import models
from finetune.errors import ModelError, SurroundingsError
from finetune.models.scoring import mean_loss, row_losses
from finetune.models.weights import read_header

WEIGHTS = "model.safetensors"
# Leaves a file behind when it is imported.
CODE = """\
open(__file__ + '.ran', 'w').close()
from transformers import LlamaConfig
class Own(LlamaConfig):
    model_type = 'own'
"""


def source(folder: Path) -> models.BaseSource:
    return models.find_base(str(folder), None, folder)


@pytest.fixture
def copy(tiny_base: Path, tmp_path: Path) -> Path:
    """A copy of the tiny base to spoil."""
    return shutil.copytree(tiny_base, tmp_path / "spoilt")


def edit_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def refused(folder: Path, load: Callable[[models.BaseSource], Any] | None = None) -> str:
    """The message of the ModelError that loading this folder must raise; a message, not a trace."""
    with pytest.raises(ModelError) as caught:
        (load or load_base)(source(folder))
    message = str(caught.value)
    assert "Traceback" not in message and 'File "' not in message and "\n" not in message
    return message


def load_base(found: models.BaseSource) -> Any:
    return models.load_base(found, "float32")


# -- finding ---------------------------------------------------------------------------------------------------------


def test_tests_cannot_leave_this_machine() -> None:
    for address in (("93.184.216.34", 80), ("huggingface.co", 443)):
        with pytest.raises(BaseException, match="a test tried to reach") as caught, socket.socket() as line:
            line.connect(address)
        assert not isinstance(caught.value, Exception)
    with socket.socket() as listener, socket.socket() as line:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        line.connect(listener.getsockname())


@pytest.mark.parametrize(
    "name",
    ["./missing", "../missing", "/no/such/folder", "~/no-such-folder", "a/b/c", "owner/name/", "my base", "C:\\base"],
)
def test_fault_68_missing_folder_is_not_looked_for_on_the_hub(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in (None, tmp_path / name):
        with pytest.raises(ModelError) as caught:
            models.find_base(name, None, folder)
        assert str(caught.value) == (
            f"base.model: no such folder (got {name!r}). Fix: check the path, or name a hub id like owner/name"
        )


def test_fault_68_misspelt_folder_beside_others_is_no_hub_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert not models.find_base("bases/typo", None, tmp_path / "bases" / "typo").is_local
    (tmp_path / "bases").mkdir()
    for folder in (None, tmp_path / "bases" / "typo"):
        with pytest.raises(ModelError) as caught:
            models.find_base("bases/typo", None, folder)
        assert str(caught.value) == (
            "base.model: no such folder (got 'bases/typo'). Fix: check the path; if a hub id was meant, add "
            "base.revision, or rename the folder bases"
        )
    assert not models.find_base("bases/typo", "a" * 40, tmp_path / "bases" / "typo").is_local


@pytest.mark.parametrize("name", ["owner/name", "Qwen/Qwen3-0.6B", "gpt2", "o-w.n_er/N.0"])
def test_hub_id(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert models.find_base(name, "main", tmp_path / name) == models.BaseSource(name, name, "main", False)


def test_a_folder_wins_over_a_hub_id_and_is_called_by_its_own_name(copy: Path) -> None:
    found = models.find_base("spoilt", None, copy)
    assert found == models.BaseSource("spoilt", str(copy), None, True)


def test_starter_is_found_and_loads() -> None:
    found = models.find_base("starter")
    assert (found.label, found.is_local) == ("starter", True)
    assert models.context_tokens(models.load_config(found)) == 512


def test_fault_71_pickled_weights_are_refused(copy: Path) -> None:
    (copy / WEIGHTS).rename(copy / "pytorch_model.bin")
    assert refused(copy) == (
        f"base.model: the folder has no safetensors weights, only pytorch_model.bin (got {str(copy)!r}). Fix: name a "
        "copy in safetensors, or convert them in a sandbox (docs/hubs.md says how); the kit never unpickles"
    )


def test_folder_without_config(tmp_path: Path) -> None:
    assert refused(tmp_path).startswith("base.model: the folder has no config.json (got ")


# -- damaged files ---------------------------------------------------------------------------------------------------


def test_fault_72_truncated_weights(copy: Path) -> None:
    whole = (copy / WEIGHTS).read_bytes()
    (copy / WEIGHTS).write_bytes(whole[:-1000])
    assert refused(copy) == (
        f"spoilt/model.safetensors: is cut off: {len(whole) - 1000:,} bytes where its header says {len(whole):,}. "
        "Fix: fetch the base again"
    )


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 8, b"\xff" * 100, b"\x02" + b"\0" * 7 + b"[]", b"\x04" + b"\0" * 7 + b"null"]
)
def test_fault_72_weights_that_are_no_safetensors(copy: Path, content: bytes) -> None:
    (copy / WEIGHTS).write_bytes(content)
    assert re.fullmatch(r"spoilt/model\.safetensors: is .*damaged\. Fix: fetch the base again", refused(copy))


def test_fault_72_missing_shard_is_named(copy: Path) -> None:
    names = list(read_header(copy / WEIGHTS))
    first, second = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    (copy / WEIGHTS).rename(copy / first)
    index = {"metadata": {}, "weight_map": {names[0]: second, **dict.fromkeys(names[1:], first)}}
    (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    assert refused(copy) == f"spoilt/{second}: is missing. Fix: fetch the base again"


def test_weights_that_lack_a_tensor_are_not_filled_with_random_numbers(copy: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(copy / WEIGHTS)
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, copy / WEIGHTS, {"format": "pt"})
    assert refused(copy) == (
        "base.model: 1 weights are missing from its files, model.layers.1.mlp.up_proj.weight the first (got 'spoilt'). "
        "Fix: fetch the base again"
    )


def test_weights_of_another_shape(copy: Path) -> None:
    edit_config(copy, hidden_size=64)
    assert refused(copy) == (
        "base.model: 21 weights have another shape than its config says, lm_head.weight the first (got [304, 32] "
        "instead of [304, 64]). Fix: use the config.json that came with the weights"
    )


@pytest.mark.parametrize("text", ["{", "[]"])
def test_config_that_cannot_be_read(copy: Path, text: str) -> None:
    (copy / "config.json").write_text(text)
    assert refused(copy).startswith("spoilt/config.json: ")


@pytest.mark.parametrize("kind", ["nope", 3])
def test_a_kind_that_nobody_knows_names_the_families(copy: Path, kind: Any) -> None:
    (copy / "config.json").write_text(json.dumps({"model_type": kind}))
    assert refused(copy) == unknown_kind(kind)


def test_config_without_a_kind(copy: Path) -> None:
    (copy / "config.json").write_text("{}")
    assert refused(copy) == (
        "base.model: its config.json names no model_type (got 'spoilt'). Fix: use the config.json that came with the "
        "model"
    )


def unknown_kind(kind: Any) -> str:
    import transformers

    return (
        f"base.model: is of a kind that neither this kit nor transformers {transformers.__version__} knows, and code "
        f"that comes with a model is never run (got '{kind}' of 'spoilt'). Fix: choose a base of a known family "
        "(Llama, Qwen, Aquila, openPangu, ERNIE, gpt-oss, Mistral, Mixtral, Gemma, Phi, GLM, InternLM, SmolLM; "
        "finetune models lists all), or one converted to such a layout"
    )


@pytest.mark.parametrize("text", ["", "{}", "[]", "not json"])
def test_tokenizer_that_cannot_be_read(copy: Path, text: str) -> None:
    (copy / "tokenizer.json").write_text(text)
    told = "base.model: cannot be loaded: " if text == "{}" else "spoilt/tokenizer.json: "
    assert refused(copy, models.load_tokenizer).startswith(told)


# -- code in a base --------------------------------------------------------------------------------------------------


def test_fault_73_auto_map_is_not_followed(copy: Path) -> None:
    (copy / "own.py").write_text(CODE)
    (copy / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "OwnTokenizer", "auto_map": {"AutoTokenizer": ["own.Own", "own.Own"]}})
    )
    # A kind that transformers knows itself loads as that kind.
    edit_config(copy, auto_map={"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Own"})
    assert type(load_base(source(copy))).__name__ == "LlamaForCausalLM"
    # One that it does not know is refused.
    edit_config(copy, model_type="own")
    for load in (load_base, models.load_config, models.load_tokenizer):
        assert refused(copy, load) == unknown_kind("own")
    assert sorted(path.name for path in copy.iterdir() if "own" in path.name) == ["own.py"]


@pytest.mark.parametrize(
    "words, field",
    [
        ({"_attn_implementation": "stranger/kernel"}, "_attn_implementation"),
        ({"_attn_implementation_internal": "stranger/kernel"}, "_attn_implementation_internal"),
        ({"attn_implementation": {"": "stranger/kernel"}}, "attn_implementation"),
        ({"text_config": {"_attn_implementation": "stranger/kernel"}}, "text_config._attn_implementation"),
        ({"parts": [{"trust_remote_code": True}]}, "parts.0.trust_remote_code"),
    ],
)
def test_fault_73_config_that_fetches_code_is_refused_and_the_field_named(copy: Path, words: dict, field: str) -> None:
    edit_config(copy, **words)
    assert refused(copy) == (
        f"base.model: config.json asks for foreign code: {field} (got 'spoilt'). Fix: remove it from config.json, or "
        "choose another base"
    )


# -- the hub ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("load", [load_base, models.load_config, models.load_tokenizer])
def test_fault_69_hub_id_without_network(load: Callable[[models.BaseSource], Any]) -> None:
    with pytest.raises(SurroundingsError) as caught:
        load(models.find_base("nobody-of-that-name/nothing"))
    message = str(caught.value)
    assert message.startswith("base.model: cannot be fetched: ")
    assert all(word in message for word in ("HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE", "starter"))
    assert "\n" not in message


# -- what is loaded --------------------------------------------------------------------------------------------------


def test_base_loads_quietly_in_eval_mode(tiny_base: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from transformers.utils import logging as theirs

    theirs.enable_progress_bar()
    model = load_base(source(tiny_base))
    assert theirs.is_progress_bar_enabled()  # left as it was
    assert not model.training
    out, err = capfd.readouterr()
    assert "Loading weights" not in out + err


def test_facts_of_a_base_name_no_place_on_this_machine(tiny_base: Path) -> None:
    import hashlib

    found = source(tiny_base)
    facts = models.base_facts(found, models.load_config(found))
    assert facts["context_tokens"] == 128
    assert facts["weights_sha256"] == hashlib.sha256((tiny_base / WEIGHTS).read_bytes()).hexdigest()
    assert str(tiny_base.parent) not in json.dumps(facts)


def test_the_weights_of_a_base_in_parts_are_hashed_as_one(copy: Path) -> None:
    import hashlib
    import shutil

    from finetune.runs import sha256_of

    shutil.copy(copy / WEIGHTS, copy / "model-2.safetensors")
    parts = sorted(copy.glob("*.safetensors"))
    found = source(copy)
    expected = hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()
    assert len(parts) == 2
    assert models.base_facts(found, models.load_config(found))["weights_sha256"] == sha256_of(*parts) == expected


@pytest.mark.parametrize("num_parts", [1, 2])
def test_weights_are_hashed_once_until_a_file_changes(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_parts: int
) -> None:
    import os
    import shutil

    from finetune.models import shards
    from finetune.runs import sha256_of

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(shards, "_WORTH_A_NOTE_BYTES", 0)
    read: list[int] = []
    monkeypatch.setattr(shards, "sha256_of", lambda *paths: read.append(len(paths)) or sha256_of(*paths))
    if num_parts == 2:
        shutil.copy(copy / WEIGHTS, copy / "model-2.safetensors")
    found = source(copy)
    config = models.load_config(found)

    def digest() -> str:
        return models.base_facts(found, config)["weights_sha256"]

    first = digest()
    assert digest() == first and read == [num_parts]
    data = bytearray((copy / WEIGHTS).read_bytes())
    data[-1] ^= 1
    (copy / WEIGHTS).write_bytes(data)  # as long as before
    os.utime(copy / WEIGHTS, (1, 1))
    second = digest()
    assert second == sha256_of(*sorted(copy.glob("*.safetensors"))) != first and read == [num_parts] * 2
    (copy / WEIGHTS).rename(copy / "model-0.safetensors")
    (copy / "more.safetensors").write_bytes(b"more")
    assert digest() not in (first, second)
    assert digest() == sha256_of(*sorted(copy.glob("*.safetensors"))) and read == [num_parts, num_parts, num_parts + 1]


def test_what_the_hub_says_and_what_a_run_records_are_noted_beside_each_other(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hashlib

    from finetune.models import shards

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(shards, "_WORTH_A_NOTE_BYTES", 0)
    path = copy / WEIGHTS
    data = path.read_bytes()
    git_id = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    assert shards.digest_of(path, git_id) == git_id
    assert shards.weights_digest(copy) == hashlib.sha256(data).hexdigest()
    monkeypatch.setattr(shards, "hashlib", None)  # from here on, nothing can be hashed
    monkeypatch.setattr(shards, "sha256_of", None)
    assert shards.digest_of(path, git_id) == git_id
    assert shards.weights_digest(copy) == hashlib.sha256(data).hexdigest()
    assert shards.digest_of(path, hashlib.sha256(data).hexdigest())


def test_fault_78_context_tokens_of_a_base(copy: Path, tiny_base: Path) -> None:
    assert models.context_tokens(models.load_config(source(tiny_base))) == 128
    edit_config(copy, max_position_embeddings=77)
    assert models.context_tokens(models.load_config(source(copy))) == 77
    assert models.context_tokens(object()) is None


def test_fault_77_tokenizer_larger_than_the_model(tmp_path: Path) -> None:
    tokenizer = tiny.chatml()
    rows = len(tokenizer)
    folder = tiny.save_base(tmp_path / "short", tokenizer, vocab_size=rows - 1, pad_token_id=None)
    with pytest.raises(ModelError) as caught:
        models.check_vocabulary(load_base(source(folder)), tokenizer)
    assert str(caught.value) == (
        f"base.model: the tokenizer knows {rows} tokens, the model {rows - 1}. Fix: use the tokenizer that came with "
        "the model"
    )
    models.check_vocabulary(
        load_base(source(tiny.save_base(tmp_path / "padded", tokenizer, vocab_size=rows + 8))), tokenizer
    )


# -- templates and pad tokens ----------------------------------------------------------------------------------------


def tokenizer_notes(folder: Path, tokenizer: Any, *choice: Any) -> tuple[Any, list[str]]:
    tiny.save_base(folder, tokenizer)
    return models.load_tokenizer(source(folder), *choice)


def test_template_choices_are_said_aloud(tmp_path: Path) -> None:
    loaded, notes = tokenizer_notes(tmp_path / "a", tiny.chatml())
    assert loaded.chat_template == tiny.CHATML_MARKED
    assert notes == ["chat template: the base's own"]
    loaded, notes = tokenizer_notes(tmp_path / "b", tiny.chatml(), "plain")
    assert "User: " in loaded.chat_template
    assert notes == ["chat template: plain, as the recipe says"]
    own = tmp_path / "own.jinja"
    own.write_text(tiny.CHATML, encoding="utf-8")
    loaded, notes = tokenizer_notes(tmp_path / "c", tiny.chatml(), "own.jinja", own)
    assert loaded.chat_template == tiny.CHATML.rstrip("\n")
    assert notes == ["chat template: own.jinja, as the recipe says"]
    none = "chat template: the base brings none"
    _, notes = tokenizer_notes(tmp_path / "d", tiny.chatml(template=None))
    assert notes == [f"{none}; its tokens and config are those of the shipped 'chatml'"]
    _, notes = tokenizer_notes(tmp_path / "e", tiny.llama2(template=None))
    where = "`finetune preview` shows it, docs/templates.md has others"
    assert notes == [f"{none}, so the shipped 'plain' is used; {where}"]


def test_fault_74_unknown_template_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        tokenizer_notes(tmp_path / "a", tiny.chatml(), "vicuna", tmp_path / "vicuna")
    known = ", ".join(["auto", *models.shipped_templates()])
    assert {"plain", "chatml"} <= set(models.shipped_templates())
    assert str(caught.value) == f"base.chat_template: no such template (got 'vicuna'). Fix: use {known}, or a file"


@pytest.mark.parametrize("name", ["chatml", "plain"])
def test_shipped_templates_render(name: str) -> None:
    from finetune.models.templates import read_template
    from finetune.render import Renderer

    for make in (tiny.chatml, tiny.pad_is_end):
        renderer = Renderer(make(read_template(name)))
        assert renderer.how == "generation marks"
        assert renderer.end_id == 2


def test_fault_76_pad_token_is_chosen_aloud(tmp_path: Path) -> None:
    masked = "padding is masked by length, the end token is trained"
    loaded, notes = tokenizer_notes(tmp_path / "a", tiny.pad_is_end())
    assert notes[1:] == [f"pad token: the same as the end token; {masked}"]
    none = tiny.chatml()
    none.pad_token = None
    loaded, notes = tokenizer_notes(tmp_path / "b", none)
    assert notes[1:] == [f"pad token: the base names none, so the end token pads; {masked}"]
    assert loaded.pad_token_id == loaded.eos_token_id == 2
    unknown = tiny.llama2()
    unknown.pad_token = None
    loaded, notes = tokenizer_notes(tmp_path / "c", unknown)
    assert notes[1:] == ["pad token: the base names none, so its unknown token '<unk>' pads"]
    assert loaded.pad_token_id == 0


def test_base_without_an_end_token_is_refused(tmp_path: Path) -> None:
    endless = tiny.chatml()
    endless.eos_token = None
    with pytest.raises(ModelError, match="the tokenizer has no end-of-text token"):
        tokenizer_notes(tmp_path / "a", endless)


# -- held-out loss ---------------------------------------------------------------------------------------------------


def test_row_losses_agree_with_the_model_one_row_at_a_time(tiny_base: Path) -> None:
    import torch

    model = load_base(source(tiny_base))
    rows = [([1, 5, 9, 2], [-100, -100, 9, 2]), ([3] * 20, [-100] * 10 + [3] * 10), ([7, 2], [-100, 2])]
    expected = []
    for ids, labels in rows:
        with torch.no_grad():
            mean = model(input_ids=torch.tensor([ids]), labels=torch.tensor([labels])).loss.item()
        count = sum(label != -100 for label in labels[1:])
        expected.append((mean * count, count))
    done = []
    for pass_tokens in (1, 25, 4096):  # alone, in twos, all together
        got = row_losses(model, rows, pass_tokens, done.append)
        assert [count for _, count in got] == [count for _, count in expected] == [2, 10, 1]
        assert [nats for nats, _ in got] == pytest.approx([nats for nats, _ in expected], rel=1e-5)
    assert sum(done) == 9
    assert not model.training
    # by tokens, not by rows: the long row counts for ten
    assert mean_loss(expected) == pytest.approx(sum(nats for nats, _ in expected) / 13)
