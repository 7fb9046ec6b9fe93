"""Exercise 1, with its solutions; build.py makes the notebooks."""

# %% [markdown]
# # 1. Sparse coding by hand, on three features
#
# Three features live in a plane. Each fires now and then and writes its direction into a row of two numbers. You see
# the rows. Which features fired, how strongly, and in which directions do they write?
#
# **You will**
#
# - read features back from rows, first by projection, then by matching pursuit;
# - learn the three directions from the rows alone;
# - compare what you learned with the truth, and find out what the comparison is worth by chance.
#
# It takes about half an hour and needs numpy and a little linear algebra. Fill in what says `your turn`; the cell after
# it tells whether it is right. Our solution, with figures, is in `solutions/`.

# %%
import fiducial as fd
import matplotlib.pyplot as plt
import numpy as np
from checks_by_hand import (
    check_always_on,
    check_f1,
    check_floor,
    check_k1,
    check_mmcs,
    check_project,
    check_pursuit,
    check_readings,
    check_rows,
    check_true_l0,
    check_update,
)

plt.rcParams |= {"figure.dpi": 75, "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False}
COLOURS = ["#0072b2", "#d55e00", "#009e73"]

# %% [markdown]
# ## The world
#
# Three unit vectors, 120 degrees apart. In 600 rows each feature fires with probability .2, with a size between .5 and
# 1.5. A row is the sum of what fired: size times direction.

# %%
angles = np.deg2rad([90, 210, 330])
TRUE = np.stack([np.cos(angles), np.sin(angles)], axis=1)  # [3 features, 2 dimensions]

rng = np.random.default_rng(0)
fires = rng.random((600, 3)) < 0.2  # [600 rows, 3 features]
sizes = fires * rng.uniform(0.5, 1.5, size=(600, 3))
print("directions:\n", TRUE.round(2))
print("sizes in the first rows:\n", sizes[:4].round(2))

# %% [markdown]
# **Exercise 1.** Make the rows, [600, 2], and find the *true L0*: how many features fire in a row, on average.

# %%
### BEGIN SOLUTION rows from sizes and TRUE, and the mean number of features that fire
#| x = ...
#| true_l0 = ...
x = sizes @ TRUE
true_l0 = fires.sum(1).mean()
### END SOLUTION
check_rows(x, sizes, TRUE)
check_true_l0(true_l0, sizes)


# %%
def draw(ax, directions, *, style="-", colours=COLOURS, label=None):
    """Directions as arrows from the origin."""
    for i, (across, up) in enumerate(directions):
        arrow = {"arrowstyle": "-|>", "color": colours[i], "lw": 2, "linestyle": style}
        ax.annotate("", (across, up), (0, 0), arrowprops=arrow)
    ax.plot([], [], style, color="black", label=label)


def plane(ax, title):
    """A square piece of the plane."""
    ax.set(xlim=(-1.7, 1.7), ylim=(-1.7, 1.7), aspect="equal", title=title)


fig, ax = plt.subplots(figsize=(4.6, 4.2), layout="constrained")
number = fires.sum(1)
for n, shade in ((1, "#bbbbbb"), (2, "#777777"), (3, "#000000")):
    ax.scatter(*x[number == n].T, s=9, color=shade, label=f"{n} fire: {np.sum(number == n)} rows")
draw(ax, TRUE)
plane(ax, "rows, and the three true directions")
ax.legend(fontsize=8)
plt.show()

# %% [markdown]
# Rows in which one feature fires lie on a ray; the others fill the space between. So three rays stick out. That is all
# that learning will have to go on: **sparseness makes the directions visible.** If all three fired all the time, the
# cloud would be a blob, and no direction would be special.
#
# ## Reading by projection
#
# The simplest encoder asks how far a row goes along each direction. It is what an SAE's encoder does: a matrix product,
# and the negative part cut off.
#
# **Exercise 2.** Write it.


# %%
def project(x, directions):
    """Rows [N, d] and unit directions [L, d] to latents [N, L], none negative."""
    ### BEGIN SOLUTION the positive part of the projections
    return np.maximum(x @ directions.T, 0)
    ### END SOLUTION


check_project(project)

# %% [markdown]
# How good are the readings? For rows where one feature fires they are exact. But a row may hold two. Say feature 0
# fires with size 1 and feature 1 with size .4. The cosine between two of our directions is cos 120° = -½.
#
# **Exercise 3.** What do latents 0 and 1 read in that row? Work it out on paper first.

# %%
### BEGIN SOLUTION two numbers
#| reading_0 = ...
#| reading_1 = ...
reading_0 = 1 - 0.5 * 0.4
reading_1 = max(0, 0.4 - 0.5 * 1)
### END SOLUTION
check_readings(reading_0, reading_1)


# %%
by_projection = project(x, TRUE)
fig, axes = plt.subplots(1, 2, figsize=(8.2, 3.6), layout="constrained", sharey=True)
for ax, n in zip(axes, (1, 2), strict=True):
    rows = number == n
    for i in range(3):
        ax.scatter(sizes[rows, i], by_projection[rows, i], s=8, color=COLOURS[i], label=f"latent {i}")
    ax.plot([0, 1.5], [0, 1.5], ":", color="black", lw=1)
    ax.set(
        xlabel="true size (0: does not fire)", title=("one feature fires", "two features fire")[n - 1], ylabel="reading"
    )
axes[0].legend(fontsize=8)
plt.show()

# %% [markdown]
# The dotted line is the truth. On the right every reading is too small, and some features that fire are not seen at
# all. This is **interference**: directions that share too few dimensions read each other.
#
# **Question.** Could a bias on the latents (subtract a threshold before the cut) mend the right-hand picture?

# %% [markdown] tags=["solution"]
# No. Interference makes readings too *small* here, and a threshold makes them smaller still. A threshold helps against
# the opposite trouble: latents that fire although their feature does not, which happens where directions have positive
# cosines. The mistake in this picture comes from reading the directions one by one; what is needed is to look at what
# the other latents have already explained.

# %% [markdown]
# ## Matching pursuit
#
# Take turns instead. Pick the latent that reads most, write down how much, **take that off the row**, and go on with
# what is left.
#
# **Exercise 4.** Write it for k picks. A pick of which the reading is negative gets the size 0.


# %%
def pursue(x, directions, k):
    """Rows [N, d] to codes [N, L] with at most k picks a row."""
    rest = x.copy()  # what is not explained yet
    codes = np.zeros((len(x), len(directions)))
    rows = np.arange(len(x))
    for _ in range(k):
        # 1. what each latent reads in the rest; 2. the largest, `best` [N], and its size [N], not below 0;
        # 3. codes[rows, best] grows by it; 4. the rest loses size times direction
        ### BEGIN SOLUTION one round of matching pursuit
        reading = rest @ directions.T
        best = reading.argmax(1)
        size = np.maximum(reading[rows, best], 0)
        codes[rows, best] += size
        rest -= size[:, None] * directions[best]
        ### END SOLUTION
    return codes


check_pursuit(pursue)


# %%
def squared_error(x, codes, directions):
    """Mean squared length of what the codes leave unexplained."""
    return ((x - codes @ directions) ** 2).sum(1).mean()


print(f"mean squared length of a row                {(x**2).sum(1).mean():.3f}   (all zero codes leave this)")
print(f"error of projection                         {squared_error(x, by_projection, TRUE):.3f}")
for k in (1, 2, 3):
    codes = pursue(x, TRUE, k)
    wrong = ((codes > 0.05) != fires).any(1)
    told = f"rows with other features than the true ones: {wrong.sum()} of {len(x)}"
    print(f"error of matching pursuit with k = {k}      {squared_error(x, codes, TRUE):.3f}   {told}")


# %% [markdown]
# **Question.** The error keeps falling as k grows, to almost 0. Yet there are rows whose features no number of picks
# can tell. Which? (Think of all three firing: what is the sum of the three directions?)

# %% [markdown] tags=["solution"]
# The three directions add up to 0. So a row in which all three fire is the same point as one in which each fires by .5
# less: the smallest of the three sizes can never be seen. Two numbers cannot hold three sizes. It works for the other
# rows because they are sparse. Less error does not mean that the right features were found: keep that for exercise 4 of
# this series.

# %% [markdown]
# ## Learning the directions
#
# Now forget the truth: start with three random directions. Given directions we can find codes. Given codes we can find
# the directions that explain the rows best: least squares. Do both in turn, and you have dictionary learning; an SAE
# does both at once, by gradient descent, with an encoder that has to be quick.
#
# **Exercise 5.** Write the second half: the directions D for which codes @ D is closest to x, scaled to length 1.


# %%
def update(x, codes):
    """Rows [N, d] and codes [N, L] to unit directions [L, d]."""
    ### BEGIN SOLUTION least squares for all directions at once, then length 1
    directions = np.linalg.lstsq(codes, x, rcond=None)[0]
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)
    ### END SOLUTION


