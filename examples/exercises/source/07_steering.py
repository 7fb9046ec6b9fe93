"""Exercise 7, with its solutions; build.py makes the notebooks. 600 edits of Othello boards: 20 seconds."""

# %% [markdown]
# # 7. Steering the board
#
# In exercise 6 you read a board out of the activations of a model that plays Othello. But does the model *use* it?
# Change the board inside the model, let it go on, and see whether it now plays the moves of the changed board.
#
# You will write the intervention, find out how hard to push, compare with pushing in random directions, try the
# same with the latents of an SAE, and check what else you have broken.
#
# About 35 minutes. You need numpy and a little of torch; exercise 6 first.

# %%
import fiducial as fd
import matplotlib.pyplot as plt
import numpy as np
import torch
from checks import check_choice, check_number
from checks_boards import (
    check_directions,
    check_errors,
    check_isolation,
    check_latent_edit,
    check_steered,
    check_success,
)
from fiducial.boards.last_move import LastMove
from fiducial.data.assets import asset
from fiducial.models.controls import random_dictionary

torch.set_num_threads(1)
tb = fd.testbed("othello-6x6", n_games=200, seed=0)
x = tb.x.numpy()
holds = tb.features.unpack(tb.activations.labels)
choose = tb.train  # rows of the games to fit on; edits are made in other games altogether
squares = [f"{letter}{digit}" for digit in "123456" for letter in "abcdef"]
columns = np.array([[tb.features.index(state.format(s)) for state in ("mine on {}", "yours on {}", "{} empty")]
                    for s in squares])  # [36 squares, 3 states], as numbers of features  # fmt: skip

# %% [markdown]
# ## Boards that nobody played
#
# `square_edits` takes positions of random games and turns one disc over, such that other moves become legal. Nobody
# has played to that board, and often nobody could; but the rules say what would be legal on it.

# %%
edits = tb.game.square_edits(600, seed=1, kinds="flip")
one = 14  # the edit that is looked at in detail
tokens, position = edits.tokens[one], int(edits.position[one])
print(tb.game.render(tokens[: position + 1], position + 1))
print(f"edit: {tb.features[int(edits.removed[one])].name} -> {tb.features[int(edits.added[one])].name}")


def moves(allowed):
    return " ".join(tb.game.tokenizer.decode(np.flatnonzero(allowed)))


print("legal as played:      ", moves(edits.allowed_before[one]))
print("legal after the edit: ", moves(edits.allowed_after[one]))

# %% [markdown]
# **Exercise 1.** What does the model take to be legal? If *n* moves are legal on a board, let the *n* most probable
# tokens be the model's answer. Its error at a position is the number of tokens in the answer that are not legal
# plus the number of legal ones that are not in the answer.


# %%
def errors(logits, legal):
    """Errors [positions] of logits [positions, tokens] against legal, bool of the same shape."""
    ### BEGIN SOLUTION rank the tokens of every position, take as many as are legal, count the differences
    rank = np.argsort(np.argsort(-logits, axis=1, kind="stable"), axis=1)
    answer = rank < legal.sum(1)[:, None]
    return (answer ^ legal).sum(1)
    ### END SOLUTION


check_errors(errors)

# %% [markdown]
# `LastMove` runs the model on all positions once, and then as often as you like from the hook point on, with other
# activations at the last move. So there are two marks to measure against: **null**, the untouched model judged by
# the edited board; and **floor**, the untouched model judged by the board as played, for it errs a little there
# too.

# %%
run = LastMove(tb.model, edits.tokens, edits.position, tb.spec.layer)
clean = run.clean.numpy()
null = errors(clean, edits.allowed_after)
floor = errors(clean, edits.allowed_before)
print(f"{len(edits)} edits: null {null.mean():.2f} errors a position, floor {floor.mean():.2f}")

# %% [markdown]
# **Exercise 2.** A number of errors is hard to read. Write `success`: 0 if an edit does nothing for the errors, 1
# if they come down to the floor.


# %%
def success(error, null, floor):
    """Three mean errors to where the first stands between the other two."""
    ### BEGIN SOLUTION the share of the way from null to floor
    return (null - error) / (null - floor)
    ### END SOLUTION


check_success(success)

# %% [markdown]
# ## Which way to push
#
# **Exercise 3.** The simplest direction for a state of a square is a difference of means: the mean activation of
# the positions in which it holds, less the mean of all positions.


# %%
def state_directions(x, states):
    """Directions [states, d] of x [positions, d] and states, bool [positions, states]; 0 for one that never holds."""
    ### BEGIN SOLUTION sums with a matrix product, divided by the counts, less the mean of all
    counts = states.sum(0)[:, None]
    means = states.T.astype(x.dtype) @ x / np.maximum(counts, 1)
    return np.where(counts > 0, means - x.mean(0), 0)
    ### END SOLUTION


