"""Exercise 2, with its solutions; build.py makes the notebooks."""

# %% [markdown]
# # 2. Superposition
#
# A layer with d neurons has room for d directions at right angles. Yet networks seem to know far more than d things.
# How? By using directions that are *almost* at right angles, and by trusting that few things happen at once.
#
# **You will**
#
# - train the toy model of [Elhage et al. 2022](https://arxiv.org/abs/2209.10652) and watch features move in together;
# - measure how much room each feature gets, and how loud the neighbours are;
# - pull the features apart again with a sparse autoencoder, and see where that stops working.
#
# About half an hour. You need a little torch. Fill in what says `your turn`; our solution is in `solutions/`.

# %%
import fiducial as fd
import matplotlib.pyplot as plt
import numpy as np
import torch
from checks_superposition import (
    check_dimensionality,
    check_guess,
    check_loss,
    check_narrow,
    check_noise,
    check_restore,
    check_standing,
    check_two_to_a_dimension,
    check_why_bias,
)

torch.set_num_threads(1)  # small products are not faster on more
plt.rcParams |= {"figure.dpi": 75, "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False}
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00"]

# %% [markdown]
# ## The toy model
#
# An input x has n features. Each is 0 most of the time: with probability `density` it is somewhere between 0 and 1. The
# model has to carry x through d < n hidden dimensions and restore it:
#
# $$h = W x, \qquad x' = \mathrm{relu}(W^\top h + b)$$
#
# Column i of W is the direction in which feature i is written, and also the one along which it is read.
#
# **Exercise 1.** Write the model for a batch of rows.


# %%
def restore(x, W, b):
    """Rows [N, n], W [d, n] and b [n] to the restored rows [N, n]."""
    ### BEGIN SOLUTION hidden, then output
    hidden = x @ W.T
    return torch.relu(hidden @ W + b)
    ### END SOLUTION


check_restore(restore)

# %% [markdown]
# **Exercise 2.** Write the loss. Features differ in how much they matter: the squared error of feature i is weighted by
# `importance[i]`. Sum over features, mean over rows.


# %%
def loss(x, restored, importance):
    """Rows [N, n], restored rows [N, n] and importance [n] to one number."""
    ### BEGIN SOLUTION the weighted squared error
    return (importance * (x - restored) ** 2).sum(1).mean()
    ### END SOLUTION


check_loss(loss)


# %%
def inputs(n_rows, n, density, generator):
    """Rows [n_rows, n] of the toy world."""
    fires = torch.rand(n_rows, n, generator=generator) < density
    return torch.rand(n_rows, n, generator=generator) * fires


def train_toy(n, d, density, importance=1.0, steps=1500, seed=0):
    """W [d, n] and b [n] of a trained toy model; feature i matters importance ** i."""
    generator = torch.Generator().manual_seed(seed)
    W = (torch.randn(d, n, generator=generator) / n**0.5).requires_grad_(True)
    b = torch.zeros(n, requires_grad=True)
    optimiser = torch.optim.Adam([W, b], lr=1e-2)
    weights = importance ** torch.arange(n)
    for _ in range(steps):
        x = inputs(256, n, density, generator)
        value = loss(x, restore(x, W, b), weights)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
    return W.detach(), b.detach()


densities = [1.0, 0.3, 0.1, 0.03]
models = {density: train_toy(5, 2, density, importance=0.9) for density in densities}

fig, axes = plt.subplots(1, 4, figsize=(11, 3), layout="constrained")
for ax, (density, (W, _)) in zip(axes, models.items(), strict=True):
    for i, (across, up) in enumerate(W.T.tolist()):
        arrow = {"arrowstyle": "-|>", "color": COLOURS[i], "lw": 2}
        ax.annotate("", (across, up), (0, 0), arrowprops=arrow)
        if across**2 + up**2 > 0.1:
            ax.text(1.15 * across, 1.15 * up, i, ha="center", va="center", fontsize=8)
    ax.set(xlim=(-1.5, 1.5), ylim=(-1.5, 1.5), aspect="equal", title=f"density {density:g}")
fig.suptitle("columns of W: five features in two dimensions (0 matters most)", fontsize=10)
plt.show()

# %% [markdown]
# On the left all features fire all the time: the model keeps the two that matter most, at right angles, and gives up on
# the rest. The sparser the world, the more features move in. At the right all five share the plane.
#
# That costs something. When feature 0 fires, the readings of its neighbours move too. The bias b is how the model lives
# with that.

# %%
W, b = models[0.03]
print("bias of the sparse model:", b.numpy().round(2))
print("reading of every feature when feature 0 alone fires with size 1:", (W[:, 0] @ W).numpy().round(2))
print("after bias and ReLU:", restore(torch.eye(5)[:1], W, b).numpy().round(2)[0])

# %% [markdown]
# **Exercise 3.** What is a negative bias good for here: "sparser inputs", "cut off interference" or "shorter columns"?

# %%
### BEGIN SOLUTION one of the three
#| why = ...
why = "cut off interference"
### END SOLUTION
check_why_bias(why)

# %% [markdown]
# ## How much room does a feature get?
#
# The paper's *dimensionality* of feature i is the share of a dimension that it has for itself:
#
# $$D_i = \frac{|W_i|^2}{\sum_j (\hat W_i \cdot W_j)^2}$$
#
# with $\hat W_i$ the column at length 1 and the sum over **all** j. It is 1 if nobody else writes along that direction.
#
# **Exercise 4.** Write it. Then: two features that share one dimension by taking opposite ends (u and -u) have which
# dimensionality each?


# %%
def dimensionality(W):
    """W [d, n] to D [n]."""
    ### BEGIN SOLUTION the formula above
    norms = W.norm(dim=0)
    overlaps = (W / norms).T @ W  # [i, j]: unit column i times column j
    return norms**2 / (overlaps**2).sum(1)
    ### END SOLUTION


check_dimensionality(dimensionality)
### BEGIN SOLUTION a number
#| share = ...
share = 0.5
### END SOLUTION
check_two_to_a_dimension(share)

# %%
sweep = [1.0, 0.5, 0.3, 0.1, 0.03, 0.01]
crowded = [train_toy(20, 5, density, seed=1)[0] for density in sweep]
kept = [int((W.norm(dim=0) > 0.5).sum()) for W in crowded]

fig, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
axes[0].plot(sweep, kept, "o-", color=COLOURS[0])
axes[0].axhline(5, color="black", ls=":", label="dimensions")
axes[0].axhline(20, color="black", ls="--", label="features in the world")
axes[0].set(xscale="log", xlabel="density", ylabel="features with |column| > .5", title="20 features, 5 dimensions")
axes[0].set_yticks(range(0, 21, 5))
axes[0].invert_xaxis()
axes[0].legend(fontsize=8)
for density, W in zip(sweep, crowded, strict=True):
    shares = dimensionality(W[:, W.norm(dim=0) > 0.5])
    axes[1].plot([density] * len(shares), shares, "o", ms=4, alpha=0.5, color=COLOURS[1])
for level, told in ((0.5, "pairs"), (0.25, "all 20 share alike")):
    axes[1].axhline(level, color="black", ls=":", lw=0.8)
    axes[1].text(1.0, level + 0.015, told, fontsize=8)
axes[1].set(xscale="log", xlabel="density", ylabel="dimensionality", title="room for each kept feature", ylim=(0, 1.05))
axes[1].invert_xaxis()
plt.show()

# %% [markdown]
# **Question.** At a density of .3 most kept features have a dimensionality of about ½. Which arrangement is that, and
# why does ReLU make it cheap?

# %% [markdown] tags=["solution"]
# Opposite pairs: five dimensions hold ten features, two at the ends of each axis. If one fires, the reading of its
# opposite is negative, and ReLU makes it 0: no error at all, unless both fire together. At a density of .3 that happens
# in .09 of the rows, and costs less than giving one of the two up.

# %% [markdown]
# ## How loud are the neighbours?
#
# Forget training; take random unit directions in d dimensions. The mean *squared* cosine of two of them is 1/d. A
# feature that does **not** fire still reads something when k others fire with size 1.
#
# **Exercise 5.** Predict the standard deviation of that reading.


# %%
def predict_noise(k, d):
    """Standard deviation of the reading of a silent feature when k others fire with size 1 in d dimensions."""
    ### BEGIN SOLUTION from 1/d, the mean squared cosine, and k independent features
    return (k / d) ** 0.5
    ### END SOLUTION


check_noise(predict_noise)


# %%
def measured_noise(k, d, n=400, n_rows=400, seed=0):
    """The same, measured with n random directions."""
    rng = np.random.default_rng(seed)
    directions = rng.standard_normal((n, d))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    firing = rng.integers(1, n, size=(n_rows, k))  # feature 0 never fires
    return directions[firing].sum(1) @ directions[0]


widths = np.array([8, 16, 32, 64, 128, 256, 512])
fig, ax = plt.subplots(figsize=(6, 3.3), layout="constrained")
for colour, k in zip(COLOURS, (1, 2, 8), strict=False):
    found = [np.mean([measured_noise(k, d, seed=s).std() for s in range(5)]) for d in widths]
    ax.plot(widths, found, "o", color=colour, label=f"{k} fire: measured")
    ax.plot(widths, [predict_noise(k, d) for d in widths], "-", color=colour, lw=1, label="predicted")
ax.axhline(0.5, color="black", ls=":", label="half the size of a feature that fires")
ax.set(xscale="log", yscale="log", xlabel="dimensions d", ylabel="noise on a silent feature", title="interference")
ax.legend(fontsize=7, ncols=2)
plt.show()

# %% [markdown]
# It does not matter how many features *exist*, only how many *fire*. So a wide layer can hold very many features, as
# long as few fire at a time. That is the bargain of superposition.
#
# ## Pulling them apart again
#
# `superposition-2` is a world of 64 features in 32 dimensions, two firing at a time. Its true directions are known, so
# an SAE can be held against them. We train one with 64 latents, and score how well some latent detects each feature
# (*coverage*) beside what floors and ceilings get.

# %%
testbed = fd.testbed("superposition-2", n_games=60, seed=0)
sae = fd.train_sae("batchtopk", testbed.world, n_latents=64, k=2, samples=100_000, batch_size=256, progress=False)
report = fd.evaluate(sae, testbed, metrics=["coverage"])
score = report.score("coverage")
print(f"coverage {score.value:.3f} [{score.low:.3f}, {score.high:.3f}]")
for kind, bounds in (("floor", score.floors), ("ceiling", score.ceilings)):
    for name, value in sorted(bounds.items(), key=lambda bound: bound[1]):
        print(f"   {kind:8s} {value:.3f}  {name}")

# %% [markdown]
# **Exercise 6.** Which floor counts? The one that is hardest to beat. Take it from `score.floors` (a dict of name and
# value), and say where between it (0) and the best ceiling (1) the SAE stands.

# %%
### BEGIN SOLUTION the best floor, and the score rescaled
#| floor = ...
#| standing = ...
floor = max(score.floors.values())
standing = (score.value - floor) / (max(score.ceilings.values()) - floor)
### END SOLUTION
check_standing(floor, standing, score)
print(f"the SAE went {standing:.0%} of the way from {floor:.3f} to {max(score.ceilings.values()):.3f}")

# %% [markdown]
# ## Where it stops
#
# Four worlds, always 32 dimensions and two features firing: 16, 32, 64 and 256 features. Each gets an SAE with as many
# latents as there are features.
#
# **Exercise 7.** Guess before you run: which is the first world where the SAE gets less than half of the way from floor
# to ceiling: "16", "32", "64" or "256"?

# %%
### BEGIN SOLUTION your guess; a wrong one costs nothing
#| guess = ...
guess = "256"
### END SOLUTION
worlds = {"16": "superposition-half", "32": "superposition-1", "64": "superposition-2", "256": "superposition-8"}
scores = {}
for n, name in worlds.items():
    bed = testbed if n == "64" else fd.testbed(name, n_games=60, seed=0)
    one = fd.train_sae("batchtopk", bed.world, n_latents=int(n), k=2, samples=100_000, batch_size=256, progress=False)
    scores[n] = fd.evaluate(one, bed, metrics=["coverage"]).score("coverage")
check_guess(guess, list(scores), [s.normalised() for s in scores.values()])

# %%
at = np.arange(len(scores))
fig, ax = plt.subplots(figsize=(6, 3.4), layout="constrained")
values = np.array([[s.value, s.value - s.low, s.high - s.value] for s in scores.values()])
ax.errorbar(at, values[:, 0], yerr=values[:, 1:].T, fmt="o-", color=COLOURS[0], capsize=3, label="SAE, 95 % interval")
for pick, style, told in ((lambda s: s.floors, "v:", "best floor"), (lambda s: s.ceilings, "^:", "best ceiling")):
    ax.plot(at, [max(pick(s).values()) for s in scores.values()], style, color="black", label=told)
ax.set_xticks(at, [f"{n}\n{2 / int(n):.3f}" for n in scores])
ax.set(xlabel="features in 32 dimensions, and how often each fires", ylabel="coverage", ylim=(0, 1.05))
ax.legend(fontsize=8)
plt.show()

# %% [markdown]
# **Question.** The number of features that fire is the same in all four worlds, and by exercise 5 so is the
# interference on a true direction: the oracle hardly suffers. Why is the last world so much harder to *learn*?

# %% [markdown] tags=["solution"]
# Each feature fires in 1 of 128 rows instead of 1 of 8, and all SAEs saw the same number of rows: every latent has a
# sixteenth of the examples, and many more features to be mistaken for its own. The information is there (the oracle is
# near 1), but finding 256 directions in 32 dimensions takes far more data, and the encoder, which reads direction by
# direction, must also tell neighbours apart that are closer. Train it ten times longer and look again.

# %% [markdown]
# **Exercise 8.** Suppose that we had given the SAE only 32 latents for the 64 features of `superposition-2`. Which
# share of the features could at most have a latent that detects them *perfectly*?

# %%
### BEGIN SOLUTION a number from 0 to 1
#| most = ...
most = 32 / 64
### END SOLUTION
check_narrow(most)

# %% [markdown]
# ## What to take along
#
# - Sparse features can share dimensions. What limits them is how many fire at once: noise of about sqrt(k / d).
# - Networks choose geometry by sparsity: alone, in opposite pairs, in pentagons, in a crowd.
# - An SAE can undo superposition, but it has to see each feature often enough and to have room for it.
# - A score between the best floor and the best ceiling says more than the score.
#
# Next: [3. Train your first SAE and score it](03_first_sae.ipynb), where you write the SAE yourself.
