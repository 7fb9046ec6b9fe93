"""What ships does what the README says: trained SAEs stand between the floors and the ceilings on the board."""

import pytest
from fiducial.data.assets import ASSETS, list_assets
from fiducial.evaluation import score_shipped
from fiducial.testbed_specs import SPECS

LIMITS = {"othello": 10_000_000, "chess": 14_000_000, "ioi": 1_100_000}  # bytes of all assets of a game


def test_assets_fit_and_have_cards():
    manifest = list_assets()
    for game, limit in LIMITS.items():
        assert sum(file.stat().st_size for file in ASSETS.glob(f"{game}*/**/*") if file.is_file()) <= limit
    assert sum(file.stat().st_size for file in ASSETS.rglob("*") if file.is_file()) <= 25_000_000
    for name, entry in manifest.items():
        assert entry["card"]["command"].startswith("fiducial train-"), name
        assert entry["card"]["command"].endswith("--ship"), name
    for spec in SPECS.values():
        if not spec.dictionaries:
            assert spec.model in manifest
            continue
        order = manifest[spec.model]["card"]["axes" if spec.position else "board"]
        assert set(order["saes"]) == set(spec.dictionaries)
        assert ("mean codes" if spec.position else "probes") in order["references"]
        wanted = {spec.model, *spec.dictionaries.values(), *spec.twin_dictionaries.values(), *spec.controls.values()}
        assert wanted <= set(manifest)


@pytest.fixture(
    scope="module",
    params=["othello-small", pytest.param("chess-small", marks=pytest.mark.slow)],  # 200 games of chess take 45 s
)
def reports(request):
    n_games = {"othello-small": 80, "chess-small": 200}[request.param]
    return score_shipped(request.param, n_games=n_games, metrics=["coverage", "reconstruction"])


@pytest.mark.parametrize("metric", ["coverage", "reconstruction"])
def test_probes_above_saes_above_random_controls_on_the_board(reports, metric):
    """The order that makes the testbed worth anything, with intervals that do not overlap."""
    for report in reports:
        low, high = report.scores[metric].group_intervals["board"]
        board = {name: scores[metric].group_intervals["board"] for name, scores in report.controls.items()}
        # What is read back best differs: the decoded probes on Othello, plain least squares on chess.
        ceilings = ["probes"] if metric == "coverage" else ["probes", "least squares"]
        assert max(board[name][0] for name in ceilings) > high, report.dictionary
        below = [name for name in board if name.startswith(("random dictionary", "random-model SAE"))]
        assert len(below) == 2
        for name in below:
            assert board[name][1] < low, (report.dictionary, name)
