"""How the shipped models and SAEs were made: the data behind `fiducial train-model NAME` and `fiducial train-sae`."""

from dataclasses import dataclass

from .train_transformer import Recipe
from .transformers import TransformerConfig


@dataclass(frozen=True)
class ModelRecipe:
    """One shipped model.

    Attributes:
        board: side of the Othello board.
        config: shape of the transformer.
        recipe: how it is trained.
    """

    board: int
    config: TransformerConfig
    recipe: Recipe


MODEL_RECIPES: dict[str, ModelRecipe] = {
    "othello-small": ModelRecipe(
        board=8,
        config=TransformerConfig(n_layers=4, d_model=128, n_heads=4, d_mlp=512, n_ctx=59, d_vocab=61),
        recipe=Recipe(games=230_400),
    ),
    "othello-6x6": ModelRecipe(
        board=6,
        config=TransformerConfig(n_layers=4, d_model=128, n_heads=4, d_mlp=512, n_ctx=31, d_vocab=33),
        recipe=Recipe(games=400_000),
    ),
}
