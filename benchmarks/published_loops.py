"""The published loops' algorithms, written anew and plainly, as references to measure against.

None of it is the published code. What is kept is the order of the work: broadcasts over (threshold, latent, row,
feature) in batches of 25 latents and 25 games (Karvonen et al. 2024, arXiv 2408.00113, repository SAE_BoardGameEval);
one regression after the other (SAEBench, sparse probing); a pass over the dictionary for every number of main latents
and a Python loop over samples (SAEBench, absorption).
"""

import numpy as np
from fiducial.metrics.absorption_published import JUMP, MAX_MAIN, MIN_COSINE, MIN_COSINE_FULL, MIN_SHARE, N_ABSORBERS
from sklearn.linear_model import LogisticRegression

BATCH = 25  # latents, and games, at a time


def f1_of(tp, on, positives):
    """2 tp / (on + positives); 0 where nothing is caught."""
    return np.where(tp > 0, 2 * tp / np.maximum(on + positives, 1), 0.0)


def coverage_counts(latents, labels, limits, rows_per_game):
    """On [T, L] and true positives [T, L, F] by broadcasting labels over latents, rows and thresholds.

    Args:
        latents: float32 [N, L].
        labels: bool [N, F].
        limits: float32 [L, T], a latent is on above it.
        rows_per_game: consecutive rows.
    """
    n, n_latents = latents.shape
    on, tp = np.zeros((limits.shape[1], n_latents), np.int64), np.zeros((limits.shape[1], n_latents, labels.shape[1]))
    as_int = labels.astype(np.int8)
    for first in range(0, n_latents, BATCH):
        part = slice(first, first + BATCH)
        for start in range(0, n, BATCH * rows_per_game):
            rows = slice(start, start + BATCH * rows_per_game)
            active = (latents[rows, part].T[None] > limits[part].T[:, :, None]).astype(np.int8)  # [T, f, b]
            on[:, part] += active.sum(2, dtype=np.int64)
            both = active[:, :, :, None] * as_int[rows][None, None]  # [T, f, b, S]
            tp[:, part] += both.sum(2, dtype=np.int64)
    return on, tp.astype(np.int64)


def coverage(on, tp, positives):
    """The largest over thresholds of the mean over features of the best latent's F1."""
    return f1_of(tp, on[:, :, None], positives).max(1).mean(1).max()


def reconstruction(train, train_labels, test, test_labels, limits, rows_per_game):
    """Pooled F1 of the features that high-precision latents vote for, at the threshold that is best on the test rows.

    Args:
        train: float32 [N, L], rows that latents are labelled on.
        train_labels: bool [N, F].
        test: float32 [M, L].
        test_labels: bool [M, F].
        limits: float32 [L, T].
        rows_per_game: consecutive rows.
    """
    on, tp = coverage_counts(train, train_labels, limits, rows_per_game)
    precise = (20 * tp >= 19 * on[:, :, None]) & (tp >= 10)  # [T, L, F]
    n_steps, n_features = limits.shape[1], test_labels.shape[1]
    counts = np.zeros((n_steps, 3), np.int64)  # tp, on, positives
    for start in range(0, len(test), BATCH * rows_per_game):
        rows = slice(start, start + BATCH * rows_per_game)
        truth = test_labels[rows]
        votes = np.zeros((n_steps, len(truth), n_features), np.int32)
        for first in range(0, test.shape[1], BATCH):
            part = slice(first, first + BATCH)
            active = test[rows, part].T[None] > limits[part].T[:, :, None]  # [T, f, b]
            said = active[:, :, :, None] & precise[:, part, None, :]  # [T, f, b, S]
            votes += said.sum(1, dtype=np.int32)
        predicted = votes > 0
        counts[:, 0] += (predicted & truth).sum((1, 2))
        counts[:, 1] += predicted.sum((1, 2))
        counts[:, 2] += truth.sum()
    return f1_of(*counts[:10].T).max()  # t = 1 takes no part in the choice


def sparse_probing(latents, tasks, ks):
    """Mean test accuracy at every k: latents by the difference of class means, then one regression a task and k.

    Args:
        latents: float64 [N, L].
        tasks: ProbingTasks.
        ks: numbers of latents.
    """
    right = {k: [] for k in ks}
    for task in range(len(tasks.names)):
        rows, y = tasks.train.rows_of(task), tasks.train.y[task, tasks.train.there[task]]
        test, y_test = tasks.test.rows_of(task), tasks.test.y[task, tasks.test.there[task]]
        x = latents[rows]
        order = np.argsort(-np.abs(x[y].mean(0) - x[~y].mean(0)), kind="stable")
        for k in ks:
            model = LogisticRegression(C=1.0, max_iter=1000).fit(x[:, order[:k]], y)
            right[k].append(np.mean(model.predict(latents[test][:, order[:k]]) == y_test))
    return {k: float(np.mean(values)) for k, values in right.items()}


def main_latents(encode, x, y, train, weights):
    """Main latents of one property: the dictionary is encoded anew for every number of them that is tried.

    Args:
        encode: activations to latents, in units in which directions have length 1.
        x: activations [N, d].
        y: bool [N].
        train: bool [N].
        weights: [L], of the L1 regression.
    """
    ranked, best, n_main = np.argsort(-weights, kind="stable"), -np.inf, 0
    for k in range(1, min(MAX_MAIN, int((weights > 0).sum())) + 1):
        read = encode(x)[:, ranked[:k]]
        model = LogisticRegression(class_weight="balanced", max_iter=1000, tol=1e-10).fit(read[train], y[train])
        said, held = model.predict(read[~train]), y[~train]
        f1 = float(f1_of((said & held).sum(), said.sum(), held.sum()))
        if not f1 > best + JUMP:
            break
        best, n_main = f1, k
    return ranked[:n_main]


def absorption(encode, x, line, cosines, main):
    """Fraction and full absorption of every sample of one property, a sample at a time.

    Args:
        encode: activations to latents, in units in which directions have length 1.
        x: activations of the samples [n, d].
        line: unit direction of the probe [d].
        cosines: of every direction with it [L].
        main: its main latents.
    """
    fraction, full = np.zeros(len(x)), np.zeros(len(x), bool)
    for sample in range(len(x)):
        latents = encode(x[sample : sample + 1])[0]
        amount, projection = float(x[sample] @ line), latents * cosines
        m = projection[main].sum()
        others = [i for i in np.flatnonzero(projection > 0) if i not in set(main.tolist()) and cosines[i] >= MIN_COSINE]
        total = sum(sorted((projection[i] for i in others), reverse=True)[:N_ABSORBERS])
        if m < amount and total / amount >= MIN_SHARE:
            taken = min(total, amount - m)
            fraction[sample] = 1.0 if m <= 0 else taken / (taken + m)
        top = int(np.argmax(projection))
        silent = not (np.abs(latents[main]) >= 1e-8).any()
        aligned = cosines[top] >= MIN_COSINE_FULL and projection[top] > 0
        full[sample] = silent and aligned and amount >= 0 and projection[top] / amount >= MIN_SHARE
    return fraction, full
