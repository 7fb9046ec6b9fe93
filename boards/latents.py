"""Ways to edit a board through the latents of a dictionary: those of an SAE, neurons, principal components.

aware   Interpretation-aware: of the latents active at the position, the k with the best F1 for the old state are
        removed; the k latents with the best F1 for the new state are raised to their mean when active. F1 comes from
        the choosing games, where every state occurs.
greedy  Interpretation-agnostic: at most k latents are removed, added or swapped so that the activation comes as near
        as it gets to the supervised edit, whose latents are the target.

k is per changed square, and the target's size is chosen on other edits. "aware, sized" is the aware edit times a size,
as in steering. All change the activation, not its reconstruction. Reference: Makelov, Lange and Nanda 2024,
arXiv 2405.08366, where the target is the activation of another prompt.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from ..models.dictionary import Dictionary
from .edits import BoardEdits
from .methods import FitRows, Method, Setting, SquareDirections, View

BUDGETS = ((1.0,), (2.0,), (4.0,), (8.0,))
SIZED = tuple((k, size) for k in (1.0, 2.0) for size in (0.5, 1.0, 2.0, 3.0))


@dataclass(eq=False)
class LatentEditor:
    """A dictionary that knows what its latents stand for.

    Attributes:
        name: of the dictionary.
        directions: float32 [H, d], what each latent adds to the residual stream.
        encode: from a view to latents float [B, H].
        decode_zero: float32 [d], what no latent writes; None where the dictionary reconstructs another activation.
        f1: float32 [H, S * C], of "latent is active" against every state.
        active: float32 [H], mean of each latent when active.
        role: of its methods.
        known: latents of views seen before; settings are tried on the same ones.
    """

    name: str
    directions: torch.Tensor
    encode: Callable[[View], torch.Tensor]
    decode_zero: torch.Tensor | None
    f1: torch.Tensor
    active: torch.Tensor
    role: str = "unsupervised"
    known: dict[int, tuple[View, torch.Tensor]] = field(default_factory=dict)

    def latents(self, view: View) -> torch.Tensor:
        """Latents of a view, computed once."""
        if id(view) not in self.known:
            with torch.no_grad():
                self.known = {id(view): (view, self.encode(view).float())}
        return self.known[id(view)][1]

    def aware_changes(self, view: View, k: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Change of every latent, float [B, H], and which were removed, bool [B, H]."""
        now = self.latents(view)
        n_best = min(int(k), now.shape[1])
        removed = torch.zeros_like(now, dtype=torch.bool)
        raised = torch.zeros_like(removed)
        for taken, put in zip(view.edits.taken.T, view.edits.put.T, strict=True):
            for column, mask, fit in ((taken, removed, now > 0), (put, raised, (self.active > 0).expand_as(now))):
                ranked = torch.where(fit, self.f1.T[torch.from_numpy(np.maximum(column, 0))], torch.full((), -1.0))
                best = ranked.topk(n_best, dim=1)
                chosen = (best.values > 0) & torch.from_numpy(column >= 0)[:, None]
                mask.scatter_(1, best.indices, mask.gather(1, best.indices) | chosen)
        removed &= ~raised  # a latent of both states stays
        change = torch.where(raised, (self.active - now).clamp(min=0), torch.zeros(()))
        return torch.where(removed, -now, change), removed

    def aware(self, view: View, k: float) -> torch.Tensor:
        """What the aware edit adds, float [B, d]."""
        return self.aware_changes(view, k)[0] @ self.directions

    def weight_removed(self, view: View, removed: torch.Tensor) -> torch.Tensor:
        """Share of the reconstruction that the removed latents carry, float [B]."""
        if self.decode_zero is None:
            return torch.full((len(removed),), torch.nan)
        now = self.latents(view)
        written = now @ self.directions
        taken = torch.where(removed, now, torch.zeros(())) @ self.directions
        return (taken * written).sum(1) / written.square().sum(1).clamp(min=1e-12)


def editor_of(
    name: str,
    rows: FitRows,
    *,
    encode: Callable[[View], torch.Tensor],
    fitted: torch.Tensor,
    directions: torch.Tensor,
    decode_zero: torch.Tensor | None,
    role: str,
) -> LatentEditor:
    """An editor whose latents are ranked on the rows given.

    Args:
        name: of the dictionary.
        rows: choosing games.
        encode: from a view to latents.
        fitted: float [N, H], latents of the rows.
        directions: float [H, d].
        decode_zero: what no latent writes, or None.
        role: of its methods.
    """
    on = (fitted > 0).float()
    truth = torch.from_numpy(rows.flat).float()
    both = on.T @ truth
    f1 = 2 * both / (on.sum(0)[:, None] + truth.sum(0)).clamp(min=1)
    active = fitted.clamp(min=0).sum(0) / on.sum(0).clamp(min=1)
    return LatentEditor(name, directions.detach().float(), encode, decode_zero, f1, active, role)


