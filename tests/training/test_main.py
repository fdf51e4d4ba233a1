import sys

import pytest
import yaml

from unblur.errors import InputError
from unblur.training import __main__ as program


def test_the_command_line_reaches_the_training(tmp_path, monkeypatch, capsys, recipe):
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(recipe.model_dump()))
    for name in ("deep/b.jpeg", "a.PNG", "c.webp", "notes.txt"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).touch()
    calls = []

    def train(*arguments, **named):
        calls.append((*arguments, named["out"], [path.name for path in named["photos"]]))
        yield {"step": 7.0, "loss": 0.5, "gain": 1.25, "crops_s": 9.0}

    monkeypatch.setattr(program, "train", train)
    words = [
        "train",
        f"{tmp_path}/a.yaml",
        "--photos",
        f"{tmp_path}/photos",
        "--out",
        f"{tmp_path}/run",
        "--set",
        "steps=7",
        "--set",
        "blur={}",
    ]
    monkeypatch.setattr(sys, "argv", words)
    program.main()
    assert calls == [(recipe.model_copy(update={"steps": 7, "blur": {}}), tmp_path / "run", ["a.PNG", "c.webp", "b.jpeg"])]
    assert "step 7 loss 0.5000 gain +1.25 dB" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", [*words, "--set", "stepps=1"])
    with pytest.raises(InputError, match="stepps"):
        program.main()
