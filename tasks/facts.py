"""What is known of a testbed's positions, in the form that explainers and judges take."""

import numpy as np
from numpy.typing import NDArray

from ..metrics.llm.facts import Facts
from ..model_testbed import Testbed
from ..synthetic_testbed import SyntheticTestbed
from ..testbed_catalogue import AnyTestbed

_ROLES = ("IO", "S", "Pos", "template", "task", "answer", "ordinal answer", "duplicate")  # groups; no text shows them


def facts_of(bed: AnyTestbed, labels: NDArray[np.uint8] | None = None) -> Facts:
    """Every feature that can hold and is not there for comparison only, at every scored position; and the ply.

    Made once a testbed. The roles of the names in an IOI prompt are hidden: they are true, but a judge who reads the
    sentence has to work them out.

    Args:
        bed: where.
        labels: packed uint8 [N, bytes] instead of the testbed's own, such as shuffled ones.
    """
    if labels is not None and labels is not bed.activations.labels:
        return _facts(bed, labels)
    if "facts" not in bed.cache:
        bed.cache["facts"] = _facts(bed, np.asarray(bed.activations.labels))
    return bed.cache["facts"]


def _facts(bed: AnyTestbed, labels: NDArray[np.uint8]) -> Facts:
    known = bed.features
    used = known.where(reachable=True, counterpart=False)
    held = known.unpack_columns(labels, used)
    game, position = (np.asarray(a).astype(np.int64) for a in (bed.activations.game_id, bed.activations.position))
    counters = {}
    if shows_games(bed):
        # A file of positions does not say which ply a token belongs to.
        counters = (
            {"ply": bed.transcripts.ply[game, position].astype(np.int64)}
            if isinstance(bed, Testbed)
            else {"token": position}
        )
    return Facts(
        names=tuple(known[int(i)].name for i in used),
        labels=np.packbits(held, axis=1, bitorder="little"),
        game_id=game,
        position=position,
        train=np.asarray(bed.train),
        counters=counters,
        hidden=frozenset(known[int(i)].name for i in used if known[int(i)].group in _ROLES),
    )


def shows_games(bed: AnyTestbed) -> bool:
    """Whether positions follow each other, so that windows of them can be shown: in games, not in prompts or worlds."""
    return not isinstance(bed, SyntheticTestbed) and not bed.spec.position
