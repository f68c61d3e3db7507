"""Many conversations at once, with the very ids, labels and spans that Renderer.render gives one by one.

How: conversations of one shape (the same roles in the same order) get the same words of the template around their
texts. So each shape is rendered once, the exact and slow way, with stand-ins for its texts; that tells the template's
words and where the trained parts begin and end. A row is then one rendering of the template (its text must be what
the shape foretells, letter by letter) and one encoding of the pieces between control tokens, in batches.

What the shape cannot foretell takes the slow way: tools, empty texts, texts that hold a word the template looks for
(unless it is a control token: of those the template sees stand-ins only), a border inside a token. Whole tokenizers
take it when a control token swallows blanks around it or is looked for in normalized text; then pieces are not
independent of each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finetune.errors import ModelError
from finetune.render.encoding import CLOSE, OPEN, SEAM, STAND_IN
from finetune.render.looked_for import words_looked_for
from finetune.render.renderer import IMAGE_MARK, Renderer, Text, Tools
from finetune.render.rows import Tokens
from finetune.render.thoughts import has_thoughts

_MAX_SHAPES = 4_096
_MARK = re.compile("\ue0f2([0-9]+)\ue0f3")  # stand-ins for the texts of a shape
# Rendered both ways before the fast way is trusted: texts whose borders matter.
_TEXTS = (
    "hi",
    " hi ",
    "Hello, you.",
    "感冒了怎么办？",
    "🌱 y",
    "\nx",
    "12 345\n",
    "…",
    "- a\n- b",
    "\u00a0é",
    "if x:\n    y",
)
_SHAPES = (
    ("user", "assistant"),
    ("system", "user", "assistant"),
    ("user", "assistant", "user", "assistant"),
    ("system", "user", "assistant", "user", "assistant", "user", "assistant"),
)

Row = tuple[Sequence[Mapping[str, Any]], Tools]  # turns and tools


@dataclass(frozen=True)
class _Piece:
    """A run of text between control tokens. `parts` are the template's words and, as numbers, the row's texts.

    Attributes:
        parts: what it is made of.
        goes_on: something stands in front of it.
        edges: how many of the parts stand before each edge inside the piece.
    """

    parts: tuple[str | int, ...]
    goes_on: bool
    edges: tuple[int, ...]


@dataclass(frozen=True)
class _Shape:
    """What the template writes around the texts of one sequence of roles.

    Attributes:
        words: (turns + 1,) the template's words before, between and behind the texts.
        steps: in order: a control token's id, a piece, or None where an edge lies between two of them.
        template_tokens: tokens of the words when they stand alone.
    """

    words: tuple[str, ...]
    steps: tuple[int | _Piece | None, ...]
    template_tokens: int
    roles: tuple[str, ...]


class _SlowWay(Exception):
    """Something that the fast way does not know."""


class FastRenderer:
    """Renders many conversations; equal to Renderer.render, which it asks where it cannot know.

    Attributes:
        reason: why every row takes the slow way; None when the fast way is open.
        num_slow: rows that took the slow way.
        num_thoughts: answers of all rows that lost their thoughts, because base.thinking is off.
    """

    def __init__(self, renderer: Renderer):
        self._renderer = renderer
        self._encoder = renderer.encoder
        self._shapes: dict[tuple[str, ...], _Shape | None] = {}
        self._known: dict[tuple[str, bool], list[int]] = {}
        self._stripped = False
        self.num_slow = self.num_thoughts = 0
        self.reason = self._reason()

    def render(self, rows: Sequence[Row]) -> tuple[Tokens, dict[int, ModelError], int]:
        """Tokens of the rows that can be rendered, the errors of the others by their place, and control texts.

        Args:
            rows: turns and tools of each conversation.

        Returns:
            Tokens hold the rows without an error, in order; the number is that of control tokens within texts.
        """
        fast: dict[int, Any] = self._fast(rows) if self.reason is None else {}
        errors: dict[int, ModelError] = {}
        num_control_texts = 0
        done = []
        self.num_thoughts += sum(self._renderer.num_thoughts_left_out(messages) for messages, _ in rows)
        for place, (messages, tools) in enumerate(rows):
            if (made := fast.get(place)) is None:
                self.num_slow += 1
                try:
                    made = (*self._slow(messages, tools), self._renderer.num_control_texts(messages, tools))
                except ModelError as error:
                    errors[place] = error
                    continue
            done.append(made[:3])
            num_control_texts += made[3]
        return Tokens.of(done), errors, num_control_texts

    # -- the slow way --------------------------------------------------------------------------------------------

    def _slow(self, messages: Sequence[Mapping[str, Any]], tools: Tools) -> tuple[Any, Any, Any]:
        rendered = self._renderer.render(messages, tools)
        alone = {"system": 0, "user": 0, "tool": 0, "assistant": 0}
        for message in messages:
            num = self._num_alone(message["content"])
            if shown := message.get("images"):
                sizes = [self._renderer.images.num_tokens(image.width, image.height) for image in shown]
                num = self._num_alone(message["content"].replace(IMAGE_MARK, "", len(shown))) + sum(sizes)
            alone[message["role"]] = alone.get(message["role"], 0) + num
        rest = len(rendered.input_ids) - rendered.num_trained
        system = min(alone["system"], rest)
        prompt = min(alone["user"] + alone["tool"], rest - system)
        return rendered.input_ids, rendered.spans, (system, prompt, rendered.num_trained, rest - system - prompt)

    def _num_alone(self, text: str) -> int:
        """Tokens of a text without anything beside it; control tokens in it are text."""
        if not text:
            return 0
        if (ids := self._known.get((text, True))) is not None:
            return len(ids)
        tokenizer, _ = self._encoder.renamed
        return len(tokenizer.encode(SEAM + text, add_special_tokens=False).ids) - 1

    # -- the fast way --------------------------------------------------------------------------------------------

    def _reason(self) -> str | None:
        """Why the fast way is closed; it is tried against the slow one first."""
        try:
            added, _ = self._encoder.description
            for token in added:
                if token["content"] in self._encoder.controls and any(
                    token.get(flag) for flag in ("lstrip", "rstrip", "single_word", "normalized")
                ):
                    return "a control token of the tokenizer takes in what stands around it"
            self._prepare()
        except ModelError as error:
            return str(error)
        rows = [(messages, ()) for messages in _probes()]
        fast = self._fast(rows)
        if not any(made is not None for made in fast.values()):
            return "the template's words cannot be told from the texts"
        for place, (messages, _) in enumerate(rows):
            if (made := fast.get(place)) is None:
                continue
            try:
                slow = self._renderer.render(messages)
            except ModelError:
                return "the template refuses what the fast way would write"
            if (slow.input_ids, slow.spans) != (list(made[0]), list(made[1])):
                return "pieces of a text are not encoded as the whole is"
        return None

    def _prepare(self) -> None:
        import numpy as np

        tokenizer, id_of = self._encoder.renamed
        self._new_id = {real: new for new, real in id_of.items()}
        # id of the renamed tokenizer -> real id; -1 where a text would be read as a control token
        size = max(tokenizer.get_vocab_size(with_added_tokens=True), 1 + max(tokenizer.get_vocab().values()))
        self._real = np.arange(size, dtype=np.int32)
        for control in self._encoder.control_ids:
            if control < size and control not in id_of:
                self._real[control] = -1
        for new, real in id_of.items():
            self._real[new] = real
        words = sorted(words_looked_for(self._renderer.template), key=len, reverse=True)
        self._guard = re.compile("|".join(["[\ue0f2\ue0f3]", *map(re.escape, words)]))

    def _fast(self, rows: Sequence[Row]) -> dict[int, Any]:
        """(ids, spans, parts, number of control texts) of the rows that can go the fast way, by their place."""
        import numpy as np

        plans = self._foretold(rows)
        self._known = {}  # of this batch only: memory stays bounded
        self._learn(texts for shape, contents, _ in plans.values() for texts in _texts_of(shape, contents))
        flat: list[int] = []
        made: dict[int, tuple[int, int, list[int]]] = {}
        for place, (shape, contents, _) in plans.items():
            start = len(flat)
            try:
                edges = self._lay_out(shape, contents, flat)
            except _SlowWay:
                del flat[start:]
                continue
            made[place] = (start, len(flat), edges)
        real = self._real[np.array(flat, np.int64)] if flat else self._real[:0]
        finished = {}
        for place, (start, end, edges) in made.items():
            shape, contents, num_control_texts = plans[place]
            outcome = self._finish(real[start:end].tolist(), edges, shape, contents)
            if outcome is not None:
                finished[place] = (*outcome, num_control_texts)
        return finished

    def _foretold(self, rows: Sequence[Row]) -> dict[int, tuple[_Shape, list[str], int]]:
        """The rows whose text is what their shape foretells: shape, texts as written, number of control texts."""
        candidates = {}
        for place, (given, tools) in enumerate(rows):
            messages = self._renderer.settled(given)
            if tools or any(len(message) != 2 for message in messages):
                continue
            if self._renderer.thinks_in_tokens and any(map(has_thoughts, messages)):
                continue
            contents, stand_ins = self._scrubbed([message["content"] for message in messages])
            if not all(map(str.strip, contents)) or any(map(self._guard.search, contents)):
                continue
            shape = self._shape(tuple(message["role"] for message in messages))
            if shape is not None:
                candidates[place] = (shape, contents, stand_ins)
        texts = self._template_texts(
            [
                [{"role": role, "content": content} for role, content in zip(shape.roles, contents)]
                for shape, contents, _ in candidates.values()
            ]
        )
        found = {}
        for (place, (shape, contents, stand_ins)), text in zip(candidates.items(), texts):
            for stripped in (self._stripped, not self._stripped):
                written = [content.strip() for content in contents] if stripped else contents
                if text != _woven(shape.words, written):
                    continue
                if written != contents:
                    self._stripped = True
                if stand_ins:
                    written = [_read_as_text(part, stand_ins) for part in written]
                found[place] = (shape, written, len(stand_ins))
                break
        return found

    def _scrubbed(self, contents: list[str]) -> tuple[list[str], list[str]]:
        """The texts with stand-ins for control tokens, as Renderer has them; one that is refused becomes empty."""
        pattern, found = self._encoder.pattern, []
        if any(OPEN in content or CLOSE in content for content in contents):
            return [""], []
        if pattern is None or not any(map(pattern.search, contents)):
            return contents, []

        def replace(match: re.Match[str]) -> str:
            found.append(match.group())
            return f"{OPEN}{len(found) - 1}{CLOSE}"

        return [pattern.sub(replace, content) for content in contents], found

    def _template_texts(self, conversations: Sequence[Sequence[Mapping[str, Any]]]) -> list[str | None]:
        """What the template itself writes; None where it refuses."""
        from transformers.utils.chat_template_utils import render_jinja_template

        if not conversations:
            return []
        words = {**self._renderer.tokenizer.special_tokens_map, **self._renderer.options}
        try:
            texts, _ = render_jinja_template(
                conversations=[list(messages) for messages in conversations],  # type: ignore[arg-type]
                chat_template=self._renderer.template,
                add_generation_prompt=False,
                **words,
            )
            return list(texts)
        except Exception:  # a template is somebody's program; the slow way says what is wrong with which row
            if len(conversations) == 1:
                return [None]
            half = len(conversations) // 2
            return self._template_texts(conversations[:half]) + self._template_texts(conversations[half:])

    def _learn(self, texts: Iterable[tuple[str, bool]]) -> None:
        """Encode, in one batch, what is not known yet."""
        new = list({text: None for text in texts if text not in self._known})
        if not new:
            return
        tokenizer, _ = self._encoder.renamed
        encodings = tokenizer.encode_batch_fast(
            [SEAM + text if goes_on else text for text, goes_on in new], add_special_tokens=False
        )
        for key, encoding in zip(new, encodings):
            self._known[key] = encoding.ids[1:] if key[1] else encoding.ids

    def _lay_out(self, shape: _Shape, contents: list[str], flat: list[int]) -> list[int]:
        """Put a row's ids behind `flat`; the token positions of its edges, within the row."""
        begin, edges = len(flat), []
        for step in shape.steps:
            if step is None:
                edges.append(len(flat) - begin)
            elif isinstance(step, int):
                flat.append(step)
            else:
                ids = self._known[_joined(step.parts, contents), step.goes_on]
                for number in step.edges:
                    before = self._known[_joined(step.parts[:number], contents), step.goes_on]
                    if ids[: len(before)] != before:
                        raise _SlowWay  # a token stretches across the edge
                    edges.append(len(flat) - begin + len(before))
                flat += ids
        return edges

    def _finish(self, ids: list[int], edges: list[int], shape: _Shape, contents: list[str]) -> Any:
        """(ids, spans, parts) with one begin token; None where the slow way has something to say."""
        if -1 in ids:
            return None
        try:
            ids, shift = self._encoder.begin_once(ids)
        except ModelError:
            return None
        spans = [(edges[k] + shift, edges[k + 1] + shift) for k in range(0, len(edges), 2)]
        if not self._renderer.ends_well(ids, spans, bool(shape.roles) and shape.roles[-1] == "assistant"):
            return None
        answer = sum(end - start for start, end in spans)
        rest = len(ids) - answer
        template = min(shape.template_tokens + shift, rest)
        system = 0
        for role, content in zip(shape.roles, contents):
            if role == "system":
                system += len(self._known[content, True])
        system = min(system, rest - template)
        return ids, spans, (system, rest - template - system, answer, template)

    # -- shapes --------------------------------------------------------------------------------------------------

    def _shape(self, roles: tuple[str, ...]) -> _Shape | None:
        if roles not in self._shapes:
            if len(self._shapes) >= _MAX_SHAPES:
                return None
            try:
                self._shapes[roles] = self._learn_shape(roles)
            except (ModelError, _SlowWay):
                self._shapes[roles] = None
        return self._shapes[roles]

    def _learn_shape(self, roles: tuple[str, ...]) -> _Shape:
        """Render stand-ins the slow way, and read off what the template writes around them."""
        messages = [{"role": role, "content": f"\ue0f2{k}\ue0f3"} for k, role in enumerate(roles)]
        text = self._renderer.text_with_spans(messages)
        marks = list(_MARK.finditer(text.text))
        if [mark.group(1) for mark in marks] != [str(k) for k in range(len(roles))]:
            raise _SlowWay
        borders = [0, *(edge for mark in marks for edge in mark.span()), len(text.text)]
        words = tuple(text.text[start:end] for start, end in zip(borders[::2], borders[1::2]))
        steps: list[int | _Piece | None] = []
        parts: list[str | int] = []
        edges: list[int] = []  # of the piece in the making

        def close() -> None:
            """End the piece; an edge at its border is no edge inside it."""
            steps.extend([None] * edges.count(0))
            if parts:
                middle = tuple(number for number in edges if 0 < number < len(parts))
                steps.append(_Piece(tuple(parts), bool(steps) and steps != [None] * len(steps), middle))
                steps.extend([None] * edges.count(len(parts)))
            parts.clear()
            edges.clear()

        num_template, trained = 0, False
        for kind, value in self._items(text, marks):
            if kind == "edge":
                edges.append(len(parts))
                trained = not trained
            elif kind == "control":
                close()
                steps.append(self._new_id[self._encoder.controls[value]])
                num_template += not trained
            elif kind == "text":
                parts.append(value)
                num_template += 0 if trained else self._num_alone(value)
            else:
                parts.append(int(value))
        close()
        return _Shape(words, tuple(steps), num_template, roles)

    def _items(self, text: Text, marks: Sequence[re.Match[str]]) -> Iterator[tuple[str, str]]:
        """The text in order: ("text" | "control", words), ("mark", number), and ("edge", "") at each span's borders."""
        pattern = self._encoder.pattern
        assert pattern is not None
        fixed = [("mark", mark.span(), mark.group(1)) for mark in marks]
        fixed += [("control", control.span(), control.group()) for control in pattern.finditer(text.text)]
        fixed.append(("end", (len(text.text), len(text.text)), ""))
        cuts = [edge for span in text.spans for edge in span]
        if cuts != sorted(set(cuts)):
            raise _SlowWay
        position = 0
        for kind, (start, end), value in sorted(fixed, key=lambda item: item[1]):
            while cuts and cuts[0] <= start:
                if (edge := cuts.pop(0)) > position:
                    yield "text", text.text[position:edge]
                    position = edge
                yield "edge", ""
            if start > position:
                yield "text", text.text[position:start]
            if cuts and cuts[0] < end:
                raise _SlowWay  # an edge inside a control token or a text
            if kind != "end":
                yield kind, value
            position = end


