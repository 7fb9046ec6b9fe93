"""Testbeds: a world, a model that plays in it, a hook point and a seed. The place where SAEs plug in."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from .data.assets import asset
from .games import IOI, Chess, Game, Othello, Transcripts, world
from .games.features import FeatureSet
from .games.synthetic import SYNTHETIC_WORLDS, Synthetic
from .games.synthetic_rows import PlantedWorld
from .games.synthetic_sealed import sealed_world
from .models.capture import resolve_hook
from .models.nodes import CrossSection, Node
from .models.toy_superposition import TOY_MODELS, ToySuperposition
from .models.transformers import TransformerConfig, build_transformer, load_transformer
from .sites.bench import AxesBench
from .sites.gpt2 import config_of, gpt2_with_world
from .sites.qualification import qualify_sites
from .synthetic_testbed import SyntheticTestbed

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

    from .data.activations import LabelledActivations

SEALED = "sealed:"  # before the name of a synthetic world
SECRET_VARIABLE = "FIDUCIAL_SECRET"  # where its secret is looked for, so that no shell history keeps it
PROMPTS = 20  # of IOI for a game: a prompt is one row, a game of Othello thirty
FIT_PROMPTS, CHOOSE_PROMPTS = 10_000, 6_000  # for the three axes
TWIN_SEED = 1  # of the randomly initialised twin; not the seed that the trained model started from


@dataclass(frozen=True)
class TestbedSpec:
    """What ships under a testbed's name.

    Attributes:
        name: as the user writes it.
        game: makes the world.
        model: asset name of the model.
        layer: block whose output is read, counted from 0.
        dictionaries: shipped SAEs, asset name by short name.
        twin_dictionaries: shipped SAEs of the randomly initialised twin.
        controls: shipped control dictionaries trained on this testbed's activations.
        summary: one line for people.
        probes: asset of probes fitted on more games than a testbed scores; without it they are fitted on those.
        hook_name: hook point of the activations, if it is not the residual stream after the block.
        position: semantic position at which a prompt is read, such as `s2`; dictionaries then stand in at that position
            only, and predictions are read at the prompt's end. Empty for games, which are read everywhere.
        attributes: what is edited there, on prompts: attributes that the site carries to the answer.
    """

    __test__ = False  # not a pytest class

    name: str
    game: Callable[[], Game]
    model: str
    layer: int
    summary: str
    dictionaries: Mapping[str, str] = field(default_factory=dict)
    twin_dictionaries: Mapping[str, str] = field(default_factory=dict)
    controls: Mapping[str, str] = field(default_factory=dict)
    probes: str = ""
    hook_name: str = ""
    position: str = ""
    attributes: tuple[str, ...] = ()

    @property
    def hook(self) -> str:
        """Hook point of the activations: by default the residual stream after the block."""
        return self.hook_name or f"blocks.{self.layer}.hook_out"

    @property
    def neuron_hook(self) -> str:
        """Hook point of the MLP neurons of the same block."""
        return f"blocks.{self.layer}.mlp.out.hook_in"


ARCHITECTURES = ("standard", "topk", "batchtopk", "jumprelu", "gated", "matryoshka")


def _shipped(testbed: str, names: tuple[str, ...]) -> dict[str, str]:
    return {name: f"{testbed}/{name}" for name in names}


SPECS: dict[str, TestbedSpec] = {
    spec.name: spec
    for spec in (
        TestbedSpec(
            name="othello-6x6",
            game=lambda: Othello(6),
            model="othello-6x6/model",
            layer=1,
            summary="transformer trained on random legal Othello, 6 x 6 board",
            dictionaries=_shipped("othello-6x6", ARCHITECTURES),
            twin_dictionaries=_shipped("othello-6x6", ("twin-topk",)),
            controls=_shipped("othello-6x6", ("frozen-topk",)),
        ),
        TestbedSpec(
            name="othello-small",
            game=lambda: Othello(8),
            model="othello-small/model",
            layer=1,
            summary="transformer trained on random legal Othello, 8 x 8 board",
            dictionaries=_shipped("othello-small", ("topk", "batchtopk")),
            twin_dictionaries=_shipped("othello-small", ("twin-topk",)),
            controls=_shipped("othello-small", ("frozen-topk",)),
        ),
        TestbedSpec(
            name="chess-small",
            game=Chess,
            model="chess-small/model",
            layer=2,
            summary="transformer trained on random legal and engine chess, one token a move",
            dictionaries=_shipped("chess-small", ("topk", "matryoshka", "standard", "p_anneal")),
            twin_dictionaries=_shipped("chess-small", ("twin-topk",)),
            controls=_shipped("chess-small", ("frozen-topk",)),
            probes="chess-small/probes",  # most features hold in a few games of a hundred
        ),
        TestbedSpec(
            name="chess-pgn-small",
            game=lambda: Chess(tokens="characters"),
            model="chess-pgn-small/model",
            layer=2,
            summary="transformer trained on random legal chess in characters; no SAEs ship with it",
        ),
        TestbedSpec(
            name="ioi-tiny",
            game=lambda: IOI(scored=("s2",)),
            model="ioi-tiny/model",
            layer=0,
            summary="attention-only transformer for IOI prompts, read at the repeated name; seed 0",
            dictionaries=_shipped("ioi-tiny", ("topk", "standard")),
            twin_dictionaries=_shipped("ioi-tiny", ("twin-topk",)),
            controls=_shipped("ioi-tiny", ("frozen-topk",)),
            position="s2",
            attributes=("IO", "Pos"),
        ),
        TestbedSpec(
            name="ioi-tiny-1",
            game=lambda: IOI(scored=("end",)),
            model="ioi-tiny-1/model",
            layer=1,
            summary="the same, seed 1, read at the heads of the second block, where its answer is; without SAEs",
            hook_name="blocks.1.attn.o.hook_in",
            position="end",
            attributes=("IO", "Pos"),
        ),
        TestbedSpec(
            name="ioi-tiny-3",
            game=lambda: IOI(scored=("end",)),
            model="ioi-tiny-3/model",
            layer=1,
            summary="the same, seed 3, read at the heads of the second block; without SAEs",
            hook_name="blocks.1.attn.o.hook_in",
            position="end",
            attributes=("IO", "Pos"),
        ),
    )
}
DEFAULT_TESTBED = "othello-6x6"  # the stronger board of the two: see the models' cards


def testbeds() -> dict[str, str]:
    """Names of the testbeds, with a line about each: models that ship, synthetic worlds, toy models."""
    synthetic = {name: config.about for name, config in SYNTHETIC_WORLDS.items()}
    toys = {
        name: f"toy model of superposition: {c.n_features} features in {c.width} dimensions, present at {c.density:g}"
        for name, c in TOY_MODELS.items()
    }
    return {name: spec.summary for name, spec in SPECS.items()} | synthetic | toys


testbeds.__test__ = False  # type: ignore[attr-defined] - not a pytest function


def check_testbed(name: str) -> str:
    """The name, if a testbed has it; `sealed:NAME` is the synthetic world of a secret.

    Raises:
        KeyError: unknown name; close names are suggested.
    """
    if name.startswith(SEALED):
        world_name = name.removeprefix(SEALED)
        if world_name not in SYNTHETIC_WORLDS:
            close = get_close_matches(world_name, SYNTHETIC_WORLDS, n=2)
            hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(SYNTHETIC_WORLDS)}"
            raise KeyError(f"only synthetic worlds can be sealed, got {world_name!r}; {hint}")
        return name
    known = testbeds()
    if name not in known:
        close = get_close_matches(name, known, n=2)
        hint = f"; did you mean {' or '.join(close)}?" if close else f"; there are {', '.join(known)}"
        raise KeyError(f"no testbed named {name!r}{hint}")
    return name


def testbed(
    name: str | Path = DEFAULT_TESTBED,
    *,
    game: Game | str | None = None,
    layer: int | None = None,
    site: str | None = None,
    n_games: int = 500,
    seed: int = 0,
    device: str = "cpu",
) -> "AnyTestbed":
    """A testbed with games of its own; or, with `game` and `layer`, one around a model of yours.

    Args:
        name: one of `testbeds()`, or `sealed:` and the name of a synthetic world, which is then made from the secret in
            the environment variable FIDUCIAL_SECRET; with `game`, a path or a Hugging Face name of a model, such
            as the published ones in `PUBLISHED_GPTS` (`load_model` says what can be read).
        game: the world that the model plays, or its name.
        layer: block whose output is read, from 0; with `game` only.
        site: another place of an IOI model, such as `L1 z@end`; see `fiducial find-sites`. Attributes that it does not
            carry to the answer are left out, and a site that carries none is refused. With `game="ioi"` the name is
            that of GPT-2, a folder or on the hub, and a site is needed instead of a layer.
        n_games: games to score on; half of them choose thresholds and latents, the other half report. Of IOI twenty
            prompts count as a game.
        seed: of the games. The shipped SAEs were trained on other seeds, the models on seed 0 in batches of another
            size, so that only seed 0 with exactly 512 games of chess or 4,096 of Othello gives games a model has seen.
        device: torch device.

    Raises:
        KeyError: unknown name; close names are suggested.
        FileNotFoundError: no model at a path.
        ConnectionError: a name that is not in the local cache while the hub cannot be reached.
        ValueError: fewer than 8 games, a negative seed, a sealed world without a secret, a model that does not play the
            game or lacks the layer, a site of a model without prompts, or one that carries no attribute.
    """
    if game is not None and (game == "ioi" or isinstance(game, IOI)):
        return _around_gpt2(name, site, n_games, seed, device)
    if game is not None:
        return _around(name, world(game) if isinstance(game, str) else game, layer, n_games, seed, device)
    if layer is not None:
        raise ValueError("the layer of a shipped testbed is fixed; give layer only with game, for a model of yours")
    if site is not None and not isinstance(site, str):
        raise ValueError(f"site must be a name such as 'L1 z@end', got {type(site).__name__} {site}")
    if (planted := _planted(str(name))) is not None:
        if site is not None:
            raise ValueError(f"{name} is a world without a model; give site only with an IOI model")
        return SyntheticTestbed(planted, n_games=n_games, seed=seed)
    spec = SPECS[str(name)]
    model, config = load_transformer(asset(spec.model), device)
    if site is not None:
        spec = _at_site(spec, model, site)
    return Testbed(spec.name, spec.game(), model, config, spec, n_games=n_games, seed=seed, device=device)


def with_model(bed: "AnyTestbed") -> "Testbed":
    """The testbed, if a model plays in it.

    Raises:
        ValueError: it is a synthetic world.
    """
    if not isinstance(bed, Testbed):
        raise ValueError(
            f"{bed.name} is a synthetic world: there is no model and no game here, take {', '.join(SPECS)}"
        )
    return bed


def _planted(name: str) -> PlantedWorld | None:
    """The synthetic world or toy model of a checked name; None for a testbed with a model of its own."""
    check_testbed(name)
    if name.startswith(SEALED):
        secret = os.environ.get(SECRET_VARIABLE)
        if secret is None:
            raise ValueError(f"{name} is made from a secret of yours: put it into the environment as {SECRET_VARIABLE}")
        return sealed_world(name.removeprefix(SEALED), secret)
    if name in TOY_MODELS:
        return ToySuperposition(name)
    return Synthetic(name) if name in SYNTHETIC_WORLDS else None


def _around(name: str | Path, game: Game, layer: int | None, n_games: int, seed: int, device: str) -> "Testbed":
    """A testbed around a model that does not ship; it has no SAEs of its own."""
    from .models.loading_gpt import load_model

    model, config = load_model(name, game=game, device=device)
    if layer is None or not 0 <= layer < config.n_layers:
        raise ValueError(f"layer must say which block is read, from 0 to {config.n_layers - 1}, got {layer}")
    spec = TestbedSpec(str(name), lambda: game, str(name), layer, f"{name}, which plays {game.name}")
    return Testbed(spec.name, game, model, config, spec, n_games=n_games, seed=seed, device=device)


def _at_site(spec: TestbedSpec, model: "TransformerBridge", site: str, world: IOI | None = None) -> TestbedSpec:
    """The testbed of the same model at another site; its SAEs stay behind.

    Raises:
        KeyError: no such hook point or position.
        ValueError: a model without prompts, one head of a site, or a site that carries no attribute; says why.
    """
    if not spec.position:
        raise ValueError(
            f"{spec.name} has no prompts with named positions; its games are read after block {spec.layer}"
        )
    node = Node.parse(site)
    if node.head is not None:
        raise ValueError(f"a testbed reads all heads of a site together: say {replace(node, head=None)}, got {node}")
    n_layers = int(model.cfg.n_layers)
    if node.layer is not None and node.layer >= n_layers:
        raise ValueError(f"{spec.name} has blocks 0 to {n_layers - 1}, so there is no {node}")
    game = IOI() if world is None else world
    found = qualify_sites(model, game, [CrossSection(node.name, (node,))])
    carried = tuple(one.attribute for one in found if one.qualified)
    if not carried:
        reasons = "; ".join(f"{one.attribute}: {one.reason}" for one in found)
        raise ValueError(
            f"{node} of {spec.name} carries no attribute to the answer, so nothing can be judged there: {reasons}"
        )
    return replace(
        spec,
        name=f"{spec.name} at {node}",
        game=lambda: replace(game, scored=(node.position,)),
        layer=node.layer or 0,
        hook_name=resolve_hook(model, node.hook),
        position=node.position,
        attributes=carried,
        dictionaries={},
        twin_dictionaries={},
        controls={},
    )


def _around_gpt2(name: str | Path, site: str | None, n_games: int, seed: int, device: str) -> "Testbed":
    """A testbed at a site of GPT-2, which answers IOI prompts in its own tokens."""
    if site is None:
        raise ValueError(
            "say at which site GPT-2 is read, such as site='L8 resid@end'; `fiducial find-sites` looks for them"
        )
    model, world = gpt2_with_world(name, device)
    about = f"{Path(name).name}, which answers IOI prompts"
    spec = _at_site(
        TestbedSpec(Path(name).name, lambda: world, str(name), 0, about, position="end"), model, site, world
    )
    return Testbed(spec.name, spec.game(), model, config_of(model), spec, n_games=n_games, seed=seed, device=device)


testbed.__test__ = False  # type: ignore[attr-defined]


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
    ) -> None:
        if not isinstance(n_games, int) or n_games < 8:
            raise ValueError(f"a testbed needs at least 8 games (half choose, half report), got n_games={n_games}")
        if seed < 0:
            raise ValueError(f"seed must be >= 0, got {seed}")
        self.name, self.game, self.model, self.config, self.spec = name, game, model, config, spec
        self.n_games, self.seed, self.device = n_games, seed, device
        self.cache: dict[Any, Any] = {}  # what scoring computes once a testbed

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
        """The games, with their truth; of prompts, which hold one row each, `PROMPTS` for every game asked for."""
        return self.game.sample(self.n_games * (PROMPTS if self.spec.position else 1), self.seed)

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
        )
        twin.__dict__["transcripts"] = self.transcripts
        return twin


AnyTestbed = Testbed | SyntheticTestbed
