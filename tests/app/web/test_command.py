"""The command `unblur web`, with a server that serves nothing."""

import webbrowser
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from unblur.app.choices import Device
from unblur.app.web import server
from unblur.app.web.command import web


@pytest.mark.parametrize(("host", "warned"), [("127.0.0.1", False), ("192.0.2.1", True)])
def test_the_page_is_named_and_opened_until_it_is_interrupted(monkeypatch, capsys, host, warned):
    given, opened = {}, []

    @contextmanager
    def served(**arguments):
        given.update(arguments)
        yield SimpleNamespace(url="http://page/?key=7")

    def interrupted(url):
        opened.append(url)
        raise KeyboardInterrupt

    monkeypatch.setattr(server, "served", served)
    monkeypatch.setattr(webbrowser, "open", interrupted)
    web(host=host, port=1234, device=Device.cpu, largest_file=0.5)
    said = capsys.readouterr().err
    assert given == {"host": host, "port": 1234, "device": "cpu", "largest": 2**29}
    assert opened == ["http://page/?key=7"]
    assert ("not encrypted" in said) == warned
    assert "http://page/?key=7" in said
    assert "stopped" in said
