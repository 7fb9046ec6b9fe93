"""Exercise 6, with its solutions; build.py makes the notebooks. One testbed, two shipped SAEs: 20 seconds."""

# %% [markdown]
# # 6. Reading a board out of a transformer
#
# A small transformer has been shown Othello games as lists of moves, nothing else: `c5 d5 e2 ...`. It plays legal
# moves nearly always. Is there a board inside it? You will read one out with a regression, ask whether it is a
# board of *black and white* or of *mine and yours*, learn three ways to fool yourself on the way, and then ask how
# much of the board the latents of an SAE hold.
#
# About 35 minutes. You need numpy; exercise 3 helps.

# %%
import fiducial as fd
import matplotlib.pyplot as plt
import numpy as np
import torch
from checks import check_choice, check_number
from checks_boards import check_best_latents, check_board, check_f1, check_fit
from fiducial.data.assets import asset
from fiducial.models.controls import random_dictionary

torch.set_num_threads(1)
tb = fd.testbed("othello-6x6", n_games=200, seed=0)
x = tb.x.numpy()  # the residual stream after the second of the model's blocks, one row a move
holds = tb.features.unpack(tb.activations.labels)  # the truth, one column a feature
game = np.asarray(tb.activations.game_id)
choose, report = tb.train, ~tb.train  # rows of 100 games to fit and choose on, and of 100 others to report on
print(f"{tb.hook}: {x.shape[0]:,} positions x {x.shape[1]} numbers; {holds.shape[1]:,} features known of each")

# %% [markdown]
# ## What is known
#
# The engine knows everything about a position. Features have readable names, such as `mine on c2`, `yours on c2`
# and `c2 empty`, seen from the player to move.

# %%
row = 12  # after the thirteenth move of the first game
print(tb.game.render(tb.transcripts.tokens[0], row + 1))
some = [
    tb.features[int(i)] for i in np.flatnonzero(holds[row]) if tb.features[int(i)].group in ("board", "legal moves")
]
print("holds:", ", ".join(feature.name for feature in some))

# %% [markdown]
# **Exercise 1.** Turn the features of a position into a board: an array [6, 6] with 1 where a disc of mine lies, -1
# where one of yours does and 0 where the square is empty. `tb.features.index("mine on c2")` says which column a
# feature is. The first row of the array is a1, b1, ..., f1.

# %%
squares = [f"{letter}{digit}" for digit in "123456" for letter in "abcdef"]


def board_of(position):
    """The board [6, 6] of one position, whose features are bool [features]."""
    ### BEGIN SOLUTION 1 for mine, -1 for yours, 0 for empty, row by row
    mine = [position[tb.features.index(f"mine on {square}")] for square in squares]
    yours = [position[tb.features.index(f"yours on {square}")] for square in squares]
    return (np.array(mine, int) - np.array(yours, int)).reshape(6, 6)
    ### END SOLUTION


engine = tb.features.variables  # one entry a square: the columns of its three states
truth = np.array([[1, -1, 0][int(holds[row, list(engine[f"state of {s}"])].argmax())] for s in squares]).reshape(6, 6)
check_board(board_of, holds, row, truth)
print(board_of(holds[row]))

# %% [markdown]
# ## A probe
#
# A *linear probe* for a feature is a regression: weights on the 128 numbers of the residual stream, and an offset.
# Where the result is above a cut, the probe says that the feature holds.
#
# **Exercise 2.** Write ridge regression with an offset: the `weights` and `offsets` that make sum |x @ weights +
# offsets - y|² + penalty * |weights|² smallest. (The offset is free of the penalty: centre x and y.)


# %%
def fit(x, y, penalty):
    """From x [rows, d] and y [rows, features] to weights [d, features] and offsets [features]."""
    ### BEGIN SOLUTION centre, solve the normal equations, offset from the means
    centred = x - x.mean(0)
    square = centred.T @ centred + penalty * np.eye(x.shape[1])
    weights = np.linalg.solve(square, centred.T @ (y - y.mean(0)))
    return weights, y.mean(0) - x.mean(0) @ weights
    ### END SOLUTION


check_fit(fit)

# %% [markdown]
# **Exercise 3.** A probe that is right in 80 % of the positions need not be good: `mine on a1` holds in few of
# them, and always saying no would do. F1 is the harmonic mean of precision (of the times it says yes, how often is
# it right?) and recall (of the times it holds, how often does it say so?), which is 2 hits / (says yes + holds).