check_update(update)


# %%
def random_directions(n, rng, d=2):
    """Unit vectors [n, d]."""
    directions = rng.standard_normal((n, d))
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


start = random_directions(3, np.random.default_rng(4))
path = [start]
for _ in range(25):
    path.append(update(x, pursue(x, path[-1], k=1)))
learned = path[-1]

fig, axes = plt.subplots(1, 4, figsize=(11, 3), layout="constrained")
for ax, step in zip(axes, (0, 1, 3, 25), strict=True):
    ax.scatter(*x.T, s=4, color="#cccccc")
    draw(ax, TRUE, style=":", label="true")
    draw(ax, path[step], colours=["black"] * 3, label="learned")
    plane(ax, f"after {step} steps")
axes[0].legend(fontsize=8, loc="upper left")
plt.show()
print("cosines of learned (rows) and true directions:\n", (learned @ TRUE.T).round(3))

# %% [markdown]
# The learned directions are close to the true ones, though nothing in the algorithm knew them. Two things to notice:
# the order is arbitrary (learned 0 need not be true 0), and the cosines are not quite 1.
#
# ## What is the agreement worth?
#
# **Exercise 6.** A common number is the *mean maximum cosine similarity*: for each **true** direction the largest
# cosine with any learned one, averaged over the true directions. Write it for unit directions.