def dictionary_editor(dictionary: Dictionary, rows: FitRows, role: str = "unsupervised") -> LatentEditor:
    """The editor of a dictionary of the residual stream."""
    with torch.no_grad():
        fitted = torch.cat([dictionary.encode(part).float() for part in rows.x.split(4096)])
        zero = dictionary.decode(torch.zeros(1, fitted.shape[1]))[0].float()
    return editor_of(
        dictionary.name,
        rows,
        encode=lambda view: dictionary.encode(view.x),
        fitted=fitted,
        directions=dictionary.directions,
        decode_zero=zero,
        role=role,
    )


def neuron_editor(neurons: Dictionary, rows: FitRows) -> LatentEditor:
    """The editor of the MLP neurons of the block, each as its two halves; what they write enters the residual stream.

    Raises:
        ValueError: rows without neurons.
    """
    if rows.neurons is None:
        raise ValueError("the rows to fit on have no neurons")

    def encode(view: View) -> torch.Tensor:
        if view.neurons is None:
            raise ValueError("neurons can be edited in their own block only")
        return neurons.encode(view.neurons)

    return editor_of(
        "neurons",
        rows,
        encode=encode,
        fitted=neurons.encode(rows.neurons),
        directions=neurons.directions,
        decode_zero=None,
        role="floor",
    )


def aware_methods(editor: LatentEditor) -> list[Method]:
    """The interpretation-aware edit of a dictionary, as published and with a size; a floor is not sized."""

    def removed(view: View, setting: Setting) -> torch.Tensor:
        return editor.weight_removed(view, editor.aware_changes(view, setting[0])[1])

    plain = Method(
        f"{editor.name}, aware",
        lambda view, setting: editor.aware(view, setting[0]),
        BUDGETS,
        ("k =",),
        editor.role,
        removed,
    )
    sized = Method(
        f"{editor.name}, aware, sized",
        lambda view, setting: editor.aware(view, setting[0]) * setting[1],
        SIZED,
        ("k =", "x"),
        editor.role,
        removed,
    )
    return [plain] if editor.role == "floor" else [plain, sized]


def greedy_method(editor: LatentEditor, dictionary: Dictionary, supervised: SquareDirections, size: float) -> Method:
    """The greedy edit of a dictionary of the residual stream towards the supervised edit times a size."""
    from ..metrics.control_greedy import GreedyEdits, greedy_edits

    known: dict[int, tuple[View, GreedyEdits]] = {}

    def plan(view: View) -> GreedyEdits:
        if id(view) not in known:
            target = view.x + size * supervised.delta(view.edits)
            with torch.no_grad():
                wanted = dictionary.encode(target).float()
            most = int(max(BUDGETS)[0]) * view.edits.taken.shape[1]
            found = greedy_edits(editor.latents(view), wanted, editor.directions, view.x - target, most)
            known.clear()
            known[id(view)] = (view, found)
        return known[id(view)][1]

    def delta(view: View, setting: Setting) -> torch.Tensor:
        return _by_budget(view.edits, setting[0], lambda budget: plan(view).delta(budget).float())

    def removed(view: View, setting: Setting) -> torch.Tensor:
        def weight(budget: int) -> torch.Tensor:
            return editor.weight_removed(view, plan(view).removed(budget))[:, None]

        return _by_budget(view.edits, setting[0], weight)[:, 0]

    return Method(f"{editor.name}, greedy", delta, BUDGETS, ("k =",), editor.role, removed)


def _by_budget(edits: BoardEdits, k: float, one: Callable[[int], torch.Tensor]) -> torch.Tensor:
    """Rows of `one(k * changed squares)`, each with its own number of changed squares."""
    changed = torch.from_numpy((edits.taken >= 0).sum(1).clip(min=1))
    found: torch.Tensor | None = None
    for count in changed.unique().tolist():
        rows = one(int(k) * count)
        found = rows if found is None else torch.where((changed == count)[:, None], rows, found)
    assert found is not None  # there is at least one edit
    return found