# %%
def f1(says, holds):
    """F1 of every column; both bool [rows, features]. 0 for a column that never says yes."""
    ### BEGIN SOLUTION hits, times it says yes, times it holds
    return 2 * (says & holds).sum(0) / np.maximum(says.sum(0) + holds.sum(0), 1)
    ### END SOLUTION


check_f1(f1)

# %% [markdown]
# **Exercise 4.** How good is a probe that *always* says yes, for a feature that holds in a quarter of the
# positions? This is the floor that every F1 should be compared with.

# %%
### BEGIN SOLUTION precision, recall, and the F1 of the two
#| always_yes = ...
always_yes = 2 * 0.25 / (1 + 0.25)
### END SOLUTION
check_number("always_yes", always_yes, 0.4, hints={0.25: "that is its precision", 1.0: "that is its recall",
             0.625: "F1 is the harmonic mean, not the mean"})  # fmt: skip

# %% [markdown]
# ## Fooling yourself, part one: reporting on what was fitted
#
# Here is the mean F1 of probes for `mine on` all 36 squares, on the games they were fitted on and on games they
# have not seen, for more and more games.

# %%
CUT = 0.4  # a bit below one half: rare states are hardly ever sure


def columns(pattern, among=squares):
    return [tb.features.index(pattern.format(square)) for square in among]


mine = columns("mine on {}")
counts = [5, 10, 20, 40, 70, 100]
curves = np.zeros((2, len(counts)))
for i, n in enumerate(counts):
    rows = np.isin(game, np.unique(game[choose])[:n])
    weights, offsets = fit(x[rows], holds[rows][:, mine].astype(float), 1.0)
    for j, scored in enumerate((rows, report)):
        curves[j, i] = f1(x[scored] @ weights + offsets > CUT, holds[scored][:, mine]).mean()
fig, ax = plt.subplots(figsize=(5, 2.8), layout="constrained")
ax.plot(counts, curves[0], "o--", color="#d55e00", label="games it was fitted on")
ax.plot(counts, curves[1], "o-", color="#0072b2", label="other games")
ax.axhline(f1(np.ones_like(holds[report][:, mine]), holds[report][:, mine]).mean(), color="#999999", label="always yes")
ax.set(xlabel="games to fit on", ylabel="mean F1 of 36 probes", ylim=(0, 1.02))
ax.legend(frameon=False, fontsize=8)
plt.show()

# %% [markdown]
# **Question 1.** With five games the dashed line is nearly 1. Why? And why must rows be split *by game*, and not
# position by position at random?

# %% [markdown] tags=["solution"]
# Five games are about 155 positions, and a probe has 129 free numbers: it can fit nearly anything, noise included.
# And neighbouring positions of one game have nearly the same board and nearly the same activations. If some of them
# are fitted on and others reported on, the probe is asked what it has already been told.

# %% [markdown]
# ## Black and white, or mine and yours?
#
# The same discs can be described by colour (`black on c2`) or by player (`mine on c2`): a linear probe for the one
# is not a linear probe for the other, as whose turn it is would have to be multiplied in. **Guess** which one the
# model holds.
#
# The twin is a model of the same shape that was never trained: what can be read from it, anything that passes the
# moves on gives away. The intervals resample whole games.


# %%
def told(says, truth, games):
    """Mean F1 over columns with its 95 % interval over games."""
    order = np.unique(games, return_inverse=True)[1]
    per_game = [np.stack([column[order == g].sum(0) for g in range(order.max() + 1)])
                for column in (says & truth, says, truth)]  # fmt: skip
    weights = fd.metrics.game_weights(int(order.max()) + 1, 400, seed=0)
    hits, yes, true = (weights @ counts.astype(float) for counts in per_game)
    low, high = fd.metrics.interval((2 * hits / np.maximum(yes + true, 1)).mean(1))
    return f1(says, truth).mean(), low, high


def probe(x, chosen):
    """What probes of these features say on the reporting rows."""
    weights, offsets = fit(x[choose], holds[choose][:, chosen].astype(float), 100.0)
    return x[report] @ weights + offsets > CUT


twin = tb.twin.x.numpy()
answers = {}
print(f"{'':10} {'trained model':>22} {'random twin':>22} {'always yes':>12}")
for pattern in ("mine on {}", "yours on {}", "black on {}"):
    chosen = columns(pattern)
    truth = holds[report][:, chosen]
    answers[pattern] = [told(probe(acts, chosen), truth, game[report]) for acts in (x, twin)]
    cells = [f"{value:.3f} [{low:.3f}, {high:.3f}]" for value, low, high in answers[pattern]]
    print(f"{pattern[:-3]:10} {cells[0]:>22} {cells[1]:>22} {f1(np.ones_like(truth), truth).mean():12.3f}")