# %%
def mmcs(learned, true):
    """Unit directions [L, d] and [F, d] to one number."""
    ### BEGIN SOLUTION the largest cosine for each true direction, then the mean
    return (true @ learned.T).max(1).mean()
    ### END SOLUTION


check_mmcs(mmcs)
print(f"mmcs of what was learned: {mmcs(learned, TRUE):.3f} (a number without a floor beside it; read on)")

# %% [markdown]
# That looks splendid. But what would three arrows get that somebody threw at random? **Every score needs its floor**:
# what somebody who learned nothing would score.
#
# **Exercise 7.** The floor is the mean mmcs of 2,000 random dictionaries of three directions. Then rescale: where
# between floor (0) and perfect (1) does the learned dictionary stand?

# %%
rng = np.random.default_rng(7)
by_chance = np.array([mmcs(random_directions(3, rng), TRUE) for _ in range(2000)])
value = mmcs(learned, TRUE)
### BEGIN SOLUTION the floor, and the value rescaled
#| floor = ...
#| rescaled = ...
floor = by_chance.mean()
rescaled = (value - floor) / (1 - floor)
### END SOLUTION
check_floor(floor, rescaled, by_chance, value)


# %%
fig, ax = plt.subplots(figsize=(6, 2.8), layout="constrained")
ax.hist(by_chance, bins=60, color="#bbbbbb")
ax.axvline(floor, color="black", ls="--", label=f"floor {floor:.2f}: mean of random dictionaries")
ax.axvline(value, color=COLOURS[1], label=f"learned {value:.2f}")
ax.set(xlabel="mmcs", ylabel="random dictionaries", title="what chance gives in two dimensions")
ax.legend(fontsize=8, loc="upper left")
plt.show()

