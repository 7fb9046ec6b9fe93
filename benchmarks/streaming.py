"""A large sample scored in bounded memory: makes one with planted latents, scores it, says what it took.

    python benchmarks/streaming.py --rows 1_000_000 --latents 16384 --features 1000 --memory 2GB

Latents are planted so that the score is known to be worth something: the first F latents follow one feature each, with
misses and false alarms, the rest fire at random; a row has `--l0` entries on average. The sample is made in a process
of its own, so that its memory is not counted. Printed are seconds by stage, the peak of the process's own memory
(RssAnon) and with mapped files (VmRSS), both looked at every 20 ms by a thread, and the largest size of the scratch
folder.
"""

import argparse
import json
import multiprocessing
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

GAME = 60  # positions of a game
BLOCK = 60 * 512
PREVALENCE = 0.04


def make(path, n_rows, n_latents, n_features, l0, seed):
    """Planted codes, a block of rows at a time."""
    from fiducial.data.codes_file import write_codes
    from fiducial.games.features import Feature, FeatureSet

    features = FeatureSet(
        Feature(name=f"feature {i}", group=f"group {i % 8}", rung=0, definition="planted") for i in range(n_features)
    )
    about = {"game": "planted", "version": "1", "model": "none", "hook": "none", "seed": seed, "model_sha256": "none"}
    with write_codes(path, n_latents, features, {**about, "dictionary": "planted"}, values="float16") as writer:
        for first in range(0, n_rows, BLOCK):
            n = min(BLOCK, n_rows - first)
            rng = np.random.default_rng([seed, first])
            truth = rng.random((n, n_features), np.float32) < PREVALENCE
            planted = min(n_features, n_latents)
            # About half of a row's entries follow features: of those that hold, few enough are taken.
            keep = min(0.9, l0 / 2 / (PREVALENCE * n_features))
            rows, columns = np.nonzero(truth[:, :planted])
            heard = rng.random(len(rows), np.float32) < keep
            n_noise = round(n * l0) - int(heard.sum())
            rows = np.concatenate([rows[heard], rng.integers(0, n, max(0, n_noise))])
            columns = np.concatenate([columns[heard], rng.integers(0, n_latents, max(0, n_noise))])
            places = np.sort(rows * n_latents + columns)  # np.unique hashes, which is slow here
            places = places[np.r_[True, places[1:] != places[:-1]]]
            rows, columns = np.divmod(places, n_latents)
            values = (rng.exponential(1, len(places)) + 0.25 + truth[rows, columns % n_features]).astype(np.float16)
            at = np.arange(first, first + n)
            writer.append(
                np.searchsorted(rows, np.arange(n + 1)), columns, values, features.pack(truth), at // GAME, at % GAME
            )


def largest_size(folder, over, found):
    while not over.wait(0.5):
        total = 0
        for path in Path(folder).rglob("*"):
            try:
                total += path.stat().st_size
            except OSError:  # gone since
                continue
        found["bytes"] = max(found.get("bytes", 0), total)


class Stages:
    """Seconds of a streamed evaluation by stage, by wrapping what it calls."""

    def __init__(self):
        self.seconds = {}

    def timed(self, name, function):
        def wrapped(*arguments, **options):
            started = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                self.seconds[name] = self.seconds.get(name, 0) + time.perf_counter() - started

        return wrapped


def score(path, memory, scratch, n_resamples, metrics):
    """Score the file; figures as a dict."""
    from fiducial.metrics.streaming import accumulator
    from fiducial.streaming import evaluate
    from fiducial.streaming.memory import PeakMemory, resident

    stages = Stages()
    evaluate.split_of = stages.timed("games and split", evaluate.split_of)

    def stream(accumulators, batches):
        for one in accumulators:
            name = one.names[0]
            one.accumulate = stages.timed(f"{name}: keep", one.accumulate)
            one.compute = stages.timed(f"{name}: compute", one.compute)
        return accumulator.stream(accumulators, batches)

    evaluate.stream = stages.timed("passes and scores", stream)
    before = resident()["anonymous"]
    over, found = threading.Event(), {}
    watcher = threading.Thread(target=largest_size, args=(scratch, over, found), daemon=True)
    watcher.start()
    started, cpu = time.perf_counter(), time.process_time()
    with PeakMemory() as peak:
        report = evaluate.evaluate_file(None, path, metrics, memory=memory, folder=scratch, n_resamples=n_resamples)
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    over.set()
    watcher.join()
    return {
        "wall_s": round(wall, 1),
        "cpu_s": round(cpu, 1),
        "stages_s": {name: round(seconds, 1) for name, seconds in stages.seconds.items()},
        "anonymous_before_MB": round(before / 1e6),
        "peak_anonymous_MB": round(peak.anonymous / 1e6),
        "peak_resident_MB": round(peak.all / 1e6),
        "scratch_MB": round(found.get("bytes", 0) / 1e6),
        "left_in_scratch": len(list(Path(scratch).iterdir())),
        "scores": {name: round(one.value, 6) for name, one in report.scores.items()},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--latents", type=int, default=16_384)
    parser.add_argument("--features", type=int, default=1000)
    parser.add_argument("--l0", type=float, default=32)
    parser.add_argument("--memory", default="2GB")
    parser.add_argument("--metrics", default=None, help="names, comma-separated; all that latents offer by default")
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=None, help="for the sample and the scratch files")
    parser.add_argument("--keep", action="store_true", help="keep the sample, and take it if it is there")
    options = parser.parse_args()
    root = options.folder or Path(tempfile.gettempdir())
    with tempfile.TemporaryDirectory(dir=root) as scratch:
        name = f"planted-{options.rows}-{options.latents}-{options.features}-{options.l0:g}-{options.seed}.h5"
        sample = (root if options.keep else Path(scratch)) / name
        figures = {"rows": options.rows, "latents": options.latents, "features": options.features, "l0": options.l0}
        if not sample.exists():
            started = time.perf_counter()
            shape = (options.rows, options.latents, options.features)
            work = multiprocessing.get_context("spawn").Process(
                target=make, args=(sample, *shape, options.l0, options.seed)
            )
            work.start()
            work.join()
            if work.exitcode:
                raise SystemExit(f"making the sample ended with {work.exitcode}")
            figures["making_s"] = round(time.perf_counter() - started, 1)
        figures["sample_MB"] = round(sample.stat().st_size / 1e6)
        folder = Path(scratch) / "scratch"
        folder.mkdir()
        metrics = options.metrics.split(",") if options.metrics else None
        print(json.dumps({**figures, **score(sample, options.memory, folder, options.resamples, metrics)}, indent=1))


if __name__ == "__main__":
    main()
