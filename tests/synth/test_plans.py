"""What is known of parts, joined; `test_make.py` and `tests/app/test_synth.py` carry plans out."""

import pickle
from pathlib import Path

import pytest

from unblur.errors import InputError
from unblur.synth.dynamic import DynamicBlur
from unblur.synth.plans import ClipPlan, ScenePlan, StillsPlan, Written
from unblur.synth.stills import StillsBlur
from unblur.synth.video import VideoBlur

CLIPS = ClipPlan((Path("a.mp4"), Path("b.mp4"), Path("c.mp4")), "gamma2.2", VideoBlur(), seed=1)


def test_clips_are_joined_with_the_numbers_of_their_sources_counted_on():
    first = Written(2, [{"source": 0, "name": "a"}], {"sources": [{"name": "a.mp4"}]}, {"nothing moves": 3})
    bad = Written(0, [], {"sources": []}, {}, [("b.mp4", "it is damaged")])
    last = Written(
        4, [{"source": 0, "name": "c"}, {"source": 0, "name": "d"}], {"sources": [{"name": "c.mp4"}]}, {"nothing moves": 1, "x": 1}
    )
    assert CLIPS.joined([first, bad, last]) == Written(
        6,
        [{"source": 0, "name": "a"}, {"source": 1, "name": "c"}, {"source": 1, "name": "d"}],
        {"sources": [{"name": "a.mp4"}, {"name": "c.mp4"}]},
        {"nothing moves": 4, "x": 1},
        [("b.mp4", "it is damaged")],
    )


def test_clips_of_which_no_pair_was_made_are_an_error_with_all_reasons():
    none = Written(0, [], {"sources": []}, {"nothing moves": 3}, [("b.mp4", "it is damaged")])
    with pytest.raises(InputError, match="nothing moves: 3; it is damaged"):
        CLIPS.manifest(none)


def test_a_plan_for_any_folder_has_absolute_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert CLIPS.anywhere(Path("kept")).clips[1] == tmp_path / "b.mp4"
    scenes = ScenePlan((Path("p"),), (Path("c"),), (Path("h"),), DynamicBlur(), seed=1, count=2, size=32).anywhere(tmp_path / "kept")
    assert (scenes.photos, scenes.cutouts, scenes.highspeed) == ((tmp_path / "p",), (tmp_path / "c",), (tmp_path / "h",))
    assert scenes.kept == tmp_path / "kept"


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (ClipPlan((), "gamma9000x", VideoBlur(), seed=1), "gamma9000x"),
        (StillsPlan((), StillsBlur(), seed=1, count=0, size=(32, 32)), "at least one"),
        (ScenePlan((), (), (), DynamicBlur(), seed=1, count=1, size=8), "16 pixels"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_before_any_work(plan, message):
    with pytest.raises(InputError, match=message):
        plan.check()


def test_a_plan_can_be_sent():
    assert pickle.loads(pickle.dumps(CLIPS)) == CLIPS
