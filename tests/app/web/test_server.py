"""The page as people meet it: in a real browser that reaches this machine alone, and as programs and intruders meet it."""

import io
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from unblur.app.web import server
from unblur.errors import InputError
from unblur.io.image import read_image

Clip, engines = sys.modules["clips"].Clip, sys.modules["engines"]


TESTS = Path(__file__).parents[2]
pytestmark = pytest.mark.slow  # each server takes seconds to start, or minutes on a busy machine


class Gate:
    """Closed, the network of the served page waits."""

    def __init__(self, path):
        self._path = path

    def clear(self):
        self._path.touch()

    def set(self):
        self._path.unlink(missing_ok=True)


class Site:
    """A page that is served by a process of its own; see `Served`."""

    def __init__(self, folder, *, host="127.0.0.1", largest=server.LARGEST):
        gate = folder / "gate"
        command = [sys.executable, str(Path(__file__).with_name("serve.py")), str(TESTS), str(gate), host, str(largest)]
        environment = os.environ | {"PYTHONPATH": str(TESTS.parent / "src")}
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        said = json.loads(self._process.stdout.readline())
        self.url, self.key, self.local = said["url"].replace("0.0.0.0", "127.0.0.1"), said["key"], said["local"]
        self.folder, self.gate = Path(said["folder"]), Gate(gate)

    def close(self):
        self._process.communicate(timeout=60)


@pytest.fixture(scope="module")
def serve(tmp_path_factory):
    """Starts servers whose networks are a stand-in."""
    if find_spec("gradio") is None:
        pytest.skip("gradio is not installed: `pip install 'unblur[web]'`")
    sites = []

    def start(**options):
        sites.append(Site(tmp_path_factory.mktemp("site"), **options))
        return sites[-1]

    yield start
    for each in sites:
        each.close()


@pytest.fixture(scope="module")
def site(serve):
    return serve()


@pytest.fixture
def gate(site):
    site.gate.set()
    yield site.gate
    site.gate.set()


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    rows = np.linspace(60, 250, 240).astype(np.uint8)
    PillowImage.fromarray(np.broadcast_to(rows[:, None, None], (240, 320, 3)).copy()).save(path)
    return path


@pytest.fixture
def movie(tmp_path):
    path = tmp_path / "clip.mp4"
    Clip(pts=range(0, 4000, 40), size=(64, 48)).make(path)
    return path


@pytest.fixture
def enter(site, visit):
    """Opens the page in a window of its own."""

    def opened(width=1280, **options):
        window = visit(width=width, **options)
        window.goto(site.url)
        window.get_by_role("button", name="Restore", exact=True).wait_for()
        return window

    return opened


def upload(window, *paths):
    window.locator("input[type=file]").first.set_input_files([str(path) for path in paths])
    for path in paths:
        row(window, path).wait_for()


def row(window, path):
    return window.locator(".unblur-queue tr", has=window.get_by_role("rowheader", name=path.name))


def restore(window):
    window.get_by_role("button", name="Restore", exact=True).click()


def wait_for_state(window, path, state):
    row(window, path).get_by_text(state).first.wait_for()


def restored_photo(window, photo):
    upload(window, photo)
    restore(window)
    wait_for_state(window, photo, "done")
    window.locator("#photo .unblur-compare").wait_for()


def shade(window, x, y):
    """Level at a share of the picture, as it is on the screen."""
    box = window.locator("#photo .area").bounding_box()
    shot = PillowImage.open(io.BytesIO(window.screenshot()))
    return int(np.asarray(shot.convert("L"))[round(box["y"] + box["height"] * y), round(box["x"] + box["width"] * x)])


def download(window, name):
    with window.expect_download() as found:
        window.get_by_role("link", name=f"Download {name}").click()
    return Path(found.value.path()).read_bytes()


def test_a_photo_is_sent_restored_and_downloaded(enter, photo, tmp_path):
    window = enter()
    restored_photo(window, photo)
    saved = tmp_path / "result.png"
    saved.write_bytes(download(window, "photo_unblurred.png"))
    assert np.array_equal(read_image(saved).pixels, engines.darker(read_image(photo).pixels))
    assert not photo.with_name("photo_unblurred.png").exists()


def test_slider_and_strength_are_live(enter, photo, gate):
    window = enter()
    restored_photo(window, photo)
    gate.clear()  # the network would wait for ever
    blurry, restored = shade(window, 0.25, 0.8), shade(window, 0.75, 0.8)
    assert blurry - restored >= 15
    window.locator("#photo .divider").focus()
    window.keyboard.press("End")
    assert abs(shade(window, 0.75, 0.8) - blurry) <= 2
    window.keyboard.press("Home")
    assert abs(shade(window, 0.25, 0.8) - restored) <= 2
    strength = window.get_by_label("Strength", exact=False).first
    strength.fill("0.5")
    strength.press("Enter")
    window.wait_for_function("document.querySelector('#photo .after').style.opacity == 0.5")
    assert abs(shade(window, 0.25, 0.8) - (blurry + restored) / 2) <= 2