# %% [markdown]
# **Exercise 5.** Which board does the model hold in a linear form: `"black and white"` or `"mine and yours"`?

# %%
### BEGIN SOLUTION one of the two
#| held = ...
held = "mine and yours"
### END SOLUTION
check_choice("held", held, "mine and yours", {"black and white": "read the table again, beside its floors"})

# %% [markdown]
# **Question 2.** The probes of the random twin are not at the floor for every kind of feature: try `"{} empty"` in
# the cell above. Why can so much be read from a model that has learnt nothing?

# %% [markdown] tags=["solution"]
# Its attention mixes what was played before, at random but always alike, and a square is empty exactly if nobody
# has played there: a linear function of the moves so far. Who *owns* a disc depends on all that was flipped since,
# and that needs the rules. So a probe's F1 says little without the twin's beside it.

# %% [markdown]
# ## The whole board
#
# A square is in one of three states. With a probe for each, the state with the highest result is what the model
# seems to think. Where it is wrong, the square has an orange edge.

# %%
states = np.array([columns("mine on {}"), columns("yours on {}"), columns("{} empty")]).T  # [squares, 3]
weights, offsets = fit(x[choose], holds[choose][:, states.ravel()].astype(float), 100.0)
read = (x[report] @ weights + offsets).reshape(-1, 36, 3).argmax(2)
true = holds[report][:, states].argmax(2)
usual = np.array([np.bincount(holds[choose][:, columns_of].argmax(1)).argmax() for columns_of in states])


def draw(ax, board, wrong, title):
    ax.set_facecolor("#3f8f5f")
    for at, state in enumerate(board):
        y, column = divmod(at, 6)
        if state < 2:
            ax.add_patch(plt.Circle((column, y), 0.38, color="black" if state == 0 else "white"))
        if wrong[at]:
            ax.add_patch(
                plt.Rectangle((column - 0.45, y - 0.45), 0.9, 0.9, fill=False, edgecolor="orange", linewidth=2)
            )
    ax.set(xlim=(-0.5, 5.5), ylim=(5.5, -0.5), xticks=range(6), yticks=range(6), aspect="equal", title=title)
    ax.set_xticklabels("abcdef")
    ax.set_yticklabels("123456")


fig, axes = plt.subplots(2, 3, figsize=(7, 4.9), layout="constrained")
for pair, at in zip(axes.T, (8, 15, 24), strict=True):  # rows of one game
    draw(pair[0], true[at], np.zeros(36, bool), f"move {at + 1}: the board")
    draw(pair[1], read[at], read[at] != true[at], f"as read: {(read[at] == true[at]).sum()} of 36 right")
fig.suptitle("black: mine, white: yours", fontsize=9)
plt.show()

# %% [markdown]
# **Exercise 6.** Over all reporting positions and squares: in which share is the state read right, and in which
# share would it be if one always named the square's most usual state (`usual`, one state a square)?

# %%
### BEGIN SOLUTION shares of squares and positions, of `read` and of `usual` against `true`
#| accuracy, floor = ..., ...
accuracy, floor = (read == true).mean(), (usual == true).mean()
### END SOLUTION
check_number("accuracy", accuracy, (read == true).mean(), hint="One number: the mean of read == true over everything.")
check_number("floor", floor, (usual == true).mean(), hint="usual has one state a square; it broadcasts over positions.")
per_game = [np.mean((read == true)[game[report] == g]) for g in np.unique(game[report])]
low, high = fd.metrics.interval(fd.metrics.game_weights(len(per_game), 400, seed=0) @ per_game / len(per_game))
print(f"read right: {accuracy:.3f} [{low:.3f}, {high:.3f}]; floor {floor:.3f}, ceiling 1")

# %% [markdown]
# ## What of it do an SAE's latents hold?
#
# A probe is told what to look for. An SAE is not: it has 1,024 latents, and each square may or may not have one. So
# for every feature one takes the latent that detects it best.
#
# **Exercise 7.** Given which latents fire where, name for every feature the latent with the highest F1. (A table of
# all latents and features comes from one matrix product: hits = fires.T @ holds.)


