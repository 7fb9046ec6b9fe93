"""Exercise 5, with its solutions; build.py makes the notebooks. Two worlds, twelve small SAEs: half a minute."""

# %% [markdown]
# # 5. Absorption and hedging
#
# A latent can go wrong in two ways that no reconstruction error shows.
#
# - **Absorption.** Where one feature implies another (a penguin is a bird), the latent of the general one falls
#   silent where the special one holds: "bird" means "bird, but not a penguin", and the penguin's latent writes the
#   bird as well.
# - **Hedging.** Where two features go together and there is room for one latent only, this latent writes a bit of
#   both.
#
# You will build absorption by hand and see that sparsity pays for it, find it in trained SAEs, predict hedging with
# a regression, and see that what cures the one brings the other.
#
# About 30 minutes. You need numpy and exercises 1 to 3.

# %%
import fiducial as fd
import matplotlib.pyplot as plt
import numpy as np
import torch
from checks import check_choice, check_number
from checks_boards import ABSORBED, TOY_ROWS, check_best_direction, check_codes, check_cosines, check_silenced
from fiducial.games.synthetic_config import Correlation, SyntheticConfig

torch.set_num_threads(1)
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#999999"

# %% [markdown]
# ## Absorption pays
#
# Two features, *bird* and *penguin*, with directions (1, 0) and (0, 1). There are three kinds of rows: nothing; a
# bird that is no penguin; and a penguin, which is a bird, so that both directions are written.

# %%
print(TOY_ROWS)  # nothing, a bird, a penguin
honest = np.eye(2)  # latent 0 writes "bird", latent 1 writes "penguin"
absorbed = ABSORBED  # latent 0 writes "bird", latent 1 writes both, with length 1
print(absorbed.round(3))

# %% [markdown]
# **Exercise 1.** Both dictionaries can rebuild all three rows without any error. Write down the latents with which
# they do, using as few latents as possible: a row for each kind of row, a column for each latent.

# %%
### BEGIN SOLUTION the latents of the honest dictionary, 3 x 2
#| codes_honest = ...
codes_honest = np.array([[0, 0], [1, 0], [1, 1]])
### END SOLUTION
### BEGIN SOLUTION the latents of the absorbed dictionary, 3 x 2
#| codes_absorbed = ...
codes_absorbed = np.array([[0, 0], [1, 0], [0, np.sqrt(2)]])
### END SOLUTION
check_codes("codes_honest", codes_honest, honest)
check_codes("codes_absorbed", codes_absorbed, absorbed)

# %% [markdown]
# **Exercise 2.** Of all rows 80 % are nothing, 15 % a bird that is no penguin and 5 % a penguin. What is the mean
# L0, the number of latents that fire in a row, of each dictionary?

# %%
shares = np.array([0.80, 0.15, 0.05])
### BEGIN SOLUTION mean number of latents above 0 with the honest dictionary
#| l0_honest = ...
l0_honest = shares @ (codes_honest > 0).sum(1)
### END SOLUTION
### BEGIN SOLUTION the same with the absorbed one
#| l0_absorbed = ...
l0_absorbed = shares @ (codes_absorbed > 0).sum(1)
### END SOLUTION
check_number("l0_honest", l0_honest, 0.25, hints={0.2: "a penguin takes both latents here", 1.0: "weigh by the shares"})
check_number("l0_absorbed", l0_absorbed, 0.20, hints={0.25: "how many latents does a penguin need in this dictionary?"})

# %% [markdown]
# **Question 1.** An L1 penalty counts the sum of latents instead. Work out both sums for a penguin. Does the L1
# penalty prefer the honest dictionary?

# %% [markdown] tags=["solution"]
# No. A penguin costs 1 + 1 = 2 in the honest dictionary and √2 = 1.41 in the absorbed one. Both penalties prefer
# the dictionary that is wrong about what a bird is, at the same reconstruction error, which is 0. Nothing that an
# SAE is trained on speaks for the honest one.

# %% [markdown]
# ## Finding it in trained SAEs
#
# `hierarchy-toy` has four parents (features 0 to 3) with three children each. A child fires only where its parent
# does, in a quarter of the cases. All sixteen directions are orthogonal, and there will be sixteen latents: as easy
# as it gets.

