"""`fiducial figures` writes what it names, leaves out what it cannot draw, and says what to do."""

import pytest
from fiducial.cli import main

from . import made_results as made


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    said = capsys.readouterr()
    return end.value.code, said.out, said.err


def test_a_paper_and_all(tmp_path, capsys):
    made.ioi_report().to_json(tmp_path / "results" / "a.json")
    code, out, _ = run(
        capsys, "figures", "makelov2024", str(tmp_path / "results"), "-o", str(tmp_path / "f"), "--format", "png"
    )
    assert code == 0
    assert "read 1 scored dictionaries" in out
    assert (tmp_path / "f" / "makelov2024-axes-ioi-tiny.png").exists()
    assert "fiducial figures makelov2024" in (tmp_path / "f" / "makelov2024.md").read_text()
    code, out, err = run(
        capsys, "figures", "all", str(tmp_path / "results"), "-o", str(tmp_path / "g"), "--format", "png"
    )
    assert code == 0
    assert "makelov2024.md" in out
    assert "left out paulo2024: no figure of paulo2024" in err


def test_slips(tmp_path, capsys):
    made.ioi_report().to_json(tmp_path / "a.json")
    code, _, err = run(capsys, "figures", "karvonen", str(tmp_path))
    assert code == 2
    assert "did you mean karvonen2024?" in err
    code, _, err = run(capsys, "figures", "paulo2024", str(tmp_path), "-o", str(tmp_path / "o"))
    assert code == 2
    assert "fiducial reproduce paulo2024" in err
    assert not (tmp_path / "o").exists()
    code, _, err = run(capsys, "figures", "paulo2024", str(tmp_path / "nowhere"))
    assert code == 2
    assert "no file or folder" in err
    code, _, err = run(capsys, "figures", "saebench", str(tmp_path), "--format", "gif")
    assert code == 2
    assert "--format is svg, pdf, png" in err
