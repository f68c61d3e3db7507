"""Floor 5: a base, with or without an adapter, that answers: what chat, demo and evaluation talk to."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from finetune import models, recipe, resources
from finetune.data import HeldImage, ImageRef, held_image, picture_of, question_of  # noqa: F401  (for the demo)
from finetune.errors import IntegrityError, ModelError, Problem, RunError
from finetune.render import Renderer
from finetune.render.renderer import fingerprint
from finetune.runs import MANIFEST, Run, sha256_of
from finetune.talk import Talk

_DEFAULT_CONTEXT_TOKENS = 2_048
_DEFAULT_NEW_TOKENS = 256
# While no token arrives, how often the consumer looks whether the producer is still alive.
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Source:
    """What a RUN, ADAPTER or BASE argument turned out to be."""

    title: str
    base: models.BaseSource
    adapter_dir: Path | None
    system_prompt: str | None
    questions: tuple[str, ...]
    chat_template: str
    template_file: Path | None
    max_new_tokens: int
    thinking: str
    chat: models.ChatFacts | None = None  # what the adapter's folder says of itself
    where: str = ""  # the recipe that the words above are of; "" outside of a run
    max_image_pixels: int = models.DEFAULT_MAX_PIXELS
    quantization: str = "none"  # how the base was held in training, and is held here


def find_source(source: str | Path, base: str | None = None) -> Source:
    """Look at a run folder, an adapter folder, a base folder, a hub id or "starter"; loads no weights.

    Args:
        source: what the user named.
        base: the base to use instead of the recorded one.

    Raises:
        RunError: the run has no adapter yet.
        ModelError: nothing of the kind, or an adapter folder whose base is not known.
        IntegrityError: a file of the adapter's was changed after training, or the recipe's system prompt was.
    """
    path = Path(source)
    if (path / MANIFEST).is_file():
        return _from_run(Run.open(path), base)
    if path.name == "adapter" and (path.parent / MANIFEST).is_file():
        # Its run knows the template and the system prompt it was trained with.
        return _from_run(Run.open(path.parent), base)
    if (path / "adapter_config.json").is_file():
        return _from_adapter(path, base)
    if not path.exists() and "/" not in str(source) and str(source) != resources.STARTER_ID:
        # transformers would look for a model of that bare name on the hub.
        fix = "name a run folder, an adapter folder, a base folder, a hub id like owner/name, or starter"
        raise ModelError(Problem(str(source), "", "no such run, adapter or base", fix=fix))
    found = models.find_base(str(source), None, path if path.is_dir() else None)
    merged = models.read_merge(path) or {}  # a model that was merged goes on with the prompt it was trained under
    thinking = "keep" if (merged.get("template_options") or {}).get("enable_thinking") else "off"
    prompt = merged.get("system_prompt")
    return Source(found.label, found, None, prompt, (), "auto", None, _DEFAULT_NEW_TOKENS, thinking)


def _from_adapter(path: Path, base: str | None) -> Source:
    """An adapter's folder outside of a run: what chat.json says is all that is known of its prompt."""
    config = models.check_adapter(path)
    chat = models.read_chat(path)
    trained_on = config.get("base_model_name_or_path")
    name = base or trained_on
    if not name:
        raise ModelError(Problem(str(path), "", "does not name its base", fix="add --base MODEL"))
    was_folder = chat is not None and chat.base.get("is_local") and name != resources.STARTER_ID
    if base is None and was_folder and not Path(name).is_dir():
        what = "was trained on a base in a folder that is not here"
        raise ModelError(Problem(str(path), "", what, repr(name), "name that folder with --base"))
    # The commit belongs to the base it was trained on, not to another one.
    found = models.find_base(name, config.get("revision") if name == trained_on else None)
    title = path.resolve().name
    if chat is None:
        return Source(title, found, path, None, (), "auto", None, _DEFAULT_NEW_TOKENS, "off")
    return Source(
        title,
        found,
        path,
        chat.system_prompt,
        (),
        "auto",
        None,
        chat.max_new_tokens,
        "off",
        chat,
        quantization=models.kind_of(chat.base.get("quantization")),
    )


def _chat_of(run: Run) -> models.ChatFacts | None:
    """chat.json of a run's adapter, seen to be the one that the run wrote; None in runs of older kits."""
    chat = models.read_chat(run.adapter_dir)
    expected = (run.manifest.get("adapter") or {}).get("chat_sha256")
    found = sha256_of(run.adapter_dir / models.CHAT) if chat is not None else None
    if expected is not None and found != expected:
        what = "is missing" if found is None else "was changed after training"
        fix = "put it back, or start a new run"
        got = models.then_now(expected, found) if found else ""
        raise IntegrityError(Problem(f"{run.path.name}/adapter/{models.CHAT}", "", what, got, fix))
    return chat


