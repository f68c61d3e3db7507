"""A chat template is a program of strangers: looked through before it runs, and tried once where it can do no harm.

transformers renders templates in Jinja's sandbox, which keeps them off files and Python's internals, but not off the
processor and the memory: nested loops over `range` run for hours, `'a' * 2_000_000_000` takes two gigabytes. So a
template that is not ours is read as a tree first. What reaches for internals or for other files is refused; what only
goes through the conversation needs no more. Everything else is rendered once in a process of its own, which is ended
after 200 ms of computing or 64 MB of memory.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from finetune.errors import ModelError, Problem

MAX_CHARACTERS = 300_000
MAX_CPU_SECONDS = 0.2
MAX_BYTES = 64 << 20
# A machine that is busy gives a small process little time; only beyond this is it held to hang.
_MAX_WALL_SECONDS = 20.0
_MAX_LOOPS_IN_LOOPS = 3
_MAX_NUMBER = 10_000

# What takes time or memory by the size of the conversation only.
_FUNCTIONS = frozenset(("raise_exception", "strftime_now", "namespace", "dict"))
_METHODS = frozenset(
    ("split", "rsplit", "splitlines", "strip", "lstrip", "rstrip", "startswith", "endswith", "items", "keys", "values",
     "get", "upper", "lower", "title", "capitalize", "find", "rfind", "index", "count", "partition", "rpartition",
     "removeprefix", "removesuffix", "isdigit", "isspace")
)  # fmt: skip
_FILTERS = frozenset(
    ("trim", "tojson", "length", "count", "string", "default", "d", "list", "upper", "lower", "first", "last", "items",
     "selectattr", "rejectattr", "select", "reject", "map", "capitalize", "title", "sort", "unique", "reverse", "int",
     "float", "safe", "escape", "e", "dictsort", "abs")
)  # fmt: skip
# With a part to look for that is not empty these give no more than their pieces.
_FILTERS_OF_TEXTS = frozenset(("join", "replace"))

_approved: set[str] = set()


def check_template(text: str, name: str, where: str = "") -> None:
    """See that a template may be run: at once, or after a trial in a process of its own.

    A template that passed once in this process passes again without a look.

    Args:
        text: the template.
        name: what to call it in an error.
        where: place of the recipe's word that named it.

    Raises:
        ModelError: it is no template, reaches for Python's internals or other files, or takes too much.
    """
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    if digest in _approved:
        return
    if problem := problem_of(text):
        what, fix = problem
        raise ModelError(Problem(where, "base.chat_template", what, name, fix))
    _approved.add(digest)


def problem_of(text: str) -> tuple[str, str] | None:
    """What is wrong with a template and what to do about it; None when it may be run."""
    if len(text) > MAX_CHARACTERS:
        return f"the template is {len(text):,} characters long; {MAX_CHARACTERS:,} are allowed", "take a shorter one"
    import jinja2

    try:
        tree = _environment().parse(text)
    except jinja2.TemplateSyntaxError as error:
        return f"is no Jinja template: line {error.lineno}: {error.message}", "correct the line"
    except RecursionError:
        return "the template is nested too deeply to be read", "take another template"
    if reason := _refused(tree):
        return f"the template {reason}", "take another template; a chat template needs no such thing"
    if next(_suspicions(tree), None) is None:
        return None
    return _tried(text)


def is_harmless(text: str) -> bool:
    """Whether the template only goes through the conversation, so that it need not be tried first."""
    return next(_suspicions(_environment().parse(text)), None) is None


@lru_cache(maxsize=1)
def _environment() -> Any:
    """Reads templates as transformers does: loop controls, and the {% generation %} marks."""
    from jinja2 import nodes
    from jinja2.ext import Extension
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        tags = {"generation"}

        def parse(self, parser: Any) -> Any:
            line = next(parser.stream).lineno
            return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True)).set_lineno(line)

    return ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"]
    )


def _refused(tree: Any) -> str | None:
    """What no chat template has any business doing."""
    from jinja2 import nodes

    for node in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
        return f"loads other files (line {node.lineno})"
    for node in tree.find_all(nodes.Getattr):
        if node.attr.startswith("_"):
            return f"reaches for Python's internals: {node.attr} (line {node.lineno})"
    for node in tree.find_all(nodes.Getitem):
        key = node.arg.value if isinstance(node.arg, nodes.Const) else None
        if isinstance(key, str) and key.startswith("__"):
            return f"reaches for Python's internals: {key} (line {node.lineno})"
    for node in tree.find_all(nodes.Filter):
        if node.name == "attr":
            return f"reaches for Python's internals: the filter attr (line {node.lineno})"
    return None


def _suspicions(tree: Any) -> Iterator[str]:
    """What could take more time or memory than the conversation calls for."""
    from jinja2 import nodes

    macros = {macro.name for macro in tree.find_all(nodes.Macro)}
    for macro in tree.find_all(nodes.Macro):
        if any(isinstance(call.node, nodes.Name) and call.node.name in macros for call in macro.find_all(nodes.Call)):
            yield "a macro that calls macros"
    if next(tree.find_all((nodes.Mul, nodes.Pow)), None) is not None:
        yield "products"
    for node in tree.find_all(nodes.Mod):
        if not (isinstance(node.right, nodes.Const) and isinstance(node.right.value, int)):
            yield "formatting"
    for node in tree.find_all(nodes.Const):
        if isinstance(node.value, (int, float)) and abs(node.value) > _MAX_NUMBER:
            yield "a large number"
    for node in tree.find_all(nodes.Filter):
        if node.name not in _FILTERS and not (node.name in _FILTERS_OF_TEXTS and _looks_for_something(node)):
            yield f"the filter {node.name}"
    for node in tree.find_all(nodes.Call):
        if isinstance(node.node, nodes.Name):
            if node.node.name not in _FUNCTIONS | macros:
                yield f"the function {node.node.name}"
        elif not isinstance(node.node, nodes.Getattr):
            yield "a call of something computed"
        elif node.node.attr not in _METHODS and not (node.node.attr == "replace" and _looks_for_something(node)):
            yield f"the method {node.node.attr}"
    yield from _growth(tree, 0)


def _looks_for_something(node: Any) -> bool:
    from jinja2 import nodes

    if getattr(node, "name", None) == "join":
        return True
    return bool(node.args) and isinstance(node.args[0], nodes.Const) and bool(node.args[0].value)


def _growth(node: Any, depth: int) -> Iterator[str]:
    """Loops in loops, and texts that a loop puts together from what it put together before."""
    from jinja2 import nodes

    for child in node.iter_child_nodes():
        inside = depth
        if isinstance(child, nodes.For):
            inside = depth + 1
            if child.recursive:
                yield "a loop that calls itself"
            if isinstance(child.iter, (nodes.List, nodes.Tuple, nodes.Const)) and depth:
                yield "a loop over a fixed list inside a loop"
            if inside > _MAX_LOOPS_IN_LOOPS:
                yield "many loops in loops"
        if depth and isinstance(child, nodes.Assign) and isinstance(child.target, nodes.NSRef):
            grows = (nodes.Add, nodes.Concat, nodes.Filter)
            if isinstance(child.node, grows) or next(child.node.find_all(grows), None) is not None:
                yield "a text that grows in a loop"
        yield from _growth(child, inside)


def _tried(text: str) -> tuple[str, str] | None:
    """Render once in a process of its own, under limits."""
    words = {"template": text, "cpu_seconds": MAX_CPU_SECONDS, "bytes": MAX_BYTES}
    command = [sys.executable, "-I", "-S", "-c", _CHILD.format(paths=_paths())]
    try:
        done = subprocess.run(
            command, input=json.dumps(words), capture_output=True, text=True, timeout=_MAX_WALL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return _too_slow()
    if done.returncode == 0:
        return None
    said = done.stdout.strip().splitlines()[-1:] or [""]
    if said[0] == "memory":
        return f"rendering two small conversations takes more than {MAX_BYTES >> 20} MB", "take another template"
    if done.returncode < 0 or said[0] == "time":
        return _too_slow()
    return f"cannot be tried: {said[0][:200] or 'its process ended'}", "take another template"


def _too_slow() -> tuple[str, str]:
    return f"rendering two small conversations takes more than {MAX_CPU_SECONDS * 1000:.0f} ms", "take another template"


def _paths() -> list[str]:
    """Where the child finds Jinja, without the start-up of a whole environment."""
    import jinja2
    import markupsafe

    return sorted({str(Path(str(module.__file__)).resolve().parents[1]) for module in (jinja2, markupsafe)})


# Imports Jinja only, so that it starts in under a tenth of a second. The clock is that of the processor, not of the
# wall: a busy machine condemns no template. SIGPROF ends the process even inside one long operation of C.
_CHILD = """
import sys
sys.path += {paths!r}
import json, signal
from jinja2 import TemplateError, nodes
from jinja2.ext import Extension
from jinja2.sandbox import ImmutableSandboxedEnvironment
try:
    import resource
