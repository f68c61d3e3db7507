"""One conversation through its template: text, trained spans, ids. Exact for any template, and not in a hurry."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from finetune.errors import ModelError
from finetune.render import about, probes, replies, thoughts
from finetune.render.encoding import CLOSE, OPEN, Encoder

IMAGE_MARK = "<image>"  # in the text of a turn with images: where each stands; finetune.data writes the same
IGNORED = -100  # the label of a token that is not trained; fixed by torch's cross entropy
_MARKS = re.compile(r"\{%-?\s*generation\s*-?%\}")
# The words of a message, beside its content, that hold somebody's text.
_WORDS_BESIDE = ("tool_calls", "name", "tool_call_id", *thoughts.KEYS)
Messages = Sequence[Mapping[str, Any]]
Tools = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Rendered:
    """One conversation as a model sees it.

    Attributes:
        input_ids: (tokens,) exactly one begin token where the family has one.
        labels: (tokens,) the id where it is trained, IGNORED elsewhere.
        spans: (turns,) half-open token ranges of the trained parts. Each ends with the token that ends a reply, unless
            the template writes another one there once the conversation goes on: then that one is not trained.
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
class Text:
    """A rendered template: its text with stand-ins, what they stand for, and the trained character spans."""

    text: str
    stand_ins: tuple[str, ...]
    spans: list[tuple[int, int]]


# Of an answer that is not trained: it stands there in another form than it was asked for.
_SKIPPED = (-1, -1)