# %%
world = fd.games.Synthetic("hierarchy-toy")
tb = fd.testbed("hierarchy-toy", n_games=100, seed=0)
holds = tb.features.unpack(tb.activations.labels)  # bool [rows, features]
true = world.directions.numpy()
children = {p: np.flatnonzero(world.parents == p) for p in range(4)}
print(f"{len(holds):,} rows, true L0 {holds.sum(1).mean():.2f}; children of feature 0: {children[0]}")


def train(arch, k, seed=0, place=world, n_latents=16):
    return fd.train_sae(
        arch, place, n_latents=n_latents, k=k, samples=80_000, batch_size=256, seed=seed, progress=False
    )


def fires(sae, x=tb.x):
    return (sae.encode(x) > 0).numpy()


first = train("batchtopk", 1.2)

# %% [markdown]
# **Exercise 3.** How much less often does a parent's latent fire where a child holds? Write `silenced`: of the rows
# where the parent holds, the share in which the latent fires (its recall) on those *without* any child, less the
# share on those *with* one. An honest latent scores 0, a fully absorbed one 1.


# %%
def silenced(latent_fires, parent_holds, child_holds):
    """Recall without a child less recall with one; all three arguments are bool [rows]."""
    ### BEGIN SOLUTION recall on rows of the parent alone, less recall on rows with a child
    alone = latent_fires[parent_holds & ~child_holds].mean()
    beside = latent_fires[parent_holds & child_holds].mean()
    return alone - beside
    ### END SOLUTION


check_silenced(silenced)

# %% [markdown]
# Which latent is the parent's? The one that detects it best on rows *without* children, by F1: so the children have
# no say in the choice.


# %%
def parents_latent(on, parent):
    """The latent with the best F1 for a parent on rows without its children."""
    rows = ~holds[:, children[parent]].any(1)
    hits = (on[rows] & holds[rows, parent, None]).sum(0)
    return int((2 * hits / (on[rows].sum(0) + holds[rows, parent].sum() + 1e-9)).argmax())


def silence(sae):
    on = fires(sae)
    return [silenced(on[:, parents_latent(on, p)], holds[:, p], holds[:, children[p]].any(1)) for p in range(4)]


print([round(float(value), 2) for value in silence(first)], "for parents 0 to 3")

# %% [markdown]
# **Exercise 4.** If a parent falls silent and the rows are rebuilt all the same, somebody else must write its
# direction. Compute the cosine of every latent's direction with every true one.


# %%
def cosines(directions, true_directions):
    """Cosines [latents, features] of directions [latents, d] and true_directions [features, d]."""
    ### BEGIN SOLUTION divide both by their lengths, then multiply
    a = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    b = true_directions / np.linalg.norm(true_directions, axis=1, keepdims=True)
    return a @ b.T
    ### END SOLUTION


check_cosines(cosines)

# %% [markdown]
# The picture: rows are latents, columns features, family by family. An honest dictionary would have one dark square
# in every row and column, and nothing else. Look for latents of children (columns 1 to 3 of a family) that also
# write the parent (column 0 of it).

# %%
order = [f for p in range(4) for f in (p, *children[p])]


def picture(sae, ax, title):
    table = cosines(sae.directions.numpy(), true)[:, order]
    rows = np.argsort(np.abs(table).argmax(1), kind="stable")
    image = ax.imshow(table[rows], cmap="RdBu_r", vmin=-1, vmax=1)
    for edge in (3.5, 7.5, 11.5):
        ax.axvline(edge, color="black", linewidth=0.8)
    ax.set_xticks(range(16), [f"{f}" for f in order], fontsize=7)
    ax.set_yticks([])
    ax.set(title=title, xlabel="feature (parent first)", ylabel="latents, sorted")
    return image


fig, ax = plt.subplots(figsize=(4.6, 4.2), layout="constrained")
image = picture(first, ax, "BatchTopK, L0 1.2: cosines")
fig.colorbar(image, ax=ax, shrink=0.8)
plt.show()

# %% [markdown]
# ## What makes it better or worse?
#
# The true L0 of this world is about 1.4. Before you run the next cell, guess: will a BatchTopK SAE with an L0 of
# 1.4 absorb more or less than the one with 1.2? And an L1 SAE ("standard")? Matryoshka makes the first latents
# rebuild the input alone, so that they had better be general. Each point below is one parent in one of two
# trainings.

