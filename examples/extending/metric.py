"""Add a metric: purity, held to its own record, certified as a newcomer, then scored beside its floors and ceilings.

Purity: when a latent fires, how much better than by chance is one feature known to hold?

Equation      purity = mean over latents of (P(g | fires) - P(g)) / (1 - P(g)), on the reporting games
              with g the feature for which this is largest on the choosing games
Conventions   A latent fires where it is > 0. One that fires in neither half of the games, or in one only, scores 0, and
              so does one that knows less than chance. Features that always or never hold are left out. The interval
              resamples the reporting games; the choice of g stays.
References    precision of a detector beyond chance, which is Peirce's and Heidke's skill with P(g) as the chance level
Differences from published code     none is reproduced

python examples/extending/metric.py
"""

import fiducial as fd
import numpy as np
from fiducial.metrics import Properties, Score, game_weights, interval
from fiducial.subject import Subject

NAME = "purity_score"
RECORD = Properties(
    question="When a latent fires, how much better than by chance is one feature known to hold?",
    direction="up",
    low=0.0,
    high=1.0,
    chance="about 0: a latent that fires anywhere knows no feature better than its rate",
    needs=("latents", "labels", "game_id", "train"),
    symmetries=("latent permutation", "positive rescaling"),
    notices=("random", "dead", "merged"),
    limits="Reads when latents fire, not what they write or how strongly; a latent for half of a feature is as pure.",
)


def purity(
    latents: np.ndarray,
    labels: np.ndarray,
    *,
    game_id: np.ndarray,
    train: np.ndarray,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Score:
    """Purity of latents.

    Args:
        latents: float [N, L]; a latent fires where it is > 0.
        labels: bool [N, F].
        game_id: integer [N], what may not be split.
        train: bool [N], rows on which the feature of a latent is chosen; the others report.
        n_resamples: of the bootstrap over games.
        seed: of the bootstrap.

    Returns:
        The score, in [0, 1].

    Raises:
        ValueError: fewer than two reporting games.
    """
    fires, truth = latents > 0, labels.astype(np.float64)
    games, of_row = np.unique(game_id[~train], return_inverse=True)
    # Sums within games, so that a resample is a sum over games.
    member = (of_row == np.arange(len(games))[:, None]).astype(np.float64)  # [G, rows]
    chosen = _skill(fires[train].T @ truth[train], fires[train].sum(0), truth[train].mean(0)).argmax(1)
    both = member @ (fires[~train] * truth[~train][:, chosen])  # [G, L]
    count, holds, rows = member @ fires[~train], member @ truth[~train], member.sum(1)
    alive = fires[train].any(0)

    def value(weights: np.ndarray) -> float:
        rate = (weights @ holds / (weights @ rows))[chosen]
        fired = weights @ count
        precision = np.divide(weights @ both, fired, out=np.zeros_like(fired), where=fired > 0)
        skill = np.divide(precision - rate, 1 - rate, out=np.zeros_like(rate), where=rate < 1)
        return float(np.where(alive & (fired > 0), skill, 0).clip(0, 1).mean())

    replicates = np.array([value(weights) for weights in game_weights(len(games), n_resamples, seed)])
    whole = value(np.ones(len(games)))
    low, high = interval(replicates)
    return Score(NAME, whole, min(low, whole), max(high, whole), replicates=replicates)


def _skill(both: np.ndarray, fired: np.ndarray, rate: np.ndarray) -> np.ndarray:
    """How much better than by chance each feature is known when each latent fires, float [L, F]."""
    precision = both / np.maximum(fired, 1)[:, None]
    varies = (rate > 0) & (rate < 1)
    return np.where(varies, (precision - rate) / np.where(varies, 1 - rate, 1), -1)


def measure(about: Subject) -> Score:
    """What `evaluate` and `certify` call: the arrays of a subject, handed on."""
    return purity(
        about.codes.to_dense(),
        about.features.unpack(about.labels),
        game_id=about.game_id,
        train=about.train,
        n_resamples=about.n_resamples,
        seed=about.seed,
    )


def main(world: str = "hierarchy-toy", n_games: int = 40) -> tuple[fd.Report, str]:
    """Certify it on a world whose right dictionary is known, then register it and score with it."""
    newcomer = fd.Newcomer(RECORD, measure)
    certificate = fd.certify(world, metrics=[], newcomers={NAME: newcomer}, n_games=n_games, edits=[])
    bed = fd.testbed(world, n_games=n_games)
    fd.register_metric(NAME, RECORD, measure)
    sae = fd.train_sae("topk", bed.world, n_latents=32, k=2, samples=50_000, progress=False, name="my topk")
    return fd.evaluate(sae, bed, [NAME, "coverage"]), str(certificate)


if __name__ == "__main__":
    report, certificate = main()
    print(certificate)
    print(report)
