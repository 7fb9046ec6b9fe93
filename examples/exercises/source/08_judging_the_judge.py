"""Exercise 8, with its solutions; build.py makes the notebooks. A ladder, seven SAEs, 80 explanations: 35 seconds."""

# %% [markdown]
# # 8. Judging the judge
#
# SAEs are judged by metrics, and explanations of their latents by language models that sit an exam. Who judges
# *them*? Where the truth is known, anybody can. First you will climb a ladder of dictionaries that were damaged on
# purpose and see which metrics notice what. Then you will execute explanations on every position, and compare what
# is true of them with what an exam says.
#
# About 40 minutes. You need numpy; exercises 3 and 4 help.

# %%
import fiducial as fd
import matplotlib.pyplot as plt
import numpy as np
import torch
from checks import check_choice, check_number
from checks_judges import (
    check_explained,
    check_explanation,
    check_in_order,
    check_mmcs,
    check_natural_f1,
    check_rank_correlation,
)
from fiducial.data.assets import asset
from fiducial.explaining.run import Run, explain, sample_of
from fiducial.metrics.llm.predicate_search import PredicateExplainer
from fiducial.metrics.llm.predicate_text import parse
from fiducial.metrics.llm.truth import exact
from fiducial.models.controls import random_dictionary
from fiducial.models.ladder import known_order, ladder

torch.set_num_threads(1)
COLOURS = ("#0072b2", "#d55e00", "#009e73")

# %% [markdown]
# # Part one: metrics
#
# `hierarchical` is a synthetic world of 104 features in 64 dimensions. Its *oracle* is the true dictionary.
# `ladder` makes copies of it with one known damage each: directions turned by noise, activity and direction of
# different features put together, latents lost, split in two, merged, absorbed ...

# %%
tb = fd.testbed("hierarchical", n_games=60, seed=0)
x, train = tb.x.numpy(), torch.from_numpy(tb.train)
true = tb.true_directions.numpy()
rungs = ladder(tb.oracle, tb.x[train], parents=tb.features, seed=0)
print(", ".join(rung.name for rung in rungs))

# %% [markdown]
# **Exercise 1.** The metric that everybody reports: explained variance, 1 minus the squared error as a share of the
# variance of x (about its mean).


# %%
def explained_variance(x, x_hat):
    """One number; both [rows, d]."""
    ### BEGIN SOLUTION squared errors over squared deviations from the mean
    return 1 - ((x - x_hat) ** 2).sum() / ((x - x.mean(0)) ** 2).sum()
    ### END SOLUTION


check_explained(explained_variance)

# %% [markdown]
# **Exercise 2.** A metric that reads directions: for every true feature the largest cosine with any latent, and the
# mean of these (mean max cosine similarity, MMCS).


# %%
def mmcs(directions, true_directions):
    """One number; directions [latents, d], true_directions [features, d], of any length."""
    ### BEGIN SOLUTION cosines, the best latent of every feature, the mean
    a = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    b = true_directions / np.linalg.norm(true_directions, axis=1, keepdims=True)
    return (a @ b.T).max(0).mean()
    ### END SOLUTION


check_mmcs(mmcs)

# %% [markdown]
# The third one reads activity: `coverage`, the F1 of the best latent for each feature, latent and threshold chosen
# on half of the rows and scored on the other half. Now up the ladder.


# %%
def activity(latents):
    return fd.metrics.coverage(
        latents, tb.activations.labels, game_id=tb.sample.game_id, train=tb.train, features=tb.features,
        null=False, n_resamples=10,
    ).value  # fmt: skip


scores = {"explained variance": [], "MMCS": [], "coverage": []}
for rung in rungs:
    latents = rung.dictionary.encode(tb.x)
    scores["explained variance"].append(explained_variance(x, rung.dictionary.decode(latents).numpy()))
    scores["MMCS"].append(mmcs(rung.dictionary.directions.numpy(), true))
    scores["coverage"].append(activity(latents.numpy()))
