"""Published figures of the supervised dictionaries for IOI, as numbers: what `fiducial reproduce makelov2024` prints.

Sources
    `paper`      Makelov, Lange and Nanda 2024, arXiv 2405.08366 v3, GPT-2 small
    `follow-up`  its later version (OpenReview JdrVuEQih5) and the notebooks released with it; read by eye from their
                 figures, so good to .02; the budget is 2 features
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """An edit as published: success and the weight that it removed, by dictionary."""

    site: str
    attribute: str
    success: dict[str, float]
    weight: dict[str, float]


_DICTIONARIES = ("supervised", "vanilla", "gated", "topk")


def _edit(site: str, attribute: str, *pairs: tuple[float, float]) -> Edit:
    return Edit(
        site,
        attribute,
        dict(zip(_DICTIONARIES, (success for success, _ in pairs), strict=True)),
        dict(zip(_DICTIONARIES, (weight for _, weight in pairs), strict=True)),
    )


FOLLOW_UP = (
    _edit("(B)NM out", "IO", (0.96, 0.64), (0.55, 0.55), (0.97, 0.70), (0.95, 0.68)),
    _edit("(B)NM qk", "Pos", (0.88, 0.38), (0.55, 0.66), (0.87, 0.74), (0.86, 0.50)),
    _edit("(B)NM q", "Pos", (0.85, 0.47), (0.24, 0.34), (0.90, 0.79), (0.89, 0.50)),
    _edit("S-I out", "Pos", (0.80, 0.37), (0.46, 0.41), (0.93, 0.71), (0.89, 0.47)),
    _edit("S-I v", "Pos", (0.89, 0.39), (0.61, 0.63), (0.94, 0.57), (0.87, 0.39)),
    _edit("Ind+DT out", "Pos", (0.90, 0.45), (0.44, 0.52), (0.90, 0.62), (0.94, 0.66)),
)

PAPER = {
    "accuracy": "about .91",
    "logit difference": "about 3.3",
    "logit difference above 0": "about .99",
    "supervised edits": "above .80 everywhere",
    "supervised sufficiency and necessity": "near 1",
    "task SAEs": "significantly worse, not catastrophic",
    "frozen decoder": "like web-text SAEs, far below task SAEs",
    "supervised weights below 0": "10 % (mean -.037)",
    "task SAE weights below 0": "31 % (mean -.002)",
}
