"""Add a game: hold tic-tac-toe to the contract, train a model that plays it, and score an SAE there.

python examples/extending/game.py [GAMES [ROWS]]     training games of the model (40,000), rows the SAE sees (200,000)
"""

import sys

import fiducial as fd
from fiducial.models.train_transformer import Recipe, train_transformer
from fiducial.models.transformers import TransformerConfig, save_transformer
from tictactoe import TicTacToe


def main(games: int = 40_000, rows: int = 200_000) -> fd.Report:
    """The whole way from rules to a score."""
    game = TicTacToe()
    fd.games.check_game(game)  # raises at the first sentence of the contract that does not hold
    fd.games.check_counterfactuals(game)
    fd.games.register("tic-tac-toe", TicTacToe)  # from here on a name will do
    moves = game.tokenizer.decode(game.sample(1, seed=0).tokens[0].tolist())
    print(game.render(moves, 4))

    shape = TransformerConfig(
        n_layers=2,
        d_model=32,
        n_heads=2,
        d_mlp=128,
        n_ctx=game.n_positions,
        d_vocab=len(game.tokenizer.vocabulary),
    )
    model = train_transformer(game, shape, Recipe(games=games, batch_size=128), progress=False)
    save_transformer(model, shape, "tic-tac-toe.safetensors")

    bed = fd.testbed("tic-tac-toe.safetensors", game="tic-tac-toe", layer=0, n_games=400)
    # Other games than those that are scored: a testbed of another seed. Its activations bring their games along.
    training = fd.testbed("tic-tac-toe.safetensors", game="tic-tac-toe", layer=0, n_games=4_000, seed=1)
    sae = fd.train_sae("topk", training.activations, n_latents=128, k=8, samples=rows, progress=False, name="my topk")
    return fd.evaluate(sae, bed, ["coverage", "reconstruction", "explained_variance_score", "legal_top1_score"])


if __name__ == "__main__":
    print(main(*(int(number) for number in sys.argv[1:])))
