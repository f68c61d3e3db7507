"""The starter base: its corpus, tokenizer and weights as shipped, and that it can be made anew."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune import resources
from finetune.starter import corpus
from finetune.starter.tokenizer import SPECIAL_TOKENS, VOCAB_SIZE, encode_documents

NUM_PARAMETERS = 3_148_224
MAX_BYTES = 10_000_000
SMALL_TALK = (
    "Hello!",
    "Hi, how are you today?",
    "Good morning.",
    "What is your name?",
    "Can you help me?",
    "I am tired today.",
    "What do you like to do?",
    "It is raining again.",
    "I have a new dog.",
    "Thank you for your help.",
    "Tell me something nice.",
    "Good night, see you tomorrow.",
)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(resources.starter_base())


@pytest.fixture(scope="module")
def documents() -> list[list[dict[str, str]]]:
    return [corpus.document(7, k) for k in range(200)]


def test_the_corpus_is_the_same_in_every_process(documents: list) -> None:
    code = (
        "import hashlib, json; from finetune.starter import corpus; "
        "print(hashlib.sha256(json.dumps([corpus.document(7, k) for k in range(200)]).encode()).hexdigest())"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120).stdout
    assert told.strip() == hashlib.sha256(json.dumps(documents).encode()).hexdigest()
    assert corpus.document(7, 3) == documents[3], "a document depends on its two numbers only"
    assert corpus.document(8, 3) != documents[3]


def test_documents_are_conversations(documents: list) -> None:
    for document in documents:
        roles = [message["role"] for message in document]
        turns = roles[1:] if roles[0] == "system" else roles
        assert turns == ["user", "assistant"] * (len(turns) // 2)
        assert turns
        for message in document:
            assert set(message) == {"role", "content"}
            assert message["content"] == message["content"].strip() != ""
            assert not any(token in message["content"] for token in SPECIAL_TOKENS)
            assert "{" not in message["content"], "a slot of a template was left open"


def test_the_corpus_varies(documents: list) -> None:
    openings = {document[-2]["content"] for document in documents}
    assert len(openings) > 150
    assert sum(weight for weight, _ in corpus.SOURCES) == pytest.approx(1)


def test_documents_are_encoded_as_the_chat_template_writes_them(tokenizer: Any, documents: list) -> None:
    fast = encode_documents(tokenizer, documents)
    for document, ids in zip(documents, fast, strict=True):
        assert ids == tokenizer.apply_chat_template(document, tokenize=True, return_dict=False)


def test_the_folder_is_small_safe_and_complete() -> None:
    files = sorted(path for path in resources.starter_base().iterdir())
    assert sum(path.stat().st_size for path in files) < MAX_BYTES
    assert {path.suffix for path in files} <= {".json", ".jinja", ".safetensors", ".md"}, "no pickle, no code"
    for path in files:
        if path.suffix == ".json":
            text = path.read_text(encoding="utf-8")
            assert "/home" not in text
            assert "/work" not in text


def test_training_json_tells_how_it_was_made() -> None:
    facts = json.loads((resources.starter_base() / "training.json").read_text(encoding="utf-8"))
    assert facts["num_parameters"] == NUM_PARAMETERS
    assert 0 < facts["held_out"]["bits_per_byte"] < 2
    assert facts["num_training_tokens"] <= facts["settings"]["num_tokens"]
    steps = [step for step, _ in facts["loss_curve"]]
    assert steps == sorted(steps)
    assert facts["loss_curve"][-1][1] < facts["loss_curve"][0][1]


def test_special_tokens_are_distinct_and_the_first(tokenizer: Any) -> None:
    assert [tokenizer.convert_tokens_to_ids(token) for token in SPECIAL_TOKENS] == list(range(len(SPECIAL_TOKENS)))
    assert len({tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id}) == 3
    assert len(tokenizer) == VOCAB_SIZE
    config = json.loads((resources.starter_base() / "config.json").read_text())
    assert config["vocab_size"] == VOCAB_SIZE
    assert config["eos_token_id"] == tokenizer.eos_token_id
    assert config["pad_token_id"] == tokenizer.pad_token_id


@settings(max_examples=300, deadline=None)
@given(text=st.text(st.characters(codec="utf-8"), max_size=60))
def test_any_text_comes_back(text: str) -> None:
    backend = _backend()
    ids = backend.encode(text, add_special_tokens=False).ids
    assert all(0 <= token < VOCAB_SIZE for token in ids)
    if not any(token in text for token in SPECIAL_TOKENS):
        assert backend.decode(ids, skip_special_tokens=False) == text


def _backend() -> Any:
    global _BACKEND
    if _BACKEND is None:
        from tokenizers import Tokenizer

        _BACKEND = Tokenizer.from_file(str(resources.starter_base() / "tokenizer.json"))
    return _BACKEND


_BACKEND: Any = None


def test_digits_are_tokens_of_their_own() -> None:
    assert [_backend().id_to_token(k) for k in _backend().encode("2026", add_special_tokens=False).ids] == list("2026")


def test_small_talk_is_answered_and_ends_by_itself() -> None:
    """QUALITY OF THE SHIPPED WEIGHTS. Fails after `make starter` when the new base is worse than it should be."""
    from finetune.generation import Engine

    engine = Engine.open(resources.STARTER_ID)
    answers = {}
    for question in SMALL_TALK:
        answers[question] = engine.answer([{"role": "user", "content": question}], max_new_tokens=60)
    for question, answer in answers.items():
        words = re.findall(r"[\w']+", answer.text.lower())
        assert answer.ended, f"{question} -> {answer.text!r} goes on and on"
        assert len(words) >= 3, f"{question} -> {answer.text!r}"
        run = any(len(set(words[k : k + 4])) == 1 for k in range(len(words) - 3))
        assert not run, f"{question} -> {answer.text!r} repeats a word"
    assert len({answer.text for answer in answers.values()}) >= 6, "the same answer to everything"


def test_a_miniature_of_the_pretraining_learns_and_writes_a_base(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from finetune.starter.pretrain import Pretraining, pretrain

    small = Pretraining(
        num_tokens=20 * 2_048,
        tokens_per_step=2_048,
        tokens_per_pass=2_048,
        short_row_tokens=128,
        window_tokens=256,
        hidden_size=48,
        intermediate_size=96,
        num_layers=2,
        num_heads=4,
        num_kv_heads=2,
        num_tokenizer_documents=1_500,
        num_held_out_documents=10,
        dtype="float32",
    )
    assert small.num_steps == 20
    assert [small.row_tokens(step) for step in (0, 16, 17, 19)] == [128, 128, 256, 256]
    lines: list[str] = []
    facts = pretrain(small, tmp_path / "base", lines.append)
    untrained = pretrain(replace(small, num_tokens=2_048, matrix_learning_rate=0.0, embedding_learning_rate=0.0),
                         tmp_path / "untrained", lines.append)  # fmt: skip
    assert facts["held_out"]["nats_per_token"] < 0.85 * untrained["held_out"]["nats_per_token"]
    assert untrained["held_out"]["nats_per_token"] == pytest.approx(8.318, abs=0.2), "ln 4096: it knows nothing"
    assert {path.suffix for path in (tmp_path / "base").iterdir()} == {".json", ".jinja", ".safetensors"}
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    assert model.num_parameters() == facts["num_parameters"]
    assert len(AutoTokenizer.from_pretrained(tmp_path / "base")) == VOCAB_SIZE


def test_the_rate_rises_stays_and_falls() -> None:
    from finetune.starter.pretrain import Pretraining, rate_factor

    plan = Pretraining()
    factors = [rate_factor(step, plan) for step in range(plan.num_steps)]
    assert factors[0] < 0.05
    assert max(factors) == 1.0
    assert factors[-1] == pytest.approx(0.02)
    top = factors.index(1.0)
    assert factors[:top] == sorted(factors[:top])
    assert factors[top:] == sorted(factors[top:], reverse=True)


def test_the_page_names_the_number_of_the_shipped_weights() -> None:
    """docs/starter.md repeats one number of training.json; a new base needs a new line there."""
    page = (Path(__file__).resolve().parents[1] / "docs" / "starter.md").read_text(encoding="utf-8")
    facts = json.loads((resources.starter_base() / "training.json").read_text(encoding="utf-8"))
    assert f"{NUM_PARAMETERS:,}" in page
    assert "finetune/starter/base/training.json" in page
    named = re.search(r"Held-out loss: ([0-9.]+) bits per byte", page)
    assert named is None or float(named[1]) == facts["held_out"]["bits_per_byte"]
