"""Tokenizers of bases: their own code never runs, SentencePiece files keep their ids, and sizes fit the model."""

from __future__ import annotations

import importlib.util
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny

from finetune import models
from finetune.errors import ModelError, SurroundingsError
from finetune.models import pieces
from finetune.render import Renderer

TEXTS = (
    "hello world",
    " hi  there ",
    "系统：你好，世界！[unused10][unused9]用户： 问？",
    "[unused9]系统：[unused10][unused9]用户：hello[unused10][unused9]助手：",
    "a\n\n\tb 🙂 é <s>x</s> y",
    "[unused9]</s>[unused9] </s>",
)
NAMED = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "[unused10]", "pad_token": "<unk>"}


def opened(folder: Path) -> models.BaseSource:
    return models.find_base(str(folder), None, folder)


def train_pieces(path: Path, **words: Any) -> Any:
    """A small SentencePiece file with the family's control tokens, and the processor that judges."""
    sentencepiece = pytest.importorskip("sentencepiece", reason="needs the extra pangu")
    corpus = [
        "hello world, hi there; user and assistant",
        "系统：你好，世界！用户：问？助手：答。",
        "a b c d e é x y",
    ] * 20
    written = io.BytesIO()
    settings = {"vocab_size": 400, "character_coverage": 1.0, "byte_fallback": True, "hard_vocab_limit": False}
    settings |= {"model_type": "bpe", "user_defined_symbols": ["[unused9]", "[unused10]"], "minloglevel": 2}
    settings |= {"normalization_rule_name": "identity", "remove_extra_whitespaces": False, **words}
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(corpus * 20), model_writer=written, **settings)
    path.write_bytes(written.getvalue())
    return sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())


def judged(processor: Any, text: str, controls: tuple[str, ...]) -> list[int]:
    """What the vendor's reader does: cut at control tokens, SentencePiece for each part between."""
    for control in controls:
        if control in text:
            before, _, after = text.partition(control)
            parts = (judged(processor, part, controls) for part in (before, after))
            first, last = parts
            return [*first, processor.piece_to_id(control), *last]
    return processor.encode(text) if text else []


@pytest.mark.parametrize("listed", [True, False], ids=["control tokens listed", "control tokens in the file only"])
@pytest.mark.parametrize(
    "words",
    [
        {},
        {"add_dummy_prefix": False},
        {"model_type": "unigram"},
        {"normalization_rule_name": "nmt_nfkc", "remove_extra_whitespaces": True},
    ],
    ids=["bpe", "no blank in front", "unigram", "normalised"],
)
def test_ids_are_those_of_sentencepiece_itself(words: dict[str, Any], listed: bool, tmp_path: Path) -> None:
    processor = train_pieces(tmp_path / "tokenizer.model", **words)
    table = {str(processor.piece_to_id(name)): {"content": name} for name in ("[unused9]", "[unused10]")}
    told = {**NAMED, "tokenizer_class": "PanguTokenizer", **({"added_tokens_decoder": table} if listed else {})}
    if "model_type" in words:  # exact or refused: nothing between
        with pytest.raises(ModelError) as caught:
            pieces.read_pieces(tmp_path / "tokenizer.model", told, "base")
        assert str(caught.value) == (
            "base.model: its tokenizer.model cannot be rebuilt exactly: the ids differ from SentencePiece's own (got "
            "'base'). Fix: choose a copy of this base that has a tokenizer.json"
        )
        return
    tokenizer = pieces.read_pieces(tmp_path / "tokenizer.model", told, "base")
    controls = ("<s>", "<unk>", "[unused10]", *(("[unused9]",) if listed else ()))
    for text in TEXTS:
        assert tokenizer.encode(text, add_special_tokens=False) == judged(processor, text, controls), text
    assert tokenizer.encode("hi")[0] == tokenizer.bos_token_id == 1
    assert tokenizer.decode(tokenizer.encode("hello 世界", add_special_tokens=False)) == "hello 世界"


