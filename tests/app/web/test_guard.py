"""Who may use the page."""

import asyncio

import pytest

from unblur.app.web.guard import Guard

KEY = "s3cret"


async def page(scope, receive, send):
    del scope, receive
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
    await send({"type": "http.response.body", "body": b"the page"})


def ask(path="/", query="", hosts=frozenset({"127.0.0.1"}), kind="http", **headers):
    """Status, headers and body of the answer; None if there was none."""
    sent = []
    given = {"host": "127.0.0.1:7860"} | headers
    scope = {
        "type": kind,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }

    async def send(message):
        sent.append(message)

    asyncio.run(Guard(page, key=KEY, hosts=hosts)(scope, None, send))
    return (sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]) if sent else None


def cookie():
    return ask(query=f"key={KEY}")[1][b"set-cookie"].decode()


def test_without_the_key_nothing_is_seen():
    for path in ("/", "/gradio_api/queue/join", "/gradio_api/file=/etc/passwd"):
        status, _, body = ask(path)
        assert status == 401
        assert b"the page" not in body
    assert ask(query="key=wrong")[0] == 401
    assert ask(cookie="unblur_0=wrong")[0] == 401
    assert ask(kind="websocket") is None


def test_the_key_becomes_a_cookie_and_leaves_the_address():
    status, headers, _ = ask("/x", query=f"key={KEY}&a=1")
    assert status == 303
    assert headers[b"location"] == b"/x?a=1"
    assert {"HttpOnly", "SameSite=Strict"} <= set(cookie().split("; "))
    assert ask(cookie=cookie().split(";")[0])[::2] == (200, b"the page")


def test_programs_give_the_key_in_a_header():
    assert ask(authorization=f"Bearer {KEY}")[0] == 200
    assert ask(authorization="Bearer wrong")[0] == 401
    assert ask(authorization=f"Basic {KEY}")[0] == 401


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7860", "127.0.0.1.evil.example:7860", ""])
def test_other_names_of_this_machine_are_refused(host):
    """A page of another site, whose name suddenly leads here (DNS rebinding)."""
    assert ask(host=host, cookie=cookie().split(";")[0])[0] == 421
    assert ask(host=host, cookie=cookie().split(";")[0], hosts=None)[0] == 200


def test_the_browser_is_forbidden_to_load_from_other_hosts():
    policy = ask(cookie=cookie().split(";")[0])[1][b"content-security-policy"].decode()
    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert "*" not in policy


def test_damaged_cookies_are_none():
    assert ask(cookie='a="\x01; =; unblur')[0] == 401
