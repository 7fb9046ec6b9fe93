"""How long a position is in each style, as docs/serialisation.md has it: medians over 100 random games, in characters.

    python examples/styles_table.py

The position in the middle of each game is shown whole and as a line; a legend is shown once.
"""

from statistics import median

from fiducial.games import world
from fiducial.games.serialise import form_of, legend, line, serialise, styles_of

print("| game | style | characters | / 4 | line, characters | legend, once |\n|---|---|---|---|---|---|")
for name in ("othello-6x6", "othello-8x8", "chess", "chess-characters", "ioi-tiny"):
    game = world(name)
    played = game.sample(100, seed=0)
    for style in styles_of(game):
        whole, brief = [], []
        for tokens, scored in zip(played.tokens, played.scored, strict=True):
            places = scored.nonzero()[0]
            upto = tokens[: places[len(places) // 2] + 1]
            whole.append(len(serialise(game, upto, style=style)))
            brief.append(len(line(game, upto, style=style)))
        characters = median(whole)
        once = len(legend(game, form_of(game, style)))
        print(f"| {name} | {style} | {characters:.0f} | {characters / 4:.0f} | {median(brief):.0f} | {once} |")
