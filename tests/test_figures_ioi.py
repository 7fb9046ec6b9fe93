"""The figure of the three axes runs, goes on where it stopped, and draws."""

import json
import sys
from pathlib import Path

import fiducial
import pandas as pd
import pytest
import torch

EXAMPLES = Path(fiducial.__file__).parent / "examples" / "figures"


@pytest.fixture(autouse=True)
def examples_first(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_by_command_and_again_from_what_was_kept(tmp_path, monkeypatch, capsys):
    import ioi_axes

    kinds = {name: ioi_axes.KINDS[name] for name in ("TopK 3", "L1 3")}
    monkeypatch.setattr(ioi_axes, "KINDS", kinds)
    monkeypatch.setattr(sys, "argv", ["ioi_axes.py", "--quick", "--out", str(tmp_path)])
    ioi_axes.main()
    assert "dictionary TopK 3, seed 0, steps 2\n" in capsys.readouterr().out
    frame = pd.read_csv(tmp_path / "ioi-axes.csv")
    assert set(frame["dictionary"]) == {"supervised", "TopK 3", "L1 3", "L1 3, rescaled"}
    assert (frame["low"] <= frame["value"] + 1e-6).all()
    assert (frame["value"] <= frame["high"] + 1e-6).all()
    assert "</svg>" in (tmp_path / "ioi-axes.svg").read_text()
    kept = tmp_path / "ioi-axes.runs.jsonl"
    lines = kept.read_text().splitlines(keepends=True)
    kept.write_text("".join(lines[:-1]) + lines[-1][:40])  # stopped in the middle of a line
    ioi_axes.main()
    assert capsys.readouterr().out.count("dictionary ") == 2  # the line that was cut off, and the head of the table
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "ioi-axes.csv"), frame, rtol=1e-4, check_dtype=False)


def test_factors_that_undo_shrinkage():
    """Latents shrunk by known factors get them back, and a dead latent none."""
    from fiducial.models.small_saes import SmallSAE
    from ioi_axes import rescaled

    generator = torch.Generator().manual_seed(0)
    directions = torch.linalg.qr(torch.randn(6, 6, generator=generator))[0]
    x = torch.randn(400, 6, generator=generator) @ torch.diag(torch.tensor([2.0, 1, 1, 1, 1, 1]))
    shrunk = torch.tensor([0.5, 0.25, 1.0, 0.8, 0.1, 0.0])
    encoder = directions.T * shrunk
    sae = SmallSAE("s", directions, encoder, torch.zeros(6), torch.zeros(6), None, 0, 1)
    mended = rescaled(sae, x)
    torch.testing.assert_close(mended.encoder[:, :5], directions.T[:, :5], rtol=1e-3, atol=1e-3)
    assert (mended.encode(x)[:, 5] == 0).all()
    assert mended.name == "s, rescaled"
    firing, before = mended.encode(x) > 0, sae.encode(x) > 0
    torch.testing.assert_close(firing, before)


def test_how_far_each_sae_is_trained():
    from ioi_axes import STEPS, Kind, steps_of

    kind = Kind({}, reach=(5, 5, 3, 1))
    assert [len(steps_of(kind, seed, STEPS)) for seed in range(6)] == [4, 3, 3, 2, 2, 0]


def test_means_over_seeds_hold_seeds_and_prompts():
    from ioi_axes import RESAMPLES, counted, summary

    def line(seed, value, spread):
        replicates = [value + spread * (i % 2 - 0.5) for i in range(RESAMPLES)]
        return {
            "cell": {"dictionary": "TopK 3", "seed": seed, "steps": 10},
            "floors": {"IO": 0.0},
            "scores": {"IO necessity": [value, replicates]},
            **dict.fromkeys(("loss", "L0", "alive", "R2", "IO names", "S names", "Pos latents"), float(seed)),
        }

    frame = summary([json.loads(json.dumps(line(seed, 0.5 + 0.1 * seed, 0.02))) for seed in range(3)])
    row = frame[frame["figure"] == "IO necessity"].iloc[0]
    assert row["value"] == pytest.approx(0.6)
    assert 0.49 <= row["low"] < 0.55 < 0.65 < row["high"] <= 0.71
    assert counted(frame) == "3 SAEs a point at 10 steps"
