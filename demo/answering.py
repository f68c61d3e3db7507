"""One answer at a time per engine: worker threads, stop signals, errors that tell no secrets."""

from __future__ import annotations

import logging
import queue
import threading
import traceback
import uuid
from collections.abc import Iterator, Sequence
from typing import Protocol

from finetune.errors import FinetuneError, ModelError

TICK_SECONDS = 0.1

logger = logging.getLogger("finetune.demo")


class Engine(Protocol):
    """What the page needs of finetune.generation.Engine."""

    title: str
    base_name: str
    has_adapter: bool
    system_prompt: str | None
    max_new_tokens: int
    context_tokens: int
    questions: list[str]

    def stream(
        self,
        messages: list[dict[str, str]],
        *,
        adapter: bool = True,
        max_new_tokens: int | None = None,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int | None = None,
        stop: threading.Event | None = None,
    ) -> Iterator[str]: ...


class AnswerError(Exception):
    """A generation failed. The log has the traceback under `error_id`; `note` is a key of texts.py."""

    def __init__(self, error_id: str, note: str, detail: str = ""):
        super().__init__(error_id)
        self.detail = detail
        self.error_id = error_id
        self.note = note


def failed(error: BaseException) -> AnswerError:
    """Log `error` without its message, which may quote the chat, and return what the visitor may see."""
    error_id = uuid.uuid4().hex[:8]
    # The kit's own errors name recipe keys and files and never text of a row or a chat.
    said = f": {error}" if isinstance(error, FinetuneError) else ""
    frames = "".join(traceback.format_tb(error.__traceback__))
    logger.error("answer %s failed with %s%s\n%s", error_id, type(error).__name__, said, frames)
    if isinstance(error, ModelError):  # such as a question that is too long for the model
        return AnswerError(error_id, "note_refused", str(error))
    memory = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return AnswerError(error_id, "note_memory" if memory else "note_failed")


class Desk:
    """Who is being answered. Holds one lock per engine and one stop signal per browser session."""

    def __init__(self, engines: Sequence[Engine]):
        self.engines = list(engines)
        self._engine_locks = [threading.Lock() for _ in self.engines]
        self._lock = threading.Lock()
        self._stops: dict[str, threading.Event] = {}

    def open(self, session: str) -> bool:
        """Begin an answer for `session`; False when one is already under way."""
        with self._lock:
            if session in self._stops:
                return False
            self._stops[session] = threading.Event()
            return True

    def signal(self, session: str) -> threading.Event | None:
        with self._lock:
            return self._stops.get(session)

    def stop(self, session: str) -> None:
        """Ask the generation of `session` to end, if there is one."""
        signal = self.signal(session)
        if signal:
            signal.set()

    def close(self, session: str) -> None:
        """The answer of `session` is over; whatever still runs for it is told to end."""
        with self._lock:
            signal = self._stops.pop(session, None)
        if signal:
            signal.set()

    def stream(
        self,
        index: int,
        messages: list[dict[str, str]],
        *,
        adapter: bool,
        max_new_tokens: int,
        temperature: float,
        stop: threading.Event,
    ) -> Iterator[str]:
        """Yield the answer's pieces, and "" at least every TICK_SECONDS while there is none.

        The engine runs in a thread of its own: what torch keeps per thread stays together, and a visitor who
        leaves is noticed between ticks even when the model is silent. Ends within a tick once `stop` is set.

        Raises:
            AnswerError: the generation failed.
        """
        pieces: queue.SimpleQueue[str | BaseException | None] = queue.SimpleQueue()
        # The engine gets a signal of its own: it may set it when it ends, and the visitor's must stay as it is,
        # or the second column would count as stopped.
        ended = threading.Event()

        def work() -> None:
            lock = self._engine_locks[index]
            held = False
            try:
                while not held and not ended.is_set():
                    held = lock.acquire(timeout=TICK_SECONDS)
                if held:
                    stream = self.engines[index].stream(
                        messages,
                        adapter=adapter,
                        max_new_tokens=max_new_tokens,
                        temperature=temperature,
                        stop=ended,
                    )
                    for piece in stream:
                        pieces.put(piece)
                        if ended.is_set():
                            break
            except BaseException as error:  # handed to the page's thread, which reports it
                pieces.put(error)
            finally:
                if held:
                    lock.release()
                pieces.put(None)

        threading.Thread(target=work, name="finetune-demo-answer", daemon=True).start()
        try:
            yield from _drain(pieces, stop)
        except GeneratorExit:
            stop.set()
            raise
        finally:
            ended.set()


def _drain(pieces: queue.SimpleQueue[str | BaseException | None], stop: threading.Event) -> Iterator[str]:
    """Yield what has come in, as one text per tick; None ends, an exception is reported."""
    while True:
        batch: list[str | BaseException | None] = []
        try:
            batch.append(pieces.get(timeout=TICK_SECONDS))
            while True:
                batch.append(pieces.get_nowait())
        except queue.Empty:
            pass
        yield "".join(piece for piece in batch if isinstance(piece, str))
        for piece in batch:
            if isinstance(piece, BaseException):
                raise failed(piece)
        if None in batch or stop.is_set():
            return