def prompting(source: Source, config: Any) -> tuple[Renderer, list[str]]:
    """The renderer of what is served, and what was chosen, one line each.

    An adapter that brings its own prompt is served with it, after recipe and base were seen to agree.

    Raises:
        IntegrityError: recipe or base give another prompt than the adapter was trained with, or it is another base.
    """
    chat, notes = source.chat, []
    options = {"enable_thinking": source.thinking == "keep"}
    if chat is None:
        tokenizer, notes = models.load_tokenizer(source.base, source.chat_template, source.template_file)
        if source.adapter_dir is not None:
            notes.append(_UNCHECKED if source.where else _FOREIGN)
        return Renderer(tokenizer, options, also_stop=models.stop_ids_of(source.base, tokenizer)), notes
    assert source.adapter_dir is not None
    renderer = Renderer(models.load_chat_tokenizer(source.adapter_dir, chat), chat.template_options)
    models.check_renderer(chat, renderer, source.adapter_dir.name)
    renderer.stop_ids = chat.stop_ids
    notes = models.check_base(chat, source.base, models.base_facts(source.base, config))
    notes += _compared(source, chat, options if source.where else chat.template_options)
    what = "system prompt, template and stop tokens" if chat.system_prompt else "template and stop tokens"
    return renderer, [*notes, f"{what}: those the adapter was trained with ({chat.template_sha256[:12]})"]


def _compared(source: Source, chat: models.ChatFacts, options: dict[str, Any]) -> list[str]:
    """See that recipe and base still say what the adapter's folder says; notes, one line each.

    Outside of a run there is no recipe, and the base is asked only where its own template was trained with.
    """
    file = source.template_file
    if source.chat_template not in ("auto", *models.shipped_templates()) and (file is None or not file.is_file()):
        return ["chat template: the recipe's file is gone; the adapter's own is used"]
    if not source.where and chat.template_from != models.OF_BASE:
        return []
    where = source.where or source.base.label
    tokenizer, _ = models.load_tokenizer(source.base, source.chat_template, file)
    try:
        given = Renderer(tokenizer, options, also_stop=models.stop_ids_of(source.base, tokenizer))
    except ModelError:
        if (now := fingerprint(tokenizer.chat_template, options)) == chat.template_sha256:
            raise
        raise models.another_template(chat, now, where, of_recipe=bool(source.where)) from None
    words = {"system_prompt": chat.system_prompt, "max_new_tokens": chat.max_new_tokens}
    now = models.chat_facts(given, chat.base, chat_template=source.chat_template, **words)
    return models.compare_chat(chat, now, where, of_recipe=bool(source.where))


_FOREIGN = "the adapter has no chat.json: nothing says how it was trained; the base's own template, no system prompt"
_UNCHECKED = "the adapter has no chat.json, as in runs of older kits: template and system prompt are the recipe's"


def _from_run(run: Run, base: str | None) -> Source:
    if not (run.adapter_dir / "adapter_config.json").is_file():
        status = run.manifest.get("status")
        fix = (
            "let `finetune run --resume` finish it"
            if status in ("interrupted", "running", "failed")
            else "start a new run"
        )
        raise RunError(Problem(str(run.path), "", "has no adapter yet", str(status), fix))
    # The rows may be gone or elsewhere by now; to talk, they are not needed.
    loaded = recipe.load(run.resolved_path, allow_outside=True, must_exist=False)
    words = loaded.recipe
    folder = None if base else loaded.path_of("base.model", words.base.model)
    # A branch may have moved since: the adapter belongs to the commit it was trained on.
    facts = run.manifest.get("base") or {}
    commit = words.base.revision if facts.get("is_local", True) else facts.get("revision") or words.base.revision
    template = words.base.chat_template
    chat, where = _chat_of(run), f"{run.path.name}/{run.resolved_path.name}"
    if chat is not None:
        models.check_system_prompt(chat, words.data.system_prompt, where)
    return Source(
        title=words.name,
        base=models.find_base(base or words.base.model, None if base else commit, folder),
        adapter_dir=run.adapter_dir,
        system_prompt=words.data.system_prompt,
        questions=_example_questions(loaded),
        chat_template=template,
        template_file=loaded.path_of("base.chat_template", template),
        max_new_tokens=words.evaluate.max_new_tokens,
        thinking=words.base.thinking,
        chat=chat,
        where=where,
        max_image_pixels=words.data.max_image_pixels,
        quantization=models.kind_of(facts.get("quantization") or words.base.quantization),
    )


def _example_questions(loaded: Any) -> tuple[str, ...]:
    """The recipe's questions, as examples for the page; none when their file is gone."""
    name = loaded.recipe.evaluate.questions
    if name is None or not loaded.path_of("evaluate.questions", name).is_file():
        return ()
    return tuple(question["question"] for question in read_questions(loaded))


def read_questions(loaded: Any) -> list[dict[str, str]]:
    """The recipe's evaluate.questions: JSON lines with "question" and, if known, "reference".

    Raises:
        DataError: the file cannot be read, or a line is no question; each with its line.
    """
    import json

    from finetune.errors import DataError

    name = loaded.recipe.evaluate.questions
    if name is None:
        return []
    path = loaded.path_of("evaluate.questions", name)
    problems: list[str | Problem] = []
    questions = []
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        where = loaded.where("evaluate.questions")
        reason = error.strerror or type(error).__name__
        raise DataError(Problem(where, "evaluate.questions", f"cannot be read: {reason}", repr(name))) from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            question = row["question"]
            if not isinstance(question, str) or not question.strip():
                raise TypeError
        except (ValueError, KeyError, TypeError):
            fix = 'write one {"question": "..."} a line'
            problems.append(Problem(f"{path.name}:{number}", "question", "is not a question", fix=fix))
            continue
        questions.append({key: value for key, value in row.items() if isinstance(value, str)})
    if problems:
        raise DataError(problems)
    return questions


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
