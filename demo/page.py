"""The page itself: its parts, what happens when they are used, and how it looks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from finetune.errors import FinetuneError

from . import answering, conversation, pictures, texts

MODES = ("adapter", "base", "both")
MAX_EXAMPLES = 6
MAX_WAITING = 64


class Page:
    """The page's parts and what they do. One Page serves all visitors; a visitor's chat is in gr.State."""

    def __init__(self, engines: Sequence[Any]):
        if not engines:
            raise FinetuneError("the demo needs at least one model. Fix: name a run, an adapter or a base")
        self.engines = list(engines)
        self.desk = answering.Desk(self.engines)
        self.num_examples = max(min(len(engine.questions), MAX_EXAMPLES) for engine in self.engines)
        words: dict[str, Any] = {"title": self.engines[0].title, "analytics_enabled": False}
        with gr.Blocks(**words, delete_cache=pictures.KEPT_SECONDS) as self.blocks:
            self._lay_out()
            self._speak_first()
            self._wire()
        self.blocks.queue(max_size=MAX_WAITING, default_concurrency_limit=len(self.engines), api_open=False)

    # What is on the page

    def _lay_out(self) -> None:
        engine = self.engines[0]
        self.state = gr.State(conversation.Conversation())
        with gr.Row(elem_id="top"):
            self.title = gr.Markdown(elem_id="title", scale=4, min_width=200)
            self.language = gr.Radio(
                [(name, code) for code, name in texts.LANGUAGES.items()],
                value=texts.DEFAULT_LANGUAGE,
                show_label=False,
                container=False,
                elem_id="language",
                scale=0,
            )
        names = _distinct([engine.title for engine in self.engines])
        self.engine = gr.Dropdown(
            [(name, index) for index, name in enumerate(names)],
            value=0,
            visible=len(self.engines) > 1,
            filterable=False,
            elem_id="engine",
        )
        self.facts = gr.Markdown(elem_id="facts")
        self.notice = gr.Markdown(elem_id="notice")
        self.mode = gr.Radio(MODES, value="adapter" if engine.has_adapter else "base", elem_id="mode")
        self.both_order = gr.Markdown(elem_id="both-order", visible=False)
        with gr.Row(elem_id="columns"):
            self.columns = {name: _chat_column(name) for name in conversation.COLUMNS}
        self.status = gr.Markdown(elem_id="status")
        words: dict[str, Any] = {"lines": 1, "max_lines": 6, "autofocus": True, "submit_btn": False}
        self.question = pictures.box(self.engines, elem_id="question", **words)
        with gr.Row(elem_id="actions"):
            self.send = gr.Button(variant="primary", elem_id="send", size="md", min_width=80, scale=2)
            self.stop = gr.Button(variant="stop", elem_id="stop", size="md", min_width=80, interactive=False)
            self.retry = gr.Button(elem_id="retry", size="md", min_width=80)
            self.undo = gr.Button(elem_id="undo", size="md", min_width=80)
            self.clear = gr.Button(elem_id="clear", size="md", min_width=80)
        self.examples_title = gr.Markdown(elem_id="examples-title", visible=self.num_examples > 0)
        with gr.Row(elem_id="examples", visible=self.num_examples > 0):
            self.examples = [
                gr.Button(size="sm", elem_classes="example", min_width=240) for _ in range(self.num_examples)
            ]
        self._lay_out_settings(engine)

    def _lay_out_settings(self, engine: Any) -> None:
        with gr.Accordion(open=False, elem_id="prompt") as self.prompt_box:
            self.prompt = gr.Textbox(interactive=False, lines=2, max_lines=12, elem_id="prompt-original")
            self.prompt_try = gr.Checkbox(value=False, elem_id="prompt-try")
            self.prompt_other = gr.Textbox(
                value=engine.system_prompt or "", lines=3, max_lines=12, visible=False, elem_id="prompt-other"
            )
        with gr.Accordion(open=False, elem_id="settings") as self.settings_box:
            self.temperature = gr.Slider(0, 1.5, value=0, step=0.1, elem_id="temperature", buttons=[])
            self.max_new_tokens = gr.Slider(
                1, _longest(engine), value=engine.max_new_tokens, step=1, elem_id="max-new-tokens", buttons=[]
            )

    def _speak_first(self) -> None:
        """Write the default language's texts into the parts: the page is whole before its first event."""
        mode = "adapter" if self.engines[0].has_adapter else "base"
        drawn = self._redraw(conversation.Conversation(), 0, mode, texts.DEFAULT_LANGUAGE)
        for part, update in zip(self._everything(), drawn, strict=True):
            changes = update if isinstance(update, dict) else {"value": update}
            for name, value in changes.items():
                if name != "__type__" and not (name == "value" and isinstance(part, gr.Chatbot)):
                    setattr(part, name, value)
        self.status.value = texts.say(texts.DEFAULT_LANGUAGE, "status_ready")

    # What happens

    def _wire(self) -> None:
        chats = list(self.columns.values())
        buttons = [self.send, self.stop, self.retry, self.undo, self.clear]
        scene = [*chats, self.status, *buttons]
        choices = [self.engine, self.mode, self.language]
        settings = [self.temperature, self.max_new_tokens, self.prompt_try, self.prompt_other]
        quick: Any = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}

        def generate(started: Any) -> None:
            answered = started.then(
                self._answer,
                [self.state, self.language],
                scene,
                concurrency_limit=len(self.engines),
                concurrency_id="answers",
                show_progress="minimal",
                show_progress_on=[self.status],
                api_visibility="private",
            )
            answered.failure(self._busy, [self.state, *choices], [self.question, *scene], **quick)

        for begin in (self.send.click, self.question.submit):
            inputs = [self.question, self.state, *choices, *settings]
            generate(begin(self._ask, inputs, [self.question, *scene], **quick))
        for number, button in enumerate(self.examples):
            ask_example = self._example(number)
            inputs = [self.question, self.state, *choices, *settings]
            generate(button.click(ask_example, inputs, [self.question, *scene], **quick))
        generate(self.retry.click(self._retry, [self.state, *choices, *settings], scene, **quick))
        self.stop.click(self._stop, [self.state, self.language], scene, **quick)
        self.undo.click(self._undo, [self.state, self.language], [self.question, *scene], **quick)
        self.clear.click(self._clear, [self.state, self.language], scene, **quick)
        everything = self._everything()
        inputs = [self.state, *choices]
        self.language.input(self._choose_language, inputs, everything, **quick)
        self.mode.input(self._redraw, inputs, everything, **quick)
        outputs = [*everything, *settings, *buttons, self.status]
        self.engine.input(self._pick, [self.question, *inputs], outputs, **quick)
        self.prompt_try.input(lambda on: gr.update(visible=on), self.prompt_try, self.prompt_other, **quick)
        self.blocks.load(self._arrive, inputs, [self.status, *buttons, *everything], **quick)
        self.blocks.unload(self._leave)

    def _job(self, choices: tuple[int, str], settings: tuple) -> Any:
        """The Job that the visitor's choices describe, within what the engine allows."""
        index, mode = choices
        temperature, max_new_tokens, prompt_try, prompt_other = settings
        engine = self.engines[index]
        other = (prompt_other or "").strip()
        changed = prompt_try and other and other != (engine.system_prompt or "").strip()
        return conversation.Job(
            columns=_shown_columns(engine, mode),
            engine=index,
            temperature=min(max(float(temperature or 0), 0.0), 1.5),
            max_new_tokens=min(max(int(max_new_tokens or engine.max_new_tokens), 1), _longest(engine)),
            system_prompt=other if changed else None,
        )

    def _refusal(self, chat: Any, settings: tuple, language: str, question: str | None) -> str:
        """Why the question cannot be sent, in the page's language; "" when it can."""
        limit = conversation.MAX_CHARACTERS
        if question is None and not chat.turns:
            return texts.say(language, "status_nothing")
        if question is not None and not question.strip():
            return texts.say(language, "status_empty")
        if question is not None and len(question) > limit:
            return texts.say(language, "status_long", num=f"{len(question):,}", limit=f"{limit:,}")
        if settings[2] and len(settings[3] or "") > limit:
            return texts.say(language, "status_prompt_long", num=f"{len(settings[3]):,}", limit=f"{limit:,}")
        return ""

    def _ask(self, asked, chat, index, mode, language, request: gr.Request, *settings):
        question, files = pictures.read(asked)
        refused, shown = self._refusal(chat, settings, language, question), []
        job = self._job((index, mode), settings)
        if not refused and not self.desk.open(_session(request)):
            refused = texts.say(language, "status_still")
        elif not refused:
            try:
                shown = pictures.take(files, chat.num_images, self.engines[index], question.strip())
            except Exception as error:  # whatever it is, the visitor can go on
                self.desk.close(_session(request))
                refused = _why_refused(error, language)
        if refused:
            return [gr.skip(), *self._only_status(refused)]
        chat.ask(question.strip(), job, shown, files)
        return ["", *self._scene(chat, language, "status_waiting", busy=True)]

    def _example(self, number: int):
        def ask(_question, chat, index, mode, language, request: gr.Request, *settings):
            question = self.engines[index].questions[number]
            results = self._ask(question, chat, index, mode, language, request, *settings)
            # What the visitor was typing stays in the box.
            return [gr.skip(), *results[1:]]

        return ask

    def _retry(self, chat, index, mode, language, request: gr.Request, *settings):
        refused = self._refusal(chat, settings, language, None)
        job = self._job((index, mode), settings)
        if not refused and not self.desk.open(_session(request)):
            refused = texts.say(language, "status_still")
        if refused:
            return self._only_status(refused)
        chat.again(job)
        return self._scene(chat, language, "status_waiting", busy=True)

    def _answer(self, chat, language, request: gr.Request) -> Iterator[list]:
        """Generate what `chat.job` asks for, column after column, and show it as it grows."""
        session = _session(request)
        stop = self.desk.signal(session)
        job = chat.take_job()
        if job is None or stop is None:
            yield self._only_status(None)
            return
        outcome = "status_ready"
        try:
            for column in job.columns:
                if stop.is_set():
                    break
                for _ in self._fill(chat, column, job, stop):
                    yield self._column(chat, column, language, f"status_{column}")
                if chat.turns[-1].answers[column].error_id:
                    outcome = "status_failed"
                yield self._column(chat, column, language, f"status_{column}")
            if stop.is_set():
                chat.stop_pending()
                outcome = "status_stopped"
        finally:
            self.desk.close(session)
        if outcome == "status_ready" and chat.trimmed:
            outcome = "status_trimmed"
        yield self._scene(chat, language, outcome)

    def _fill(self, chat: Any, column: str, job: Any, stop: Any) -> Iterator[None]:
        """Write one column's answer into the last turn, yielding after each addition (or tick)."""
        answer = chat.turns[-1].answers[column]
        answer.note = "note_pending"
        try:
            pieces = self.desk.stream(
                job.engine,
                chat.messages(column, job.system_prompt),
                adapter=column == "adapter",
                max_new_tokens=job.max_new_tokens,
                temperature=job.temperature,
                stop=stop,
            )
            for piece in pieces:
                answer.text += piece
                if answer.text:
                    answer.note = ""
                yield
            answer.note = "note_stopped" if stop.is_set() else "" if answer.text.strip() else "note_empty"
        except answering.AnswerError as error:
            answer.note, answer.error_id, answer.detail = error.note, error.error_id, error.detail
        except GeneratorExit:
            answer.note = "note_stopped"
            raise

    def _stop(self, chat, language, request: gr.Request):
        signal = self.desk.signal(_session(request))
        if signal is None:
            return self._scene(chat, language, "status_ready")
        signal.set()
        if chat.job is None:  # the generation is running; it sees the signal and sets the scene itself
            return self._only_status(texts.say(language, "status_stopped"))
        chat.stop_pending()  # still in line: nothing runs that could notice the signal
        self.desk.close(_session(request))
        return self._scene(chat, language, "status_stopped")

    def _busy(self, chat, index, mode, language, request: gr.Request):
        """The line is full (or the connection broke): the question goes back into the box."""
        self.desk.close(_session(request))
        if not chat.turns or chat.job is None:
            return [gr.skip(), *self._scene(chat, language, "status_busy")]
        return self._give_back(chat, language, "status_busy")

    def _give_back(self, chat: Any, language: str, status: str) -> list:
        """The last question goes back into the box, with its images as long as their files are there."""
        turn = chat.undo()
        value, whole = pictures.again(self.question, turn.question, turn.files)
        scene = self._scene(chat, language, status)
        if not whole:
            scene[len(conversation.COLUMNS)] += " " + texts.say(language, "status_images_again")
        return [value, *scene]

    def _undo(self, chat, language, request: gr.Request):
        if self.desk.signal(_session(request)):
            return [gr.skip(), *self._only_status(texts.say(language, "status_still"))]
        if not chat.turns:
            return [gr.skip(), *self._only_status(texts.say(language, "status_nothing"))]
        return self._give_back(chat, language, "status_ready")

    def _clear(self, chat, language, request: gr.Request):
        self.desk.close(_session(request))
        chat.clear()
        return self._scene(chat, language, "status_cleared")

    def _leave(self, request: gr.Request) -> None:
        self.desk.close(_session(request))

    # What is shown

    def _say(self, language: str):
        return lambda key, **values: texts.say(language, key, **values)

    def _scene(self, chat: Any, language: str, status: str, busy: bool = False) -> list:
        """Both chats, the status line and the five buttons."""
        shown = [gr.update(value=chat.shown(name, language)) for name in conversation.COLUMNS]
        said = texts.say(language, status, num=conversation.MAX_TURNS)
        return [*shown, said, *self._buttons(chat, busy)]

    def _buttons(self, chat: Any, busy: bool) -> list:
        some = bool(chat.turns) and not busy
        states = (not busy, busy, some, some, bool(chat.turns) and not busy)
        return [gr.update(interactive=state) for state in states]

    def _column(self, chat: Any, column: str, language: str, status: str) -> list:
        shown = [gr.skip() for _ in conversation.COLUMNS]
        shown[conversation.COLUMNS.index(column)] = chat.shown(column, language)
        return [*shown, texts.say(language, status), *[gr.skip()] * 5]

    def _only_status(self, text: str | None) -> list:
        return [gr.skip(), gr.skip(), gr.skip() if text is None else text, *[gr.skip()] * 5]

    def _everything(self) -> list:
        """The parts that `_redraw` sets, in its order."""
        return [
            self.language,
            self.title,
            self.engine,
            self.facts,
            self.notice,
            self.mode,
            self.both_order,
            *self.columns.values(),
            self.question,
            self.send,
            self.stop,
            self.retry,
            self.undo,
            self.clear,
            self.examples_title,
            *self.examples,
            self.prompt_box,
            self.prompt,
            self.prompt_try,
            self.prompt_other,
            self.settings_box,
            self.temperature,
            self.max_new_tokens,
        ]

    def _choose_language(self, chat, index, mode, language) -> list:
        chat.language = language
        return self._redraw(chat, index, mode, language)

    def _redraw(self, chat, index, mode, language) -> list:
        """All texts of the page in `language`, for the engine and mode chosen."""
        engine = self.engines[index]
        say = self._say(language)
        shown = _shown_columns(engine, mode)
        facts = say("facts_adapter" if engine.has_adapter else "facts_base", **_names(engine))
        who = [(say(f"who_{name}"), name) for name in MODES]
        examples = engine.questions[: self.num_examples]
        original = "prompt_original" if engine.has_adapter else "prompt_original_base"
        return [
            gr.update(label=say("language"), value=language),
            f"# {conversation.as_text(engine.title)}",
            gr.update(label=say("engine")),
            facts,
            say("notice"),
            gr.update(label=say("who"), choices=who, value=mode, visible=engine.has_adapter),
            gr.update(value=say("both_order"), visible=len(shown) > 1),
            *(self._redraw_column(chat, name, engine, shown, language) for name in conversation.COLUMNS),
            self._redraw_box(engine, say),
            *(gr.update(value=say(name)) for name in ("send", "stop", "retry", "undo", "clear")),
            gr.update(value=say("examples"), visible=bool(examples)),
            *(
                gr.update(value=examples[k], visible=True) if k < len(examples) else gr.update(visible=False)
                for k in range(self.num_examples)
            ),
            gr.update(label=say("prompt_title")),
            gr.update(label=say(original), value=engine.system_prompt or say("prompt_none")),
            gr.update(label=say("prompt_try")),
            gr.update(label=say("prompt_other"), info=say("prompt_note") if engine.has_adapter else None),
            gr.update(label=say("settings")),
            gr.update(label=say("temperature"), info=say("temperature_note")),
            gr.update(label=say("max_new_tokens"), info=say("max_new_tokens_note")),
        ]

    def _redraw_box(self, engine: Any, say: Any) -> Any:
        words = {"label": say("question"), "placeholder": say("question_hint")}
        if isinstance(self.question, gr.MultimodalTextbox):
            takes = pictures.takes_images(engine)
            most = pictures.MAX_FILE.upper().replace("MB", " MB")
            limits = say("question_images", num=pictures.MAX_IMAGES, size=most)
            words |= {"sources": ["upload"] if takes else [], "info": limits if takes else ""}
            words["placeholder"] = say("question_hint_images" if takes else "question_hint")
        return gr.update(**words)

    def _redraw_column(self, chat: Any, name: str, engine: Any, shown: tuple, language: str) -> Any:
        label = engine.base_name if name == "base" else engine.title
        return gr.update(
            value=chat.shown(name, language),
            label=texts.say(language, f"column_{name}", name=label),
            placeholder=texts.say(language, "empty_chat"),
            visible=name in shown,
        )

    def _pick(self, asked, chat, index, mode, language, request: gr.Request) -> list:
        """Another engine: a new conversation with that engine's own settings."""
        self.desk.close(_session(request))
        chat.clear()
        engine = self.engines[index]
        mode = mode if engine.has_adapter else "base"
        drawn = self._redraw(chat, index, mode, language)
        drawn[self._everything().index(self.mode)]["value"] = mode
        said, (question, files) = texts.say(language, "status_cleared"), pictures.read(asked)
        if files and not pictures.takes_images(engine):
            drawn[self._everything().index(self.question)]["value"] = {"text": question, "files": []}
            said += " " + texts.say(language, "status_images_removed")
        settings = [
            gr.update(value=0),
            gr.update(value=engine.max_new_tokens, maximum=_longest(engine)),
            gr.update(value=False),
            gr.update(value=engine.system_prompt or "", visible=False),
        ]
        return [*drawn, *settings, *self._buttons(chat, False), said]

    def _arrive(self, chat, index, mode, language, request: gr.Request) -> list:
        """A visitor opens the page: in the browser's language when the page speaks it."""
        language = texts.language_of(request.headers.get("accept-language"))
        language = chat.language or language  # chosen while this was under way
        ready, everything = texts.say(language, "status_ready"), self._everything()
        drawn = self._redraw(chat, index, mode, language)
        # Who answers, and what is seen of that, may have been chosen meanwhile too; as it is, it is right.
        drawn[everything.index(self.mode)].pop("value")
        for part in (self.both_order, *self.columns.values()):
            drawn[everything.index(part)].pop("visible")
        return [ready, *self._buttons(chat, False), *drawn]