scores = {name: np.array(values) for name, values in scores.items()}
fig, axes = plt.subplots(1, 3, figsize=(8.5, 5.2), sharey=True, layout="constrained")
for ax, (name, values), colour in zip(axes, scores.items(), COLOURS, strict=True):
    ax.barh(range(len(rungs)), np.maximum(values, -0.2), color=colour)
    ax.axvline(values[0], color="black", linewidth=0.8, linestyle="--")
    ax.axvline(values[[r.name for r in rungs].index("random")], color="black", linewidth=0.8, linestyle=":")
    ax.set(title=name, xlim=(-0.25, 1.05))
axes[0].set_yticks(range(len(rungs)), [rung.name for rung in rungs], fontsize=7)
axes[0].invert_yaxis()
fig.supxlabel("dashed: the truth; dotted: random directions; bars are cut off at -.2", fontsize=8)
plt.show()

# %% [markdown]
# **Exercise 3.** Each metric is blind to something. Which of the three gives full marks (the dashed line) to a
# dictionary ...

# %%
### BEGIN SOLUTION "explained variance", "MMCS" or "coverage" each
#| with_random_directions = ...  # whose latents fire at the right times and write random directions (frozen decoder)
#| with_three_quarters_dead = ...  # of whose latents three quarters never fire (dead 75%)
with_random_directions = "coverage"
with_three_quarters_dead = "MMCS"
### END SOLUTION
look = "find the bar of that rung; where does it end?"
check_choice("with_random_directions", with_random_directions, "coverage", {"explained variance": look, "MMCS": look})
told = {"explained variance": look, "coverage": look}
check_choice("with_three_quarters_dead", with_three_quarters_dead, "MMCS", told)

# %% [markdown]
# **Exercise 4.** Of some pairs of rungs the order is beyond doubt: the truth is better than all others, noise .2
# better than noise .5, and so on; `known_order` lists them as (better, worse). In which share of the pairs does a
# metric score the better one higher? A tie is not in order.


# %%
def in_order(scores, pairs):
    """A share; scores [rungs], pairs a list of (better, worse), which are numbers of rungs."""
    ### BEGIN SOLUTION the share of pairs whose better one scores higher
    return np.mean([scores[better] > scores[worse] for better, worse in pairs])
    ### END SOLUTION


check_in_order(in_order)
pairs = known_order(rungs)
shuffled = np.random.default_rng(0)
print(f"{len(pairs)} pairs (a metric that throws dice: about .5, the best possible: 1)")
for name, values in scores.items():
    share = in_order(values.round(4), pairs)
    dice = [in_order(shuffled.permutation(values).round(4), pairs) for _ in range(200)]
    low, high = np.quantile(dice, [0.025, 0.975])
    print(f"{name:20} {share:.2f} in order; with its scores shuffled {np.mean(dice):.2f} [{low:.2f}, {high:.2f}]")

# %% [markdown]
# Explained variance does best here: every damage that we could think of costs reconstruction. The other two lose
# pairs that they do not claim to see; `known_order(rungs, notices=...)` holds a metric only to the damages that it
# declares. So is explained variance the metric to trust? Read on.
#
# ## Does it rank SAEs as the truth does?
#
# Damage on a ladder is our invention; what counts is trained SAEs. `recovery_score` asks for one latent a feature
# with the right direction *and* activity, and chance is taken off. It is the truth here, because the world is ours.
#
# **Exercise 5.** Spearman's rank correlation: the correlation of the ranks. (There are no ties here.)


# %%
def rank_correlation(a, b):
    """One number from -1 to 1; a and b [n]."""
    ### BEGIN SOLUTION ranks by argsort twice, then their correlation
    ranks = [np.argsort(np.argsort(values)) for values in (a, b)]
    return np.corrcoef(ranks[0], ranks[1])[0, 1]
    ### END SOLUTION


check_rank_correlation(rank_correlation)


def with_interval(rho, n):
    """A rank correlation of n things with its 95 % interval, after Fisher."""
    low, high = np.tanh(np.arctanh(rho) + np.array([-1.96, 1.96]) / np.sqrt(n - 3))
    return f"{rho:+.2f} [{low:+.2f}, {high:+.2f}]"


