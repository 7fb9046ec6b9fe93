"""What an exam's two rates say at the prevalence that a latent really has, with the judge's own errors taken out.

Equation      F1 = 2 pi TPR / (pi TPR + (1 - pi) FPR + pi): recall is TPR, precision that at natural prevalence pi
              TPR = (TPR seen - e_neg) / (1 - e_pos - e_neg), and FPR likewise, in [0, 1]
Conventions   e_pos = P(no | the explanation holds), e_neg = P(yes | it does not). Silent examples have to be drawn at
              random from all silent positions: harder ones say nothing about how often the explanation holds.
References    The correction is that of Rogan and Gladen (1978) for a prevalence, here applied to both rates.
Differences   Published scores are balanced accuracies or F1 of an exam of as many active as silent examples; both like
              explanations that are too broad.
"""

from math import isnan, nan


def natural_f1(tpr: float, tnr: float, prevalence: float) -> float:
    """F1 at natural prevalence; NaN if a rate is not known, or nothing fires and nothing is predicted.

    Args:
        tpr: share of yes among active examples.
        tnr: share of no among silent examples.
        prevalence: share of positions at which the latent fires.

    >>> round(natural_f1(1.0, 0.92, 0.01), 3)  # precision .112
    0.202
    """
    right = prevalence * tpr
    total = right + (1 - prevalence) * (1 - tnr) + prevalence
    return 2 * right / total if total > 0 else nan


def true_rates(tpr: float, tnr: float, e_pos: float, e_neg: float) -> tuple[float, float]:
    """TPR and TNR that a judge without errors would have seen.

    Args:
        tpr: as seen.
        tnr: as seen.
        e_pos: P(no | true).
        e_neg: P(yes | false).

    Returns:
        Both in [0, 1]; what noise takes past an end is cut off. NaN for a judge whose errors add up to 1 or more.

    >>> [round(rate, 9) for rate in true_rates(0.9, 0.9, 0.1, 0.1)]
    [1.0, 1.0]
    """
    left = 1 - e_pos - e_neg
    if not left > 0 or isnan(tpr) or isnan(tnr):
        return nan, nan
    return min(1.0, max(0.0, (tpr - e_neg) / left)), min(1.0, max(0.0, (tnr - e_pos) / left))