def test_a_rectangle_is_drawn_and_saved(enter, photo, tmp_path):
    window = enter()
    local = tmp_path / "here.png"
    local.write_bytes(photo.read_bytes())
    window.get_by_label("Or the path of a file or folder").fill(str(local))
    window.get_by_role("button", name="Add this path").click()
    row(window, local).wait_for()
    restore(window)
    wait_for_state(window, local, "done")
    window.get_by_label("in a rectangle").check()
    region = window.get_by_label("Region: left, top")
    region.wait_for()
    window.locator("#photo .unblur-compare.draws").wait_for()
    window.locator("#photo .area").scroll_into_view_if_needed()
    area = window.locator("#photo .area").bounding_box()
    window.mouse.move(area["x"] + 20, area["y"] + 30)
    window.mouse.down()
    window.mouse.move(area["x"] + 120, area["y"] + 90, steps=3)
    window.mouse.up()
    left, top, right, bottom = (int(value) for value in region.input_value().split(","))
    assert right - left == pytest.approx(100 * 320 / area["width"], abs=2)
    window.get_by_role("button", name="Save with this").click()
    window.get_by_text("Saved: here_unblurred.png").wait_for()
    blurry, result = (read_image(path).pixels for path in (local, local.with_name("here_unblurred.png")))
    outside = np.ones(blurry.shape[:2], bool)
    outside[top:bottom, left:right] = False
    assert np.array_equal(result[outside], blurry[outside])
    assert not np.array_equal(result, blurry)


def test_a_brush_restores_where_it_has_been(enter, photo):
    window = enter()
    restored_photo(window, photo)
    window.get_by_label("where I paint").check()
    window.locator("#photo .unblur-compare.draws").wait_for()
    window.locator("#photo .area").scroll_into_view_if_needed()
    area = window.locator("#photo .area").bounding_box()
    window.mouse.move(area["x"] + 200, area["y"] + 100)
    window.mouse.down()
    window.mouse.move(area["x"] + 250, area["y"] + 110, steps=3)
    window.mouse.up()
    (stroke,) = json.loads(window.get_by_label("Region: left, top").input_value())["strokes"]
    assert len(stroke["points"]) >= 3
    assert window.locator("#photo .after").evaluate("each => each.style.maskImage").startswith('url("data:')


def test_a_region_is_typed_and_a_wrong_one_is_said(enter, photo):
    window = enter()
    restored_photo(window, photo)
    window.get_by_label("in a rectangle").check()
    region = window.get_by_label("Region: left, top")
    region.fill("somewhere")
    window.get_by_role("button", name="Save with this").click()
    window.get_by_role("alert").get_by_text("is no region").wait_for()
    region.fill("10, 10, 60, 60")
    window.get_by_role("button", name="Save with this").click()
    window.get_by_text("Saved: photo_unblurred.png").wait_for()


def test_two_seconds_of_a_clip_are_seen_in_step(enter, movie):
    window = enter()
    upload(window, movie)
    window.get_by_label("Sharpness of the clip").wait_for()
    window.get_by_role("button", name="Restore 2 seconds").click()
    clips = window.locator(".unblur-clips video")
    clips.nth(1).wait_for()
    window.wait_for_function("[...document.querySelectorAll('.unblur-clips video')].every(each => each.readyState >= 2)")
    window.get_by_role("button", name="One frame forth").click()
    window.get_by_role("button", name="One frame forth").click()
    window.wait_for_function("[...document.querySelectorAll('.unblur-clips video')].every(each => each.currentTime > 0.05)")
    times = window.evaluate("[...document.querySelectorAll('.unblur-clips video')].map(each => each.currentTime)")
    assert times[0] == times[1]
    window.get_by_role("button", name="Play", exact=True).click()
    window.get_by_role("button", name="Pause", exact=True).last.wait_for()
    assert window.get_by_label("Sharpness of these frames").count() == 1


def test_work_is_paused_gone_on_with_and_cancelled(enter, photo, movie, gate):
    window = enter()
    upload(window, photo, movie)
    gate.clear()
    restore(window)
    wait_for_state(window, photo, "at work")
    window.get_by_role("button", name="Pause", exact=True).first.click()
    for path in (photo, movie):
        wait_for_state(window, path, "paused")
    restore(window)
    wait_for_state(window, photo, "at work")
    window.get_by_role("button", name="Cancel").click()
    for path in (photo, movie):
        wait_for_state(window, path, "cancelled")
    gate.set()
    restore(window)
    for path in (photo, movie):
        wait_for_state(window, path, "done")


