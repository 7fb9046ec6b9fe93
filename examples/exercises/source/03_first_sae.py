"""Exercise 3, with its solutions; build.py makes the notebooks."""

# %% [markdown]
# # 3. Train your first SAE and score it
#
# A sparse autoencoder (SAE) learns a dictionary and an encoder at once, by gradient descent. You write one, in about
# twenty lines, train it on a world whose true features are known, and find out how good it is. The second half, finding
# out, is the harder one.
#
# **You will**
#
# - write the encoder, the loss and the training loop of a TopK SAE;
# - score it beside floors and ceilings, and compute one of the floors yourself;
# - ask which features it missed, and whether another SAE is really better;
# - score an SAE of a model that plays Othello.
#
# About 40 minutes. Fill in what says `your turn`; our solution is in `solutions/`.

# %%
import fiducial as fd
import matplotlib.pyplot as plt
import numpy as np
import torch
from checks_first_sae import (
    check_always_on,
    check_difference,
    check_encode,
    check_loss,
    check_neurons,
    check_rare,
    check_trained,
    check_unit_rows,
    check_verdict,
)
from fiducial.data.assets import asset

torch.set_num_threads(1)  # small products are not faster on more
plt.rcParams |= {"figure.dpi": 75, "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False}
COLOURS = ["#0072b2", "#d55e00", "#009e73"]

# %% [markdown]
# ## The world
#
# `zipf` has 96 features in 64 dimensions. They fire independently, the most frequent one in 30 % of the rows, the
# others ever more rarely, as words do. A *testbed* is such a world with a sample to score on: half of the sample
# chooses (thresholds, which latent belongs to which feature), the other half reports. We train on other rows.

# %%
testbed = fd.testbed("zipf", n_games=100, seed=0)
rows = next(testbed.world.batches(60_000, seed=1))  # to train on
prevalence = testbed.features.unpack(testbed.sample.labels).mean(0)
print(f"rows to train on: {list(rows.shape)}; features: {len(testbed.features)}")
print(f"firing rates from {prevalence.max():.3f} to {prevalence.min():.4f}; true L0 {testbed.sample.true_l0:.2f}")

# %% [markdown]
# ## The SAE
#
# **Exercise 1.** Encode: the reading of each latent is x times the encoder, plus a bias. Of each row keep the k largest
# readings, and of those only what is positive; all else is 0.


# %%
def encode(x, encoder, encoder_bias, k):
    """Centred rows [N, d], encoder [d, L] and bias [L] to latents [N, L], at most k of a row not 0, none negative."""
    ### BEGIN SOLUTION the k largest readings of each row
    reading = x @ encoder + encoder_bias
    values, where = reading.topk(k, dim=1)
    return torch.zeros_like(reading).scatter(1, where, values.relu())
    ### END SOLUTION


check_encode(encode)

# %% [markdown]
# **Exercise 2.** The loss is the squared length of what is not restored, averaged over rows. With TopK no penalty is
# needed: sparsity is built in.


# %%
def loss(x, restored):
    """Rows and restored rows [N, d] to one number."""
    ### BEGIN SOLUTION mean squared length of the error
    return ((x - restored) ** 2).sum(1).mean()
    ### END SOLUTION


check_loss(loss)

# %% [markdown]
# **Exercise 3.** The decoder's rows are the directions. We keep them at length 1, so that the size of a latent means
# the same for all of them. Write the function that scales rows to length 1.


# %%
def unit_rows(directions):
    """[L, d] to [L, d] with rows of length 1."""
    ### BEGIN SOLUTION divide each row by its length
    return directions / directions.norm(dim=1, keepdim=True)
    ### END SOLUTION


check_unit_rows(unit_rows)

# %% [markdown]
# **Question.** In an SAE with an L1 penalty (the sum of the latents is added to the loss), what would happen without
# unit rows?

# %% [markdown] tags=["solution"]
# It could cheat: halve every latent and double every direction. The restored row is the same, the penalty is half. In
# the end latents are tiny, directions are huge, and nothing has become sparser.

# %% [markdown]
# This class holds your pieces together. With the attributes `name`, `directions` and `latent_names` and the methods
# `encode` and `decode` it is all that fiducial asks of a dictionary.


# %%
class MySAE:
    """A TopK SAE."""

    latent_names = None  # the latents of a trained SAE have no names

    def __init__(self, x, n_latents, k, seed=0, name="my SAE"):
        self.name, self.k = name, k
        generator = torch.Generator().manual_seed(1000 + seed)  # see the remark below
        self.bias = x.mean(0)
        self.directions = unit_rows(torch.randn(n_latents, x.shape[1], generator=generator))
        self.encoder = self.directions.T.clone()  # a latent first reads along the direction that it writes
        self.encoder_bias = torch.zeros(n_latents)

    def encode(self, x):
        """Rows [N, d] to latents [N, L]."""
        return encode(x - self.bias, self.encoder, self.encoder_bias, self.k)

    def decode(self, latents):
        """Latents [N, L] to rows [N, d]."""
        return latents @ self.directions + self.bias


# %% [markdown]
# Why `1000 + seed`? This world drew its true directions with `torch.randn` and seed 0. Our first version did the same,
# and so it *started at the truth*. Put `seed` there when you are through, and look at the score of the untrained SAE
# below. A score that is too good is a reason to look for a leak.
#
# **Exercise 4.** Complete the training loop: restore the batch, take the loss, go one step of gradient descent.


# %%
def train(sae, x, steps=1500, batch_size=256, seed=0):
    """Train in place; returns the loss of every step."""
    generator = torch.Generator().manual_seed(seed)
    weights = [sae.encoder, sae.encoder_bias, sae.directions, sae.bias]
    for weight in weights:
        weight.requires_grad_(True)
    optimiser = torch.optim.Adam(weights, lr=3e-3)
    losses = []
    for _ in range(steps):
        batch = x[torch.randint(len(x), (batch_size,), generator=generator)]
        # `value` is the loss of this batch; optimiser.zero_grad(), value.backward() and optimiser.step() do the rest
        ### BEGIN SOLUTION restore the batch, take the loss, one step
        value = loss(batch, sae.decode(sae.encode(batch)))
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        ### END SOLUTION
        sae.directions.data = unit_rows(sae.directions.data)
        losses.append(value.item())
    for weight in weights:
        weight.requires_grad_(False)
    return losses


mine = MySAE(rows, n_latents=96, k=3)
losses = train(mine, rows)
check_trained(losses)

# %%
fig, ax = plt.subplots(figsize=(6, 2.8), layout="constrained")
smooth = np.convolve(losses, np.ones(25) / 25, mode="valid")
ax.plot(np.arange(25, len(losses) + 1), smooth, color=COLOURS[0], label="loss, mean of 25 steps")
spread = ((rows - rows.mean(0)) ** 2).sum(1).mean().item()
ax.axhline(spread, color="black", ls=":", label="writing the mean row always")
ax.set(xlabel="step", ylabel="squared error a row", ylim=(0, None), title="training")
ax.legend(fontsize=8)
plt.show()

# %% [markdown]
# ## How good is it?
#
# A falling loss says that something was learned. Whether it was the *features*, it does not say. fiducial knows the
# true features of this world.

# %%
metrics = ["coverage", "recovery_score", "explained_variance_score"]
report = fd.evaluate(mine, testbed, metrics=metrics, seed=0)
print(report)

# %% [markdown]
# Read a line like this: value, 95 % interval; the best **floor**, which somebody reaches who learned nothing (here the
# best of several); the best **ceiling**; and where in between the SAE stands.
#
# - *coverage*: for each feature the latent that detects it best (F1, on rows that did not choose it), averaged;
# - *recovery*: does one latent both detect the feature and write its direction? What chance gives is taken off;
# - *explained variance*: how much of the rows is restored. It does not look at features at all.
#
# **Exercise 5.** The simplest floor of coverage is a latent that always fires. Its F1 for a feature that holds in a
# share p of the rows was in the first exercise. Compute its coverage in this world, from `prevalence` [96].

# %%
### BEGIN SOLUTION mean over features of the F1 of firing always
#| floor = ...
floor = (2 * prevalence / (1 + prevalence)).mean()
### END SOLUTION
check_always_on(floor, prevalence)
print(f"yours {floor:.3f}; the report's, on the reporting half {report.score('coverage').floors['always on']:.3f}")

# %% [markdown]
# Another floor costs nothing: **your own SAE before training**. If it scores almost as much, training did little.

# %%
untrained = fd.evaluate(MySAE(rows, n_latents=96, k=3, name="untrained"), testbed, metrics=metrics, seed=0)
for metric in metrics:
    print(f"{metric} (ceiling 1, best floor {max(report.score(metric).floors.values()):.3f})")
    for which, about in (("untrained", untrained), ("trained", report)):
        one = about.score(metric)
        print(f"   {which:9s} {one.value:.3f} [{one.low:.3f}, {one.high:.3f}]")

# %% [markdown]
# ## Which features did it miss?
#
# A report keeps a table of all features. `value` is the F1 of the best latent, `floor` what firing always gets,
# `positives` in how many of the reporting rows the feature fires.

# %%
table = report.features_frame("coverage")
fig, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
axes[0].scatter(table["positives"], table["value"], s=14, color=COLOURS[0], label="best latent")
axes[0].plot(table["positives"], table["floor"], ".", ms=3, color="black", label="floor: always on")
axes[0].set(xscale="log", xlabel="rows in which the feature fires", ylabel="F1", ylim=(0, 1.02))
axes[0].legend(fontsize=8)
axes[1].hist(table["value"], bins=np.linspace(0, 1, 21), color=COLOURS[0])
axes[1].set(xlabel="F1 of the best latent", ylabel="features")
plt.show()
print(table.sort_values("value")[["feature", "value", "floor", "positives"]].head(5).to_string(index=False))

# %% [markdown]
# **Exercise 6.** Which features does the SAE find best: "frequent", "rare" or "neither"?

# %%
### BEGIN SOLUTION one of the three
#| found_best = ...
found_best = "frequent"
### END SOLUTION
check_rare(found_best, table)

# %% [markdown]
# **Question.** The mean over all 96 features counts each once. If your mean went from .8 to .9, name two quite
# different things that may have happened.

# %% [markdown] tags=["solution"]
# All features may be detected a little better, or a tenth of them, missed before, may now be found. The histogram
# tells; the mean does not. Therefore the table: look at it before you believe a mean.

# %% [markdown]
# ## Is another SAE better?
#
# fiducial trains SAEs too. Here is a BatchTopK SAE of the same width and L0, on as many rows. It keeps the k·N largest
# readings of a batch of N rows, so that a row in which much happens may have more.

# %%
theirs = fd.train_sae("batchtopk", rows, n_latents=96, k=3, samples=1500 * 256, batch_size=256, progress=False)
other = fd.evaluate(theirs, testbed, metrics=metrics, seed=0)
a, b = other.score("coverage"), report.score("coverage")
print(f"coverage: theirs {a.value:.3f} [{a.low:.3f}, {a.high:.3f}], mine {b.value:.3f} [{b.low:.3f}, {b.high:.3f}]")
print(f"   best floor {max(b.floors.values()):.3f}, best ceiling {max(b.ceilings.values()):.3f}")

# %% [markdown]
# Do not compare two intervals by eye. Both SAEs were measured on the same games; a sample that is hard for one is hard
# for both, and that part cancels in the **difference**. `score.replicates` holds the score on 1,000 resamples of the
# games, the same resamples for both.
#
# **Exercise 7.** Compute the 95 % interval of (theirs minus mine): `low` and `high`. Then say which SAE is better:
# "theirs", "mine" or "cannot tell".

# %%
### BEGIN SOLUTION percentiles 2.5 and 97.5 of the differences, and the verdict
#| low, high = ..., ...
#| verdict = ...
low, high = np.percentile(a.replicates - b.replicates, [2.5, 97.5])
verdict = "theirs" if low > 0 else "mine" if high < 0 else "cannot tell"
### END SOLUTION
check_difference(low, high, a, b)
check_verdict(verdict, low, high)
print(f"theirs minus mine: {a.value - b.value:+.3f} [{low:+.3f}, {high:+.3f}]; no difference would be 0")

# %% [markdown]
# **Question.** The interval is over games, for *these two* SAEs. May you now write that one architecture is better
# than the other?

# %% [markdown] tags=["solution"]
# No. Another seed gives other SAEs, and their scores differ too. The interval says how well these two are measured; a
# claim about architectures needs several seeds of each, at several L0s, and an interval over seeds. (The optimisers
# differ here too, as do the learning rates: that is a third explanation.)

# %% [markdown]
# ## A real model
#
# Nothing above was special to toys. `othello-6x6` is a small transformer that plays Othello on a 6 x 6 board; a row is
# what it has in mind after a move, and the features are facts about the board: `mine on c4`, `legal move at d3`, ...
# An SAE that ships with fiducial is scored the same way, on 40 games.

# %%
board = fd.testbed("othello-6x6", n_games=40, seed=0)
shipped = fd.load_dictionary(asset("othello-6x6/topk"))
about_it = fd.evaluate(shipped, board, metrics=["coverage", "explained_variance_score"], seed=0)
print(about_it)
score = about_it.score("coverage")

bounds = [*((n, v, "floor") for n, v in score.floors.items()), *((n, v, "ceiling") for n, v in score.ceilings.items())]
bounds.sort(key=lambda bound: bound[1])
fig, ax = plt.subplots(figsize=(7.5, 3.6), layout="constrained")
for at, (_, value, kind) in enumerate(bounds):
    ax.plot(value, at, "v" if kind == "floor" else "^", color="#888888" if kind == "floor" else COLOURS[2])
ax.axvspan(score.low, score.high, color=COLOURS[0], alpha=0.25)
ax.axvline(score.value, color=COLOURS[0])
ax.set_yticks(range(len(bounds)), [f"{name} ({kind})" for name, _, kind in bounds], fontsize=8)
ax.set(xlabel="coverage", title="a TopK SAE on othello-6x6 (blue, with its interval)")
plt.show()

# %% [markdown]
# **Exercise 8.** It restores almost all of the variance. Where does its coverage stand against the model's own
# *neurons*, which nobody trained to be features: "above", "below" or "level"?

# %%
### BEGIN SOLUTION one of the three
#| versus_neurons = ...
versus_neurons = "below"
### END SOLUTION
check_neurons(versus_neurons, score)

# %% [markdown]
# ## What to take along
#
# - An SAE is twenty lines. Knowing what it found takes a world with known features, or very careful work.
# - A score stands between a floor and a ceiling. The untrained SAE and the neurons are floors that cost nothing.
# - Compare on the same games, by the interval of the difference. Look at the features behind a mean.
# - Good reconstruction does not mean that the features were found.
#
# Next: [4. L0 and its traps](04_l0_and_its_traps.ipynb).
