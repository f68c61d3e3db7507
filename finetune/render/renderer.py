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
from finetune.render.encoding import CLOSE, OPEN, Encoder

IMAGE_MARK = "<image>"  # in the text of a turn with images: where each stands; finetune.data writes the same
IGNORED = -100  # the label of a token that is not trained; fixed by torch's cross entropy
_MARKS = re.compile(r"\{%-?\s*generation\s*-?%\}")
_PROBE = ({"role": "user", "content": "a"}, {"role": "assistant", "content": "b"})
# The words of a message, beside its content, that hold somebody's text.
_TOOL_WORDS = ("tool_calls", "name", "tool_call_id")
# A conversation with a tool; what a template that knows tools must write down of it.
_TOOL_NAME, _TOOL_VALUE, _TOOL_RESULT = "probe_tool", "probe_value", "probe_result"
_PROBE_TOOLS = (
    {
        "type": "function",
        "function": {
            "name": _TOOL_NAME,
            "description": "A probe.",
            "parameters": {"type": "object", "properties": {"probe_key": {"type": "string"}}},
        },
    },
)
_PROBE_CALL = {"type": "function", "function": {"name": _TOOL_NAME, "arguments": {"probe_key": _TOOL_VALUE}}}
_TOOL_PROBE = (
    {"role": "user", "content": "a"},
    {"role": "assistant", "content": "", "tool_calls": [_PROBE_CALL]},
    {"role": "tool", "content": _TOOL_RESULT, "name": _TOOL_NAME},
    {"role": "assistant", "content": "b"},
)

Messages = Sequence[Mapping[str, Any]]
Tools = Sequence[Mapping[str, Any]]


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
class Text:
    """A rendered template: its text with stand-ins, what they stand for, and the trained character spans."""

    text: str
    stand_ins: tuple[str, ...]
    spans: list[tuple[int, int]]


class Renderer:
    """Renders conversations with one tokenizer and its chat template.

    Args:
        tokenizer: a transformers tokenizer with `chat_template` set.
        template_options: words handed to the template, e.g. {"enable_thinking": False}.
        images: what the base makes of images (finetune.models.vision.ImageInput); None where it takes none.

    Raises:
        ModelError: the template is missing, never ends an answer, or writes more than one begin token.
    """

    def __init__(self, tokenizer: Any, template_options: Mapping[str, Any] | None = None, images: Any = None):
        if not isinstance(tokenizer.chat_template, str) or not tokenizer.chat_template.strip():
            raise ModelError("the tokenizer has no chat template. Fix: set base.chat_template in the recipe")
        self.tokenizer = tokenizer
        self.template: str = tokenizer.chat_template
        self.options = dict(template_options or {})
        self.images = images
        self.how = "generation marks" if _MARKS.search(self.template) else "prefix difference"
        self.encoder = Encoder(tokenizer)
        self.end_id = self._probe_end()
        self.render(_PROBE)  # whatever is wrong with the template itself is said now, not at row 1
        self.stop_ids = self._stop_ids()

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
        text = self.text_with_spans(messages, tools)
        ids, cuts = self.encoder.encode(text.text, text.stand_ins, [edge for span in text.spans for edge in span])
        ids, cuts = self._with_image_tokens(ids, cuts, messages)
        ids, shift = self.encoder.begin_once(ids)
        spans = [(cuts[k] + shift, cuts[k + 1] + shift) for k in range(0, len(cuts), 2)]
        labels = [IGNORED] * len(ids)
        for start, end in spans:
            if end <= start or ids[end - 1] != self.end_id:
                raise ModelError("an answer of this conversation would be trained without its end token")
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
        return Text(text, stand_ins, [self._to_end_token(text, start, end) for start, end in spans])

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
            text = self.text_of(_TOOL_PROBE, _PROBE_TOOLS, ask=False)
        except ModelError:
            return False
        # The name stands in the list of tools and in the call.
        return text.count(_TOOL_NAME) >= 2 and _TOOL_VALUE in text and _TOOL_RESULT in text

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

        scrubbed = []
        for message in messages:
            words = {key: clean(message[key]) for key in _TOOL_WORDS if key in message}
            content: Any = message["content"]
            if message.get("images"):
                content = _parts(content, len(message["images"]))
            made = {**message, "content": clean(content), **words}
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
        return [(self._asked_from(messages[:k], tools, text, k, *span), span[1]) for k, span in zip(turns, spans[0])]

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
            if not after.startswith(before):
                raise ModelError(
                    f"the template asks for turn {index + 1} in another form than it writes it down in, so what is "
                    "trained could not be asked for. Fix: set base.chat_template to another template"
                )
            if not text.startswith(after):
                raise _rewritten(index)
            spans.append((len(before), len(after)))
        return spans

    def _to_end_token(self, text: str, start: int, end: int) -> tuple[int, int]:
        """The span cut, or stretched by blanks, so that it ends right behind the token that ends the turn."""
        pattern = self.encoder.pattern
        assert pattern is not None
        last = None
        for match in pattern.finditer(text, start, end):
            last = match
        if last is not None and not text[last.end() : end].strip():
            return start, last.end()
        following = pattern.match(text, end + len(text[end:]) - len(text[end:].lstrip()))
        if following is None:
            raise ModelError(
                "the template does not end an answer with a control token, so the model could not learn to stop. "
                "Fix: set base.chat_template to one that does"
            )
        return start, following.end()

    def _probe_end(self) -> int:
        """The id that ends an answer, read off a small conversation."""
        if self.encoder.pattern is None:
            raise ModelError("the tokenizer has no control token that could end an answer")
        text = self.text_with_spans(_PROBE)
        if not text.spans:
            raise ModelError("the template leaves out the assistant's answer")
        return self.encoder.ids(text.text[: text.spans[0][1]], ())[-1]

    def _stop_ids(self) -> list[int]:
        """Ids at which generation stops: the one trained, and the tokenizer's own end of text."""
        ids = {self.end_id, self.tokenizer.eos_token_id} - {None}
        return sorted(ids)


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
