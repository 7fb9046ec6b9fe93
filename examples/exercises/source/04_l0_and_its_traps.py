"""Exercise 4, with its solutions; build.py makes the notebooks."""

# %% [markdown]
# # 4. L0 and its traps
#
# How sparse should a sparse autoencoder be? The number of latents that fire in a row, its **L0**, is the one dial that
# every SAE has. Most papers draw reconstruction against L0 and call it a frontier. Here the true L0 is known, and with
# it the traps.
#
# **You will**
#
# - find that reconstruction does not tell where to stop;
# - catch SAEs restoring more than the truth itself, with the wrong features;
# - choose an L0 without knowing the truth;
# - compare SAEs at equal L0, and refuse where they cannot be compared.
#
# About 35 minutes. Fill in what says `your turn`; our solution is in `solutions/`.

# %%
import fiducial as fd
import matplotlib.pyplot as plt
import numpy as np
import torch
from checks_l0 import (
    check_at,
    check_best,
    check_chosen,
    check_comparable,
    check_decoder_cosine,
    check_explained,
    check_l0,
    check_true_l0,
    check_truth_at,
    check_winner,
)
from fiducial.games.synthetic import Synthetic, SyntheticConfig
from fiducial.games.synthetic_config import Correlation
from fiducial.synthetic_testbed import SyntheticTestbed