except ImportError:
    resource = None

class Generation(Extension):
    tags = {{"generation"}}
    def parse(self, parser):
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True)).set_lineno(line)

def stop(message):
    raise TemplateError(message)

words = json.load(sys.stdin)
environment = ImmutableSandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"])
environment.filters["tojson"] = lambda x, ensure_ascii=False, indent=None, separators=None, sort_keys=False: json.dumps(
    x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
environment.globals.update(raise_exception=stop, strftime_now=lambda text: "1 January 2025")
text = "Two plain sentences. " * 10
call = {{"type": "function", "function": {{"name": "look", "arguments": {{"for": text}}}}}}
tool = {{"type": "function", "function": {{"name": "look", "description": text, "parameters": {{
    "type": "object", "properties": {{"for": {{"type": "string"}}}}}}}}}}
plain = [{{"role": role, "content": text}} for role in ("user", "assistant") * 8]
called = [*plain[:1], {{"role": "assistant", "content": "", "tool_calls": [call]}},
          {{"role": "tool", "content": text, "name": "look"}}, *plain[1:]]
try:
    if resource is not None:
        with open("/proc/self/statm") as file:
            now = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + words["bytes"], now + words["bytes"]))
except (OSError, ValueError):
    pass
try:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, 10 * words["cpu_seconds"])
    template = environment.from_string(words["template"])
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, words["cpu_seconds"])
    for messages, tools in ((plain, None), (called, [tool])):
        try:
            template.render(messages=messages, tools=tools, add_generation_prompt=True, bos_token="<s>",
                            eos_token="</s>", enable_thinking=False)
        except MemoryError:
            raise
        except Exception:
            pass  # it may refuse such a conversation; here only time and memory count
except MemoryError:
    print("memory", flush=True)
    sys.exit(3)
"""
