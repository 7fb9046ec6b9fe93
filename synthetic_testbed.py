"""A testbed around a synthetic world: no model stands between the true features and the activations."""

from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from .data.activations import LabelledActivations, split_by_game
from .games.features import FeatureSet
from .games.synthetic_rows import PlantedWorld, SyntheticSample

if TYPE_CHECKING:
    from .models.dictionary import Dictionary


class SyntheticTestbed:
    """A synthetic world with a frozen sample for scoring.

    Rows of a synthetic world are independent. They are dealt into blocks that stand where games stand elsewhere, so
    that choosing, reporting and resampling work as on every testbed.

    Args:
        world: a synthetic world, or the hidden layer of a toy model.
        n_games: blocks of `rows_per_game` rows to score on; half of them choose, half report.
        seed: of the sample.
        rows_per_game: rows a block.

    Raises:
        ValueError: fewer than 8 blocks, or a negative seed.
    """

    hook = "the world itself"
    sharpness = 8.0  # logit of a feature of mean size; that of an absent one is 0 but for what overlaps
    device = "cpu"

    def __init__(self, world: PlantedWorld, *, n_games: int = 200, seed: int = 0, rows_per_game: int = 100) -> None:
        if not isinstance(n_games, int) or n_games < 8:
            raise ValueError(f"a testbed needs at least 8 games (half choose, half report), got n_games={n_games}")
        if seed < 0:
            raise ValueError(f"seed must be >= 0, got {seed}")
        self.name, self.world = world.name, world
        self.n_games, self.seed, self.rows_per_game = n_games, seed, rows_per_game
        self.cache: dict[Any, Any] = {}

    def __repr__(self) -> str:
        return f"SyntheticTestbed({self.name!r}, n_games={self.n_games}, seed={self.seed})"

    @property
    def config(self) -> dict[str, Any]:
        """What the world is made of, for the record; nothing of a sealed one, whose numbers are its owner's."""
        commitment = getattr(self.world, "commitment", None)
        if commitment is not None:
            return {"commitment": commitment}
        return asdict(self.world.config)

    @property
    def d_in(self) -> int:
        """Width of the activations."""
        return self.true_directions.shape[1]

    @property
    def features(self) -> FeatureSet:
        """What is known about a row."""
        return self.world.features

    @property
    def true_directions(self) -> torch.Tensor:
        """Float32 [A, d], unit rows."""
        return self.world.directions

    @property
    def owner(self) -> NDArray[np.int64]:
        """Feature of each true direction, int64 [A]."""
        return self.world.owner

    @cached_property
    def sample(self) -> SyntheticSample:
        """The rows with their truth."""
        return self.world.sample(self.n_games * self.rows_per_game, self.seed, rows_per_game=self.rows_per_game)

    @property
    def magnitudes(self) -> csr_array:
        """Float32 [N, A], how strongly each true direction was written."""
        return self.sample.magnitudes

    @property
    def x(self) -> torch.Tensor:
        """Activations as float32 [N, d_in]."""
        return self.sample.activations

    @cached_property
    def activations(self) -> LabelledActivations:
        """The rows as every capture looks: activations, packed labels, blocks."""
        sample = self.sample
        return LabelledActivations(
            sample.activations.numpy(),
            sample.labels,
            sample.game_id,
            (np.arange(len(sample.game_id)) % self.rows_per_game).astype(np.int16),
            sample.features,
            {
                "game": self.world.name,
                "version": self.world.version,
                "model": self.name,
                "model_sha256": "",
                "hook": self.hook,
                "seed": self.seed,
            },
        )

    @cached_property
    def train(self) -> NDArray[np.bool_]:
        """Rows on which thresholds and latents may be chosen, bool [N]; the others report."""
        return split_by_game(self.sample.game_id, test_fraction=0.5, seed=self.seed)

    def read_out(self, x: torch.Tensor) -> torch.Tensor:
        """What stands downstream of a world without a model: a reader that looks along every true direction.

        Token a is "direction a is written", its logit `sharpness` times the projection of x on that direction in
        units of its mean size. So behaviour is known too: tokens of what is written are the allowed ones.

        Args:
            x: float [N, d], activations or a dictionary's version of them.

        Returns:
            Logits, float32 [N, A].
        """
        if "sizes" not in self.cache:
            fires = np.maximum(np.diff(self.magnitudes.tocsc().indptr), 1)
            sizes = torch.from_numpy(np.asarray(abs(self.magnitudes).sum(0)).ravel() / fires).float()
            self.cache["sizes"] = torch.where(sizes > 0, sizes, 1.0)  # never written in this sample: read as it comes
        return self.sharpness * (x.float() - self.world.bias) @ self.true_directions.T / self.cache["sizes"]

    @cached_property
    def oracle(self) -> "Dictionary":
        """The true features as a dictionary; it knows the rows of this sample only."""
        from .models.oracle import oracle_dictionary

        return oracle_dictionary(self.sample, self.world)
