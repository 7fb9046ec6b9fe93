"""The growth curves in miniature: exponents of planted curves are found, and every axis runs.

pytest benchmarks/test_bench_growth.py
python benchmarks/growth.py        the curves themselves
"""

import growth
import numpy as np
import pytest


def test_exponents_of_planted_curves():
    sizes = np.array([1, 2, 4, 8, 16.0])
    assert growth.exponent(sizes, 3 * sizes**1.5) == pytest.approx((1.5, 0.0), abs=1e-9)
    noisy = growth.exponent(sizes, sizes * np.array([1.1, 0.9, 1.05, 0.95, 1.0]))
    assert abs(noisy[0] - 1) < noisy[1]


def test_samples_are_what_they_say():
    size = growth.Size(rows=4000, latents=64, features=64, l0=8, prevalence=0.2)
    codes, packed = growth.sample(size)
    assert codes.n_rows == 4000
    assert codes.l0 == 8
    assert all(len(set(codes.indices[i : i + 8])) == 8 for i in range(0, 800, 8))
    bits = np.unpackbits(packed, axis=1)
    assert bits.shape == (4000, 64)
    assert bits.mean() == pytest.approx(0.2, abs=0.01)


def test_every_axis_is_measured_and_drawn(tmp_path):
    start = growth.Size(rows=800, latents=32, features=16, l0=2, prevalence=0.1)
    frame = growth.measure(start, 2)
    assert frame.groupby("axis")["size"].nunique().to_dict() == dict.fromkeys(growth.AXES, 3)
    assert (frame[["counts_s", "coverage_s"]] >= 0).all().all()
    growth.draw(frame, tmp_path / "growth.png")
    assert (tmp_path / "growth.png").stat().st_size > 1000
