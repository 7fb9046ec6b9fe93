"""What stands in the cards of the shipped models and SAEs: their scores, beside floors and ceilings."""

from .data.assets import ASSETS, list_assets, register_asset
from .evaluation import score_shipped
from .metrics.score import Score
from .testbed_specs import SPECS

CARD_METRICS = ("coverage", "reconstruction")
SITE_METRICS = ("sufficiency_score", "necessity_score", "edit_success_score")


def score_cards(name: str, *, n_games: int = 200, seed: int = 0) -> None:
    """Score what ships on a testbed and write it into the cards.

    Each SAE's card gets its coverage and reconstruction of the board, or what it is worth at the site of an IOI model;
    the model's card gets the order that makes the testbed worth anything: probes or mean codes, its SAEs, the SAE of
    the random twin, the random dictionary.

    Args:
        name: of the testbed.
        n_games: games to score on.
        seed: of the games and the bootstrap.
    """
    spec = SPECS[name]
    key, metrics, summary = ("axes", SITE_METRICS, _axes) if spec.position else ("board", CARD_METRICS, _board)
    reports = score_shipped(name, n_games=n_games, seed=seed, metrics=metrics)
    cards = {asset_name: dict(entry["card"]) for asset_name, entry in list_assets(ASSETS).items()}
    known = {report.dictionary: summary(report.scores) for report in reports}
    by = f"fiducial score-cards --testbed {name} --games {n_games} --seed {seed}"
    for short, asset_name in spec.dictionaries.items():
        cards[asset_name][key] = {"command": by, **known[short]}
    controls = {control: summary(scores) for control, scores in reports[0].controls.items() if scores}
    cards[spec.model][key] = {"command": by, "saes": known, "references": controls}
    for asset_name in (spec.model, *spec.dictionaries.values()):
        entry = list_assets(ASSETS)[asset_name]
        register_asset(asset_name, ASSETS / entry["path"], kind=entry["kind"], card=cards[asset_name], root=ASSETS)


def _board(scores: dict[str, Score]) -> dict[str, list[float]]:
    """Value and interval of the group `board`, rounded, by metric."""
    return {
        metric: [round(value, 4) for value in (score.groups["board"], *score.group_intervals["board"])]
        for metric, score in scores.items()
        if "board" in score.groups
    }


def _axes(scores: dict[str, Score]) -> dict[str, dict[str, list[float]]]:
    """Value and interval of every attribute, rounded, by metric."""
    return {
        metric: {
            attribute: [round(part, 4) for part in (value, *score.group_intervals[attribute])]
            for attribute, value in score.groups.items()
        }
        for metric, score in scores.items()
    }