torch.set_num_threads(1)  # small products are not faster on more
plt.rcParams |= {"figure.dpi": 75, "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False}
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"]

# %% [markdown]
# ## The world
#
# 32 features with orthogonal directions in 40 dimensions: no superposition, nothing to disturb. But the features are
# *correlated*: two hidden causes make some of them fire together more often than chance would.

# %%
config = SyntheticConfig(
    name="correlated lesson",
    n_features=32,
    width=40,
    frequency="linear",
    p_max=0.35,
    p_min=0.15,
    correlation=Correlation(rank=2, scale=0.35),
)
testbed = SyntheticTestbed(Synthetic(config), n_games=60, seed=0)
x = testbed.x  # [6000, 40]
sizes = torch.from_numpy(testbed.magnitudes.toarray())  # [6000, 32], how strongly each feature was written
fires = testbed.features.unpack(testbed.sample.labels)  # [6000, 32], whether it fires

# %% [markdown]
# **Exercise 1.** Write `l0` for latents of any dictionary, and find the true one from `fires`.


# %%
def l0(latents):
    """Latents [N, L] to the mean number of a row that are not 0."""
    ### BEGIN SOLUTION count, then the mean over rows
    return (latents != 0).sum(1).float().mean()
    ### END SOLUTION


check_l0(l0)
### BEGIN SOLUTION the true L0, a number
#| true_l0 = ...
true_l0 = fires.sum(1).mean()
### END SOLUTION
check_true_l0(true_l0, fires)

# %% [markdown]
# ## Trap 1: reconstruction does not tell where to stop
#
# **Exercise 2.** Write the explained variance: 1 minus squared error over variance, the latter about the mean row.


# %%
def explained(x, restored):
    """Rows and restored rows [N, d] to a number; 1 is perfect, 0 is what the mean row gets."""
    ### BEGIN SOLUTION 1 - squared error / variance about the mean row
    return 1 - ((x - restored) ** 2).sum() / ((x - x.mean(0)) ** 2).sum()
    ### END SOLUTION


check_explained(explained)

# %% [markdown]
# Seven BatchTopK SAEs, alike but for their L0. All have 32 latents, exactly as many as there are features.

# %%
sweep = [2, 4, 6, 8, 10, 14, 20]
options = {"n_latents": 32, "samples": 80_000, "batch_size": 256, "lr": 0.01, "seed": 0, "progress": False}
saes = {k: fd.train_sae("batchtopk", testbed.world, k=k, name=f"BatchTopK {k}", **options) for k in sweep}
latents = {k: sae.encode(x) for k, sae in saes.items()}
variance = {k: float(explained(x, saes[k].decode(latents[k]))) for k in sweep}

fig, ax = plt.subplots(figsize=(5.5, 3), layout="constrained")
ax.plot(sweep, list(variance.values()), "o-", color=COLOURS[0], label="SAE")
ax.axhline(0, color="black", ls=":", label="the mean row")
ax.axhline(1, color="black", ls="--", label="perfect")
ax.axvline(true_l0, color="grey", lw=0.8)
ax.set(xlabel="L0 (grey: the true one)", ylabel="explained variance", ylim=(-0.05, 1.05))
ax.legend(fontsize=8)
plt.show()
print("explained variance (floor 0: the mean row, ceiling 1):", {k: round(v, 3) for k, v in variance.items()})

# %% [markdown]
# **Exercise 3.** If you chose by explained variance alone, which L0 of the sweep would you take?

# %%
### BEGIN SOLUTION an L0 of the sweep
#| best_l0 = ...
best_l0 = max(sweep, key=variance.get)
### END SOLUTION
check_best(best_l0, variance)

# %% [markdown]
# Not the true one. And from the true L0 on, all of them restore nearly everything: the line is flat to the right, and
# tells an L0 of 8 hardly from one of 20. Shall we see whether these dictionaries are alike, too?
#
# ## Trap 2: better than the truth
#
# Look at the other side: SAEs with *too few* latents firing. How would the **true dictionary** do with the same L0?
# Give it every advantage: the true directions and the true sizes, of which it may keep the largest.
#
# **Exercise 4.** Of the table of true sizes [N, F] keep the k·N largest numbers (so the L0 is k on average, as in
# BatchTopK) and set the rest to 0.


# %%
def truth_at(sizes, k):
    """True sizes [N, F] to those of them, [N, F], that a dictionary with an L0 of k may keep."""
    ### BEGIN SOLUTION the k N-th largest number is the threshold
    threshold = sizes.flatten().topk(round(k * len(sizes))).values[-1]
    return sizes * (sizes >= threshold)
    ### END SOLUTION


check_truth_at(truth_at)


# %%
def error_of_truth(k):
    """Squared error a row of the true dictionary at an L0 of k, with the best constant."""
    rest = x - truth_at(sizes, k) @ testbed.true_directions
    return float(((rest - rest.mean(0)) ** 2).sum(1).mean())


def error_of(k):
    """Squared error a row of an SAE."""
    return float(((x - saes[k].decode(latents[k])) ** 2).sum(1).mean())


few = [k for k in sweep if k < true_l0]
errors = {k: (error_of(k), error_of_truth(float(l0(latents[k])))) for k in few}
for k, (of_sae, of_truth) in errors.items():
    print(f"L0 {k}: squared error of the SAE {of_sae:.3f}, of the truth {of_truth:.3f}; perfect is 0")

# %% [markdown]
# **Exercise 5.** Who has less error at an L0 of 4, "the SAE" or "the truth"?

# %%
### BEGIN SOLUTION one of the two
#| winner = ...
winner = "the SAE"
### END SOLUTION
check_winner(winner, *errors[4])

# %% [markdown]
# The reference loses? Then what the SAE has found is not the reference. Let us look: cosines of the SAE's directions
# (each row is a latent, sorted by the feature it is nearest to) with the true ones.


# %%
def nearest_first(directions):
    """Cosines with the true directions [L, F], latents in the order of their nearest features."""
    cosines = directions / directions.norm(dim=1, keepdim=True) @ testbed.true_directions.T
    return cosines[cosines.argmax(1).argsort(stable=True)]


fig, axes = plt.subplots(1, 3, figsize=(10.5, 3.4), layout="constrained", sharey=True)
for ax, k in zip(axes, (4, 8, 20), strict=True):
    picture = ax.imshow(nearest_first(saes[k].directions), vmin=-1, vmax=1, cmap="RdBu_r", aspect="auto")
    ax.set(title=f"SAE with L0 {k}", xlabel="true feature")
axes[0].set_ylabel("latent")
fig.colorbar(picture, ax=axes, label="cosine")
plt.show()

# %% [markdown]
# **Question.** At L0 4 most latents write a bit of several features. Why does that pay, if features are correlated and
# only four latents may fire?
#
# And what might the latent be doing that is dark blue in the picture at the true L0? Does it hurt the explained
# variance?

# %% [markdown] tags=["solution"]
# About eight features fire, four latents may speak. A latent that also writes a little of the features which usually
# come along explains part of what must stay unsaid. On average that lowers the error, so training finds it; but the
# direction is no longer that of a feature. This is "sparse but wrong" ([arXiv
# 2508.16560](https://arxiv.org/abs/2508.16560)): the error is lower *because* the dictionary is wrong.
#
# The dark blue cell at the true L0 is a latent with a cosine of nearly -1. It fires mostly where its feature is
# *absent*, and takes off what the constant and other latents have written too much of it. That works best for a
# frequent feature (this one fires in a third of the rows), and restores the rows just as well. But nobody who looks
# for the feature will find it there. It is a local optimum of training; another seed may not have it.

# %% [markdown]
# ## What the truth says
#
# Now score all seven: coverage (does some latent detect each feature?) and recovery (does one latent detect it *and*
# write its direction?), with floors and ceilings.

# %%
metrics = ["coverage", "recovery_score"]
reports = {k: fd.evaluate(sae, testbed, metrics=metrics, seed=0) for k, sae in saes.items()}

fig, axes = plt.subplots(1, 2, figsize=(9, 3.3), layout="constrained")
for ax, metric in zip(axes, metrics, strict=True):
    scores = [report.score(metric) for report in reports.values()]
    middle = np.array([s.value for s in scores])
    whiskers = [middle - [s.low for s in scores], [s.high for s in scores] - middle]
    ax.errorbar(sweep, middle, yerr=whiskers, fmt="o-", color=COLOURS[0], capsize=3, label="SAE, 95 % interval")
    ax.plot(sweep, [max(s.floors.values()) for s in scores], "v:", color="black", ms=4, label="best floor")
    ax.plot(sweep, [max(s.ceilings.values()) for s in scores], "^:", color="black", ms=4, label="best ceiling")
    ax.axvline(true_l0, color="grey", lw=0.8)
    ax.set(xlabel="L0 (grey: the true one)", title=metric, ylim=(0, 1.08))
axes[0].legend(fontsize=8, loc="lower right")
plt.show()

# %% [markdown]
# Both peak at the true L0 and fall on both sides, while explained variance stays near 1 on the right. **Nothing but the
# truth tells these SAEs apart.** Or is there something?
#
# ## Choosing without the truth
#
# The directions of this world are orthogonal. A mixed latent shares features with others, so mixed directions are
# *alike*. The paper suggests the mean |cosine| between different directions of the decoder: smallest at the true L0.
#
# **Exercise 6.** Write it, and choose an L0 of the sweep by it.


# %%
def decoder_cosine(directions):
    """Directions [L, d] to the mean size of the cosine of two different rows."""
    ### BEGIN SOLUTION cosines of all pairs, without the diagonal
    units = directions / directions.norm(dim=1, keepdim=True)
    cosines = (units @ units.T).abs()
    n = len(units)
    return (cosines.sum() - cosines.diagonal().sum()) / (n * (n - 1))
    ### END SOLUTION


check_decoder_cosine(decoder_cosine)
alike = {k: float(decoder_cosine(sae.directions)) for k, sae in saes.items()}
### BEGIN SOLUTION an L0 of the sweep
#| chosen = ...
chosen = min(sweep, key=alike.get)
### END SOLUTION
check_chosen(chosen, alike)

# %%
fig, ax = plt.subplots(figsize=(5.5, 3), layout="constrained")
ax.plot(sweep, list(alike.values()), "o-", color=COLOURS[0], label="SAE")
start = torch.randn(32, 40, generator=torch.Generator().manual_seed(1000))
ax.axhline(float(decoder_cosine(start)), color="black", ls=":", label="random directions")
ax.axhline(float(decoder_cosine(testbed.true_directions)), color="black", ls="--", label="true directions")
ax.axvline(true_l0, color="grey", lw=0.8)
ax.set(xlabel="L0 (grey: the true one)", ylabel="mean |cosine|", ylim=(-0.005, 0.19))
ax.legend(fontsize=8, ncols=3, loc="upper center")
plt.show()

# %% [markdown]
# **Question.** Would you trust this on a language model? What is different there?

# %% [markdown] tags=["solution"]
# With care. Here the true directions are orthogonal, so any likeness is a mistake. In a model features are in
# superposition and have cosines of their own; some related features truly are alike; and an SAE that is too narrow or
# badly trained moves the curve too. It worked here for one architecture, width and seed. A proxy has to be tested
# where the truth is known (that is what this testbed is for) and can then be tried, not believed, elsewhere.

# %% [markdown]
# ## Trap 3: the L0 that you asked for
#
# TopK has its L0 by construction. Others are *asked* for an L0 and may miss it, above all in short training. Here are
# four architectures, all asked for 4 (these runs are short on purpose).

# %%
asked = 4
others = {"batchtopk": saes[asked]}
for arch in ("topk", "standard", "jumprelu"):
    others[arch] = fd.train_sae(arch, testbed.world, k=asked, name=arch, **{**options, "samples": 40_000})
measured = {arch: float(l0(sae.encode(x))) for arch, sae in others.items()}
print({arch: round(value, 2) for arch, value in measured.items()})

# %% [markdown]
# **Exercise 7.** Which of the four lie within a tenth of what was asked? Only these may be compared as they are. Give a
# list of names.

# %%
### BEGIN SOLUTION a list of names
#| comparable = ...
comparable = [arch for arch, value in measured.items() if abs(value - asked) <= 0.1 * asked]
### END SOLUTION
check_comparable(comparable, measured, asked)

# %% [markdown]
# ## Trap 4: two points of two curves
#
# SAE A has L0 5.3 and explains .8; SAE B has L0 7.1 and explains .9. Is B better? Perhaps it only fires more. To
# compare them, bring both to one L0: measure each architecture at several, and interpolate.
#
# **Exercise 8.** Write the interpolation. Outside of what was measured the only honest answer is NaN.


# %%
def at(l0s, values, wanted):
    """The value at an L0, on straight lines between measured points (arrays [n], in any order); NaN outside of them."""
    ### BEGIN SOLUTION sort by L0, then interpolate; NaN outside
    if not min(l0s) <= wanted <= max(l0s):
        return float("nan")
    order = np.argsort(l0s)
    return np.interp(wanted, l0s[order], values[order])
    ### END SOLUTION


check_at(at)


# %%
def curve(sae_by_k):
    """Measured L0s and explained variances of some SAEs."""
    codes = {k: sae.encode(x) for k, sae in sae_by_k.items()}
    found = [(float(l0(codes[k])), float(explained(x, sae.decode(codes[k])))) for k, sae in sae_by_k.items()]
    return np.array(found).T


topk = {k: fd.train_sae("topk", testbed.world, k=k, **options) for k in (3, 6, 9)}
curves = {"BatchTopK": curve({k: saes[k] for k in (2, 4, 6, 8, 10)}), "TopK": curve(topk)}
fig, ax = plt.subplots(figsize=(5.5, 3.2), layout="constrained")
for colour, (name, (l0s, values)) in zip(COLOURS, curves.items(), strict=False):
    ax.plot(l0s, values, "o-", color=colour, label=f"{name}: {at(l0s, values, 5.0):.3f} at L0 5")
ax.axvline(5, color="grey", lw=0.8)
ax.axhline(0, color="black", ls=":", label="the mean row")
ax.axhline(1, color="black", ls="--", label="perfect")
ax.set(xlabel="measured L0", ylabel="explained variance")
ax.legend(fontsize=8)
plt.show()
told = {name: f"{at(l0s, values, 11.0):.3f}" for name, (l0s, values) in curves.items()}
print("at L0 11, where neither was measured (floor 0, ceiling 1):", told)

# %% [markdown]
# **Question.** TopK lies below BatchTopK here. Rows of this world differ in how many features fire. Why does that
# matter to the one and not to the other? And after traps 1 and 2: does the higher curve belong to the better
# dictionary?

# %% [markdown] tags=["solution"]
# TopK gives every row the same number of latents: too many where three features fire, too few where fourteen do.
# BatchTopK shares them out. Whether its *dictionary* is better does not follow: below the true L0 less error went with
# wrong directions. Compare coverage or recovery at equal L0, and only where the truth is known.

# %% [markdown]
# ## What to take along
#
# - Reconstruction does not choose an L0: very different dictionaries restore almost everything.
# - Too sparse is not "fewer but purer" features: correlated features are mixed, and the error *falls* for it.
# - Report the measured L0. Compare at equal L0, by interpolation, never outside of what was measured.
# - Proxies for the right L0 exist. Try them first where the truth is known.
#
# More, with seeds and intervals: `docs/true-l0-and-width.md`. Next: 5. Absorption and hedging.