# %%
kinds = {"standard, L0 1.4": ("standard", 1.4), "BatchTopK, L0 1.2": ("batchtopk", 1.2),
         "BatchTopK, L0 1.4": ("batchtopk", 1.4), "Matryoshka, L0 1.4": ("matryoshka", 1.4)}  # fmt: skip
trained = {
    name: [first if (arch, k, seed) == ("batchtopk", 1.2, 0) else train(arch, k, seed) for seed in (0, 1)]
    for name, (arch, k) in kinds.items()
}
fig, ax = plt.subplots(figsize=(6, 2.8), layout="constrained")
for y, pair in enumerate(trained.values()):
    values = np.concatenate([silence(sae) for sae in pair])
    ax.plot(values, y + np.linspace(-0.15, 0.15, len(values)), "o", color=BLUE, markersize=4)
    ax.plot(values.mean(), y, "|", color=ORANGE, markersize=18, markeredgewidth=2)
ax.axvline(0, color=GREY, linewidth=0.8)
ax.set_yticks(range(len(trained)), trained)
ax.set(xlabel="silenced (0: honest, 1: absorbed); bar: mean", title="how much a parent's latent falls silent")
plt.show()

# %% [markdown]
# **Question 2.** In which SAE do the children's latents write the parents, in which do the parents' latents write
# the children? Compare the two columns of the table below, which hold mean cosines.


# %%
def mixtures(sae):
    """Mean cosine of children's latents with their parents, and of parents' latents with their children."""
    table, on = cosines(sae.directions.numpy(), true), fires(sae)
    pairs = [(p, c) for p in range(4) for c in children[p]]
    up = [table[table[:, c].argmax(), p] for p, c in pairs]
    down = [table[parents_latent(on, p), c] for p, c in pairs]
    return float(np.mean(up)), float(np.mean(down))


print(f"{'':20} {'parent in child':>16} {'child in parent':>16}   (two trainings each)")
for name, pair in trained.items():
    both = [mixtures(sae) for sae in pair]
    up, down = (", ".join(f"{value[i]:+.2f}" for value in both) for i in range(2))
    print(f"{name:20} {up:>16} {down:>16}")

# %% [markdown] tags=["solution"]
# "Parent in child" is absorption seen from the directions, and it is largest for the L1 SAE. "Child in parent" is
# the opposite mixture: Matryoshka's parents write a bit of each child, because its first latents have to rebuild
# the input without the others. This is hedging, to which we come now.

# %% [markdown]
# ## Hedging is regression
#
# Twelve orthogonal features in six pairs: feature *i* is frequent, feature *i + 6* rare, and the two go together.
# First there are only six latents.


# %%
def pairs(correlation):
    linked = Correlation(pairs=tuple((i, i + 6, correlation) for i in range(6))) if correlation else None
    return fd.games.Synthetic(
        SyntheticConfig(
            name="pairs", n_features=12, width=16, frequency="linear", p_max=0.3, p_min=0.06, correlation=linked
        )
    )


together, apart = pairs(0.8), pairs(0.0)
sample = together.sample(10_000, 7)
x, present = sample.activations.numpy(), together.features.unpack(sample.labels)
with_0, without_0 = present[present[:, 0], 6].mean(), present[~present[:, 0], 6].mean()
print(f"feature 6 is there in {with_0:.0%} of the rows with feature 0, and in {without_0:.0%} of those without")

# %% [markdown]
# **Exercise 5.** Think of a latent that does its job perfectly: it is the size of feature 0 where that is there,
# and 0 elsewhere. Which direction should it write, so that together with a constant it leaves the smallest squared
# error? Write `best_direction`, the least-squares slope of the activations on the latent.


# %%
def best_direction(latent, x):
    """The d of smallest mean |x - (latent * d + constant)|^2; latent [rows], x [rows, d], returns [d]."""
    ### BEGIN SOLUTION the slope of a regression: centre both, products over squares
    centred = latent - latent.mean()
    return centred @ (x - x.mean(0)) / (centred @ centred)
    ### END SOLUTION


check_best_direction(best_direction)
directions = together.directions.numpy()
predicted = []
for i in range(6):
    perfect = np.where(present[:, i], (x - together.bias.numpy()) @ directions[i], 0)
    both = cosines(best_direction(perfect, x)[None], directions)[0]
    predicted.append(both[i + 6])
    print(
        f"a perfect latent of feature {i} should write it with cosine {both[i]:.2f}, its partner with {both[i + 6]:.2f}"
    )

