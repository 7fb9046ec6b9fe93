"""The pages about games say what is so: made again, they are the same, and every game and image is there."""

import re
from pathlib import Path

import fiducial
import pytest
from fiducial.game_page import main, page, page_names, stale
from fiducial.game_texts import ABOUT
from fiducial.games import WORLDS
from fiducial.testbed_specs import SPECS

FOLDER = Path(fiducial.__file__).parent / "docs" / "games"


@pytest.mark.parametrize("name", page_names())
def test_the_page_is_what_its_command_makes(name):
    assert stale([name], FOLDER) == [], f"make it again: python -m fiducial.game_page {name}"


def test_every_image_is_shown_and_every_shown_image_is_there():
    shown = {image for made in FOLDER.glob("*.md") for image in re.findall(r"!\[.*?\]\((.*?)\)", made.read_text())}
    assert shown == {image.name for image in FOLDER.glob("*.svg")}
    assert len(shown) > 8


def test_every_testbed_around_a_model_stands_on_a_page():
    assert {name for about in ABOUT.values() for name in about.testbeds} == set(SPECS)
    assert set(ABOUT) <= set(WORLDS)


def test_a_stale_page_is_noticed(tmp_path, capsys):
    made = page("ioi-tiny")
    for file, text in {"ioi-tiny.md": made.text, **made.images}.items():
        (tmp_path / file).write_text(text if text.endswith("\n") else text + "\n")
    assert main(["ioi-tiny", "--check", "-o", str(tmp_path)]) == 0
    (tmp_path / "ioi-tiny.md").write_text(made.text.replace("hold", "held", 1))
    assert main(["ioi-tiny", "--check", "-o", str(tmp_path)]) == 1
    assert "stale: ioi-tiny.md" in capsys.readouterr().out


def test_a_page_that_is_none_is_refused_with_a_hint(capsys):
    with pytest.raises(KeyError, match="did you mean othello"):
        page("otello")
    with pytest.raises(SystemExit):
        main(["otello"])
    assert "did you mean othello" in capsys.readouterr().err