def test_what_cannot_be_restored_is_said_in_plain_words(enter, photo, tmp_path):
    window = enter()
    (tmp_path / "notes.txt").write_text("no picture")
    broken = tmp_path / "broken.png"
    broken.write_bytes(photo.read_bytes()[: photo.stat().st_size // 2])
    window.locator("input[type=file]").first.set_input_files([str(tmp_path / "notes.txt"), str(broken)])
    alert = window.get_by_role("alert").get_by_text("“notes.txt” is neither a photo nor a video that can be read")
    alert.wait_for()
    row(window, broken).wait_for()
    restore(window)
    wait_for_state(window, broken, "failed")
    wait_for_state(window, broken, "is broken off; copy it again")
    assert "Traceback" not in window.content()


def test_an_animation_is_shown_beside_its_restoration(enter, tmp_path):
    path = tmp_path / "moves.gif"
    frames = [PillowImage.fromarray(np.full((20, 30, 3), level, np.uint8)) for level in (200, 150, 100)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100, loop=0)
    window = enter()
    upload(window, path)
    restore(window)
    wait_for_state(window, path, "done")
    shown = window.locator(".unblur-animation img")
    shown.nth(1).wait_for()
    assert shown.count() == 2
    for place in range(2):
        assert shown.nth(place).evaluate("image => image.decode().then(() => image.naturalWidth)") == 30


def test_two_people_do_not_see_each_other(enter, photo, tmp_path):
    mine, yours = tmp_path / "mine.png", tmp_path / "yours.png"
    for path in (mine, yours):
        path.write_bytes(photo.read_bytes())
    first, second = enter(), enter()
    upload(first, mine)
    upload(second, yours)
    for window in (first, second):
        restore(window)
    wait_for_state(first, mine, "done")
    wait_for_state(second, yours, "done")
    assert row(first, yours).count() == 0
    assert row(second, mine).count() == 0


def test_names_of_files_are_text(enter, photo, tmp_path):
    if sys.platform == "win32":
        pytest.skip("Windows has no such names")
    path = tmp_path / "<img src=x onerror=alert(1)>.png"
    path.write_bytes(photo.read_bytes())
    window = enter()
    window.get_by_label("Or the path of a file or folder").fill(str(path))
    window.get_by_role("button", name="Add this path").click()
    window.get_by_text("<img src=x onerror=alert(1)>.png").first.wait_for()
    assert window.locator(".unblur-queue img").count() == 0


@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_is_cut_off_and_all_has_a_name(enter, photo, width):
    window = enter(width=width)
    restored_photo(window, photo)
    assert window.evaluate("document.documentElement.scrollWidth") <= width
    nameless = window.evaluate(
        """[...document.querySelectorAll("button, input, select, textarea, video")].filter(each => each.checkVisibility() &&
        !each.closest("label, [aria-hidden=true]") && !(each.ariaLabel || each.title || each.textContent.trim() || each.labels?.length)
        ).map(each => each.outerHTML.slice(0, 200))"""
    )
    assert nameless == []


class Intruder:
    """Asks the server as a program does.

    Args:
        site: the server.
        key: whether it knows the key.
    """

    def __init__(self, site, *, key=True):
        self._base = site.url.partition("?")[0]
        self._headers = {"Authorization": f"Bearer {site.key}"} if key else {}

    def ask(self, path, *, data=None, **headers):
        """Status and body of the answer."""
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(self._base + path, body, self._headers | headers | {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def config(self):
        return json.loads(self.ask("config")[1])

    def event(self, label, *values, window="intruder"):
        """Calls what a component does, with the values of its inputs; gives all that the server says of it."""
        config = self.config()
        parts = {part["id"]: part for part in config["components"]}
        called = next(
            each
            for each in config["dependencies"]
            if each["targets"] and str(parts.get(each["targets"][0][0], {}).get("props", {}).get("value", "")) == label
        )
        data = {"data": list(values), "fn_index": called["id"], "session_hash": window}
        status, body = self.ask("gradio_api/queue/join", data=data)
        assert status == 200, body
        return self.ask(f"gradio_api/queue/data?session_hash={window}")[1].decode()


SECRET = "the content of another file"


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret.txt"
    path.write_text(SECRET)
    return path


def test_no_file_is_read_through_the_server(site, secret):
    intruder = Intruder(site)
    nested = f"{site.folder}/sessions/../../..{secret}"
    for path in (str(secret), nested, f"{site.folder}/uploads/../..{secret}", "/etc/passwd", str(Path(server.__file__))):
        for route in ("gradio_api/file=", "file=", "gradio_api/stream/", "static/", "assets/", "gradio_api/proxy=http://127.0.0.1/"):
            status, body = intruder.ask(route + urllib.parse.quote(path))
            assert status in (403, 404, 400, 422, 405), (route, path)
            assert SECRET.encode() not in body


def test_a_script_sends_a_file_and_is_given_the_result(site, photo, tmp_path):
    from gradio_client import Client, handle_file
    from gradio_client.exceptions import AppError

    headers = {"Authorization": f"Bearer {site.key}"}
    client = Client(
        site.url.partition("?")[0], headers=headers, download_files=tmp_path / "results", analytics_enabled=False, verbose=False
    )
    result, notes = client.predict(handle_file(photo), "fast", 0.5, api_name="/restore")
    assert notes == "taking fast"
    blurry = read_image(photo).pixels.astype(float)
    assert np.abs(read_image(Path(result)).pixels - (blurry + engines.darker(blurry.astype(np.uint8))) / 2).max() <= 0.5
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(AppError, match=r"“notes\.txt” is neither"):
        client.predict(handle_file(tmp_path / "notes.txt"), "fast", 1, api_name="/restore")
    client.close()


def test_without_the_key_nothing_is_answered(site, secret):
    stranger = Intruder(site, key=False)
    for path in ("", "config", f"gradio_api/file={secret}", "gradio_api/info", "gradio_api/queue/data?session_hash=x"):
        assert stranger.ask(path)[0] == 401
    assert Intruder(site).ask("config", Host="evil.example")[0] == 421


def test_a_file_that_was_never_sent_is_not_taken_as_one_that_was(site, secret, photo):
    """A program that claims to have sent a file of this machine, to have it restored or shown."""
    intruder = Intruder(site)
    config = intruder.config()
    upload = next(each for each in config["dependencies"] if any(name == "upload" for _, name in each["targets"]))
    for path in (secret, photo):
        file = {"path": str(path), "meta": {"_type": "gradio.FileData"}}
        data = {"data": ["fast", 1, False, None, None, [file]], "fn_index": upload["id"], "session_hash": "liar"}
        assert intruder.ask("gradio_api/queue/join", data=data)[0] == 200
        said = intruder.ask("gradio_api/queue/data?session_hash=liar")[1].decode()
        assert '"success":false' in said.replace(" ", "")
        assert photo.name not in intruder.event("Restore", "fast", 1, False, None, None, window="liar")
        of_scripts = next(each for each in config["dependencies"] if each["api_name"] == "restore")
        data = {"data": [file, "fast", 1], "fn_index": of_scripts["id"], "session_hash": "script"}
        assert intruder.ask("gradio_api/queue/join", data=data)[0] == 200
        said = intruder.ask("gradio_api/queue/data?session_hash=script")[1].decode()
        assert '"success":false' in said.replace(" ", "")
        assert SECRET not in said


def test_paths_are_off_where_others_reach_the_page(serve):
    site = serve(host="0.0.0.0")
    assert not site.local
    parts = Intruder(site).config()["components"]
    labels = {str(part.get("props", {}).get(name, "")) for part in parts for name in ("label", "value")}
    assert {"Photos and clips: drop them here, or click to choose", "Restore"} <= labels
    assert not {"Or the path of a file or folder on this machine", "Add this path"} & labels


def test_a_port_that_is_taken_is_said():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        page = server.served(port=taken.getsockname()[1])
        with pytest.raises(InputError, match="choose another `--port`"):
            page.__enter__()


def test_an_address_that_is_not_of_this_machine_is_said():
    with pytest.raises(InputError, match="leave out `--host`"), server.served(host="203.0.113.7"):
        pass


def test_a_file_that_is_too_large_is_refused(serve, photo, visit):
    window = visit()
    window.goto(serve(largest=100).url)
    window.locator("input[type=file]").first.set_input_files(str(photo))
    window.get_by_text("exceed the maximum allowed size").first.wait_for()


def test_nothing_is_left_at_the_end(serve, photo, visit):
    site = serve()
    window = visit()
    window.goto(site.url)
    restored_photo(window, photo)
    assert any(path.name == "photo_unblurred.png" for path in site.folder.rglob("*.png"))
    site.close()
    assert not site.folder.exists()


def test_a_window_that_is_closed_leaves_nothing(enter, site, photo):
    window = enter()
    restored_photo(window, photo)
    (mine,) = site.folder.rglob("restored.npy")
    window.close()
    for _ in range(600):
        if not mine.parents[1].exists():
            break
        time.sleep(0.1)
    assert not mine.parents[1].exists()
