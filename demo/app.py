"""The demo: ask the adapter, its base, or both side by side. Also a ready Hugging Face Space.

    python demo/app.py SOURCE ...      a run, an adapter folder or a base; ./adapter beside this file by default

Everything stays on this machine: the page asks nobody else, chats are not logged, and a chat lives in memory
only, until its visitor has been gone for an hour.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

# Read by gradio while it is imported.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import gradio as gr
from gradio.utils import get_space
from starlette.middleware import Middleware

from finetune.errors import FinetuneError

HERE = Path(__file__).resolve().parent
MAX_UPLOAD = "1mb"
SPACES_ORIGIN = "https://huggingface.co"


def _sibling(name: str) -> Any:
    """A module beside this file. The kit loads app.py by its path, so the folder gets a package name here."""
    if "finetune_demo" not in sys.modules:
        package = ModuleType("finetune_demo")
        package.__path__ = [str(HERE)]
        sys.modules["finetune_demo"] = package
    return importlib.import_module(f"finetune_demo.{name}")


looks = _sibling("looks")
page = _sibling("page")
pictures = _sibling("pictures")
server = _sibling("server")
texts = _sibling("texts")


def build(engines: Sequence[Any]) -> gr.Blocks:
    """The page for one or more engines (see answering.Engine). `serve` serves it with the safe defaults.

    Raises:
        FinetuneError: no engine was given.
    """
    return page.Page(engines).blocks


def serve(
    engines: Sequence[Any],
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    open_browser: bool = False,
    block: bool = False,
    auth: tuple[str, str] | None = None,
    public: bool = False,
) -> gr.Blocks:
    """Serve the page for `engines`: `.local_url` says where, `.close()` ends it. Arguments as in `launch`."""
    server.check_host(host, auth, public)
    if port is not None:
        server.check_port(host, port)
    server.keep_loopback_off_proxies()
    headers = server.security_headers(framed_by=SPACES_ORIGIN if public else "")
    blocks = build(engines)
    blocks.launch(
        server_name=host,
        server_port=port,
        inbrowser=open_browser,
        prevent_thread_lock=True,
        quiet=True,
        share=False,
        auth=server.door(auth) if auth else None,
        auth_message=texts.say("en", "sign_in") if auth else None,
        show_error=False,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        max_file_size=pictures.MAX_FILE if any(map(pictures.takes_images, engines)) else MAX_UPLOAD,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        strict_cors=True,
        app_kwargs={"middleware": [Middleware(server.SecurityHeaders, headers=headers)]},
        theme=looks.theme(),
        css_paths=HERE / "page.css",
        head=looks.HEAD,
    )
    print(f"The demo is at {blocks.local_url} (Ctrl-C ends it).", file=sys.stderr, flush=True)
    if block:
        blocks.block_thread()
    return blocks


def launch(
    sources: Sequence[str | Path],
    *,
    base: str | None = None,
    host: str = "127.0.0.1",
    port: int | None = None,
    open_browser: bool = False,
    block: bool = False,
    auth: tuple[str, str] | None = None,
    public: bool = False,
    talk: Any = None,
) -> gr.Blocks:
    """Open each source with finetune.generation.Engine and serve the page.

    Args:
        sources: run folders, adapter folders or bases (folder, hub id or "starter").
        base: the base for adapters that do not name one that can be found.
        host: address to listen on. Anything but this machine's own needs `auth`.
        port: port to listen on; None takes a free one from 7860 on.
        open_browser: open the page in the default browser.
        block: return only after Ctrl-C.
        auth: user name and password.
        public: the page is meant for everybody (a Space): no password, and huggingface.co may frame it.
        talk: a finetune.talk.Talk that is told what is fetched, and is entered and left where it is a context manager.

    Returns:
        The served gradio page: `.local_url`, `.close()`.

    Raises:
        SurroundingsError: the host needs `auth` or is unknown, or the port is taken.
        FinetuneError: a source cannot be opened.
    """
    server.check_host(host, auth, public)
    if port is not None:
        server.check_port(host, port)
    from finetune.generation import Engine  # brings torch, so only when a model is to be opened

    with talk if hasattr(talk, "__exit__") else contextlib.nullcontext():
        engines = [Engine.open(source, base=base, talk=talk) for source in sources]
    for engine in engines:
        for line in engine.notes:
            print(f"{engine.title}: {line}", file=sys.stderr)
    return serve(engines, host=host, port=port, open_browser=open_browser, block=block, auth=auth, public=public)


def main(arguments: Sequence[str]) -> int:
    """Run the page for the sources named; in a Space, for everybody."""
    in_space = get_space() is not None
    try:
        launch(
            list(arguments) or [HERE / "adapter"],
            host="0.0.0.0" if in_space else "127.0.0.1",
            port=7860 if in_space else None,
            block=True,
            public=in_space,
        )
    except FinetuneError as error:
        print(f"ERROR {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
