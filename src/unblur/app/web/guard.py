"""Who may use the page: those who have its address with the key in it, and no page of another site in their browser."""

import hashlib
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode

__all__ = ["POLICY", "Guard"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
"""Content-Security-Policy: the browser loads nothing from another host, whatever the page asks for."""

_HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
_OPEN = {"/gradio_api/startup-events"}
"""What the server asks itself when it starts; it tells nothing."""


class Guard:
    """Middleware (ASGI) that refuses requests without the key, or with a foreign `Host` (DNS rebinding).

    The key comes once in the address (`?key=`), is then kept in a cookie that pages of other sites cannot send, or is given by programs as
    `Authorization: Bearer KEY`.

    Args:
        app: what is guarded.
        key: that is asked for.
        hosts: names that `Host` may have, without port; None for any.
    """

    def __init__(self, app: App, *, key: str, hosts: frozenset[str] | None = None) -> None:
        self._app, self._key, self._hosts = app, key, hosts
        self._cookie = "unblur_" + hashlib.sha256(key.encode()).hexdigest()[:8]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "").rpartition(":")[0] or headers.get("host", "")
        if self._hosts is not None and host.lower() not in self._hosts:
            await _answer(send, 421, "This server does not answer to that name.")
        elif (query := dict(parse_qsl(scope["query_string"].decode("latin-1")))).get("key") and self._is_key(query.pop("key")):
            place = scope["path"] + (f"?{urlencode(query)}" if query else "")
            cookie = f"{self._cookie}={self._key}; Path=/; HttpOnly; SameSite=Strict"
            await _answer(send, 303, "", (b"location", place.encode()), (b"set-cookie", cookie.encode()))
        elif scope["path"] in _OPEN or self._is_known(headers):
            await self._app(scope, receive, _with_headers(send))
        else:
            await _answer(send, 401, "Open the address that `unblur web` has printed, with the key in it.")

    def _is_key(self, text: str) -> bool:
        return secrets.compare_digest(text.encode(), self._key.encode())

    def _is_known(self, headers: MutableMapping[str, str]) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_key(given):
            return True
        try:
            kept = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return False
        return kept is not None and self._is_key(kept.value)


def _with_headers(send: Send) -> Send:
    async def sends(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), *_HEADERS]
        await send(message)

    return sends


async def _answer(send: Send, status: int, text: str, *headers: tuple[bytes, bytes]) -> None:
    plain = (b"content-type", b"text/plain; charset=utf-8")
    await send({"type": "http.response.start", "status": status, "headers": [plain, *_HEADERS, *headers]})
    await send({"type": "http.response.body", "body": text.encode()})