class Renderer:
    """Renders conversations with one tokenizer and its chat template.

    Args:
        tokenizer: a transformers tokenizer with `chat_template` set.
        template_options: words handed to the template, e.g. {"enable_thinking": False}.
            Its enable_thinking is base.thinking too: thoughts are left out with False and kept with True, where an
            answer is trained only if the template leaves it as it was asked for; without it they are plain text.
        images: what the base makes of images (finetune.models.vision.ImageInput); None where it takes none.
        also_stop: ids at which the base itself stops (finetune.models.stop_ids_of), beside those of the template.

    Attributes:
        end_id: the token that ends an answer.
        end_ids: that one, and the one that ends a call of a tool.
        stop_ids: where generation stops.
        keeps_thoughts: True or False as base.thinking says; None where the renderer was not told.

    Raises:
        ModelError: the template is missing, never ends an answer, or writes more than one begin token.
    """

    def __init__(
        self,
        tokenizer: Any,
        template_options: Mapping[str, Any] | None = None,
        images: Any = None,
        also_stop: Sequence[int] = (),
    ):
        if not isinstance(tokenizer.chat_template, str) or not tokenizer.chat_template.strip():
            raise ModelError("the tokenizer has no chat template. Fix: set base.chat_template in the recipe")
        self.tokenizer = tokenizer
        self.template: str = tokenizer.chat_template
        self.options = dict(template_options or {})
        self.images = images
        self.how = "generation marks" if _MARKS.search(self.template) else "prefix difference"
        self.encoder = Encoder(tokenizer)
        thinking = self.options.get("enable_thinking")
        self.keeps_thoughts: bool | None = thinking if isinstance(thinking, bool) else None
        self.end_ids: frozenset[int] = frozenset()
        self.end_id = self._probe_end(probes.EXCHANGE)
        self.end_ids = frozenset((self.end_id, *self._probe_call_end()))
        self.render(probes.EXCHANGE)  # whatever is wrong with the template itself is said now, not at row 1
        self.stop_ids = sorted({*self.end_ids, *also_stop, tokenizer.eos_token_id} - {None})

    # -- what others call ----------------------------------------------------------------------------------------

    @cached_property
    def template_fingerprint(self) -> str:
        """SHA-256 of the template's text and options: equal fingerprints render alike."""
        return fingerprint(self.template, self.options)

    def render(self, messages: Messages, tools: Tools = ()) -> Rendered:
        """A whole conversation, with the assistant's turns trained; its calls of tools too, their answers not.

        Args:
            messages: turns as chat templates take them.
            tools: the tools on offer, as chat templates take them.

        Raises:
            ModelError: the template refuses the turns or knows no tools, or neither way of finding the trained part
                is exact.
        """
        if self.keeps_thoughts is False and any(map(thoughts.is_all_thought, messages)):
            raise ModelError(thoughts.NOTHING_LEFT)
        text = self.text_with_spans(messages, tools)
        ids, cuts = self.encoder.encode(text.text, text.stand_ins, [edge for span in text.spans for edge in span])
        ids, cuts = self._with_image_tokens(ids, cuts, messages)
        ids, shift = self.encoder.begin_once(ids)
        spans = [(cuts[k] + shift, cuts[k + 1] + shift) for k in range(0, len(cuts), 2)]
        labels = [IGNORED] * len(ids)
        if not self.ends_well(ids, spans, bool(messages) and messages[-1]["role"] == "assistant"):
            raise ModelError("an answer of this conversation would be trained without its end token")
        for start, end in spans:
            labels[start:end] = ids[start:end]
        return Rendered(ids, labels, spans, self.how)

    def prompt(self, messages: Messages, tools: Tools = ()) -> list[int]:
        """Ids of a conversation up to where the assistant begins to speak.

        Equal, id by id, to the ids before the trained span when the same conversation is trained.
        """
        scrubbed, scrubbed_tools, stand_ins = self._scrub(messages, tools)
        text = self.text_of(scrubbed, scrubbed_tools, ask=True)
        history = None
        if any(m["role"] == "assistant" for m in messages):
            # A template that rewrites earlier turns is refused for training on several turns, so there is no trained
            # form to agree with; its chat goes on all the same.
            with contextlib.suppress(ModelError):
                history = self.text_with_spans(messages, tools)
        spans = [span for span in history.spans if text[: span[1]] == history.text[: span[1]]] if history else []
        ids, _ = self.encoder.encode(text, stand_ins, [edge for span in spans for edge in span])
        return self.encoder.begin_once(self._with_image_tokens(ids, [], messages)[0])[0]

    def ends_well(self, ids: Sequence[int], spans: Sequence[tuple[int, int]], with_answer: bool) -> bool:
        """Whether every trained part is one, and ends with its end token: of marked templates the last one must.

        Args:
            with_answer: the conversation ends with an answer.
        """
        if any(end <= start for start, end in spans):
            return False
        due = spans if self.how == "prefix difference" else spans[-1:] if with_answer else []
        return all(ids[end - 1] in self.end_ids for _, end in due)

    def settled(self, messages: Messages) -> Messages:
        """The turns with their thoughts as base.thinking says: left out, kept for the template, or plain text."""
        if self.keeps_thoughts is None or not any(map(thoughts.has_thoughts, messages)):
            return messages
        if self.keeps_thoughts and not self.knows_thoughts:
            return messages
        return thoughts.settled(messages, self.keeps_thoughts)

    def num_thoughts_left_out(self, messages: Messages) -> int:
        """Answers that lose their thoughts, because base.thinking is off."""
        return thoughts.num_left_out(messages) if self.keeps_thoughts is False else 0

    def words_of(self, ids: Sequence[int]) -> str:
        """What a reply says, as far as it is written: without tokens and channels of the family.

        Its thoughts come first, between <think> and </think>, where base.thinking keeps them; else they are left out.
        """
        frame = self._frame
        if frame.is_bare:
            text = self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
            return text.lstrip()
        raw = self.encoder.decode(list(ids))
        return replies.read(raw, frame, self._special_texts, self.keeps_thoughts is not False)

    @cached_property
    def _frame(self) -> replies.Frame:
        return about.frame_of(self)

    @cached_property
    def _special_texts(self) -> list[str]:
        ids = set(self.tokenizer.all_special_ids)
        return sorted((text for text, k in self.encoder.controls.items() if k in ids), key=len, reverse=True)

    @property
    def notes(self) -> list[str]:
        """What is trained, and what becomes of thoughts; plain lines."""
        return about.notes_of(self)

    @cached_property
    def knows_thoughts(self) -> bool:
        """Whether the template writes down the thoughts that a message holds beside its text."""
        return about.writes_thoughts(self)

    @cached_property
    def thinks_in_tokens(self) -> bool:
        """Whether thoughts stay in the text of an answer, between two tokens, for want of another place."""
        tags = {thoughts.OPENS, thoughts.CLOSES}
        return bool(self.keeps_thoughts) and not self.knows_thoughts and tags <= set(self.encoder.controls)

    def _with_image_tokens(self, ids: list[int], cuts: list[int], messages: Messages) -> tuple[list[int], list[int]]:
        """Each image's one token repeated as often as the model wants it, and the positions moved along.

        Raises:
            ModelError: the base takes no images, or the template does not write one token for each of them.
        """
        shown = [image for message in messages for image in message.get("images") or ()]
        if not shown:
            return ids, cuts
        if self.images is None:
            raise ModelError("the row shows an image, and this base takes none. Fix: choose a base that does")
        places = [place for place, token_id in enumerate(ids) if token_id == self.images.token_id]
        if len(places) != len(shown):
            raise ModelError(
                f"the chat template writes {len(places)} images where the conversation has {len(shown)}. Fix: set "
                "base.chat_template: auto"
            )
        sizes = [self.images.num_tokens(image.width, image.height) for image in shown]
        made: list[int] = []
        last = 0
        for place, size in zip(places, sizes):
            made += ids[last:place] + [self.images.token_id] * size
            last = place + 1
        moved = [cut + sum(size - 1 for place, size in zip(places, sizes) if place < cut) for cut in cuts]
        return made + ids[last:], moved

    def num_control_texts(self, messages: Messages, tools: Tools = ()) -> int:
        """How many control tokens stand as plain text inside the messages."""
        return len(self._scrub(messages, tools)[2])

    # -- text ----------------------------------------------------------------------------------------------------

    def text_of(self, messages: Messages, tools: Tools, ask: bool) -> str:
        """The template's text, as it is.

        Raises:
            ModelError: the template refuses the conversation.
        """
        offered = {"tools": list(tools)} if tools else {}
        try:
            text = self.tokenizer.apply_chat_template(
                [dict(message) for message in messages],
                tokenize=False,
                add_generation_prompt=ask,
                **offered,
                **self.options,
            )
        except Exception as error:  # a template is somebody's program: whatever it raises is about the conversation
            raise ModelError(f"the chat template refuses this conversation: {_first_line(error)}") from error
        assert isinstance(text, str)
        return text

    def text_with_spans(self, messages: Messages, tools: Tools = ()) -> Text:
        """The template's text of a whole conversation, and where in it the trained parts are."""
        if tools or any(message.get("tool_calls") or message["role"] == "tool" for message in messages):
            self._check_tools()
        scrubbed, tools, stand_ins = self._scrub(messages, tools)
        text = self.text_of(scrubbed, tools, ask=False)
        if self.how == "generation marks":
            spans = self._marked(scrubbed, tools, text)
        else:
            spans = self._by_prefix(scrubbed, tools, text)
        turns = len(_answers(messages))
        if len(spans) != turns:
            raise ModelError(f"the template marks {len(spans)} answers where the conversation has {turns}")
        last = len(messages) - 1
        ended = [
            self._to_end_token(text, *span, is_last=index == last)
            for index, span in zip(_answers(messages), spans)
            if span != _SKIPPED
        ]
        return Text(text, stand_ins, ended)

    def _check_tools(self) -> None:
        """See that the template writes tools, calls and answers of tools down; many leave them out without a word."""
        if self._knows_tools:
            return
        raise ModelError(
            "the conversation uses tools, and the chat template does not write them down. Fix: set "
            "base.chat_template: chatml (for bases with <|im_start|> and <|im_end|>) or plain, or write the calls and "
            "the tools' answers into the texts"
        )

    @cached_property
    def _knows_tools(self) -> bool:
        try:
            text = self.text_of(probes.CALLING, probes.TOOLS, ask=False)
        except ModelError:
            return False
        # The name stands in the list of tools and in the call.
        return text.count(probes.TOOL_NAME) >= 2 and probes.TOOL_VALUE in text and probes.TOOL_RESULT in text

    def _scrub(self, messages: Messages, tools: Tools) -> tuple[list[dict[str, Any]], list[Any], tuple[str, ...]]:
        """Messages and tools with control tokens in their texts replaced by stand-ins, and what each stands for."""
        found: list[str] = []

        def replace(match: re.Match[str]) -> str:
            found.append(match.group())
            return f"{OPEN}{len(found) - 1}{CLOSE}"

        def clean(value: Any) -> Any:
            if isinstance(value, str):
                if OPEN in value or CLOSE in value:
                    raise ModelError("a text holds the private-use characters U+E0F0 or U+E0F1. Fix: remove them")
                return self.encoder.pattern.sub(replace, value) if self.encoder.pattern is not None else value
            if isinstance(value, Mapping):
                return {clean(key): clean(entry) for key, entry in value.items()}
            return [clean(entry) for entry in value] if isinstance(value, (list, tuple)) else value

        def cleaned(message: Mapping[str, Any]) -> Any:
            """The text, where thoughts are kept in it with the two tokens that enclose them."""
            content = message["content"]
            thinks = message["role"] == "assistant" and thoughts.has_thoughts(message) and self.thinks_in_tokens
            block = thoughts.BLOCK.match(content) if thinks else None
            if block is None:
                return clean(content)
            inside = f"{block.group(1)}{thoughts.OPENS}{clean(block.group(2))}{thoughts.CLOSES}{block.group(3)}"
            return inside + clean(content[block.end() :])

        scrubbed = []
        for message in self.settled(messages):
            words = {key: clean(message[key]) for key in _WORDS_BESIDE if key in message}
            content: Any = message["content"]
            if message.get("images"):
                content = _parts(content, len(message["images"]))
            made = {**message, "content": clean(content) if message.get("images") else cleaned(message), **words}
            scrubbed.append({key: value for key, value in made.items() if key != "images"})
        return scrubbed, [clean(tool) for tool in tools], tuple(found)

    def _marked(self, messages: list[dict[str, Any]], tools: Tools, text: str) -> list[tuple[int, int]]:
        from transformers.utils.chat_template_utils import render_jinja_template

        # Annotated upstream as if it gave one text; with a mask it gives texts and their spans.
        outcome: Any = render_jinja_template(
            conversations=[messages],
            tools=[dict(tool) for tool in tools] or None,
            chat_template=self.template,
            return_assistant_tokens_mask=True,
            **{**self.tokenizer.special_tokens_map, **self.options},
        )
        rendered, spans = outcome
        if rendered[0] != text:
            raise ModelError("the template renders differently with and without generation marks")
        turns = _answers(messages)
        if len(spans[0]) != len(turns):
            return list(spans[0])  # counted, and refused, by the caller
        return [self._marked_turn(messages, tools, text, k, *span) for k, span in zip(turns, spans[0])]

    def _marked_turn(
        self, messages: list[dict[str, Any]], tools: Tools, text: str, index: int, start: int, end: int
    ) -> tuple[int, int]:
        """The span of turn `index`, which must stand there as it does when the conversation ends with it."""
        if index < len(messages) - 1:
            alone = self.text_of(messages[: index + 1], tools, ask=False)
            if not alone.startswith(text[:end]):
                return self._otherwise(index)
        return self._asked_from(messages[:index], tools, text, index, start, end), end

    def _otherwise(self, index: int) -> tuple[int, int]:
        """What becomes of an answer that is written differently later: with thoughts kept, it is not trained."""
        if self.keeps_thoughts:
            return _SKIPPED
        raise _rewritten(index)

    def _asked_from(self, history: Messages, tools: Tools, text: str, index: int, start: int, end: int) -> int:
        """Where the words of turn `index` begin when the model is asked for them; the marks may begin earlier."""
        before = self.text_of(history, tools, ask=True)
        if not text.startswith(before):
            raise _rewritten(index)
        if not start <= len(before) <= end:
            raise ModelError(
                f"the template marks turn {index + 1} as trained from another place than where the model is asked to "
                "go on. Fix: set base.chat_template to one whose generation prompt ends where {% generation %} begins"
            )
        return len(before)

    def _by_prefix(self, messages: list[dict[str, Any]], tools: Tools, text: str) -> list[tuple[int, int]]:
        spans = []
        for index in _answers(messages):
            before = self.text_of(messages[:index], tools, ask=True)
            after = text if index == len(messages) - 1 else self.text_of(messages[: index + 1], tools, ask=False)
            if not after.startswith(before) and not (self.keeps_thoughts and index < len(messages) - 1):
                raise ModelError(
                    f"the template asks for turn {index + 1} in another form than it writes it down in, so what is "
                    "trained could not be asked for. Fix: set base.chat_template to another template"
                )
            stays = after.startswith(before) and text.startswith(after)
            spans.append((len(before), len(after)) if stays else self._otherwise(index))
        return spans

    def _to_end_token(self, text: str, start: int, end: int, is_last: bool) -> tuple[int, int]:
        """The span cut, or stretched by blanks, so that it ends right behind the token that ends the turn.

        A template with marks may write another token, or none, behind an answer once the conversation goes on: a model
        that learnt it would not stop there. Then the span ends where the marks do.
        """
        pattern = self.encoder.pattern
        assert pattern is not None
        last = None
        for match in pattern.finditer(text, start, end):
            last = match
        if last is not None and not text[last.end() : end].strip():
            return start, last.end()
        following = pattern.match(text, end + len(text[end:]) - len(text[end:].lstrip()))
        ends = following is not None and self.encoder.controls[following.group()] in self.end_ids
        if not is_last and not ends and self.how == "generation marks" and self.end_ids:
            return start, end
        if following is None:
            raise ModelError(
                "the template does not end an answer with a control token, so the model could not learn to stop. "
                "Fix: set base.chat_template to one that does"
            )
        return start, following.end()

    def _probe_end(self, probe: Messages, tools: Tools = ()) -> int:
        """The id that ends the last answer of a small conversation."""
        if self.encoder.pattern is None:
            raise ModelError("the tokenizer has no control token that could end an answer")
        text = self.text_with_spans(probe, tools)
        if not text.spans:
            raise ModelError("the template leaves out the assistant's answer")
        return self.encoder.ids(text.text[: text.spans[-1][1]], text.stand_ins)[-1]

    def _probe_call_end(self) -> list[int]:
        """The id that ends a call of a tool, where the template knows tools."""
        if "tool" not in self.template or not self._knows_tools:
            return []
        try:
            return [self._probe_end(probes.CALLING[:2], probes.TOOLS)]
        except ModelError:
            return []