# %%
asked = {"recovery_score": "recovery (truth)", "explained_variance_score": "explained variance", "coverage": "coverage"}
recipes = [("topk", 2), ("topk", 4), ("topk", 8), ("topk", 16), ("topk", 32), ("batchtopk", 4), ("matryoshka", 4)]
rows = []
for arch, k in recipes:
    sae = fd.train_sae(arch, tb.world, n_latents=104, k=k, samples=60_000, batch_size=512, seed=0, progress=False)
    report = fd.evaluate(sae, tb, metrics=list(asked))
    rows.append([report.score(name) for name in asked])
bounds = [(max(s.floors.values()), max(s.ceilings.values())) for s in rows[0]]
print(f"{'':16}", *(f"{name:>26}" for name in asked.values()))
for (arch, k), row in zip(recipes, rows, strict=True):
    print(f"{arch + ', L0 ' + str(k):16}", *(f"{f'{s.value:.3f} [{s.low:.3f}, {s.high:.3f}]':>26}" for s in row))
print(f"{'floor, ceiling':16}", *(f"{f'{low:.3f}, {high:.3f}':>26}" for low, high in bounds))
values = np.array([[score.value for score in row] for row in rows])
for column, name in list(enumerate(asked.values()))[1:]:
    rho = with_interval(rank_correlation(values[:, 0], values[:, column]), len(values))
    print(f"{name}: rank correlation with the truth {rho}, over {len(values)} SAEs")

# %% [markdown]
# **Question 1.** Follow the five TopK SAEs from L0 2 to L0 32. What does explained variance do, and what does the
# truth? What do the intervals of the rank correlations tell you about a study with seven SAEs?

# %% [markdown] tags=["solution"]
# Explained variance rises all the way, since more active latents can always rebuild more; recovery rises and falls
# again, as the latents of an SAE that may use too many of them cease to stand for single features. So it ranks by
# L0. Seven SAEs can hardly tell a good metric from a bad one: the intervals are wide. `fiducial certify` takes
# eighteen, with checkpoints; what came out for all metrics is in `docs/certification.md`.

# %% [markdown]
# # Part two: explanations
#
# "Fires when f5 is occupied." Is that true of a latent? On a board it can be *executed*: an explanation that is a
# predicate over known facts holds or does not hold at every position. So its precision and recall are known, and so
# is what a judge should have said.
#
# **Exercise 6.** First on paper. A latent fires in 2 % of the positions. Its explanation holds in all of these, and
# also in 10 % of all others. An exam shows equally many active and silent positions, and a perfect judge answers.
# What are its balanced accuracy (the mean of the shares of right answers among active and among silent ones), and
# the explanation's precision and F1 over all positions?

# %%
### BEGIN SOLUTION three numbers
#| balanced_accuracy, precision, f1 = ..., ..., ...
balanced_accuracy = (1.0 + 0.9) / 2
precision = 0.02 / (0.02 + 0.1 * 0.98)
f1 = 2 * precision * 1.0 / (precision + 1.0)
### END SOLUTION
check_number("balanced_accuracy", balanced_accuracy, 0.95, hints={1.0: "of the silent ones a tenth gets a wrong yes"})
told = {0.1667: "the others are 98 % of the positions", 0.9: "of the times it holds, how often does the latent fire?"}
check_number("precision", precision, 0.1695, hints=told)
check_number("f1", f1, 0.2899, hint="The harmonic mean of precision and recall; what is the recall here?")

# %% [markdown]
# **Exercise 7.** So an exam with as many active as silent examples flatters explanations that are too broad. But
# its two rates hold all that is needed. From the share of yes among active examples (`tpr`), the share of no among
# silent ones (`tnr`) and the share of positions at which the latent fires, compute the F1 over all positions.