# %%
def best_latents(fires, holds):
    """The latent with the best F1 for every feature, int [features]; fires bool [rows, latents]."""
    ### BEGIN SOLUTION the table of F1, then the best row of every column
    hits = fires.T.astype(np.float32) @ holds.astype(np.float32)
    return (2 * hits / np.maximum(fires.sum(0)[:, None] + holds.sum(0), 1)).argmax(0)
    ### END SOLUTION


check_best_latents(best_latents)

# %% [markdown]
# ## Fooling yourself, part two: choosing on what is reported
#
# Choosing the best of 1,024 is fitting too. So the latent is chosen on one half of the games and its F1 taken on
# the other. And here is what chance gives: a random dictionary of the same width, with as many latents on.

# %%
dictionaries = {name: fd.load_dictionary(asset(tb.spec.dictionaries[name])) for name in ("topk", "matryoshka")}
dictionaries["random directions"] = random_dictionary(tb.x[choose], 1024, 32, seed=0)
board = columns("mine on {}") + columns("yours on {}")
maps = {"probes": f1(probe(x, mine), holds[report][:, mine])}
print(f"mean F1 of {len(board)} features            chosen and told on the same | told on other games [95 %]")
for name, dictionary in dictionaries.items():
    fires = (dictionary.encode(tb.x) > 0).numpy()
    best = best_latents(fires[choose], holds[choose][:, board])
    inside = f1(fires[choose][:, best], holds[choose][:, board]).mean()
    value, low, high = told(fires[report][:, best], holds[report][:, board], game[report])
    maps[name] = f1(fires[report][:, best[:36]], holds[report][:, mine])
    print(f"{name:35} {inside:.3f} | {value:.3f} [{low:.3f}, {high:.3f}]")
value, low, high = told(probe(x, board), holds[report][:, board], game[report])
floor = f1(np.ones_like(holds[report][:, board]), holds[report][:, board]).mean()
print(f"{'probes (ceiling)':35}       | {value:.3f} [{low:.3f}, {high:.3f}]")
print(f"{'always yes (floor)':35}       | {floor:.3f}")

# %%
fig, axes = plt.subplots(1, len(maps), figsize=(9.2, 2.4), layout="constrained")
for ax, (name, values) in zip(axes, maps.items(), strict=True):
    image = ax.imshow(values.reshape(6, 6), vmin=0, vmax=1, cmap="cividis")
    ax.set_title(f"{name}: {values.mean():.2f}", fontsize=10)
    ax.set(xticks=range(6), yticks=range(6))
    ax.set_xticklabels("abcdef")
    ax.set_yticklabels("123456")
fig.colorbar(image, ax=axes, label="F1 of `mine on ...`", shrink=0.9)
plt.show()

# %% [markdown]
# ## The same with fiducial
#
# `coverage` does what you did, with the exactly best threshold for every latent instead of 0, for all groups of
# features, and with the floors and ceilings of the testbed.

# %%
sae = dictionaries["matryoshka"]
score = fd.metrics.coverage(
    sae.encode(tb.x).numpy(), tb.activations.labels, game_id=game, train=choose, features=tb.features, groups=["board"]
)
print(score)

# %% [markdown]
# **Question 3.** (a) Why is the score above higher than yours? (b) The floor `shuffled games` does the same with
# the labels of other games. Why is it so far above 0? (c) The probes say that the board is there. Does the score of
# an SAE tell that the model has *no* better board, and does either tell that the model *uses* it? (d) Your random
# directions scored below "always yes". How can a floor be above chance?

# %% [markdown] tags=["solution"]
# (a) A latent that fires a little where the feature does not hold, and strongly where it does, gets a better F1
# with a threshold above 0. (b) A feature that holds often is guessed right often, and how far the game has gone
# says a lot about which squares are taken. (c) Neither. The SAE is one way to cut the activations up, and the
# probes, which are told what to look for, find more. And what can be read need not be used: that takes an
# intervention, which is exercise 7. (d) A random latent fires in about 3 % of the positions and misses most of those
# in which the feature holds, whereas saying yes always misses none. A floor is whatever earns its score without
# knowing anything. There are several; compare with the highest.
#
# **To go on.** `fiducial latents topk -t othello-6x6 -o page.html` draws the positions on which a latent fires
# most. The board of mine and yours: Nanda et al. 2023, arXiv 2309.00941, after Li et al. 2022, arXiv 2210.13382;
# coverage: Karvonen et al. 2024, arXiv 2408.00113.
