"""The demo page: what is shown, and who may reach it. The page in a real browser: test_demo_browser.py."""

from __future__ import annotations

import importlib.util
import logging
import socket
import string
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from finetune.errors import FinetuneError, ModelError, SurroundingsError

HOSTILE = "See ![x](http://stranger.example/x.png?q=1), [here](https://stranger.example), <img src=//a.example/b>"


def _load_app():
    """demo/app.py by its path, as `finetune demo` loads it."""
    path = Path(__file__).resolve().parent.parent / "demo" / "app.py"
    spec = importlib.util.spec_from_file_location("finetune_demo.app", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["finetune_demo.app"] = module
    spec.loader.exec_module(module)
    return module


pytest.importorskip("gradio", reason="the demo needs the gradio extra")
app = _load_app()
server, texts, page_module = app.server, app.texts, app.page
answering, conversation = page_module.answering, page_module.conversation


class ScriptedEngine:
    """Answers from a script at a known pace: what the page's own timing is tested with."""

    def __init__(self, title: str = "Front desk", has_adapter: bool = True):
        self.title = title
        self.base_name = "tiny-base"
        self.has_adapter = has_adapter
        self.system_prompt = "You are the front desk."
        self.max_new_tokens = 64
        self.context_tokens = 512
        self.questions = [
            "When do you open?",
            "What shall I bring to my very first appointment at the clinic?",
        ]
        self.calls: list[list[dict[str, str]]] = []
        self.running = 0
        self.ended_at = 0.0

    def stream(
        self, messages, *, adapter=True, max_new_tokens=None, temperature=0.0, top_p=1.0, seed=None, stop=None
    ) -> Iterator[str]:
        self.calls.append(list(messages))
        self.running += 1
        question = messages[-1]["content"]
        try:
            if question == "too long":
                raise ModelError("the question takes 900 tokens; 400 fit")
            if question == "break":
                raise ValueError(f"cannot answer {question} SECRET")
            words = HOSTILE.split() if question == "hostile" else f"{'adapter' if adapter else 'base'} says".split()
            words += [f"word{k}" for k in range(600 if question.startswith("long") else 12)]
            for word in words:
                if stop is not None and stop.is_set():
                    return
                time.sleep(0.03)
                yield word + " "
        finally:
            if stop is not None:
                stop.set()  # as the real engine does to end its worker
            self.running -= 1
            self.ended_at = time.monotonic()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(condition, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())


# Texts and conversation


def test_every_sentence_is_there_in_both_languages_with_the_same_fields():
    for key, sentences in texts.TEXTS.items():
        assert set(sentences) == set(texts.LANGUAGES), key
        fields = {tuple(sorted(f for _, f, _, _ in string.Formatter().parse(s) if f)) for s in sentences.values()}
        assert len(fields) == 1, key


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("de-DE,en;q=0.5,zh;q=0.7", "zh"),
        ("fr", "en"),
        (None, "en"),
        ("en;q=x,zh", "zh"),
    ],
)
def test_the_page_starts_in_the_browsers_language(header, language):
    assert texts.language_of(header) == language


def test_fault_135_links_images_and_html_stay_text_and_code_stays_code():
    shown = conversation.as_text(HOSTILE + " www.a.example me@a.example `a[0] <b>`\n```\n<c> [d]\n```\n[e][1]")
    outside = shown.replace("`a[0] <b>`", "").replace("```\n<c> [d]\n```", "")
    assert "`a[0] <b>`" in shown and "<c> [d]" in shown
    assert not any(mark in outside for mark in ("<", "[", "://", "www.", "@"))


def _job(*columns: str):
    return conversation.Job(columns, engine=0, temperature=0.0, max_new_tokens=8, system_prompt=None)


def test_each_column_remembers_only_what_it_answered():
    chat = conversation.Conversation()
    chat.ask("one", _job("adapter"))
    chat.turns[-1].answers["adapter"] = conversation.Answer("first", "")
    chat.ask("two", _job("base", "adapter"))
    assert [m["content"] for m in chat.messages("adapter", None)] == ["one", "first", "two"]
    assert [m["content"] for m in chat.messages("base", "Be brief")] == ["Be brief", "two"]
    assert chat.undo().question == "two" and len(chat.turns) == 1


def test_failed_answers_are_not_part_of_the_history_and_old_turns_go():
    chat = conversation.Conversation()
    for number in range(conversation.MAX_TURNS + 5):
        chat.ask(str(number), _job("adapter"))
        answer = chat.turns[-1].answers["adapter"]
        answer.text, answer.note = ("", "note_failed") if number == 10 else ("ok", "")
    assert len(chat.turns) == conversation.MAX_TURNS and chat.trimmed
    assert "10" not in [m["content"] for m in chat.messages("adapter", None)]


# Who may reach it


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::"])
def test_fault_136_a_page_for_others_needs_a_password(host):
    with pytest.raises(SurroundingsError, match="without a password") as caught:
        app.launch(["no-such-run"], host=host)
    # Both ways out are there to be gone: the command line has no option for a password.
    assert "SSH tunnel" in str(caught.value) and "demo/app.py from a program" in str(caught.value)
    with pytest.raises(SurroundingsError, match="empty"):
        app.launch(["no-such-run"], host=host, auth=("clinic", " "))


@pytest.mark.parametrize("auth", [None, ("clinic", "open sesame")])
@pytest.mark.parametrize("host", ["no-such-host.invalid", "two..dots"])
def test_a_host_name_without_an_address_is_called_so(host, auth):
    with pytest.raises(SurroundingsError, match="no address is known for this host name") as caught:
        app.launch(["no-such-run"], host=host, port=free_port(), auth=auth)
    assert host in str(caught.value)