def _chat_column(name: str) -> gr.Chatbot:
    return gr.Chatbot(
        elem_id=f"chat-{name}",
        elem_classes="chat-column",
        min_width=300,
        height="auto",
        buttons=[],
        latex_delimiters=[],
        allow_tags=False,
        sanitize_html=True,
        feedback_options=None,
        layout="bubble",
    )


def _why_refused(error: Exception, language: str) -> str:
    """What the status line says of images that could not be taken; what nobody expected is logged under an id."""
    if not isinstance(error, pictures.Refused):
        return texts.say(language, "status_error", id=answering.failed(error).error_id)
    reasons = [texts.reason(language, said, number) for number, said in error.reasons]
    detail = conversation.as_text(texts.say(language, "between").join(reasons))
    return texts.say(language, error.key, detail=detail, **error.values)


def _session(request: gr.Request) -> str:
    """What tells one open page from another."""
    return request.session_hash or ""


def _shown_columns(engine: Any, mode: str) -> tuple[str, ...]:
    if not engine.has_adapter:
        return ("base",)
    return conversation.COLUMNS if mode == "both" else (mode,)


def _longest(engine: Any) -> int:
    """The longest answer on offer, in tokens: half of the context, so that a question fits beside it."""
    return max(engine.max_new_tokens, min(2048, engine.context_tokens // 2))


def _names(engine: Any) -> dict[str, str]:
    return {"title": conversation.as_text(engine.title), "base": conversation.as_text(engine.base_name)}


def _distinct(names: list[str]) -> list[str]:
    """Names with a number where two are equal."""
    return [f"{name} ({names[: k + 1].count(name)})" if names.count(name) > 1 else name for k, name in enumerate(names)]