check_directions(state_directions)
directions = np.zeros((len(tb.features), x.shape[1]), np.float32)  # by number of feature
directions[columns.ravel()] = state_directions(x[choose], holds[choose][:, columns.ravel()])
push = directions[edits.added] - directions[edits.removed]  # [edits, d]: what turns one disc over

# %% [markdown]
# **Exercise 4.** Now the intervention itself, once by hand. `tb.model.run_with_hooks(tokens, fwd_hooks=[(name,
# hook)], return_type="logits")` runs the model and calls `hook(value, hook)` at the hook point with the activations
# `value` [1, moves, d]; what it returns goes on instead. Add the direction at the last move, `position`, and
# nowhere else.


# %%
def steered(tokens, position, direction):
    """Logits [tokens] at a position of one game, with a direction added to the activations there."""

    ### BEGIN SOLUTION a hook that adds at one position, and the logits there
    def add(value, hook):
        value = value.clone()
        value[0, position] += direction
        return value

    logits = tb.model.run_with_hooks(tokens[None], fwd_hooks=[(tb.hook, add)], return_type="logits")
    return logits[0, position]
    ### END SOLUTION


with torch.no_grad():
    game = torch.from_numpy(tokens[: position + 1])
    by_hand = steered(game, position, torch.from_numpy(2 * push[one]))
    everywhere = tb.model.run_with_hooks(
        game[None],
        fwd_hooks=[(tb.hook, lambda value, hook: value + torch.from_numpy(2 * push[one]))],
        return_type="logits",
    )[0, position]
twice = run.with_x(run.x + 2 * torch.from_numpy(push)).numpy()
check_steered(by_hand, twice[one], clean[one], everywhere.numpy())

# %% [markdown]
# Did it work for this one? Squares: the chance that the model gives to a move there. Rings: what is legal.

# %%
token_square = tb.game.tokenizer.square_of_id  # the square of every token; the first token is padding


def draw(ax, logits, legal, title):
    chance = np.exp(logits - logits.max())
    board = np.zeros(36)
    board[token_square[1:]] = (chance / chance.sum())[1:]
    ax.imshow(board.reshape(6, 6), cmap="Greens", vmin=0, vmax=0.3)
    for token in np.flatnonzero(legal):
        y, column = divmod(int(token_square[token]), 6)
        ax.add_patch(plt.Circle((column, y), 0.36, fill=False, color="#d55e00", linewidth=1.5))
    ax.set(xticks=range(6), yticks=range(6), xticklabels="abcdef", yticklabels="123456")
    ax.set_title(title, fontsize=9)


fig, axes = plt.subplots(1, 3, figsize=(8, 2.7), layout="constrained")
draw(axes[0], clean[one], edits.allowed_before[one], "untouched; rings: board as played")
draw(axes[1], clean[one], edits.allowed_after[one], "untouched; rings: edited board")
draw(axes[2], twice[one], edits.allowed_after[one], "pushed twice; rings: edited board")
plt.show()

# %% [markdown]
# ## How hard to push
#
# One example proves nothing. Here are all of them, at several strengths, and beside them two other pushes of the
# same length: a random direction, and the direction of *another* edit. Half of the edits choose the strength, the
# others report what it does.

# %%
first, second = np.arange(300), np.arange(300, 600)
strengths = np.array([0.25, 0.5, 1, 1.5, 2, 2.5, 3, 4])
noise = np.random.default_rng(0).standard_normal(push.shape)
pushes = {
    "means": push,
    "random direction": noise
    / np.linalg.norm(noise, axis=1, keepdims=True)
    * np.linalg.norm(push, axis=1, keepdims=True),
    "another edit's": np.roll(push, 1, axis=0),
}


def steer(delta):
    """Errors [edits] with something [edits, d] added at the last move."""
    return errors(run.with_x(run.x + torch.from_numpy(np.asarray(delta, np.float32))).numpy(), edits.allowed_after)


found = {name: np.array([steer(s * delta) for s in strengths]) for name, delta in pushes.items()}  # [strengths, edits]


def told(error, rows):
    """Success of some edits with its 95 % interval over edits, each of which is of a game of its own."""
    weights = fd.metrics.game_weights(len(rows), 400, seed=0)
    low, high = fd.metrics.interval(success(weights @ error[rows], weights @ null[rows], weights @ floor[rows]))
    return success(error[rows].mean(), null[rows].mean(), floor[rows].mean()), low, high


