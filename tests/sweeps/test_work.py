"""One task of a sweep: an SAE that is another one by now is never scored in the name of the one that was planned."""

import os

import pytest
from fiducial.data.assets import path_sha256
from fiducial.sweeps import on_ray, work
from fiducial.sweeps.on_ray import code_sha256, own_folder
from fiducial.sweeps.task import Place, Task
from fiducial.sweeps.work import Scoring


@pytest.fixture
def task(tmp_path, monkeypatch):
    """A task whose scoring is left out."""
    folder = tmp_path / "sae"
    folder.mkdir()
    (folder / "cfg.json").write_text("{}")
    monkeypatch.setattr(work, "_bed", lambda place, device: None)
    monkeypatch.setattr(work, "load_dictionary", lambda path, kind, name: name)
    monkeypatch.setattr(work, "evaluate", lambda dictionary, *rest, **more: dictionary)
    return Task(Place("othello-6x6", 8, 0), str(folder), "sae", None, path_sha256(folder), ("coverage",))


def test_an_sae_that_has_changed_since_the_plan_is_refused(task, tmp_path):
    assert Scoring()(task) == "sae"
    (tmp_path / "sae" / "cfg.json").write_text('{"k": 2}')
    with pytest.raises(ValueError, match="has changed or gone since the sweep began"):
        Scoring()(task)
    assert Scoring(check=False)(task) == "sae"  # an actor has looked, and scores files that came to it


def test_two_states_of_the_code_are_told_apart(tmp_path, monkeypatch):
    made = tmp_path / "package"
    for folder in ("metrics", "tests", "data"):
        (made / folder).mkdir(parents=True)
        (made / folder / "one.py").write_text("a = 1")
    for folder in ("metrics", "tests"):
        (made / folder / "__init__.py").write_text("")
    (made / "report.py").write_text("b = 1")
    monkeypatch.setattr(on_ray, "__file__", str(made / "sweeps" / "on_ray.py"))
    seen = []

    def now():
        code_sha256.cache_clear()
        seen.append(code_sha256())
        return seen[-1]

    first = now()
    (made / "tests" / "one.py").write_text("a = 2")  # may not even be installed
    assert now() == first
    for file in ("metrics/one.py", "report.py"):
        (made / file).write_text("c = 3")
        now()
    assert len(set(seen)) == 3
    code_sha256.cache_clear()


def test_the_folder_of_a_machine_is_ones_own(tmp_path, monkeypatch):
    monkeypatch.setattr(on_ray.tempfile, "gettempdir", lambda: str(tmp_path))
    made = own_folder()
    assert own_folder() == made
    assert made.stat().st_mode & 0o777 == 0o700
    made.rmdir()
    (tmp_path / "elsewhere").mkdir()
    made.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError, match="is not this user's"):
        own_folder()
    made.unlink()
    assert own_folder().stat().st_uid == os.getuid()
