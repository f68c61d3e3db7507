"""Several processes for large inputs, with results in the order of the tasks.

Workers are spawned: each starts from nothing, so no lock or thread of this process is copied into it, and it works the
same on every system. That takes about 0.3 s once, which large inputs are worth.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import types
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from finetune.data.rowwork import Done, Settings, Worker
from finetune.errors import Problem, SurroundingsError

MAX_PROCESSES = 4  # each takes about 200 MB, and one that reads feeds no more than a few
Note = TypeVar("Note")
_worker: Worker | None = None


def usual_number() -> int:
    """Processors this process may use, at most MAX_PROCESSES."""
    try:
        number = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        number = os.cpu_count() or 1
    return max(1, min(number, MAX_PROCESSES))


class Task:
    """Work on one stretch of rows: the arguments of `Worker.do`, and what the caller wants back beside the result."""

    def __init__(self, note: Any, *arguments: Any):
        self.note, self.arguments = note, arguments


def in_order(
    tasks: Iterable[Task | Note], settings: Settings, num_processes: int
) -> Generator[tuple[Any, Done | None], None, None]:
    """(note, result) of every task, in their order; anything else than a task comes back as (itself, None).

    At most a few tasks for each process are under way, so that memory does not grow with the input.

    Raises:
        SurroundingsError: a worker died.
    """
    if num_processes <= 1:
        worker = Worker(settings)
        for task in tasks:
            yield (task.note, worker.do(*task.arguments)) if isinstance(task, Task) else (task, None)
        return
    with _pool(settings, num_processes) as pool:
        under_way: deque[tuple[Any, Future[Done] | None]] = deque()
        for task in tasks:
            if isinstance(task, Task):
                under_way.append((task.note, _submit(pool, task.arguments)))
            else:
                under_way.append((task, None))
            while len(under_way) > 2 * num_processes:
                yield _result(*under_way.popleft())
        while under_way:
            yield _result(*under_way.popleft())


def _result(note: Any, future: Future[Done] | None) -> tuple[Any, Done | None]:
    return note, future.result() if future else None


def _submit(pool: ProcessPoolExecutor, arguments: tuple[Any, ...]) -> Future[Done]:
    with _without_main():
        return pool.submit(_do, *arguments)


@contextmanager
def _pool(settings: Settings, num_processes: int) -> Iterator[ProcessPoolExecutor]:
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(num_processes, context, _begin, (settings,))
    try:
        yield pool
        pool.shutdown()
    except BrokenProcessPool:
        _stop(pool)
        what = "a process that checks rows ended before its work was done, perhaps for want of memory"
        fix = "free memory, or use fewer processes (--processes 1)"
        raise SurroundingsError(Problem("", "processes", what, fix=fix)) from None
    except BaseException:  # Ctrl-C, too: no process is left behind
        _stop(pool)
        raise


def _stop(pool: ProcessPoolExecutor) -> None:
    # the executor has no public way to end a running task (before Python 3.14)
    workers = list((getattr(pool, "_processes", None) or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.join(5)


@contextmanager
def _without_main() -> Iterator[None]:
    """While a worker starts: it does not run the caller's script anew, and Ctrl-C is this process's affair.

    A spawned process imports the main module of its parent. Ours needs nothing from it, and a script without
    `if __name__ == "__main__"` would start all over in every worker.
    """
    main = sys.modules["__main__"]
    can_block = hasattr(signal, "pthread_sigmask")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if can_block else set()
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        if can_block:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(settings: Settings) -> None:
    """In a new worker: its settings, and an end when the program that started it is gone."""
    global _worker
    _worker = Worker(settings)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


def _do(*arguments: Any) -> Done:
    assert _worker is not None
    return _worker.do(*arguments)