fig, ax = plt.subplots(figsize=(5.6, 3), layout="constrained")
for (name, error), colour in zip(found.items(), ("#0072b2", "#999999", "#d55e00"), strict=True):
    value, low, high = np.array([told(row, second) for row in error]).T
    ax.plot(strengths, value, "o-", color=colour, label=name, markersize=4)
    ax.fill_between(strengths, low, high, color=colour, alpha=0.2, linewidth=0)
ax.axhline(0, color="black", linewidth=0.8)
ax.axhline(1, color="black", linewidth=0.8, linestyle="--")
ax.set(xlabel="strength", ylabel="success (0: nothing, 1: floor)", ylim=(-1, 1.05))
ax.legend(frameon=False, fontsize=8)
plt.show()

# %% [markdown]
# **Exercise 5.** Choose the strength of `means` on the edits `first`, and report its success on the edits `second`.

# %%
### BEGIN SOLUTION the strength with the fewest errors on the first 300 edits
#| strength = ...
strength = strengths[found["means"][:, first].mean(1).argmin()]
### END SOLUTION
best = strengths[found["means"][:, first].mean(1).argmin()]
told_so = "found['means'] has a row a strength and a column an edit; look for the fewest errors on the columns `first`"
check_number("strength", strength, best, hint=told_so)
value, low, high = told(found["means"][int(np.flatnonzero(strengths == strength)[0])], second)
print(f"success at strength {strength:g}: {value:.2f} [{low:.2f}, {high:.2f}]; no edit 0, as on real boards 1")

# %% [markdown]
# **Question 1.** The best strength is above 1, so the push is longer than the difference between real positions.
# What could that mean? And what does the push of another edit show that the random direction does not?

# %% [markdown] tags=["solution"]
# The board is written at earlier moves as well, and later blocks read it there too; the push at the last move has
# to outvote them. (The repository measured it: putting in the whole activation of the right board at this hook
# point gets only about half of the way, see `docs/board-control.md`.) It also means that the model works on
# activations that it never sees in play. A random direction shows that mere disturbance does not make errors fewer.
# Another edit's push is a disturbance of the *right kind*, one that looks like a board; it shows that the success
# needs this square.

# %% [markdown]
# ## With the latents of an SAE
#
# No labels went into an SAE. Look its latents up: for "mine on c2" the latent with the best F1 on the choosing
# games, as in exercise 6. Then put out the latent of the old state and set that of the new state to its usual size,
# which is the mean of its values where it fires.
#
# **Exercise 6.** Which vector does that add to the activations? For every edit, `out` and `put` name the two
# latents.


# %%
def latent_edit(latents, directions, usual, out, put):
    """What is added, [edits, d].

    latents [edits, L] as they are, directions [L, d], usual [L] sizes, out and put int [edits].
    """
    rows = np.arange(len(latents))
    ### BEGIN SOLUTION change of each of the two latents times its direction
    more = usual[put] - latents[rows, put]
    return more[:, None] * directions[put] - latents[rows, out][:, None] * directions[out]
    ### END SOLUTION


check_latent_edit(latent_edit)


def looked_up(dictionary):
    """The push that a dictionary's best latents make, [edits, d]."""
    z = dictionary.encode(tb.x[choose]).numpy()
    on, truth = (z > 0).astype(np.float32), holds[choose].astype(np.float32)
    f1 = 2 * (on.T @ truth) / np.maximum(on.sum(0)[:, None] + truth.sum(0), 1)
    best, usual = f1.argmax(0), z.sum(0) / np.maximum(on.sum(0), 1)
    here = dictionary.encode(run.x).numpy()
    return latent_edit(here, dictionary.directions.numpy(), usual, best[edits.removed], best[edits.added])


names = ("topk", "jumprelu", "matryoshka")
latent_pushes = {name: looked_up(fd.load_dictionary(asset(tb.spec.dictionaries[name]))) for name in names}
latent_pushes["random dictionary"] = looked_up(random_dictionary(tb.x[choose], 1024, 32, seed=0))
print(f"{'':18} {'strength':>8} {'success [95 %]':>22}     (no edit 0, as on real boards 1)")
results = {}
for name, delta in [("means", push), *latent_pushes.items(), ("random direction", pushes["random direction"])]:
    table = found[name] if name in found else np.array([steer(s * delta) for s in strengths])
    chosen = int(table[:, first].mean(1).argmin())
    results[name] = (strengths[chosen], *told(table[chosen], second))
    print("{:18} {:8g} {:8.2f} [{:5.2f}, {:5.2f}]".format(name, *results[name]))

