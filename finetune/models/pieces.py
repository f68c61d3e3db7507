"""SentencePiece tokenizers whose own code is not run: their tokenizer.model becomes a plain fast tokenizer.

Some hubs ship a tokenizer as a SentencePiece file and a Python class to read it. The class is not run. The file is read
by the library it was made with (extra `pangu`), rebuilt as a fast tokenizer, and the two are compared on probe texts
each time, because the ways of putting a blank before a word differ from release to release. What comes out has a
tokenizer.json once it is saved, and needs neither this kit nor SentencePiece any more.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from finetune.errors import ModelError, Problem, SurroundingsError

_KEY = "base.model"
_INSTALL = "pip install 'finetune-kit[pangu]'"
_BPE = 2  # kind of file, and kinds of piece, in sentencepiece_model.proto; user-defined pieces are always cut out whole
_CONTROL, _USER_DEFINED = 3, 4
_NAMED = ("unk_token", "bos_token", "eos_token", "pad_token", "cls_token", "sep_token", "mask_token")
# Blanks in every place, scripts in one word, line ends, bytes without a piece; {} is where each control token goes.
_PROBES = (
    "hello world",
    " a leading blank, two  blanks and a last one ",
    "你好，请问感冒了怎么办？多喝水，好好休息。",
    "mixed 中文 and English, 12,345.67 %\n\n\tindented\r\nlast",
    "rare: 🙂 ཨོཾ ∮ é́",
    "{}one{}two {} three\n{}四",
    "{}{} 系统：{}\n用户：{}",
)


def require_sentencepiece(label: str) -> None:
    """See that the packages that read a tokenizer.model are installed.

    Raises:
        SurroundingsError: names the extra.
    """
    if any(importlib.util.find_spec(name) is None for name in ("sentencepiece", "google.protobuf")):
        what = "its tokenizer is a SentencePiece file (tokenizer.model), and the extra 'pangu' that reads it is missing"
        raise SurroundingsError(Problem("", _KEY, what, repr(label), _INSTALL))


def read_pieces(path: Path, words: Mapping[str, Any], label: str) -> Any:
    """A fast tokenizer with the ids of a SentencePiece file.

    Args:
        path: the tokenizer.model.
        words: the folder's tokenizer_config.json: named, added and special tokens, add_bos_token, chat_template.
        label: of the base, for messages.

    Raises:
        SurroundingsError: sentencepiece or protobuf is missing.
        ModelError: the file cannot be read, or no fast tokenizer gives the same ids.
    """
    require_sentencepiece(label)
    from sentencepiece import SentencePieceProcessor
    from transformers.convert_slow_tokenizer import SentencePieceExtractor

    try:
        extractor = SentencePieceExtractor(str(path))
        judge = SentencePieceProcessor(model_file=str(path))
    except Exception as error:  # protobuf's and sentencepiece's own errors have no common kind
        fix = "fetch the base again"
        raise ModelError(Problem("", _KEY, "its tokenizer.model cannot be read", repr(label), fix)) from error
    proto: Any = extractor.proto
    outside = _listed_tokens(words)
    inside = [piece.piece for piece in proto.pieces if piece.type == _USER_DEFINED]
    listed = {token.content for token in outside}
    probes = _probes([*listed], [name for name in inside if name not in listed])
    for backend in _candidates(extractor, outside, [name for name in inside if name not in listed]):
        if _declared_ids(words, backend) and all(
            backend.encode(text, add_special_tokens=False).ids == _ids_of(text, judge, outside, backend)
            for text in probes
        ):
            return _wrapped(backend, words)
    what = "its tokenizer.model cannot be rebuilt exactly: the ids differ from SentencePiece's own"
    raise ModelError(Problem("", _KEY, what, repr(label), "choose a copy of this base that has a tokenizer.json"))


def _probes(listed: list[str], inside: list[str]) -> list[str]:
    """Texts to compare: each with some control tokens of both kinds, alone and beside one another."""
    some = [*sorted(listed)[:6], *sorted(inside)[:6]] or [""]
    some += ["</s>", "<s>"]  # control tokens or plain text, as the file has it
    pairs = [first + second for first in (*some[:2], *some[-2:]) for second in (*some[:2], *some[-2:])]
    return list(dict.fromkeys(text.replace("{}", control) for text in _PROBES for control in (*some, *pairs)))


def _listed_tokens(words: Mapping[str, Any]) -> list[Any]:
    """Tokens that tokenizer_config.json names; a text is cut at them before SentencePiece sees it."""
    from tokenizers import AddedToken

    def made(value: Any, special: bool) -> Iterator[Any]:
        if isinstance(value, Mapping) and isinstance(value.get("content"), str):
            flags = {name: bool(value.get(name)) for name in ("lstrip", "rstrip", "single_word")}
            yield AddedToken(value["content"], special=bool(value.get("special", special)), normalized=False, **flags)
        elif isinstance(value, str) and value:
            yield AddedToken(value, special=special, normalized=False)

    listed = words.get("added_tokens_decoder")
    listed = listed if isinstance(listed, Mapping) else {}
    by_id = sorted(listed.items(), key=lambda pair: int(pair[0]) if str(pair[0]).isdigit() else 0) if listed else []
    values = [value for _, value in by_id]
    values += [words.get(name) for name in _NAMED]
    for name in ("additional_special_tokens", "extra_special_tokens"):
        if isinstance(more := words.get(name), list):
            values += more
    found: dict[str, Any] = {}
    for value in values:
        for token in made(value, special=True):
            found.setdefault(token.content, token)
    return list(found.values())


def _declared_ids(words: Mapping[str, Any], backend: Any) -> bool:
    """Whether control tokens have the ids that tokenizer_config.json gives them."""
    listed = words.get("added_tokens_decoder")
    if not isinstance(listed, Mapping):
        return True
    values = {key: value.get("content") for key, value in listed.items() if isinstance(value, Mapping)}
    return all(str(backend.token_to_id(content)) == key for key, content in values.items() if isinstance(content, str))


def _ids_of(text: str, judge: Any, outside: list[Any], backend: Any) -> list[int]:
    """What SentencePiece itself gives: the text cut at control tokens, each part encoded alone."""
    ids: list[int] = []
    rest = text
    tokens = sorted(outside, key=lambda token: -len(token.content))
    while rest:
        places = [(rest.find(token.content), token) for token in tokens if token.content in rest]
        place, token = min(places, key=lambda pair: pair[0], default=(len(rest), None))
        part, rest = rest[:place], rest[place + (len(token.content) if token else 0) :]
        if token is not None and token.lstrip:
            part = part.rstrip()
        if part:
            ids += judge.encode(part)
        if token is not None:
            ids.append(backend.token_to_id(token.content))
            rest = rest.lstrip() if token.rstrip else rest
    return ids


def _candidates(extractor: Any, outside: list[Any], inside: list[str]) -> Iterator[Any]:
    """Fast tokenizers that may give the file's ids: they differ in where a blank is put before words.

    Args:
        extractor: transformers' reader of the file.
        outside: control tokens at which a text is cut before SentencePiece sees it.
        inside: those that only SentencePiece knows; a part of the text may begin with one, behind its blank.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers
    from tokenizers.pre_tokenizers import Metaspace, Sequence, Split

    proto = extractor.proto
    trained, spec = proto.trainer_spec, proto.normalizer_spec
    if trained.model_type != _BPE:
        return  # fast Unigram models take control tokens in a text for pieces; the families read here are all BPE
    words = extractor.extract(models.BPE)
    vocab, merges = words["vocab"], words["merges"]
    if inside:  # a control token that is not listed is plain text to SentencePiece, and must not be taken for a piece
        listed = {token.content for token in outside}
        hidden = {piece.piece for piece in proto.pieces if piece.type == _CONTROL} - listed
        vocab = {piece: k for piece, k in vocab.items() if piece not in hidden}
        merges = [pair for pair in merges if "".join(pair) in vocab]
    unknown = proto.pieces[trained.unk_id].piece
    before: list[Any] = [normalizers.Precompiled(spec.precompiled_charsmap)] if spec.precompiled_charsmap else []
    if spec.remove_extra_whitespaces:
        before += [normalizers.Replace(Regex(" {2,}"), " "), normalizers.Strip()]
    blanks = normalizers.Replace(" ", "\u2581")
    schemes = ("prepend", "always", "first") if spec.add_dummy_prefix else ("never",)
    cuts = [Split(Regex("|".join(map(re.escape, inside))), "isolated")] if inside else []
    for scheme in schemes:
        model = models.BPE(vocab, merges, unk_token=unknown, fuse_unk=True, byte_fallback=trained.byte_fallback)
        model.ignore_merges = bool(inside)  # a part that is one piece is that piece: so are those cut out
        backend = Tokenizer(model)
        if scheme in ("always", "first"):
            backend.normalizer = normalizers.Sequence(before)
            backend.pre_tokenizer = Sequence([Metaspace(prepend_scheme=scheme, split=False), *cuts])
        else:
            prefix = [normalizers.Prepend("\u2581")] if scheme == "prepend" else []
            backend.normalizer = normalizers.Sequence([*before, *prefix, blanks])
            backend.pre_tokenizer = Sequence(cuts)
        strip = [decoders.Strip(" ", 1, 0)] if spec.add_dummy_prefix else []
        backend.decoder = decoders.Sequence(
            [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
        )
        for token in outside:  # one by one: those that are no pieces get the next free ids in this order
            (backend.add_special_tokens if token.special else backend.add_tokens)([token])
        yield backend


def _wrapped(backend: Any, words: Mapping[str, Any]) -> Any:
    """The backend as a transformers tokenizer that saves itself as plain tokenizer.json."""
    from tokenizers import processors
    from transformers import PreTrainedTokenizerFast

    named: dict[str, Any] = {}
    for name in _NAMED:
        value = words.get(name)
        value = value.get("content") if isinstance(value, Mapping) else value
        if isinstance(value, str) and value:
            named[name] = value
    begin, end = named.get("bos_token"), named.get("eos_token")
    first = begin if words.get("add_bos_token", True) else None
    last = end if words.get("add_eos_token", False) else None
    single = [*([first] if first else []), "$A", *([last] if last else [])]
    if len(single) > 1:
        ids = [(name, backend.token_to_id(name)) for name in (first, last) if name]
        backend.post_processor = processors.TemplateProcessing(single=single, special_tokens=ids)
    for name in ("model_max_length", "padding_side"):
        if words.get(name) is not None:
            named[name] = words[name]
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, clean_up_tokenization_spaces=False, **named)
    if words.get("chat_template"):
        tokenizer.chat_template = words["chat_template"]
    return tokenizer