# %%
def natural_f1(tpr, tnr, share):
    """F1 at natural prevalence."""
    ### BEGIN SOLUTION hits and times of yes as shares of all positions
    hits = share * tpr
    yes = hits + (1 - share) * (1 - tnr)
    return 2 * hits / (yes + share)
    ### END SOLUTION


check_natural_f1(natural_f1)

# %% [markdown]
# ## Forty latents explained, executed and judged
#
# An explainer sees 40 examples of each latent and finds the predicate that fits them best. The judge makes no
# mistakes: it executes the explanation on 100 examples of other games. And the truth: executed at *every* position
# of these games. The same is done for latents of a random dictionary.

# %%
board = fd.testbed("othello-6x6", n_games=120, seed=0)
sae = fd.load_dictionary(asset(board.spec.dictionaries["matryoshka"]))
explained = {}
for name, dictionary in {"SAE": sae, "random dictionary": random_dictionary(board.x, 1024, 32, seed=0)}.items():
    sample = sample_of(dictionary, board, n_latents=40, seed=0)
    who = Run(explainer=PredicateExplainer(sample.examiner.facts), scorers=("detection",))
    explained[name] = explain(sample, board, who, null=False, n_resamples=50, seed=0).latents
for one in explained["SAE"][:4]:
    low, high = one.exact["f1"][1:]
    print(f"latent {one.latent} fires when: {one.predicate}")
    print(f"    exam {one.scores['detection']['value']:.2f}, true F1 {one.exact['f1'][0]:.2f} [{low:.2f}, {high:.2f}]")


# %%
def seen(latents):
    """What the exam says of each, what it says at natural prevalence, and the truth: [3, latents]."""
    exam = [one.scores["detection"] for one in latents]
    natural = [natural_f1(e["tpr"], e["tnr"], one.rate) for e, one in zip(exam, latents, strict=True)]
    return np.array([[e["value"] for e in exam], natural, [one.exact["f1"][0] for one in latents]])


fig, axes = plt.subplots(1, 2, figsize=(7.4, 3.4), sharey=True, layout="constrained")
for (name, latents), colour, marker in zip(explained.items(), COLOURS, "o^", strict=False):
    for ax, values in zip(axes, seen(latents)[:2], strict=True):
        ax.plot(values, seen(latents)[2], marker, color=colour, markersize=4, alpha=0.8, label=name)