# %% [markdown]
# **Question.** With 100 random directions instead of three the floor would be almost 1. In 1,000 dimensions it would be
# lower. What do you conclude about comparing mmcs between papers?

# %% [markdown] tags=["solution"]
# It cannot be compared without the floor of the same shape. The more latents and the fewer dimensions, the closer some
# latent lies to every true direction by chance: roughly sqrt(2 ln n / d) for n latents in d dimensions. A wider
# dictionary gets a higher number for nothing.

# %% [markdown]
# ## Does the latent fire when the feature does?
#
# Directions are half of the story. The other half: take a latent as a detector of a feature. It is right when both
# happen (a *hit*), wrong when it fires alone (a false alarm) or stays silent (a miss). F1 = 2 hits / (times it fired +
# times the feature held).
#
# **Exercise 8.** Write it. Then the floor: which F1 does a latent get that *always* fires, if the feature holds in a
# share p of the rows? Give it for p = .2.


# %%
def f1(fires, holds):
    """Two boolean arrays [N] to a number from 0 to 1."""
    ### BEGIN SOLUTION 2 hits / (fired + held)
    return 2 * (fires & holds).sum() / (fires.sum() + holds.sum())
    ### END SOLUTION


check_f1(f1)
### BEGIN SOLUTION F1 of a latent that always fires, at p = .2
#| always_on = ...
always_on = 2 * 0.2 / (1 + 0.2)
### END SOLUTION
check_always_on(always_on)


# %%
codes = pursue(x, learned, k=2)
best = (learned @ TRUE.T).argmax(0)  # the learned latent for each true feature
for feature in range(3):
    p = fires[:, feature].mean()
    score = f1(codes[:, best[feature]] > 0.2, fires[:, feature])
    print(f"feature {feature}: F1 {score:.3f}; floor {2 * p / (1 + p):.3f} (always on), ceiling 1 (perfect)")

# %% [markdown]
# We chose the threshold .2 by looking at the rows we score on. fiducial does the same with more care: latent *and*
# threshold are chosen on one half of the data and scored on the other, there is an interval around the number, and
# floors beside it. This score is called **coverage**. (Rows are dealt into 20 blocks, which stand for games.)

# %%
game = np.repeat(np.arange(20), 30)
score = fd.metrics.coverage(codes, fires, game_id=game, train=game < 10)
print(f"coverage {score.value:.3f} [{score.low:.3f}, {score.high:.3f}]; ceiling 1 (perfect)")
for name, value in score.floors.items():
    print(f"   floor, {name}: {value:.3f}")

# %% [markdown]
# **Exercise 9.** We encoded with k = 2. The mean number of features that fire is about .6. What would you expect of
# coverage with `k=1`, where two features that fire together can never both be seen? Answer "higher", "lower" or "equal"
# (equal: the interval of the difference holds 0), then run the cell.

# %%
one = fd.metrics.coverage(pursue(x, learned, k=1), fires, game_id=game, train=game < 10)
difference = one.replicates - score.replicates  # both resampled alike: the difference is a paired one
low, high = np.percentile(difference, [2.5, 97.5])
print(f"k=1 minus k=2: {one.value - score.value:+.3f} [{low:+.3f}, {high:+.3f}]; no difference would be 0")
### BEGIN SOLUTION "higher", "lower" or "equal"
#| k1_is = ...
k1_is = "lower"
### END SOLUTION
check_k1(k1_is, low, high)


# %% [markdown]
# ## What to take along
#
# - Sparse features can be found from rows alone, because sparse rows lie on rays.
# - Reading directions one by one suffers from interference; an encoder has to let latents explain each other away.
# - Learned latents come in any order. They are compared with the truth by direction and by when they fire.
# - A number says nothing without its floor. Here chance alone reached more than you would have guessed.
#
# Next: [2. Superposition](02_superposition.ipynb), where a network chooses such crowded directions by itself.
