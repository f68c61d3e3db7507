"""Small tokenizers with the real special tokens of the families, written as the hub's folders hold them.

Words are learnt from a few sentences (the same on every machine); what a family's own files say by name - special
tokens, classes, begin and end tokens, the words of tokenizer_config.json - is said here as it is said there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

# English and Chinese, with the words that the families' templates write, so that a row is some dozens of tokens long.
SENTENCES: tuple[str, ...] = (
    "A chat between a curious human and an artificial intelligence assistant.",
    "The assistant gives helpful, detailed, and polite answers to the human's questions.",
    "Which dose is safe for an adult? Ask your doctor; never take more than the leaflet says.",
    "What helps against a cold? Drink plenty of water, rest, and keep warm.",
    "How long does a fever last? Most fevers end within three days.",
    "user assistant system User Assistant Human Bot model developer final analysis commentary think tool",
    "系统：用户：助手：工具：方法：你好，请问感冒了怎么办？多喝水，好好休息。",
    "发烧多久会好？多数人三天以内退烧。请遵医嘱，不要多吃药。",
)
QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@dataclass(frozen=True)
class Words:
    """What one family's tokenizer files hold.

    Attributes:
        kind: "gpt2" and "qwen" (bytes), "llama" and "gemma" (SentencePiece-like, in tokenizer.json), "spm" (only
            tokenizer.model).
        first: special tokens before the learnt words, in order of their ids.
        last: added tokens behind them.
        named: bos_token, eos_token, pad_token and the like, as the files name them.
        config: further words of tokenizer_config.json.
        not_special: which of `last` are added, but not called special (<think>).
        begins, ends: tokens that plain encoding writes around a text.
        vocab_files: whether vocab.json and merges.txt lie beside tokenizer.json.
        digits: whether numbers are split into digits first, as SmolLM's are.
    """

    kind: str
    first: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    named: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    not_special: tuple[str, ...] = ()
    begins: str | None = None
    ends: str | None = None
    vocab_files: bool = False
    digits: bool = False


def _texts() -> list[str]:
    return list(SENTENCES) * 4


@cache
def _learnt_bytes(split: str) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Pieces and merges of byte-level words."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = _byte_split(split)
    trainer = trainers.BpeTrainer(
        vocab_size=600, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    backend.train_from_iterator(_texts(), trainer)
    return _pieces_of(backend)


@cache
def _learnt_pieces() -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Pieces and merges of words with ▁ for a blank, as SentencePiece has them."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=True)
    backend.train_from_iterator(_texts(), trainers.BpeTrainer(vocab_size=400, show_progress=False))
    return _pieces_of(backend)


def _pieces_of(backend: Tokenizer) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    model = json.loads(backend.to_str())["model"]
    pieces = sorted(model["vocab"], key=model["vocab"].__getitem__)
    return tuple(pieces), tuple((a, b) for a, b in model["merges"])


def _byte_split(kind: str, digits: bool = False) -> Any:
    if kind == "gpt2":
        plain = pre_tokenizers.ByteLevel(add_prefix_space=False)
        parts = [pre_tokenizers.Digits(individual_digits=True), plain]
        return pre_tokenizers.Sequence(parts) if digits else plain  # type: ignore[arg-type]
    split = pre_tokenizers.Split(Regex(QWEN_SPLIT), behavior="isolated")
    return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])  # type: ignore[arg-type]


def _added(names: tuple[str, ...], special: bool) -> list[AddedToken]:
    return [AddedToken(name, special=special, normalized=False) for name in names]


def _backend(words: Words) -> Tokenizer:
    if words.kind in ("gpt2", "qwen"):
        pieces, merges = _learnt_bytes(words.kind)
        vocabulary = {piece: k for k, piece in enumerate([*words.first, *pieces])}
        backend = Tokenizer(models.BPE(vocabulary, list(merges)))
        backend.pre_tokenizer = _byte_split(words.kind, words.digits)
        backend.decoder = decoders.ByteLevel()
        if words.kind == "qwen":
            backend.normalizer = normalizers.NFC()
    else:
        pieces, merges = _learnt_pieces()
        every_byte = [f"<0x{k:02X}>" for k in range(256)]
        vocabulary = {piece: k for k, piece in enumerate([*words.first, *every_byte, *pieces])}
        backend = Tokenizer(models.BPE(vocabulary, list(merges), unk_token="<unk>", fuse_unk=True, byte_fallback=True))
        blanks = normalizers.Replace(" ", "▁")
        ends = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
        if words.kind == "llama":
            backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), blanks])
            ends.append(decoders.Strip(" ", 1, 0))
        else:
            backend.normalizer = blanks
            backend.pre_tokenizer = pre_tokenizers.Split(" ", behavior="merged_with_previous")
        backend.decoder = decoders.Sequence(ends)  # type: ignore[arg-type]
    backend.add_special_tokens(_added(words.first, special=True))
    for name in words.last:  # one by one: ids follow the order in which they are named
        backend.add_tokens(_added((name,), special=name not in words.not_special))
    if words.begins or words.ends:
        around = [name for name in (words.begins, words.ends) if name]
        single = " ".join(part for part in (words.begins, "$A", words.ends) if part)
        known = [(name, backend.token_to_id(name)) for name in around]
        backend.post_processor = processors.TemplateProcessing(single=single, special_tokens=known)
    return backend


def write(folder: Path, words: Words, template: str | None = None, template_file: bool = False) -> dict[str, int]:
    """Write the tokenizer's files into a folder; gives the id of every token.

    Args:
        folder: is there already.
        words: of the family.
        template: chat template, None where the family ships none.
        template_file: whether it is a file chat_template.jinja instead of a word of tokenizer_config.json.
    """
    if words.kind == "spm":
        ids = _write_sentencepiece(folder, words)
    else:
        backend = _backend(words)
        backend.save(str(folder / "tokenizer.json"))
        ids = backend.get_vocab()
        if words.vocab_files:
            pieces, merges = _learnt_bytes(words.kind)
            known = {piece: k for k, piece in enumerate([*words.first, *pieces])}
            (folder / "vocab.json").write_text(json.dumps(known, ensure_ascii=False), encoding="utf-8")
            lines = ["#version: 0.2", *(" ".join(merge) for merge in merges)]
            (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    config = {**words.named, **words.config}
    if config.pop("lists_added_tokens", True):
        config["added_tokens_decoder"] = {
            str(ids[name]): {
                "content": name,
                "lstrip": False,
                "normalized": False,
                "rstrip": False,
                "single_word": False,
                "special": name not in words.not_special,
            }
            for name in (*words.first, *words.last)
        }
    if template is not None and template_file:
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    elif template is not None:
        config["chat_template"] = template
    for name, value in (("tokenizer_config.json", config), ("special_tokens_map.json", words.named)):
        (folder / name).write_text(json.dumps(value, ensure_ascii=False, indent=2), encoding="utf-8")
    return ids


def _write_sentencepiece(folder: Path, words: Words) -> dict[str, int]:
    """Train tokenizer.model in the folder: <unk> <s> </s> first, special tokens as symbols of their own."""
    import io

    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(_texts()),
        model_writer=model,
        model_type="bpe",
        vocab_size=700,
        character_coverage=1.0,
        byte_fallback=True,
        user_defined_symbols=[*words.last],
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return {processor.id_to_piece(k): k for k in range(processor.get_piece_size())}
