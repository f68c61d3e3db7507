"""One loaded model that answers, one generation at a time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from finetune import models
from finetune.data import ImageRef, picture_of
from finetune.errors import ModelError, Problem
from finetune.generation.prompts import prompting
from finetune.generation.sources import Source, find_source
from finetune.talk import Talk

_DEFAULT_CONTEXT_TOKENS = 2_048
# While no token arrives, how often the consumer looks whether the producer is still alive.
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Answer:
    """A whole answer. `ended` is False where it was cut at the length limit or stopped."""

    text: str
    num_tokens: int
    ended: bool


class Engine:
    """One loaded model that answers, one generation at a time.

    Attributes:
        source: what it was opened from.
        title: the run's, adapter's or base's name.
        base_name: the base's hub id, folder name or "starter".
        has_adapter: whether `adapter=True` makes a difference.
        system_prompt: put first when a conversation brings none; the one the adapter was trained with.
        max_new_tokens: default length limit of an answer.
        context_tokens: how many tokens the base can look at.
        questions: example questions of the recipe.
        notes: what was chosen on loading, one line each.
        num_forgotten: exchanges that the last prompt had to leave out to make room for the answer.
    """

    def __init__(self, source: Source, device: str | None = None, talk: Talk | None = None):
        from finetune import hardware

        here = hardware.machine()
        self.device = device or here.device
        dtype = "bfloat16" if here.bfloat16_gpu and self.device == "cuda" else "float32"
        merging = "merge it into its base in full precision: finetune export SOURCE --to merged FOLDER"
        models.require_quantization(source.quantization, self.device, dtype, where=source.title, fix=merging)
        source = replace(source, base=models.fetch(source.base, talk))
        self.source = source
        self.title = source.title
        self.base_name = source.base.label
        self.has_adapter = source.adapter_dir is not None
        self.system_prompt = source.system_prompt
        self.max_new_tokens = source.max_new_tokens
        self.questions = list(source.questions)
        config = models.load_config(source.base)
        self.renderer, self.notes = prompting(source, config)
        self.tokenizer = self.renderer.tokenizer
        pixels = (source.chat and source.chat.max_image_pixels) or source.max_image_pixels
        self.renderer.images = models.image_input(source.base, config, pixels)
        counts = models.weight_counts(config, source.quantization)
        hardware.require_room(*counts, dtype, self.device, source.quantization, label=self.base_name)
        self.model = models.load_base(source.base, dtype, device=self.device, quantization=source.quantization)
        if source.quantization != "none":
            self.notes.append(f"the base is held in {source.quantization}, as in training")
        # What the base's publisher likes when drawing (a repetition penalty, top_k) would be in force unseen.
        self.model.generation_config = type(self.model.generation_config)()
        self.context_tokens = models.context_tokens(self.model.config) or _DEFAULT_CONTEXT_TOKENS
        if source.adapter_dir is not None:
            self.model = models.load_adapter(self.model, source.adapter_dir)
            if source.quantization == "none":  # a rounded base is where it belongs, and loses its scales when moved
                self.model = self.model.to(self.device)
        models.check_vocabulary(self.model, self.tokenizer)
        self.num_forgotten = 0
        self._lock = threading.Lock()

    @classmethod
    def open(cls, source: str | Path, *, base: str | None = None, talk: Talk | None = None) -> Engine:
        """Load a RUN folder, an ADAPTER folder, or a BASE (folder, hub id or "starter"); fetch its base first."""
        return cls(find_source(source, base), talk=talk)

    @property
    def takes_images(self) -> bool:
        """Whether a question may show images (finetune.data.question_with makes one)."""
        return self.renderer.images is not None

    def with_system(self, messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The conversation as it is rendered: the system prompt first unless the conversation has its own."""
        keys = ("role", "content", "images")
        turns = [{key: message[key] for key in keys if key in message} for message in messages]
        if self.system_prompt and not (turns and turns[0]["role"] == "system"):
            turns.insert(0, {"role": "system", "content": self.system_prompt})
        return turns

    def prompt_ids(self, messages: Sequence[Mapping[str, Any]], max_new_tokens: int) -> list[int]:
        """Ids to answer after. When they leave no room for the answer, the oldest exchanges are forgotten first.

        Raises:
            ModelError: the last question alone is too long.
        """
        turns = self.with_system(messages)
        head = 1 if turns and turns[0]["role"] == "system" else 0
        self.num_forgotten = 0
        while True:
            ids = self.renderer.prompt(turns)
            if len(ids) + max_new_tokens <= self.context_tokens:
                return ids
            if len(turns) <= head + 1:
                room = self.context_tokens - max_new_tokens
                what = f"the question takes {len(ids)} tokens; {room} fit beside an answer of {max_new_tokens}"
                raise ModelError(Problem("", "", what, fix="ask shorter, or allow a shorter answer"))
            del turns[head : head + 2]
            self.num_forgotten += 1

    def stream(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        adapter: bool = True,
        max_new_tokens: int | None = None,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int | None = None,
        stop: threading.Event | None = None,
    ) -> Generator[str, None, tuple[int, bool]]:
        """Yield the answer in pieces as it is written; return its number of tokens and whether it ended by itself.

        Args:
            messages: turns so far, the user's last; a user's turn may hold "images" (finetune.data.question_with).
            adapter: False answers with the bare base.
            max_new_tokens: length limit; the engine's own when None, never beyond the context.
            temperature: 0 takes the likeliest token each time; above 0 draws.
            top_p: draw only from the likeliest tokens that make up this share.
            seed: makes draws repeatable.
            stop: set it to end the answer within one token. Closing the generator does the same.
        """
        limit = min(max_new_tokens or self.max_new_tokens, self.context_tokens // 2)
        ids = self.prompt_ids(messages, limit)
        shown = [image for message in messages for image in message.get("images") or ()]
        closed = threading.Event()  # our own: the caller's `stop` is only read
        asked = [closed, stop] if stop is not None else [closed]
        with self._lock:
            pieces: queue.Queue[Any] = queue.Queue()
            arguments = (ids, shown, adapter, limit, temperature, top_p, seed, asked, pieces)
            worker = threading.Thread(target=self._generate, args=arguments, daemon=True)
            worker.start()
            try:
                return (yield from self._texts(pieces, worker))
            finally:
                closed.set()
                worker.join()

    def answer(self, messages: Sequence[Mapping[str, Any]], **options: Any) -> Answer:
        """The whole answer of `stream`, and how it ended."""
        pieces: list[str] = []
        stream = self.stream(messages, **options)
        while True:
            try:
                pieces.append(next(stream))
            except StopIteration as end:
                num_tokens, ended = end.value
                return Answer("".join(pieces).strip(), num_tokens, ended)

    def reply(self, messages: Sequence[Mapping[str, Any]], **options: Any) -> str:
        """The text of `answer`."""
        return self.answer(messages, **options).text

    def _texts(self, pieces: queue.Queue[Any], worker: threading.Thread) -> Generator[str, None, tuple[int, bool]]:
        """Token ids from the queue -> text, holding back bytes that are not yet a whole character."""
        ids: list[int] = []
        said = ""
        while True:
            try:
                piece = pieces.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                if not worker.is_alive():
                    break
                continue
            if piece is None:
                break
            if isinstance(piece, BaseException):
                raise piece
            ids.append(piece)
            text = self._decode(ids)
            if not text.endswith("\ufffd") and len(text) > len(said):
                yield text[len(said) :]
                said = text
        rest = self._decode(ids)[len(said) :]
        if rest:
            yield rest
        return len(ids), bool(ids) and ids[-1] in self.renderer.stop_ids

    def _decode(self, ids: list[int]) -> str:
        return self.renderer.words_of(ids)

    def _generate(
        self,
        ids: list[int],
        shown: Sequence[ImageRef],
        adapter: bool,
        limit: int,
        temperature: float,
        top_p: float,
        seed: int | None,
        asked: Sequence[threading.Event],
        pieces: queue.Queue[Any],
    ) -> None:
        """Run transformers' generate, handing each new token to the queue; None ends it, an exception too."""
        import contextlib

        import torch
        from transformers.generation.stopping_criteria import StoppingCriteria, StoppingCriteriaList
        from transformers.generation.streamers import BaseStreamer

        class Hand(BaseStreamer):
            """Passes tokens on; the first call brings the prompt."""

            first = True

            def put(self, value: Any) -> None:
                if self.first:
                    self.first = False
                    return
                for token_id in value.flatten().tolist():
                    pieces.put(token_id)

            def end(self) -> None:
                return

        class Asked(StoppingCriteria):
            def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
                ended = any(event.is_set() for event in asked)
                return torch.full((input_ids.shape[0],), ended, dtype=torch.bool, device=input_ids.device)

        try:
            if seed is not None:
                torch.manual_seed(seed)
            drawing: dict[str, Any] = {}
            if temperature > 0:
                drawing = {"do_sample": True, "temperature": temperature, "top_p": top_p}
            plain = self.has_adapter and not adapter
            with torch.inference_mode(), self.model.disable_adapter() if plain else contextlib.nullcontext():
                prompt = torch.tensor([ids], device=self.device)
                if shown:
                    made = models.RowImages(self.renderer.images, [shown], picture_of).batch([0], prompt)
                    drawing |= {name: value.to(self.device) for name, value in made.items()}
                self.model.generate(
                    input_ids=prompt,
                    attention_mask=torch.ones_like(prompt),
                    max_new_tokens=limit,
                    eos_token_id=self.renderer.stop_ids,
                    pad_token_id=self.tokenizer.pad_token_id,
                    streamer=Hand(),
                    stopping_criteria=StoppingCriteriaList([Asked()]),
                    **({"do_sample": False} | drawing),
                )
            pieces.put(None)
        except BaseException as error:  # handed to the consumer, which raises it in its own thread
            pieces.put(error)