def fingerprint(template: str, options: Mapping[str, Any]) -> str:
    """SHA-256 of a template's text and options. Adapters carry it: what it is made of never changes."""
    return hashlib.sha256(f"{template}\0{sorted(options.items())}".encode()).hexdigest()


def _answers(messages: Messages) -> list[int]:
    return [index for index, message in enumerate(messages) if message["role"] == "assistant"]


def _parts(text: str, num_images: int) -> list[dict[str, str]]:
    """A turn's text as the parts that templates of bases with images take; what is beyond the marks stays text.

    Raises:
        ModelError: the text says fewer places than there are images.
    """
    pieces = text.split(IMAGE_MARK, num_images)
    if len(pieces) <= num_images:
        what = f"a turn has {num_images} images, and its text says the places of {len(pieces) - 1}"
        raise ModelError(f"{what}. Fix: write {IMAGE_MARK} for each")
    parts: list[dict[str, str]] = []
    for number, piece in enumerate(pieces):
        parts += [{"type": "image"}] * (number > 0) + ([{"type": "text", "text": piece}] if piece else [])
    return parts


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _rewritten(index: int) -> ModelError:
    return ModelError(
        f"the template writes turn {index + 1} differently once the conversation goes on, so what would be trained is "
        "not what is asked later. Fix: set base.chat_template to a template that leaves earlier turns as they are, or "
        "train on single exchanges"
    )
