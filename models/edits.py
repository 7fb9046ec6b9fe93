"""Edits that add no truth to a dictionary: a metric that rises under one of them can be gamed by it.

    better = EDITS["duplicate"].make(dictionary, x, seed=0)      # x: choosing rows

Every edit wraps its dictionary (the weights of the base are never touched), meets the Dictionary contract, is the same
for the same seed and encodes a row the same in any batch. `changes` says what a metric downstream can see of it.
"""

import dataclasses
import difflib
from collections.abc import Callable
from dataclasses import dataclass

import torch

from . import edits_directions as directions
from . import edits_latents as latents
from .dictionary import Dictionary
from .edited_dictionary import EditedDictionary
from .ladder_base import LadderBase, measured

CHANGES = ("codes", "directions", "reconstruction")


@dataclass(frozen=True)
class Edit:
    """One edit.

    Attributes:
        name: key in `EDITS`.
        description: what it does, in one sentence.
        changes: which of `CHANGES` it touches: the codes; the unit directions (their number, order or angle; a length
            alone does not count); the reconstruction (by more than a thousandth of its error-free size).
        build: makes it from a measured base and a seed.
        fewest: latents that it needs.
    """

    name: str
    description: str
    changes: tuple[str, ...]
    build: Callable[[LadderBase, int], EditedDictionary]
    fewest: int = 1

    def make(self, dictionary: Dictionary, x: torch.Tensor, seed: int = 0) -> Dictionary:
        """The edited dictionary.

        Args:
            dictionary: what to edit; its latents may be signed.
            x: float [N, d], choosing rows that it can encode; rates, means and errors are measured on them.
            seed: of every choice.

        Raises:
            ValueError: too few latents for this edit, x of another shape, or a dictionary without a firing.
        """
        made = self.build(measured(dictionary, x, fewest=self.fewest, signed=True), seed)
        return dataclasses.replace(made, name=f"{dictionary.name}, {self.name}")


def edit_named(name: str) -> Edit:
    """The edit of a name.

    Raises:
        KeyError: there is none; close names are suggested.
    """
    if name not in EDITS:
        close = difflib.get_close_matches(name, EDITS, n=3)
        raise KeyError(f"there is no edit {name!r}; " + (f"near: {', '.join(close)}" if close else f"{sorted(EDITS)}"))
    return EDITS[name]


_CODES, _DIRECTIONS, _RECONSTRUCTION = (("codes",), ("directions",), ("reconstruction",))

EDITS: dict[str, Edit] = {
    edit.name: edit
    for edit in (
        Edit("rescale all", "all latents times one factor, undone by the directions", _CODES, latents.rescale_all),
        Edit("rescale each", "each latent times its own factor, undone by its direction", _CODES, latents.rescale_each),
        Edit(
            "norms into latents",
            "unit directions, their lengths moved to the latents",
            _CODES,
            latents.norms_into_latents,
        ),
        Edit("binarise", "each latent at its mean wherever it fires", _CODES + _RECONSTRUCTION, latents.binarise),
        Edit("duplicate", "half of the latents twice, at half activity", _CODES + _DIRECTIONS, latents.duplicate),
        Edit("split", "half of the latents divided among two copies", _CODES + _DIRECTIONS, latents.split),
        Edit(
            "append always on",
            "a sixteenth more latents that always fire",
            _CODES + _DIRECTIONS,
            latents.append_always_on,
        ),
        Edit(
            "append dense random",
            "a sixteenth more latents that read random directions",
            _CODES + _DIRECTIONS,
            latents.append_dense_random,
        ),
        Edit("append dead", "a quarter more latents that never fire", _CODES + _DIRECTIONS, latents.append_dead),
        Edit("append components", "principal components in signed halves", CHANGES, latents.append_components),
        Edit("append coordinates", "raw coordinates in signed halves", CHANGES, latents.append_coordinates),
        Edit("drop rarest", "without the rarest quarter of the latents", CHANGES, latents.drop_rarest, 2),
        Edit("drop densest", "without the densest tenth of the latents", CHANGES, latents.drop_densest, 2),
        Edit(
            "raise threshold",
            "the weakest quarter of each latent's firings silenced",
            _CODES + _RECONSTRUCTION,
            latents.raise_threshold,
        ),
        Edit(
            "lower threshold",
            "weak firings added where the row points along the direction",
            _CODES + _RECONSTRUCTION,
            latents.lower_threshold,
        ),
        Edit("rotate", "all directions turned by 0.2 radians", _DIRECTIONS + _RECONSTRUCTION, directions.rotate),
        Edit(
            "replace some", "a tenth of the directions random", _DIRECTIONS + _RECONSTRUCTION, directions.replace_some
        ),
        Edit(
            "swap neighbours",
            "near directions swapped in pairs",
            _DIRECTIONS + _RECONSTRUCTION,
            directions.swap_neighbours,
            2,
        ),
        Edit(
            "mix pairs",
            "latents mixed in pairs, undone by their directions",
            _CODES + _DIRECTIONS,
            directions.mix_pairs,
            2,
        ),
        Edit("correct bias", "the mean error added to every reconstruction", _RECONSTRUCTION, directions.correct_bias),
    )
}