axes[0].axvline(0.5, color="#999999", linewidth=0.8)
axes[0].set(xlabel="exam: balanced accuracy (chance .5)", ylabel="true F1, executed everywhere", xlim=(0.3, 1.02))
axes[1].plot([0, 1], [0, 1], color="#999999", linewidth=0.8)
axes[1].set(xlabel="exam: F1 at natural prevalence", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
axes[0].legend(frameon=False, fontsize=8, loc="upper left")
plt.show()
draws = np.random.default_rng(0)
for name, latents in explained.items():
    print(f"{name}, {len(latents)} latents")
    exam, natural, truth = seen(latents)
    for kind, values in [("exam", exam), ("exam at natural prevalence", natural), ("truth", truth)]:
        again = np.median(values[draws.integers(len(values), size=(500, len(values)))], axis=1)
        low, high = np.quantile(again, [0.025, 0.975])  # latents drawn anew
        print(f"  {kind:27} median {np.median(values):.2f} [{low:.2f}, {high:.2f}]")
        if kind != "truth":
            print(
                f"{'':30}rank correlation with the truth {with_interval(rank_correlation(values, truth), len(values))}"
            )

# %% [markdown]
# **Question 2.** A paper reports: "our explanations of SAE latents score .8 in detection, far above the chance
# level of .5." Name two things that the figure lets you answer.

# %% [markdown] tags=["solution"]
# First, .5 is not the floor: explanations of a random dictionary's latents, which mean nothing, come to well above
# .5, because an explainer always finds something that is a little more frequent where a latent fires. Second, .8
# may stand for almost any truth, as it does not say how often the explanation holds where the latent is silent; for
# rare latents the precision can be near 0. And the judge here makes no mistakes at all. This is the procedure.

# %% [markdown]
# ## Now you explain
#
# Here are three positions at which latent 247 fires, and three at which it does not. X is black, O white;
# the move in brackets was played last.

# %%
NUMBER = 247
latents = sae.encode(board.x).numpy()[:, NUMBER]
game, place = np.asarray(board.activations.game_id), np.asarray(board.activations.position)
late = board.train & (place > 8)
on = np.flatnonzero(late & (latents > np.median(latents[latents > 0])))  # strongly
off = np.flatnonzero(late & (latents == 0))


def shown(row):
    text = board.game.render(board.transcripts.tokens[game[row], : place[row] + 1], int(place[row]) + 1)
    return text.replace("*", ".").splitlines()[:7]


for title, rows in (("fires:", on[:: len(on) // 3][:3]), ("silent:", off[:: len(off) // 3][:3])):
    print(title)
    for lines in zip(*(shown(row) for row in rows), strict=True):
        print("      ".join(f"{line:16}" for line in lines))

# %% [markdown]
# **Exercise 8.** Write an explanation as a predicate, and execute it. Facts are those of exercise 6: `mine on c4`,
# `yours on c4`, `c4 empty`, `c4 occupied`, `played c4`, `legal move at c4`, ...; they are joined by `and`, `or`,
# `not`, and `ply >= 10` is the number of moves so far. Look along the right edge of the board. An F1 of .8 on the
# games that you have not seen is enough. (Write `explanation = "e3 occupied"` first, to see what you are told.)

# %%
### BEGIN SOLUTION a predicate in quotes
#| explanation = ...
explanation = "f4 empty and f5 occupied"
### END SOLUTION


def executed(text, number=NUMBER):
    """Precision, recall and F1 of an explanation in words, at every position of the reporting games."""
    if text is ...:
        raise NotImplementedError("your turn: explanation is not set yet")
    sample = sample_of(sae, board, [number], seed=0)
    facts = sample.examiner.facts
    found = exact(parse(text, facts.names, tuple(facts.counters)), sample.examiner.latents[number], facts)
    return found.precision, found.recall, found.f1


check_explanation(explanation, *executed(explanation), enough=0.8)

# %% [markdown]
# ## The same with fiducial
#
# `fiducial certify` asks eight questions of every metric, `fiducial explain topk -t othello-6x6` explains, executes
# and judges, and `fd.certify(..., newcomers={"mine": fd.Newcomer(record, function)})` puts a metric of your own to
# the test before you trust it. Here is your MMCS.

# %%
from dataclasses import replace  # noqa: E402


def mine(about):  # about: a dictionary with the truth around it
    value = float(mmcs(about.directions, about.true_directions))
    return fd.metrics.Score("mine", value, value, value)


record = replace(fd.metrics.METRICS["mmcs_true_score"], question="Is there a latent in the direction of each feature?")
certificate = fd.certify("hierarchy-toy", metrics=[], newcomers={"mine": fd.Newcomer(record, mine)}, n_games=20)
row = certificate.rows[0]
print(f"the truth scores {row.ceiling:.2f}, {row.floor_name} {row.floor:.2f}")
print(f"pairs in order, of the damages that the record declares: {row.order.right:.2f} of {row.order.n_pairs}")
print(f"blind to: {', '.join(row.order.blind)}")

# %% [markdown]
# **Question 3.** You may keep three numbers about an SAE. Which, and what is each of them blind to?

# %% [markdown] tags=["solution"]
# There is no single answer, but each number should see what the others do not: one of activity against known
# features (coverage, blind to directions), one of directions or of what they do (MMCS where the truth is known,
# else steering; blind to when a latent fires), and one of what is lost (explained variance, or whether the model
# still computes through the SAE; blind to what the latents mean). With floor, ceiling and interval beside each.
#
# **To go on.** `docs/certification.md` and `docs/judges-judged.md`. Are SAE benchmarks reliable: arXiv 2605.18229;
# detection and fuzzing: Paulo et al. 2024, arXiv 2410.13928.
