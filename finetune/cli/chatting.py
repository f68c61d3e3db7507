"""The terminal chat."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from finetune.cli.show import visible
from finetune.errors import FinetuneError

_HELP = """  /base      let the bare base answer        /adapter   let the adapter answer
  /both      one after the other             /retry     answer again
  /reset     forget all, waiting images too  /system    show the system prompt
  /image F   show an image file with the next question
  /quit      end (or Ctrl-D)"""


def loop(engine: Any, adapter: bool, options: dict[str, Any], files: Sequence[str] = ()) -> None:
    """Read questions, stream answers, until /quit or the end of input.

    Args:
        engine: finetune.generation.Engine.
        adapter: whether the adapter answers at first.
        options: handed to Engine.stream.
        files: images shown with the first question.

    Raises:
        DataError: one of `files` is no image that can be shown.
    """
    from finetune import data

    waiting = list(files)
    data.question_with("", waiting)  # a wrong file is told before anything is typed
    interactive = sys.stdin.isatty()
    who = ["adapter"] if adapter else ["base"]
    messages: list[dict[str, Any]] = []
    print(f"{engine.title} on {engine.base_name}. /help lists the commands.", file=sys.stderr)
    while True:
        try:
            text = input("> " if interactive else "").strip()
        except (EOFError, KeyboardInterrupt):
            print(file=sys.stderr)
            return
        if not text:
            continue
        if text.startswith("/"):
            if text in ("/quit", "/exit"):
                return
            if text.split()[0] == "/image":
                _show_image(engine, text.removeprefix("/image").strip(), waiting)
                continue
            if text == "/reset":
                waiting.clear()
            who = _command(engine, text, who, messages)
            if text != "/retry" or not messages:
                continue
            while messages and messages[-1]["role"] == "assistant":
                messages.pop()
        else:
            try:
                messages.append(data.question_with(text, waiting))
            except FinetuneError as error:
                print(f"  {error}", file=sys.stderr)
                _drop_gone(waiting)
                continue
            waiting.clear()
        _answer(engine, who, messages, options)


def _show_image(engine: Any, name: str, waiting: list[str]) -> None:
    """Keep a file for the next question, where it can be shown."""
    from finetune import data

    if not engine.takes_images:
        print("  this base takes no images", file=sys.stderr)
        return
    try:
        data.question_with("", [name])
    except FinetuneError as error:
        print(f"  {error}", file=sys.stderr)
        return
    waiting.append(name)
    print(f"  shown with the next question: {len(waiting)}", file=sys.stderr)


def _drop_gone(waiting: list[str]) -> None:
    """Take out what can no longer be shown, or every question from now on would be refused for it."""
    from finetune import data

    for name in list(waiting):
        try:
            data.question_with("", [name])
        except FinetuneError:
            waiting.remove(name)
            print(f"  not asked; {Path(name).name} is left out from now on", file=sys.stderr)


def _command(engine: Any, text: str, who: list[str], messages: list[dict[str, Any]]) -> list[str]:
    """Carry out one /command; gives who answers from now on."""
    if text in ("/base", "/adapter", "/both"):
        if text != "/base" and not engine.has_adapter:
            print("  there is no adapter here: the base answers", file=sys.stderr)
            return ["base"]
        who = ["base", "adapter"] if text == "/both" else [text[1:]]
        print(f"  {' and '.join(who)} will answer", file=sys.stderr)
    elif text == "/reset":
        messages.clear()
        print("  forgotten", file=sys.stderr)
    elif text == "/system":
        print(f"  {engine.system_prompt or 'none'}", file=sys.stderr)
    elif text != "/retry":
        print(_HELP, file=sys.stderr)
    return who


def _answer(engine: Any, who: list[str], messages: list[dict[str, Any]], options: dict[str, Any]) -> None:
    """Stream the answers; the last one goes on in the conversation. Ctrl-C ends an answer, not the chat."""
    said = ""
    for name in who:
        if len(who) > 1:
            print(f"[{name}] ", end="", flush=True)
        said = ""
        try:
            for piece in engine.stream(messages, adapter=name == "adapter", **options):
                print(visible(piece), end="", flush=True)
                said += piece
        except KeyboardInterrupt:
            print(" ...", end="")
        except FinetuneError as error:
            print(f"error: {error}", file=sys.stderr)
            messages.pop()
            return
        print()
        if engine.num_forgotten:
            print(f"  (the oldest {engine.num_forgotten} exchanges were left out to make room)", file=sys.stderr)
    messages.append({"role": "assistant", "content": said.strip()})
