"""What stands between the page and the network: host rules, the door, response headers."""

from __future__ import annotations

import contextlib
import errno
import hmac
import ipaddress
import os
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from finetune.errors import Problem, SurroundingsError

MAX_WRONG_PASSWORDS = 5
WRONG_PASSWORD_WINDOW_SECONDS = 60.0


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_host(host: str, auth: tuple[str, str] | None, public: bool) -> None:
    """Raises SurroundingsError when `host` is unknown, or lets others in without asking who they are."""
    if auth is not None and not all(part.strip() for part in auth):
        raise SurroundingsError(
            Problem("", "auth", "the user name or the password is empty", fix="give both, as NAME and PASSWORD")
        )
    if is_loopback(host):
        return
    _check_known(host)
    if auth or public:
        return
    raise SurroundingsError(
        Problem(
            "",
            "host",
            "others on the network could reach this page without a password",
            got=host,
            fix="keep 127.0.0.1 and come in by an SSH tunnel (ssh -L 7860:127.0.0.1:7860 THIS_MACHINE), or call "
            "launch(..., host=HOST, auth=(NAME, PASSWORD)) of demo/app.py from a program of your own",
        )
    )


def _check_known(host: str) -> None:
    """Raises SurroundingsError when `host` is a name that has no address."""
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host.strip("[]"))
        return
    try:
        socket.getaddrinfo(host, None)
    except (OSError, UnicodeError) as error:  # UnicodeError: what cannot be a host name at all
        what, fix = "no address is known for this host name", "check its spelling, or keep 127.0.0.1"
        raise SurroundingsError(Problem("", "host", what, host, fix)) from error


def check_port(host: str, port: int) -> None:
    """Raises SurroundingsError when `port` cannot be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), port))
        except (OSError, OverflowError) as error:
            if getattr(error, "errno", None) == errno.EADDRNOTAVAIL:
                what, fix = "is not an address of this machine", "name one of its own, or keep 127.0.0.1"
                raise SurroundingsError(Problem("", "host", what, host, fix)) from error
            raise SurroundingsError(
                Problem(
                    "",
                    "port",
                    "cannot be listened on (in use, or not allowed)",
                    got=str(port),
                    fix="choose another port, or leave it out to get a free one",
                )
            ) from error


def keep_loopback_off_proxies() -> None:
    """A proxy set for the outside must not be asked for 127.0.0.1: the page checks itself when it starts."""
    for name in ("no_proxy", "NO_PROXY"):
        listed = [part for part in os.environ.get(name, "").split(",") if part]
        listed += [part for part in ("127.0.0.1", "localhost") if part not in listed]
        os.environ[name] = ",".join(listed)


def door(auth: tuple[str, str]) -> Callable[[str, str], bool]:
    """A password check that pauses all sign-ins after MAX_WRONG_PASSWORDS within the window.

    Who is signed in stays in. This slows guessing on a small network; it does not replace a real proxy.
    """
    wrong: deque[float] = deque()
    name, password = (part.encode() for part in auth)

    def check(given_name: str, given_password: str) -> bool:
        now = time.monotonic()
        while wrong and now - wrong[0] > WRONG_PASSWORD_WINDOW_SECONDS:
            wrong.popleft()
        if len(wrong) >= MAX_WRONG_PASSWORDS:
            return False
        # Both are compared whatever the first says, so that the time taken tells nothing.
        same_name = hmac.compare_digest(given_name.encode(), name)
        same_password = hmac.compare_digest(given_password.encode(), password)
        if same_name and same_password:
            return True
        wrong.append(now)
        return False

    return check


def security_headers(*, framed_by: str = "") -> list[tuple[bytes, bytes]]:
    """Response headers. Gradio's page needs inline scripts and styles; everything comes from this server.

    Args:
        framed_by: an origin that may show the page in a frame (a Space's front page); none by default.
    """
    policy = {
        "default-src": "'self'",
        "script-src": "'self' 'unsafe-inline'",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data:",
        "font-src": "'self' data:",
        "media-src": "'none'",
        "frame-src": "'none'",
        "connect-src": "'self'",
        "object-src": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-ancestors": f"'self' {framed_by}".strip(),
    }
    headers = {
        "content-security-policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "permissions-policy": "camera=(), microphone=(), geolocation=()",
    }
    if not framed_by:
        headers["x-frame-options"] = "SAMEORIGIN"
    return [(name.encode(), value.encode()) for name, value in headers.items()]


class SecurityHeaders:
    """ASGI middleware that adds `headers` to every response."""

    def __init__(self, app: Any, headers: list[tuple[bytes, bytes]]):
        self.app = app
        self.headers = headers

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                names = {name for name, _ in self.headers}
                kept = [pair for pair in message.get("headers", []) if pair[0].lower() not in names]
                message["headers"] = kept + self.headers
            await send(message)

        await self.app(scope, receive, send_with_headers)
