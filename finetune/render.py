"""Floor 4: the only renderer: conversation + tokenizer -> input ids, labels, spans.

Training, evaluation, chat and demo all come through here, so a model is asked in the very form it was taught in.
What is trained: the assistant's turns and the token that ends each of them; nothing else.

How the trained part is found:
    1. `generation marks`: the template marks the assistant's words with {% generation %}.
    2. `prefix difference`: for each assistant turn, the template is rendered up to it (with the generation prompt)
       and including it; the first must be a prefix of the second, and both of the whole. Otherwise: refused.
Both are then verified on token ids: what stands before a trained span must tokenize to the very same ids as when the
model is asked at that point. Where a token would melt across the border (a template that ends in "Assistant: "
followed by an answer in ASCII), the two sides are encoded apart and joined.

Control tokens that stand inside somebody's text stay text: a user who types <|im_end|> ends nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from finetune.errors import ModelError

IGNORED = -100  # the label of a token that is not trained; fixed by torch's cross entropy
_MARKS = re.compile(r"\{%-?\s*generation\s*-?%\}")
# Stand-ins for control tokens in somebody's text, from Unicode's private use area: no tokenizer gives them meaning.
_OPEN, _CLOSE = "\ue0f0", "\ue0f1"
_STAND_IN = re.compile(f"{_OPEN}([0-9]+){_CLOSE}")
_SEAM = f"{_OPEN}seam{_CLOSE}"
_PROBE = ({"role": "user", "content": "a"}, {"role": "assistant", "content": "b"})


@dataclass(frozen=True)
class Rendered:
    """One conversation as a model sees it.

    Attributes:
        input_ids: (tokens,) exactly one begin token where the family has one.
        labels: (tokens,) the id where it is trained, IGNORED elsewhere.
        spans: (turns,) half-open token ranges of the trained parts, each ending with an end token.
        how: "generation marks" or "prefix difference".
    """

    input_ids: list[int]
    labels: list[int]
    spans: list[tuple[int, int]]
    how: str

    @property
    def num_trained(self) -> int:
        return sum(end - start for start, end in self.spans)


@dataclass(frozen=True)
class _Text:
    """A rendered template: its text with stand-ins, what they stand for, and the trained character spans."""

    text: str
    stand_ins: tuple[str, ...]
    spans: list[tuple[int, int]]


class Renderer:
    """Renders conversations with one tokenizer and its chat template.

    Args:
        tokenizer: a transformers tokenizer with `chat_template` set.
        template_options: words handed to the template, e.g. {"enable_thinking": False}.

    Raises:
        ModelError: the template is missing, never ends an answer, or writes more than one begin token.
    """

    def __init__(self, tokenizer: Any, template_options: Mapping[str, Any] | None = None):
        if not isinstance(tokenizer.chat_template, str) or not tokenizer.chat_template.strip():
            raise ModelError("the tokenizer has no chat template. Fix: set base.chat_template in the recipe")
        self.tokenizer = tokenizer
        self.template: str = tokenizer.chat_template
        self.options = dict(template_options or {})
        self.how = "generation marks" if _MARKS.search(self.template) else "prefix difference"
        # Some families add runs of blanks as tokens; those are text.
        self._controls = {t.content: k for k, t in tokenizer.added_tokens_decoder.items() if t.content.strip()}
        self._control_ids = frozenset(self._controls.values())
        named = sorted((text for text in self._controls if text), key=len, reverse=True)
        self._control_pattern = re.compile("|".join(map(re.escape, named))) if named else None
        self.end_id = self._probe_end()
        self.render(_PROBE)  # whatever is wrong with the template itself is said now, not at row 1
        self.stop_ids = self._stop_ids()

    # -- what others call ----------------------------------------------------------------------------------------

    @cached_property
    def template_fingerprint(self) -> str:
        """SHA-256 of the template's text and options: equal fingerprints render alike."""
        return hashlib.sha256(f"{self.template}\0{sorted(self.options.items())}".encode()).hexdigest()

    def render(self, messages: Sequence[Mapping[str, str]]) -> Rendered:
        """A whole conversation, with the assistant's turns trained.

        Raises:
            ModelError: the template refuses the turns, or neither way of finding the trained part is exact.
        """
        text = self._with_spans(messages)
        ids, cuts = self._encode(text, [edge for span in text.spans for edge in span])
        ids, shift = self._begin_once(ids)
        spans = [(cuts[k] + shift, cuts[k + 1] + shift) for k in range(0, len(cuts), 2)]
        labels = [IGNORED] * len(ids)
        for start, end in spans:
            if end <= start or ids[end - 1] != self.end_id:
                raise ModelError("an answer of this conversation would be trained without its end token")
            labels[start:end] = ids[start:end]
        return Rendered(ids, labels, spans, self.how)

    def prompt(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        """Ids of a conversation up to where the assistant begins to speak.

        Equal, id by id, to the ids before the trained span when the same conversation is trained.
        """
        scrubbed, stand_ins = self._scrub(messages)
        text = self._template(scrubbed, ask=True)
        history = None
        if any(m["role"] == "assistant" for m in messages):
            # A template that rewrites earlier turns is refused for training on several turns, so there is no trained
            # form to agree with; its chat goes on all the same.
            with contextlib.suppress(ModelError):
                history = self._with_spans(messages)
        spans = [span for span in history.spans if text[: span[1]] == history.text[: span[1]]] if history else []
        edges = [edge for span in spans for edge in span]
        ids, _ = self._encode(_Text(text, stand_ins, spans), edges)
        return self._begin_once(ids)[0]

    def num_control_texts(self, messages: Sequence[Mapping[str, str]]) -> int:
        """How many control tokens stand as plain text inside the messages."""
        return len(self._scrub(messages)[1])

    # -- text ----------------------------------------------------------------------------------------------------

    def _template(self, messages: Sequence[Mapping[str, str]], ask: bool) -> str:
        try:
            text = self.tokenizer.apply_chat_template(
                [dict(message) for message in messages], tokenize=False, add_generation_prompt=ask, **self.options
            )
        except Exception as error:  # a template is somebody's program: whatever it raises is about the conversation
            raise ModelError(f"the chat template refuses this conversation: {_first_line(error)}") from error
        assert isinstance(text, str)
        return text

    def _scrub(self, messages: Sequence[Mapping[str, str]]) -> tuple[list[dict[str, str]], tuple[str, ...]]:
        """The messages with control tokens in their texts replaced by stand-ins, and what each stands for."""
        found: list[str] = []

        def replace(match: re.Match[str]) -> str:
            found.append(match.group())
            return f"{_OPEN}{len(found) - 1}{_CLOSE}"

        scrubbed = []
        for message in messages:
            content = message["content"]
            if _OPEN in content or _CLOSE in content:
                raise ModelError("a text holds the private-use characters U+E0F0 or U+E0F1. Fix: remove them")
            if self._control_pattern is not None:
                content = self._control_pattern.sub(replace, content)
            scrubbed.append({**message, "content": content})
        return scrubbed, tuple(found)

    def _with_spans(self, messages: Sequence[Mapping[str, str]]) -> _Text:
        scrubbed, stand_ins = self._scrub(messages)
        text = self._template(scrubbed, ask=False)
        spans = self._marked(scrubbed, text) if self.how == "generation marks" else self._by_prefix(scrubbed, text)
        turns = len(self._answers(messages))
        if len(spans) != turns:
            raise ModelError(f"the template marks {len(spans)} answers where the conversation has {turns}")
        return _Text(text, stand_ins, [self._to_end_token(text, start, end) for start, end in spans])

    def _marked(self, messages: list[dict[str, str]], text: str) -> list[tuple[int, int]]:
        from transformers.utils.chat_template_utils import render_jinja_template

        # Annotated upstream as if it gave one text; with a mask it gives texts and their spans.
        outcome: Any = render_jinja_template(
            conversations=[messages],
            chat_template=self.template,
            return_assistant_tokens_mask=True,
            **{**self.tokenizer.special_tokens_map, **self.options},
        )
        rendered, spans = outcome
        if rendered[0] != text:
            raise ModelError("the template renders differently with and without generation marks")
        turns = self._answers(messages)
        if len(spans[0]) != len(turns):
            return list(spans[0])  # counted, and refused, by the caller
        return [(self._asked_from(messages[:k], text, k, *span), span[1]) for k, span in zip(turns, spans[0])]

    def _asked_from(self, history: list[dict[str, str]], text: str, index: int, start: int, end: int) -> int:
        """Where the words of turn `index` begin when the model is asked for them; the marks may begin earlier."""
        before = self._template(history, ask=True)
        if not text.startswith(before):
            raise _rewritten(index)
        if not start <= len(before) <= end:
            raise ModelError(
                f"the template marks turn {index + 1} as trained from another place than where the model is asked to "
                "go on. Fix: set base.chat_template to one whose generation prompt ends where {% generation %} begins"
            )
        return len(before)

    def _by_prefix(self, messages: list[dict[str, str]], text: str) -> list[tuple[int, int]]:
        spans = []
        for index in self._answers(messages):
            before = self._template(messages[:index], ask=True)
            after = text if index == len(messages) - 1 else self._template(messages[: index + 1], ask=False)
            if not after.startswith(before):
                raise ModelError(
                    f"the template asks for turn {index + 1} in another form than it writes it down in, so what is "
                    "trained could not be asked for. Fix: set base.chat_template to another template"
                )
            if not text.startswith(after):
                raise _rewritten(index)
            spans.append((len(before), len(after)))
        return spans

    def _answers(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        return [index for index, message in enumerate(messages) if message["role"] == "assistant"]

    def _to_end_token(self, text: str, start: int, end: int) -> tuple[int, int]:
        """The span cut, or stretched by blanks, so that it ends right behind the token that ends the turn."""
        assert self._control_pattern is not None
        last = None
        for match in self._control_pattern.finditer(text, start, end):
            last = match
        if last is not None and not text[last.end() : end].strip():
            return start, last.end()
        following = self._control_pattern.match(text, end + len(text[end:]) - len(text[end:].lstrip()))
        if following is None:
            raise ModelError(
                "the template does not end an answer with a control token, so the model could not learn to stop. "
                "Fix: set base.chat_template to one that does"
            )
        return start, following.end()

    # -- ids -----------------------------------------------------------------------------------------------------

    def _encode(self, text: _Text, edges: Sequence[int]) -> tuple[list[int], list[int]]:
        """Ids of the text, and the token position of each character position in `edges` (ascending)."""
        whole = self._ids(text.text, text.stand_ins)
        cuts, apart = [], []
        for edge in edges:
            before = self._ids(text.text[:edge], text.stand_ins)
            if whole[: len(before)] != before:
                apart.append(edge)
            cuts.append(len(before))
        if not apart:
            return whole, cuts
        pieces, borders = [], sorted({0, *apart, len(text.text)})
        for start, end in itertools.pairwise(borders):
            pieces.append(self._ids(text.text[start:end], text.stand_ins, goes_on=start > 0))
        joined = [token_id for piece in pieces for token_id in piece]
        if self._decode(joined) != self._decode(whole):
            raise ModelError("a token stretches across the border between prompt and answer, and cannot be parted")
        cuts = []
        for edge in edges:
            index = max(k for k, border in enumerate(borders) if border <= edge)
            part = text.text[borders[index] : edge]
            inside = self._ids(part, text.stand_ins, goes_on=borders[index] > 0) if part else []
            if pieces[index : index + 1] and pieces[index][: len(inside)] != inside:
                raise ModelError("the trained part of an answer cannot be told from its surroundings")
            cuts.append(sum(len(piece) for piece in pieces[:index]) + len(inside))
        return joined, cuts

    def _ids(self, text: str, stand_ins: tuple[str, ...], goes_on: bool = False) -> list[int]:
        """Ids of a piece of rendered text, its stand-ins read as the plain text they stand for.

        Args:
            text: a piece of a rendered template.
            stand_ins: what its stand-ins stand for.
            goes_on: something stands in front of the piece, so no blank is put there as before a text's first word.
        """
        if goes_on:
            return self._ids_renamed(_SEAM + text, stand_ins)[1:]
        ids = self.tokenizer.encode(text, add_special_tokens=False)
        if not stand_ins or _OPEN not in text:
            return ids
        if self._ids_renamed(text, None) != ids:
            raise ModelError(
                "a text holds a control token, and this tokenizer cannot encode it as plain text. Fix: remove it"
            )
        return self._ids_renamed(text, stand_ins)

    def _ids_renamed(self, text: str, stand_ins: tuple[str, ...] | None) -> list[int]:
        """Encode with only the template's own control tokens recognised; None leaves the stand-ins as they are."""
        assert self._control_pattern is not None
        tokenizer, id_of = self._renamed
        text = self._control_pattern.sub(lambda found: _renamed(self._controls[found.group()]), text)
        if stand_ins is not None:
            text = _STAND_IN.sub(lambda found: stand_ins[int(found.group(1))], text)
        ids = []
        for token_id in tokenizer.encode(text, add_special_tokens=False).ids:
            if token_id not in id_of and token_id in self._control_ids:
                raise ModelError("a control token inside a text would be read as one. Fix: remove it")
            ids.append(id_of.get(token_id, token_id))
        return ids

    @cached_property
    def _renamed(self) -> tuple[Any, dict[int, int]]:
        """The same tokenizer with its control tokens under names no text can hold, and their ids in the real one.

        A control token's real name is then text like any other, while everything around it (blanks that a token
        swallows, the blank before a text's first word) goes on as always.
        """
        from tokenizers import AddedToken, Tokenizer

        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise ModelError("the tokenizer has no fast form, which the kit needs. Fix: choose another base")
        description = json.loads(backend.to_str())
        added = description["added_tokens"]
        description["added_tokens"] = []
        description["post_processor"] = description["padding"] = description["truncation"] = None
        tokenizer = Tokenizer.from_str(json.dumps(description))
        taken = set(tokenizer.get_vocab().values())
        id_of = {}
        for token in [*added, {"id": -1, "content": _SEAM}]:
            name = _renamed(token["id"]) if token["content"] in self._controls else token["content"]
            flags = {key: token.get(key, False) for key in ("single_word", "lstrip", "rstrip", "normalized")}
            tokenizer.add_special_tokens([AddedToken(name, special=True, **flags)])
            new_id = tokenizer.token_to_id(name)
            if new_id in taken and new_id != token["id"]:
                raise ModelError("the tokenizer's vocabulary has holes that the kit cannot handle")
            id_of[new_id] = token["id"]
        return tokenizer, id_of

    def _begin_once(self, ids: list[int]) -> tuple[list[int], int]:
        """The ids with exactly one begin token where the tokenizer itself would write one; and the shift."""
        begin = self.tokenizer.bos_token_id
        if begin is None or not ids:
            return ids, 0
        if ids[0] == begin:
            if len(ids) > 1 and ids[1] == begin:
                raise ModelError("the template writes the begin token twice. Fix: repair base.chat_template")
            return ids, 0
        return ([begin, *ids], 1) if self._tokenizer_writes_begin else (ids, 0)

    @cached_property
    def _tokenizer_writes_begin(self) -> bool:
        encoded = self.tokenizer.encode("a", add_special_tokens=True)
        return bool(encoded) and encoded[0] == self.tokenizer.bos_token_id

    def _decode(self, ids: list[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)

    def _probe_end(self) -> int:
        """The id that ends an answer, read off a small conversation."""
        if self._control_pattern is None:
            raise ModelError("the tokenizer has no control token that could end an answer")
        text = self._with_spans(_PROBE)
        if not text.spans:
            raise ModelError("the template leaves out the assistant's answer")
        return self._ids(text.text[: text.spans[0][1]], ())[-1]

    def _stop_ids(self) -> list[int]:
        """Ids at which generation stops: the one trained, and the tokenizer's own end of text."""
        ids = {self.end_id, self.tokenizer.eos_token_id} - {None}
        return sorted(ids)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _renamed(token_id: int) -> str:
    return f"{_OPEN}token{token_id}{_CLOSE}"


def _rewritten(index: int) -> ModelError:
    return ModelError(
        f"the template writes turn {index + 1} differently once the conversation goes on, so what would be trained is "
        "not what is asked later. Fix: set base.chat_template to a template that leaves earlier turns as they are, or "
        "train on single exchanges"
    )