def test_an_address_of_another_machine_is_called_so():
    with pytest.raises(SurroundingsError, match="not an address of this machine"):
        app.launch(["no-such-run"], host="192.0.2.1", port=free_port(), auth=("clinic", "open sesame"))


def test_a_port_in_use_is_said_before_any_model_is_loaded():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SurroundingsError, match="choose another port"):
            app.launch(["no-such-run"], port=taken.getsockname()[1])


def test_a_page_without_a_model_is_refused():
    with pytest.raises(FinetuneError, match="at least one model"):
        app.build([])


def test_fault_137_guessing_passwords_is_paused():
    check = server.door(("clinic", "open sesame"))
    assert check("clinic", "open sesame")
    assert not any(check("clinic", f"guess {k}") for k in range(server.MAX_WRONG_PASSWORDS))
    assert not check("clinic", "open sesame"), "paused for everyone until the window has passed"


# Stop signals and errors


def test_fault_134_closing_the_answer_stops_the_engine_within_a_second():
    engine = ScriptedEngine()
    desk = answering.Desk([engine])
    stop = threading.Event()
    messages = [{"role": "user", "content": "long"}]
    stream = desk.stream(0, messages, adapter=True, max_new_tokens=8, temperature=0.0, stop=stop)
    next(stream)
    assert until(lambda: engine.running == 1, 1)
    stream.close()
    assert stop.is_set() and until(lambda: engine.running == 0, 1)


def test_an_error_is_logged_with_its_place_but_without_the_chat(caplog):
    desk = answering.Desk([ScriptedEngine()])
    messages = [{"role": "user", "content": "break"}]
    with caplog.at_level(logging.ERROR, "finetune.demo"), pytest.raises(answering.AnswerError) as caught:
        list(desk.stream(0, messages, adapter=True, max_new_tokens=8, temperature=0.0, stop=threading.Event()))
    assert caught.value.error_id in caplog.text and "ValueError" in caplog.text and "test_demo.py" in caplog.text
    assert "cannot answer break SECRET" not in caplog.text
    assert isinstance(answering.failed(MemoryError()), answering.AnswerError)
    assert answering.failed(MemoryError()).note == "note_memory"


# The server


@pytest.fixture(scope="module")
def engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture(scope="module")
def page(engine) -> Iterator:
    served = app.serve([engine], port=free_port())
    yield served
    served.close(verbose=False)


def test_fault_135_every_response_carries_the_security_headers(page):
    for path in ("", "theme.css", "config", "no-such-page"):
        headers = httpx.get(page.local_url + path).headers
        assert "img-src 'self' data:" in headers["content-security-policy"], path
        assert headers["x-frame-options"] == "SAMEORIGIN"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"


def test_nothing_is_public_recorded_or_sent_home(page):
    config = httpx.get(page.local_url + "config").json()
    assert config["show_error"] is False and config["footer_links"] == [] and not config["run_history"]
    assert config["analytics_enabled"] is False and page.share is False and page.share_url is None
    assert {fn["api_visibility"] for fn in config["dependencies"]} == {"private"}
    assert page._queue.max_size == page_module.MAX_WAITING
    assert httpx.get(page.local_url + "gradio_api/info").json()["named_endpoints"] == {}


@pytest.mark.parametrize(
    "path",
    [
        "file=/etc/passwd",
        "gradio_api/file=/etc/passwd",
        "gradio_api/file=../../../../etc/passwd",
        "gradio_api/file=/proc/self/environ",
        "gradio_api/file=.env",
        "gradio_api/file=pyproject.toml",
        "static/../../../../../../etc/passwd",
        "static/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "assets/..%2f..%2f..%2f..%2fetc/passwd",
        "gradio_api/proxy=http://127.0.0.1:22/",
    ],
)
def test_fault_131_no_file_or_address_outside_is_served(page, path):
    host, port = "127.0.0.1", page.server_port
    with socket.create_connection((host, port), timeout=5) as line:  # a raw request: clients tidy `..` away
        line.sendall(f"GET /{path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: line.recv(65536), b""))
    assert int(answer.split()[1]) >= 400
    assert b"root:" not in answer and b"PATH=" not in answer and b"[project]" not in answer


def test_fault_132_a_large_upload_is_refused(page):
    files = {"files": ("big.txt", b"x" * 2_000_000)}
    assert httpx.post(page.local_url + "gradio_api/upload", files=files).status_code == 413


def test_a_password_keeps_strangers_out():
    served = app.serve([ScriptedEngine()], port=free_port(), auth=("clinic", "open sesame"))
    try:
        login = served.local_url + "login"
        assert httpx.get(served.local_url + "config").status_code == 401
        assert httpx.post(login, data={"username": "clinic", "password": "no"}).status_code == 400
        assert httpx.post(login, data={"username": "clinic", "password": "open sesame"}).status_code == 200
    finally:
        served.close(verbose=False)


def test_run_as_a_program_a_wrong_source_is_told_without_a_traceback():
    path = Path(app.__file__ or "")
    done = subprocess.run([sys.executable, path, "no/such/run"], capture_output=True, text=True, timeout=120)
    assert done.returncode in (2, 4)
    assert done.stderr.startswith("ERROR ") and "Traceback" not in done.stderr


def test_the_space_names_the_page_and_the_gradio_it_needs():
    folder = Path(app.__file__ or "").parent
    _, front, body = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    fields = dict(line.split(": ", 1) for line in front.splitlines())
    assert fields["sdk"] == "gradio" and (folder / fields["app_file"]).is_file() and body.strip()
    assert fields["sdk_version"].split(".")[0] == "6"
    assert "finetune-kit[demo]" in (folder / "requirements.txt").read_text(encoding="utf-8")
