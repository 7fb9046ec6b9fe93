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
        notices=("noise", "random"),
        limits="With random silent positions a label that is far too broad scores nearly 1; read the precision at "
        "natural prevalence beside it.",
    ),
    "fuzzing_score": Properties(
        question="From its explanation, can a judge tell the positions of a stretch at which a latent fires?",
        direction="up",
        low=0.0,
        high=1.0,
        chance="1/2, and what shuffled explanations score, shown as a floor",
        needs=_NEEDS,
        symmetries=_SAME,
        notices=("noise", "random"),
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
        notices=("noise", "random"),
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
        notices=("noise", "random"),
        limits="Knows only what facts and the language of predicates can say; free text has to be translated first.",
    ),
}
