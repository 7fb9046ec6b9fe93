"""A testbed around a model: a world that it plays in, a hook point, and games sampled for scoring."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from .games import IOI, Game, Transcripts
from .games.features import FeatureSet
from .models.nodes import CrossSection, Node
from .models.transformers import TransformerConfig, build_transformer
from .sites.bench import AxesBench
from .testbed_specs import TestbedSpec

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

    from .data.activations import LabelledActivations

FIT_PROMPTS, CHOOSE_PROMPTS = 10_000, 6_000  # for the three axes
TWIN_SEED = 1  # of the randomly initialised twin; not the seed that the trained model started from


class Testbed:
    """A world, a model and a hook point, with games sampled for scoring.

    Everything is computed once, when it is first asked for: transcripts, activations, the twin.

    Args:
        name: of the testbed.
        game: the world.
        model: what is measured.
        config: its shape.
        spec: hook points and shipped dictionaries.
        n_games: games to score on.
        seed: of the games.
        device: torch device.
        transcripts: the games, if `spec.sample` gave them already for the same number and seed.

    Raises:
        ValueError: fewer than 8 games, or a negative seed.
    """

    __test__ = False

    def __init__(
        self,
        name: str,
        game: Game,
        model: "TransformerBridge",
        config: TransformerConfig,
        spec: TestbedSpec,
        *,
        n_games: int = 500,
        seed: int = 0,
        device: str = "cpu",
        transcripts: Transcripts | None = None,
    ) -> None:
        if not isinstance(n_games, int) or n_games < 8:
            raise ValueError(f"a testbed needs at least 8 games (half choose, half report), got n_games={n_games}")
        if seed < 0:
            raise ValueError(f"seed must be >= 0, got {seed}")
        self.name, self.game, self.model, self.config, self.spec = name, game, model, config, spec
        self.n_games, self.seed, self.device = n_games, seed, device
        self.cache: dict[Any, Any] = {}  # what scoring computes once a testbed
        if transcripts is not None:
            self.__dict__["transcripts"] = transcripts

    def __repr__(self) -> str:
        return f"Testbed({self.name!r}, n_games={self.n_games}, seed={self.seed}, hook={self.hook!r})"

    @property
    def hook(self) -> str:
        """Where the activations are read."""
        return self.spec.hook

    @property
    def d_in(self) -> int:
        """Width of the activations."""
        return self.config.d_model

    @property
    def features(self) -> FeatureSet:
        """What is known about a position."""
        return self.transcripts.features

    @cached_property
    def transcripts(self) -> Transcripts:
        """The games, with their truth."""
        return self.spec.sample(self.n_games, self.seed, self.game)

    @cached_property
    def bench(self) -> AxesBench:
        """Prompts, counterfactuals and the model's answers for the three axes; on IOI testbeds only.

        Raises:
            ValueError: a game without prompts.
        """
        if not self.spec.position or not isinstance(self.game, IOI):
            raise ValueError(f"{self.name} has no prompts whose attributes could be edited")
        node = Node(self.hook, self.spec.position)
        return AxesBench(
            self.model,
            self.game,
            CrossSection(node.name, (node,)),
            self.spec.attributes,
            n_fit=FIT_PROMPTS,
            n_choose=CHOOSE_PROMPTS,
            n_report=3 * self.n_games,
            seed=self.seed,
        )

    @cached_property
    def activations(self) -> "LabelledActivations":
        """Activations at the hook point with the labels of every scored position."""
        from .models.capture import capture

        return capture(self.model, self.transcripts, self.hook, model_name=self.name)

    @cached_property
    def x(self) -> torch.Tensor:
        """Activations as float32 [N, d_in]."""
        return torch.from_numpy(np.asarray(self.activations.activations, dtype=np.float32))

    @cached_property
    def train(self) -> NDArray[np.bool_]:
        """Positions on which thresholds and latents may be chosen, bool [N]; the others report. Split by game."""
        return self.activations.split(test_fraction=0.5, seed=self.seed)

    @cached_property
    def predicted(self) -> NDArray[np.bool_]:
        """Where the model's predictions count, bool [games, positions]: scored positions of a game, a prompt's end."""
        if not self.spec.position:
            return self.transcripts.scored
        end = np.zeros_like(self.transcripts.scored)
        end[:, -1] = True
        return end

    @property
    def has_neurons(self) -> bool:
        """Whether the model has MLPs."""
        return not self.config.attn_only

    @cached_property
    def neurons(self) -> torch.Tensor:
        """MLP neurons of the same block at the same positions, float32 [N, d_mlp]."""
        from .models.capture import capture

        captured = capture(self.model, self.transcripts, self.spec.neuron_hook)
        return torch.from_numpy(np.asarray(captured.activations, dtype=np.float32))

    @cached_property
    def twin(self) -> "Testbed":
        """The same games played into a randomly initialised model of the same shape."""
        model = build_transformer(self.config, TWIN_SEED, self.device).eval()
        twin = Testbed(
            f"{self.name} (random twin)",
            self.game,
            model,
            self.config,
            self.spec,
            n_games=self.n_games,
            seed=self.seed,
            device=self.device,
            transcripts=self.transcripts,
        )
        return twin