# %% [markdown]
# So even a latent that *fires* for nothing but its feature should *write* the partner too, as long as the partner
# has no latent of its own. Now trained SAEs: too narrow and wide enough, with and without correlation.


# %%
def partner_cosines(sae, place):
    """For each latent, the cosine with the partner of the feature that it is nearest to."""
    table = cosines(sae.directions.numpy(), place.directions.numpy())
    own = table.argmax(1)
    return table[np.arange(len(own)), (own + 6) % 12]


found = {}
for label, place in (("correlated", together), ("independent", apart)):
    for width, k in ((6, 1.2), (12, 2.1)):
        found[f"{label}, {width} latents"] = partner_cosines(train("batchtopk", k, 0, place, width), place)
fig, ax = plt.subplots(figsize=(6, 2.8), layout="constrained")
for y, values in enumerate(found.values()):
    ax.plot(values, y + np.linspace(-0.15, 0.15, len(values)), "o", color=BLUE, markersize=4)
    ax.plot(values.mean(), y, "|", color=ORANGE, markersize=18, markeredgewidth=2)
ax.axvline(np.mean(predicted), color="black", linestyle="--", linewidth=1)
ax.annotate("your regression", (np.mean(predicted), 1.5), (4, 0), textcoords="offset points", fontsize=8)
ax.axvline(0, color=GREY, linewidth=0.8)
ax.set_yticks(range(len(found)), found)
ax.set(xlabel="cosine of a latent with the partner of its feature; bar: mean", title="hedging")
plt.show()

# %% [markdown]
# **Exercise 6.** Say what each of these is: `"absorption"`, `"hedging"` or `"neither"`.
#
# - `a`: the latent of "a verb" fires for all verbs and also writes a little of "past tense", which no latent stands
#   for.
# - `b`: the latent of "starts with S" fires for all words that start with S but "short"; the latent of "short"
#   writes both.
# - `c`: there are two latents for "starts with S", each firing for half of these words, and each writing just that.

# %%
### BEGIN SOLUTION one of the three words each
#| a, b, c = ..., ..., ...
a, b, c = "hedging", "absorption", "neither"
### END SOLUTION
told = "who falls silent, and who writes what it should not?"
check_choice("a", a, "hedging", {"absorption": told, "neither": "it writes something that is not its feature"})
check_choice("b", b, "absorption", {"hedging": told, "neither": "where does the latent of S fail to fire, and why?"})
check_choice(
    "c", c, "neither", {"absorption": "nothing implies anything here", "hedging": "each writes its own feature"}
)

# %% [markdown]
# ## What the metrics say
#
# fiducial sorts every true feature by what became of it: found, missed, split, merged, absorbed or duplicated.
# Every number stands beside its floors and ceilings. Here are those of two of your SAEs.

# %%
names = ["recovery_score", "absorbed_error", "merged_error", "missed_error", "explained_variance_score"]
reports = {
    name: fd.evaluate(trained[name][0], tb, metrics=names) for name in ("standard, L0 1.4", "Matryoshka, L0 1.4")
}
for name, report in reports.items():
    print(f"--- {name}")
    print(report)

# %% [markdown]
# **Question 3.** Which of the two SAEs would you take if you had only the explained variance? Which if you wanted
# latents that mean what they seem to mean? And what does `absorbed_error` miss that you have measured above?

# %% [markdown] tags=["solution"]
# By explained variance they are alike: it cannot tell who writes a direction, only that somebody does. Recovery is
# an average over sixteen features with a wide interval, and does not decide either. Who wants to know what "bird"
# means takes the one whose parents do not fall silent. `absorbed_error` counts features that pass thresholds, and
# it is 0 for the L1 SAE, whose parents miss two fifths of their rows with children and whose children write their
# parents with a cosine of .6; `silenced` and the cosines, which are graded, show it. The certificate of that metric
# warns of this: it is a coarse diagnosis (`docs/certification.md`). Take a metric for what it can see.
#
# **To go on.** `docs/absorption-and-architectures.md` has the same measurements on larger worlds with many more
# SAEs, and `docs/true-l0-and-width.md` has hedging against width. Papers: absorption, arXiv 2409.14507; hedging,
# arXiv 2505.11756.