# %%
fig, ax = plt.subplots(figsize=(5.6, 2.6), layout="constrained")
for y, (_, value, low, high) in enumerate(results.values()):
    ax.plot([low, high], [y, y], color="#0072b2", linewidth=1.5)
    ax.plot(value, y, "o", color="#0072b2")
for at, style in ((0, "-"), (1, "--")):
    ax.axvline(at, color="black", linewidth=0.8, linestyle=style)
ax.set_yticks(range(len(results)), results)
ax.invert_yaxis()
ax.set(xlabel="success (0: no edit, 1: as on real boards)", title="flips of one disc, reporting edits")
plt.show()

# %% [markdown]
# **Question 2.** In exercise 6 `topk` found the squares about as well as `matryoshka`: its latents *detect* them.
# Why can the two steer so differently?

# %% [markdown] tags=["solution"]
# F1 asks when a latent fires, and steering asks what it writes. A latent may fire where a disc is mine and write
# only a small part of that, while others write the rest: the state is spread over many latents. And where one
# latent serves several states, putting it out changes all of them. So a metric of detection is no metric of
# control.

# %% [markdown]
# ## What else was changed?
#
# **Exercise 7.** A push that wrecks the whole board can be a success by luck. Read the board with probes before and
# after the push, and take the share of the *other* squares that are read as before.


# %%
def isolation(before, after, square):
    """One share; before and after int [edits, 36] are the states as read, square [edits] is the edited one."""
    ### BEGIN SOLUTION compare, leave the edited square out, average over what remains
    others = np.arange(before.shape[1]) != square[:, None]
    return (before == after)[others].mean()
    ### END SOLUTION


check_isolation(isolation)
centred = x[~choose] - x[~choose].mean(0)
targets = holds[~choose][:, columns.ravel()].astype(np.float32)
weights = np.linalg.solve(centred.T @ centred + 100 * np.eye(x.shape[1]), centred.T @ (targets - targets.mean(0)))


def as_read(acts):
    """States [rows, 36] that probes read; they were fitted on other games than the pushes."""
    return ((acts - x[~choose].mean(0)) @ weights + targets.mean(0)).reshape(-1, 36, 3).argmax(2)


before = as_read(run.x.numpy())
wanted = np.array([list(columns[s]).index(f) for s, f in zip(edits.square, edits.added, strict=True)])
print(f"{'':18} {'others as before':>17} {'the square as wanted':>21}   (reporting edits)")
for name, delta in [("means", push), ("matryoshka", latent_pushes["matryoshka"]), ("random direction", noise)]:
    scaled = (
        delta * (np.linalg.norm(push, axis=1) / np.linalg.norm(delta, axis=1))[:, None] if delta is noise else delta
    )
    after = as_read(run.x.numpy() + results[name][0] * scaled)
    rows, cells = np.arange(len(edits)), []
    per_edit = [np.array([isolation(before[[i]], after[[i]], edits.square[[i]]) for i in second]),
                (after[rows, edits.square] == wanted)[second]]  # fmt: skip
    for values in per_edit:
        low, high = fd.metrics.interval(fd.metrics.game_weights(300, 400, seed=0) @ values / 300)
        cells.append(f"{values.mean():.2f} [{low:.2f}, {high:.2f}]")
    print(f"{name:18} {cells[0]:>17} {cells[1]:>21}")

# %% [markdown]
# **Exercise 8.** A probe for "the opponent has more than ten discs" works well on some model. Pushing along it, at
# any strength, changes the model's moves no more than a random direction does. Is the feature `"used"`, `"not
# there"` or `"decorative"`?

# %%
### BEGIN SOLUTION one of the three
#| verdict = ...
verdict = "decorative"
### END SOLUTION
check_choice("verdict", verdict, "decorative", {
    "used": "what is used makes a difference when it is changed",
    "not there": "the probe reads it on games it has not seen, so it is there in some form",
})  # fmt: skip

# %% [markdown]
# ## The same with fiducial
#
# `fiducial control -t othello-6x6` does this for a dozen methods with all kinds of edits, and `fiducial causes`
# asks of every group of features whether it is used or decorative. Both take some minutes. What came out is in
# `docs/board-control.md`; the questions were first asked by Li et al. 2022, arXiv 2210.13382.
#
# **Question 3.** Somebody reports: "We steer the board with success .8, so the model computes its moves from the
# board." Name two things that you would ask before you believe it.

# %% [markdown] tags=["solution"]
# For example: Success on edits other than those on which the strength was chosen? How does a random direction of
# the same length do, and another square's? Is the rest of the board left as it was? Does it work on boards that no
# game reaches, where the moves cannot be guessed from the history? How far is it from what the whole right
# activation, put in at this place, would do?
