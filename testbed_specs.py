"""What ships under a testbed's name: world, model, hook point, dictionaries and controls."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .games import IOI, Chess, Game, Othello, Transcripts

PROMPTS = 20  # of IOI for a game: a prompt is one row, a game of Othello thirty


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

    def sample(self, n_games: int, seed: int, game: Game | None = None) -> Transcripts:
        """The games of a testbed, with their truth; of prompts, which hold one row each, `PROMPTS` for every game.

        Args:
            n_games: games asked for.
            seed: of the games.
            game: the world, if it is made already.
        """
        return (game or self.game()).sample(n_games * (PROMPTS if self.position else 1), seed)


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
