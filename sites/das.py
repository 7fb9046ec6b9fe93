"""The skyline of control at a node: the subspace that the model itself uses for an attribute, learned through it.

Distributed alignment search (Geiger et al. 2024, arXiv 2303.02536) on training prompts and their counterfactuals: which
few dimensions, taken from the counterfactual's activation, make the model answer as the whole activation does? No
dictionary is fitted and no feature named, so that its success says what an edit of this node could reach at all.
"""

import numpy as np
import torch

from ..metrics.control import control
from ..metrics.score import Score
from ..models.nodes import patched_logits
from ..supervised_dicts.das import Subspace, fit_das
from .bench import AxesBench

_PAIRS, _CHANGE = 14, 15  # streams of a seed; the bench takes those before


def fit_skyline(
    bench: AxesBench, attribute: str, *, k: int | None = None, n_pairs: int = 2_000, steps: int = 200, seed: int = 0
) -> Subspace:
    """The subspace of one attribute at a section of one node.

    Args:
        bench: where.
        attribute: one that the bench edits.
        k: dimensions; None learns how many (boundless).
        n_pairs: training prompts, with pairs of names that do not report.
        steps: of training.
        seed: of the prompts and the first rotation.

    Raises:
        ValueError: a section of several nodes.
    """
    node = _only_node(bench)
    prompts = bench.world.prompts(n_pairs, [seed, _PAIRS], task=bench.task_of(attribute), pairs="train", names="base")
    changed = bench.world.counterfactuals_of(prompts, attribute, [seed, _CHANGE])
    base, source = bench.read(prompts)[node], bench.read(changed)[node]
    wanted = bench.logits(prompts, {node: source}).argmax(1)

    def forward(x: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        some = prompts.take(rows.cpu().numpy())
        return patched_logits(bench.model, some.tokens, some.positions, {node: x})

    return fit_das(forward, base, source, wanted, k=k, steps=steps, seed=seed, name=f"DAS for {attribute}")


def skyline(bench: AxesBench, attribute: str, subspace: Subspace, *, n_resamples: int = 1000, seed: int = 0) -> Score:
    """Success of swapping the subspace on the prompts that report, beside no edit and the full patch.

    Raises:
        ValueError: a section of several nodes.
    """
    node = _only_node(bench)
    aspect = bench.aspects[attribute]
    swapped = subspace.swap(aspect.base[node], aspect.source[node])
    choice = bench.logits(aspect.prompts, {node: swapped}).argmax(1).cpu().numpy().astype(np.int64)
    scores = control(choice, aspect.patched, aspect.unedited, n_resamples=n_resamples, seed=seed)
    return scores["edit_success_score"]


def _only_node(bench: AxesBench):  # noqa: ANN202 - a Node
    if len(bench.section.nodes) != 1:
        raise ValueError(f"a subspace is learned at one node; {bench.section.name} has {len(bench.section.nodes)}")
    return bench.section.nodes[0]
