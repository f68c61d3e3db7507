"""From rendered text to token ids: control tokens of the template are tokens, those in somebody's text stay text."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from finetune.errors import ModelError

# Stand-ins for control tokens in somebody's text, from Unicode's private use area: no tokenizer gives them meaning.
OPEN, CLOSE = "\ue0f0", "\ue0f1"
STAND_IN = re.compile(f"{OPEN}([0-9]+){CLOSE}")
# Stands in front of a piece of text that something goes before, so that no blank is put there as before a first word.
SEAM = f"{OPEN}seam{CLOSE}"


class Encoder:
    """Encodes rendered text with one tokenizer.

    Attributes:
        controls: the tokenizer's control tokens, text -> id; runs of blanks that some families add are text.
        control_ids: their ids.
        pattern: finds them, the longest first; None when there are none.
    """

    def __init__(self, tokenizer: Any):
        self.tokenizer = tokenizer
        # New tokens of an adapter stand for text, in rows and answers alike; a special token never does.
        texts = getattr(tokenizer, "init_kwargs", {}).get("text_tokens")
        texts = texts if isinstance(texts, list) else []
        self.controls = {
            t.content: k
            for k, t in tokenizer.added_tokens_decoder.items()
            if t.content.strip() and (t.special or t.content not in texts)
        }
        self.control_ids = frozenset(self.controls.values())
        named = sorted((text for text in self.controls if text), key=len, reverse=True)
        self.pattern = re.compile("|".join(map(re.escape, named))) if named else None

    def encode(self, text: str, stand_ins: tuple[str, ...], edges: Sequence[int]) -> tuple[list[int], list[int]]:
        """Ids of the text, and the token position of each character position in `edges` (ascending).

        Where a token would melt across an edge, the two sides are encoded apart and joined.

        Raises:
            ModelError: the sides cannot be parted.
        """
        whole = self.ids(text, stand_ins)
        cuts, apart = [], []
        for edge in edges:
            before = self.ids(text[:edge], stand_ins)
            if whole[: len(before)] != before:
                apart.append(edge)
            cuts.append(len(before))
        if not apart:
            return whole, cuts
        pieces, borders = [], sorted({0, *apart, len(text)})
        for start, end in itertools.pairwise(borders):
            pieces.append(self.ids(text[start:end], stand_ins, goes_on=start > 0))
        joined = [token_id for piece in pieces for token_id in piece]
        if self.decode(joined) != self.decode(whole):
            raise ModelError("a token stretches across the border between prompt and answer, and cannot be parted")
        cuts = []
        for edge in edges:
            index = max(k for k, border in enumerate(borders) if border <= edge)
            part = text[borders[index] : edge]
            inside = self.ids(part, stand_ins, goes_on=borders[index] > 0) if part else []
            if pieces[index : index + 1] and pieces[index][: len(inside)] != inside:
                raise ModelError("the trained part of an answer cannot be told from its surroundings")
            cuts.append(sum(len(piece) for piece in pieces[:index]) + len(inside))
        return joined, cuts

    def ids(self, text: str, stand_ins: tuple[str, ...], goes_on: bool = False) -> list[int]:
        """Ids of a piece of rendered text, its stand-ins read as the plain text they stand for.

        Args:
            text: a piece of a rendered template.
            stand_ins: what its stand-ins stand for.
            goes_on: something stands in front of the piece, so no blank is put there as before a text's first word.
        """
        if goes_on and self.bare is not None:
            control = self.pattern.search(text) if self.pattern is not None else None
            cut = control.start() if control is not None else len(text)
            head = self._ids_renamed(SEAM + text[:cut], stand_ins, self.bare)[1:]
            return head + (self.ids(text[cut:], stand_ins) if cut < len(text) else [])
        if goes_on:
            return self._ids_renamed(SEAM + text, stand_ins)[1:]
        ids = self.tokenizer.encode(text, add_special_tokens=False, verbose=False)
        if not stand_ins or OPEN not in text:
            return ids
        if self._ids_renamed(text, None) != ids:
            raise ModelError(
                "a text holds a control token, and this tokenizer cannot encode it as plain text. Fix: remove it"
            )
        return self._ids_renamed(text, stand_ins)

    def _ids_renamed(self, text: str, stand_ins: tuple[str, ...] | None, renamed: Any = None) -> list[int]:
        """Encode with only the template's own control tokens recognised; None leaves the stand-ins as they are."""
        assert self.pattern is not None
        tokenizer, id_of = renamed or self.renamed
        text = self.pattern.sub(lambda found: _renamed(self.controls[found.group()]), text)
        if stand_ins is not None:
            text = STAND_IN.sub(lambda found: stand_ins[int(found.group(1))], text)
        ids = []
        for token_id in tokenizer.encode(text, add_special_tokens=False).ids:
            if token_id not in id_of and token_id in self.control_ids:
                raise ModelError("a control token inside a text would be read as one. Fix: remove it")
            ids.append(id_of.get(token_id, token_id))
        return ids

    @cached_property
    def renamed(self) -> tuple[Any, dict[int, int]]:
        """The same tokenizer with its control tokens under names no text can hold, and their ids in the real one.

        A control token's real name is then text like any other, while everything around it (blanks that a token
        swallows, the blank before a text's first word) goes on as always. The seam has the id -1.
        """
        return self._renamed_of(self.description[1])

    @cached_property
    def bare(self) -> tuple[Any, dict[int, int]] | None:
        """The renamed tokenizer that puts no blank before words; None where the usual one puts none behind a seam.

        Old SentencePiece files put one behind every control token, and so behind the seam, where a text only goes on.
        """
        description = self.description[1]
        normalizer = description.get("normalizer") or {}
        steps = normalizer.get("normalizers", [normalizer])
        rest = [step for step in steps if step.get("type") != "Prepend"]
        if len(rest) == len(steps):
            return None
        return self._renamed_of({**description, "normalizer": {"type": "Sequence", "normalizers": rest}})

    def _renamed_of(self, description: dict[str, Any]) -> tuple[Any, dict[int, int]]:
        from tokenizers import AddedToken, Tokenizer

        added, _ = self.description
        description = {**description, "added_tokens": []}
        description["post_processor"] = description["padding"] = description["truncation"] = None
        tokenizer = Tokenizer.from_str(json.dumps(description))
        taken = set(tokenizer.get_vocab().values())
        id_of = {}
        for token in [*added, {"id": -1, "content": SEAM}]:
            name = _renamed(token["id"]) if token["content"] in self.controls else token["content"]
            flags = {key: token.get(key, False) for key in ("single_word", "lstrip", "rstrip", "normalized")}
            tokenizer.add_special_tokens([AddedToken(name, special=True, **flags)])
            new_id = tokenizer.token_to_id(name)
            if new_id in taken and new_id != token["id"]:
                raise ModelError("the tokenizer's vocabulary has holes that the kit cannot handle")
            id_of[new_id] = token["id"]
        return tokenizer, id_of

    @cached_property
    def description(self) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """The added tokens, and the whole tokenizer, as tokenizer.json describes them."""
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise ModelError("the tokenizer has no fast form, which the kit needs. Fix: choose another base")
        description = json.loads(backend.to_str())
        return description["added_tokens"], description

    def begin_once(self, ids: list[int]) -> tuple[list[int], int]:
        """The ids with exactly one begin token where the tokenizer itself would write one; and the shift."""
        begin, opening = self.tokenizer.bos_token_id, self.tokenizer.cls_token_id
        if begin is None or not ids:
            return ids, 0
        if opening is not None and ids[0] == opening != begin:
            return ids, 0  # ERNIE opens a conversation with another token than a plain text
        if ids[0] == begin:
            if len(ids) > 1 and ids[1] == begin:
                raise ModelError("the template writes the begin token twice. Fix: repair base.chat_template")
            return ids, 0
        return ([begin, *ids], 1) if self.tokenizer_writes_begin else (ids, 0)

    @cached_property
    def tokenizer_writes_begin(self) -> bool:
        """Whether plain encoding puts the begin token in front, and nothing behind.

        A tokenizer that writes an end behind every text too wraps single texts, as Aquila's first one does with [CLS]
        and </s>: a conversation is not such a text, and the family's own code cuts both off.
        """
        encoded = self.tokenizer.encode("a", add_special_tokens=True)
        ends = bool(encoded) and encoded[-1] == self.tokenizer.eos_token_id
        return bool(encoded) and encoded[0] == self.tokenizer.bos_token_id and not ends

    def decode(self, ids: list[int]) -> str:
        """Text of the ids, control tokens included, nothing tidied up."""
        return self.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)


def _renamed(token_id: int) -> str:
    return f"{OPEN}token{token_id}{CLOSE}"