@pytest.mark.parametrize("name", ["pangu_embedded_7b", "pangu_pro_moe"])
def test_openpangu_tokenizer_saved_once_needs_neither_kit_nor_sentencepiece(
    name: str, family_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    pytest.importorskip("sentencepiece", reason="needs the extra pangu")
    folder = family_folder(name)
    assert not (folder / "tokenizer.json").exists() and (folder / "tokenizer.model").is_file()
    tokenizer, notes = models.load_tokenizer(opened(folder))
    assert (
        notes[0] == "tokenizer: its own code (PanguTokenizer) is not run; tokenizer.model gives SentencePiece's own ids"
    )
    tokenizer.save_pretrained(tmp_path)
    words = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert (words["tokenizer_class"], words.get("auto_map")) == ("TokenizersBackend", None)
    code = (
        "import json, sys\n"
        "sys.modules['sentencepiece'] = sys.modules['finetune'] = None\n"
        "from transformers import AutoTokenizer\n"
        "tokenizer = AutoTokenizer.from_pretrained(sys.argv[1], trust_remote_code=False)\n"
        "print(json.dumps([tokenizer.encode(text) for text in json.loads(sys.argv[2])]))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path), json.dumps(TEXTS)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == [tokenizer.encode(text) for text in TEXTS]


def test_a_missing_extra_names_its_command(
    family_folder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "sentencepiece" else real(name, *a)
    )
    folder = family_folder("pangu_embedded_1b")
    with pytest.raises(SurroundingsError) as caught:
        models.load_tokenizer(opened(folder))
    assert str(caught.value) == (
        "base.model: its tokenizer is a SentencePiece file (tokenizer.model), and the extra 'pangu' that reads it is "
        f"missing (got {folder.name!r}). Fix: pip install 'finetune-kit[pangu]'"
    )


def test_a_damaged_sentencepiece_file(family_folder: Callable[[str], Path], tmp_path: Path) -> None:
    pytest.importorskip("sentencepiece", reason="needs the extra pangu")
    folder = shutil.copytree(family_folder("pangu_embedded_1b"), tmp_path / "base")
    (folder / "tokenizer.model").write_bytes(b"no such thing")
    with pytest.raises(ModelError) as caught:
        models.load_tokenizer(opened(folder))
    assert str(caught.value) == "base.model: its tokenizer.model cannot be read (got 'base'). Fix: fetch the base again"


@pytest.mark.parametrize("name", ["ernie4_5", "ernie4_5_moe", "internlm3"])
def test_a_foreign_tokenizer_class_is_said_aloud_and_not_run(
    name: str, family_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(family_folder(name), tmp_path / "base")
    words = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    module = str(words["auto_map"]["AutoTokenizer"][0]).split(".")[0]
    (folder / f"{module}.py").write_text("open(__file__ + '.ran', 'w').close()\n")
    tokenizer, notes = models.load_tokenizer(opened(folder))
    assert notes[0].startswith(f"tokenizer: its own code ({words['tokenizer_class']}) is not run; tokenizer.")
    assert "auto_map" not in tokenizer.init_kwargs
    assert not list(folder.glob("*.ran"))


def test_a_tokenizer_that_is_code_alone_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_base, tmp_path / "base")
    (folder / "tokenizer.json").unlink()
    words = {"tokenizer_class": "OwnTokenizer", "auto_map": {"AutoTokenizer": ["own.OwnTokenizer", None]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(words))
    (folder / "own.py").write_text("open(__file__ + '.ran', 'w').close()\n")
    with pytest.raises(ModelError) as caught:
        models.load_tokenizer(opened(folder))
    assert str(caught.value) == (
        "base.model: its tokenizer is code of its own (OwnTokenizer), which is never run, and it brings neither "
        "tokenizer.json nor tokenizer.model (got 'base'). Fix: choose a copy of this base that has a tokenizer.json"
    )
    assert not list(folder.glob("*.ran"))


def test_aquilas_own_begin_and_end_are_not_written_twice(family_folder: Callable[[str], Path]) -> None:
    """Its plain encoding puts [CLS] in front and </s> behind; a rendered conversation has neither of them twice."""
    tokenizer, _ = models.load_tokenizer(opened(family_folder("aquila")))
    row = Renderer(tokenizer).render([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}])
    assert list(row.input_ids).count(tokenizer.eos_token_id) == 1
    assert list(row.input_ids).count(tokenizer.bos_token_id) <= 1
    assert tokenizer.encode("hi")[:1] + tokenizer.encode("hi")[-1:] == [tokenizer.bos_token_id, tokenizer.eos_token_id]


# -- sizes and stops -------------------------------------------------------------------------------------------------


def test_fault_77_vocabularies_that_disagree_are_refused_before_weights_are_loaded(tmp_path: Path) -> None:
    tokenizer = tiny.chatml()
    rows = len(tokenizer)
    folder = tiny.save_base(tmp_path / "short", tokenizer, vocab_size=rows - 1, pad_token_id=None)
    (folder / "model.safetensors").write_bytes(b"not looked at")
    with pytest.raises(ModelError) as caught:
        models.load_tokenizer(opened(folder))
    assert str(caught.value) == (
        f"base.model: the tokenizer knows {rows} tokens, the model {rows - 1}. Fix: use the tokenizer that came with "
        "the model"
    )


def test_fault_77_ids_with_gaps_count_by_the_highest(tmp_path: Path) -> None:
    folder = tiny.save_base(tmp_path / "gap", tiny.chatml(), vocab_size=600)
    path = folder / "tokenizer.json"
    words = json.loads(path.read_text(encoding="utf-8"))
    last = max(words["model"]["vocab"], key=words["model"]["vocab"].get)
    words["model"]["vocab"][last] = 700  # a piece that a text may well become
    path.write_text(json.dumps(words), encoding="utf-8")
    with pytest.raises(ModelError, match="the tokenizer knows 701 tokens, the model 600"):
        models.load_tokenizer(opened(folder))


def test_stop_ids_are_those_of_the_generation_config(tiny_base: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_base, tmp_path / "base")
    tokenizer, _ = models.load_tokenizer(opened(folder))
    path = folder / "generation_config.json"

    def stops(value: Any) -> list[int]:
        path.write_text(json.dumps({"eos_token_id": value}))
        return models.stop_ids_of(opened(folder), tokenizer)

    assert stops([7, 0, 7]) == [0, 7]
    assert stops(5) == [5]
    assert stops([5, 10**6, -1, True, "x"]) == [5]  # ids that the tokenizer does not have
    ends = json.loads((folder / "config.json").read_text())["eos_token_id"]
    assert stops(None) == [ends]
    path.write_text("{")
    assert models.stop_ids_of(opened(folder), tokenizer) == [ends]
    path.unlink()
    assert models.stop_ids_of(opened(folder), tokenizer) == [ends]
