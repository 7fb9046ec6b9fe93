"""How the shipped models and SAEs were made: the data behind `fiducial train-model NAME` and `fiducial train-sae`."""

from dataclasses import dataclass

from .train_transformer import Recipe
from .transformers import TransformerConfig


@dataclass(frozen=True)
class EngineShare:
    """Games of a chess engine among the random ones, in the last part of a run.

    Attributes:
        games: how many the engine plays.
        seed: of their openings.
        nodes: positions the engine looks at for a move.
        share: of the batches, in [0, 1].
        after: part of the run after which they are mixed in, in [0, 1].
    """

    games: int
    seed: int = 1000
    nodes: int = 50
    share: float = 0.25
    after: float = 0.6


@dataclass(frozen=True)
class ModelRecipe:
    """One shipped model.

    Attributes:
        world: name of the game it plays, as in `games.WORLDS`.
        config: shape of the transformer.
        recipe: how it is trained.
        engine: games of an engine to train on as well.
    """

    world: str
    config: TransformerConfig
    recipe: Recipe
    engine: EngineShare | None = None


MODEL_RECIPES: dict[str, ModelRecipe] = {
    "othello-small": ModelRecipe(
        world="othello-8x8",
        config=TransformerConfig(n_layers=4, d_model=128, n_heads=4, d_mlp=512, n_ctx=59, d_vocab=61),
        recipe=Recipe(games=230_400),
    ),
    "othello-6x6": ModelRecipe(
        world="othello-6x6",
        config=TransformerConfig(n_layers=4, d_model=128, n_heads=4, d_mlp=512, n_ctx=31, d_vocab=33),
        recipe=Recipe(games=400_000),
    ),
    "chess-small": ModelRecipe(
        world="chess",
        config=TransformerConfig(n_layers=4, d_model=192, n_heads=6, d_mlp=768, n_ctx=64, d_vocab=1970),
        recipe=Recipe(games=230_400, chunk=512),  # 512 games of 1,970 tokens take 65 MB
        engine=EngineShare(games=5_000),
    ),
    "chess-pgn-small": ModelRecipe(
        world="chess-characters",
        config=TransformerConfig(n_layers=4, d_model=128, n_heads=4, d_mlp=512, n_ctx=256, d_vocab=32),
        recipe=Recipe(games=12_800, batch_size=16, chunk=512),
    ),
}
