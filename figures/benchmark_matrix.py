"""Do metrics rank SAEs alike? Rank correlations over the dictionaries at hand, with intervals over dictionaries."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .drawing import lower_is_better
from .naming import SAE
from .style import DIVERGING, GREY, Drawn, styled

ORDER = (
    "recovery_score", "mcc_score", "coverage", "reconstruction",
    "explained_variance_score", "ce_recovered_zero_score", "legal_top1_score",
    "probing_k1_score", "probing_saebench_score",
    "scr_score", "scr_saebench_score", "tpp_score", "tpp_saebench_score",
    "absorption_error", "absorption_full_saebench_error",
    "ravel_score", "ravel_saebench_score", "unlearning_score", "unlearning_saebench_score",
    "autointerp_score", "autointerp_saebench_score", "mdl_score", "meta_structure_error",
    "dead_latents_error", "l0",
)  # fmt: skip
FEWEST = 8  # dictionaries that a rank correlation is taken over
RESAMPLES = 500


def correlations(testbed: str, saes: Sequence[SAE]) -> Drawn | None:
    """A heat map of rank correlations; None for too few dictionaries or metrics.

    Args:
        testbed: its name.
        saes: trained dictionaries.
    """
    counts = {name: sum(sae.has(name) for sae in saes) for name in ORDER}
    names = [name for name in ORDER if counts[name] >= max(FEWEST, 0.8 * max(counts.values()))]
    names = [name for name in names if len({sae.scores[name].value for sae in saes if sae.has(name)}) > 2]
    kept = [sae for sae in saes if sae.has(*names)]
    if len(names) < 4 or len(kept) < FEWEST:
        return None
    values = np.array(
        [[(-1 if lower_is_better(name) else 1) * sae.scores[name].value for name in names] for sae in kept]
    )
    rho, low, high = rank_matrix(values)
    return _drawn(testbed, kept, names, rho, (low > 0) | (high < 0))


def rank_matrix(
    values: NDArray[np.float64], *, n_resamples: int = RESAMPLES, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Spearman's rho between columns with the ends of its 95 % interval.

    Args:
        values: [n, m], a row a dictionary.
        n_resamples: dictionaries are drawn with replacement so often.
        seed: of the draws.

    Returns:
        Three arrays [m, m]; rho is NaN where a column is constant.

    >>> rho, low, high = rank_matrix(np.array([[1.0, 3.0], [2.0, 2.0], [3.0, 1.0]]), n_resamples=10)
    >>> rho.round(6).tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    from scipy.stats import rankdata

    def rho_of(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        ranks = rankdata(rows, axis=0)
        centred = ranks - ranks.mean(0)
        spread = np.sqrt((centred**2).sum(0))
        with np.errstate(invalid="ignore", divide="ignore"):
            return centred.T @ centred / np.outer(spread, spread)

    generator = np.random.default_rng(seed)
    draws = np.stack([rho_of(values[generator.integers(0, len(values), len(values))]) for _ in range(n_resamples)])
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # columns that are constant in every draw have no interval
        low, high = np.nanquantile(draws, [0.025, 0.975], axis=0)
    return rho_of(values), low, high


@styled
def _drawn(
    testbed: str, saes: Sequence[SAE], names: Sequence[str], rho: NDArray[np.float64], sure: NDArray[np.bool_]
) -> Drawn:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    n = len(names)
    side = 0.3 * n
    fig = Figure(figsize=(side + 1.9, side + 2.4), layout="constrained")
    FigureCanvasAgg(fig)
    ax = fig.subplots()
    shown = np.where(np.eye(n, dtype=bool), np.nan, rho)
    image = ax.imshow(np.ma.masked_invalid(shown), cmap=DIVERGING, vmin=-1, vmax=1)
    ax.set_facecolor("#e6e6e6")
    for i in range(n):
        for j in range(n):
            if i != j and np.isfinite(rho[i, j]):
                ax.text(
                    j,
                    i,
                    f"{rho[i, j]:.1f}".replace("0.", ".").replace("-.0", ".0"),
                    ha="center",
                    va="center",
                    fontsize=6.3,
                    color="white" if abs(rho[i, j]) > 0.62 else "black",
                    fontweight="bold" if sure[i, j] else "normal",
                    alpha=1.0 if sure[i, j] else 0.65,
                )
    labels = [
        name.removesuffix("_score").removesuffix("_error").replace("_", " ") + (" (-)" if lower_is_better(name) else "")
        for name in names
    ]
    ax.set_xticks(range(n), labels, rotation=90, fontsize=7)
    ax.set_yticks(range(n), labels, fontsize=7)
    ax.tick_params(length=0)
    for side_name in ("left", "bottom"):
        ax.spines[side_name].set_visible(False)
    bar = fig.colorbar(image, ax=ax, location="bottom", shrink=0.5, aspect=30)
    bar.set_label("Spearman's rho over dictionaries;\nbold: its 95 % interval leaves 0 out", color=GREY)
    bar.outline.set_linewidth(0)
    return Drawn(
        f"saebench-correlations-{testbed}",
        fig,
        f"Rank correlations between metrics over {len(saes)} dictionaries on {testbed}; metrics marked (-) are turned "
        "round, so that a positive number says: better in one, better in the other (L0 only describes). Bold numbers "
        f"have a 95 % interval ({RESAMPLES} draws of dictionaries) that leaves 0 out. "
        "Dictionaries of several L0s and widths are "
        "mixed, and much of the agreement is that of sparsity.",
        "The paper compares how metrics rank SAEs: fidelity metrics move together, the others hardly follow them. "
        "There is no column for the truth.",
    )
