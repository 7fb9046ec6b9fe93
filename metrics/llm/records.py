"""What the scores of explained latents declare of themselves."""

from ..properties import Properties, Symmetry

_NEEDS = ("latents", "labels", "game_id", "position", "train")
_SAME: tuple[Symmetry, ...] = ("positive rescaling", "dead latent")

PROPERTIES: dict[str, Properties] = {
    "detection_score": Properties(
        question="From its explanation, can a judge tell positions at which a latent fires from others?",
        direction="up",
        low=0.0,
        high=1.0,
        chance="1/2, and what shuffled explanations score, shown as a floor",
        needs=_NEEDS,
        symmetries=_SAME,
        notices=("noise", "random", "split"),
        limits="With random silent positions a label that is far too broad scores nearly 1: read natural F1 beside it; "
        "asks latents that fire, not features: lost ones, copies and 'a or b' cost nothing, and sparser SAEs score "
        "higher.",
    ),
    "fuzzing_score": Properties(
        question="From its explanation, can a judge tell the positions of a stretch at which a latent fires?",
        direction="up",
        low=0.0,
        high=1.0,
        chance="1/2, and what shuffled explanations score, shown as a floor",
        needs=_NEEDS,
        symmetries=_SAME,
        notices=("noise", "random", "split"),
        limits="Wrong marks stand in other stretches, so that a label of the whole game can pass; where stretches with "
        "more wrong than right marks are drawn, all of them fit less often, and chance lies above 1/2: read the floor.",
    ),
    "simulation_score": Properties(
        question="From its explanation, how well can a judge say how strongly a latent fires at each position?",
        direction="up",
        low=-1.0,
        high=1.0,
        chance="0, and what shuffled explanations score, shown as a floor",
        needs=_NEEDS,
        symmetries=_SAME,
        notices=("noise", "random", "split"),
        limits="Latents whose simulation is constant have no correlation and are left out; a predicate knows on and "
        "off, no strength.",
    ),
    "explanation_f1_score": Properties(
        question="How often is the explanation of a latent right, executed at every position of unseen games?",
        direction="up",
        low=0.0,
        high=1.0,
        chance="what shuffled explanations and random facts of the same frequency score, shown as floors",
        needs=_NEEDS,
        symmetries=(*_SAME, "game order"),
        notices=("noise", "random", "split"),
        limits="Knows only what facts and the language of predicates can say; asks latents that fire, not features: "
        "lost ones, copies and 'a or b' cost nothing; latents that fire often are right by chance, so read the floors.",
    ),
}