def _read_as_text(content: str, stand_ins: Sequence[str]) -> str:
    return STAND_IN.sub(lambda match: stand_ins[int(match.group(1))], content)


def _woven(words: tuple[str, ...], contents: Sequence[str]) -> str:
    pieces = [words[0]]
    for content, following in zip(contents, words[1:]):
        pieces += (content, following)
    return "".join(pieces)


def _joined(parts: tuple[str | int, ...], contents: Sequence[str]) -> str:
    return "".join([part if isinstance(part, str) else contents[part] for part in parts])


def _texts_of(shape: _Shape, contents: Sequence[str]) -> Iterable[tuple[str, bool]]:
    """Every text of a row that must be encoded."""
    for step in shape.steps:
        if isinstance(step, _Piece):
            yield _joined(step.parts, contents), step.goes_on
            for number in step.edges:
                yield _joined(step.parts[:number], contents), step.goes_on
    for role, content in zip(shape.roles, contents):
        if role == "system":
            yield content, True


def _probes() -> list[list[dict[str, str]]]:
    """Small conversations of several shapes, with texts whose borders matter."""
    made = []
    for shift, roles in enumerate(_SHAPES):
        for number in range(len(_TEXTS) if shift == 0 else 3):
            texts = [_TEXTS[(5 * shift + number + 3 * k) % len(_TEXTS)] for k in range(len(roles))]
            made.append([{"role": role, "content": text} for role, text in zip(roles, texts)])
    return made
