"""The sections of `device.py`: each checks against a plain definition, then times on the sizes that matter."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from device_inputs import awkward, planted
from device_models import sections_of_models
from device_table import Row, Table
from fiducial.metrics.counts import SortedCodes, best_thresholds, counts_at, sort_codes
from fiducial.metrics.counts_triton import Tuning, best_chunks, is_there, kernels_for, put_on
from fiducial.metrics.counts_triton_codes import DeviceCodes, labels_on, sort_codes_on
from fiducial.metrics.inputs import LabelBits

Size = tuple[int, int, int, int]  # positions, latents, L0, features
SIZES: tuple[Size, ...] = ((200_000, 4096, 32, 512), (1_000_000, 16_384, 64, 1024))
SMALL: tuple[Size, ...] = ((30, 6, 2, 34),)  # an interpreter counts them
_kept: dict[Size, tuple[Any, LabelBits]] = {}


def implementations(table: Table) -> list[Any]:
    """What can count on this device: torch, and Triton where it is (on a CPU, only interpreted)."""
    found = ["torch"]
    if is_there():
        try:
            kernels_for(torch.device(table.device))
            found.append("triton")
        except ValueError as error:
            print(f"  triton is left out: {error}", flush=True)
    return found


def name_of(size: Size) -> str:
    """Such as `200,000 x 4,096 (L0 32) x 512`."""
    n, n_latents, l0, n_features = size
    return f"{n:,} x {n_latents:,} (L0 {l0}) x {n_features:,}"


def sizes(table: Table) -> tuple[Size, ...]:
    """Of the counts."""
    return SMALL if table.small else SIZES


def sample(table: Table, size: Size) -> tuple[Any, LabelBits]:
    """A planted sample, kept so that sections share it."""
    if size not in _kept:
        _kept.clear()
        _kept[size] = planted(*size, table.device)
    return _kept[size]


def peaks(table: Table) -> None:
    """The device's own rates: copying, products of matrices, integers."""
    n = 1 << (14 if table.small else 29)
    source = torch.randint(0, 1000, (n,), dtype=torch.int32, device=table.device)
    target = torch.empty_like(source)
    seconds, _ = table.timed(lambda: target.copy_(source), 10)
    table.rates["copy"] = 8 * n / seconds  # read and written
    d = 64 if table.small else 8192
    torch.backends.cuda.matmul.allow_tf32 = False
    for name, dtype, size in (
        ("bfloat16", torch.bfloat16, d),
        ("float32", torch.float32, d),
        ("float64", torch.float64, d // 2),
    ):
        a, b = (torch.randn(size, size, device=table.device).to(dtype) for _ in range(2))
        seconds, _ = table.timed(lambda a=a, b=b: a @ b, 5)
        table.rates[name] = 2 * size**3 / seconds
    if table.device == "cuda" and is_there():
        from device_spin import spin

        steps, lanes, programs = 20_000, 256, 132 * 32
        out = torch.empty(lanes * programs, dtype=torch.int32, device="cuda")
        seconds, _ = table.timed(lambda: spin[(programs,)](out, 1_664_525, steps, size=lanes), 5)
        table.rates["int32"] = 8 * steps * lanes * programs / seconds
    for name, rate in table.rates.items():
        print(f"  {name}: {rate / 1e12:.3f} T{'B' if name == 'copy' else ''}/s", flush=True)


def check(table: Table) -> None:
    """Counts on awkward input: integers equal to the plain definition and to numba."""
    codes, labels = awkward()
    plain = best_thresholds(codes, labels, implementation="plain")
    ordered = sort_codes(codes)
    cuts = np.tile(np.array([0.0, 1.0, 2.0, 2.5, 9.0]), (codes.n_latents, 1))
    for name in ["numba", *implementations(table)]:
        found = best_thresholds(codes, labels, implementation=name, device=table.device)
        table.check(f"best thresholds, {name} and plain", _same(found, plain))
        for strict in (True, False):
            on, tp = counts_at(codes, labels, cuts, strict=strict, implementation=name, device=table.device)
            expected = counts_at(codes, labels, cuts, strict=strict, implementation="plain")
            equal = np.array_equal(on, expected[0]) and np.array_equal(tp, expected[1])
            table.check(f"counts at thresholds, {name} and plain, strict {strict}", equal)
    there = sort_codes_on(table.device, codes).host
    table.check("sorted on the device and by numba", _same_order(there, ordered))


def sort(table: Table) -> None:
    """Sorting codes by latent and value, from host memory and on the device."""
    for size in sizes(table):
        codes, _ = sample(table, size)
        nnz = len(codes.values)
        seconds, spread = table.timed(lambda codes=codes: sort_codes_on(table.device, codes), 3)
        note = "12 B in, 8 B out an entry; includes the upload"
        table.add(Row("sort", f"{nnz:,} entries by latent and value", seconds, spread, 20 * nnz, None, None, note))


def counts(table: Table) -> None:
    """Best thresholds and AUROC of every pair."""
    from fiducial.metrics.counts_triton_work import work_of

    for size in sizes(table):
        codes, labels = sample(table, size)
        device_codes, device_labels = sort_codes_on(table.device, codes), labels_on(table.device, labels)
        for name in implementations(table):
            if name == "torch" and size[0] * size[2] > 1e7:
                continue  # minutes; Triton is what such sizes are for
            inputs = (device_codes, device_labels) if name == "triton" else (device_codes.host, labels)
            whole = partial(best_thresholds, *inputs, implementation=name, device=table.device)
            found = whole()
            some = _slices(device_codes)
            for part in some:
                expected = best_thresholds(
                    device_codes.host.slice(part.start, part.stop), labels, implementation="numba"
                )
                mine = replace(found, tp=found.tp[part], on=found.on[part], auroc=found.auroc[part])
                table.check(
                    f"{name_of(size)}: latents {part.start} to {part.stop}, {name} and numba", _same(mine, expected)
                )
            work = work_of(device_codes, device_labels, device=table.device) if name == "triton" else None
            seconds, spread = table.timed(whole, 3)
            what = f"best thresholds, {name}, {name_of(size)}"
            compulsory = None if work is None else work.compulsory_bytes
            operations = None if work is None else work.operations
            note = (
                ""
                if work is None
                else f"compulsory bytes; {work.walked / max(1, work.cells):.1%} of cells walked one by one"
            )
            table.add(
                Row("counts", what + ", result on the host", seconds, spread, compulsory, operations, "int32", note)
            )
            if work is not None:
                alone, spread = table.timed(partial(_kernels, device_codes, device_labels), 3)
                note = "bytes asked for by the kernels, of which caches serve part"
                table.add(
                    Row(
                        "counts",
                        what + ", result on the device",
                        alone,
                        spread,
                        work.bytes,
                        work.operations,
                        "int32",
                        note,
                    )
                )


def thresholds(table: Table) -> None:
    """Counts at ten thresholds a latent."""
    from fiducial.metrics.counts_triton_work import work_of

    for size in sizes(table):
        codes, labels = sample(table, size)
        device_codes, device_labels = sort_codes_on(table.device, codes), labels_on(table.device, labels)
        maxima = device_codes.host.maxima
        n_cuts = 2 if table.small else 10
        limits = maxima[:, None].astype(np.float64) * np.arange(n_cuts) / n_cuts
        for part in slices_of_latents(size, table.small):
            some = _part(device_codes, part)
            for name in implementations(table):
                if name == "torch" and size[0] * size[2] > 1e7:
                    continue
                inputs = (some, device_labels) if name == "triton" else (some.host, labels)

                whole = partial(counts_at, *inputs, limits[part], strict=True, implementation=name, device=table.device)
                on, tp = whole()
                few = slice(0, 3)
                host = some.host.slice(few.start, few.stop)
                expected = counts_at(host, labels, limits[part][few], strict=True, implementation="numba")
                equal = np.array_equal(on[few], expected[0]) and np.array_equal(tp[few], expected[1])
                table.check(f"counts at thresholds of {name_of(size)}, {name} and numba", equal)
                seconds, spread = table.timed(whole, 3)
                work = None
                if name == "triton":
                    work = work_of(some, device_labels, device=table.device, thresholds=limits[part], strict=True)
                table.add(
                    Row(
                        "thresholds",
                        f"{n_cuts} thresholds, {name}, {part.stop - part.start:,} latents of {name_of(size)}",
                        seconds,
                        spread,
                        None if work is None else work.compulsory_bytes,
                        None if work is None else work.operations,
                        "int32",
                        "" if work is None else "compulsory bytes; result on the host",
                    )
                )


def slices_of_latents(size: Size, small: bool) -> list[slice]:
    """Latents counted at thresholds: ten thresholds of all 16,384 would make a result of 670 MB."""
    return [slice(0, size[1] if small else min(size[1], 4096))]


def _part(codes: DeviceCodes, part: slice) -> DeviceCodes:
    first, last = int(codes.colptr[part.start]), int(codes.colptr[part.stop])
    colptr, negative = codes.colptr[part.start : part.stop + 1] - first, codes.negative[part] - first
    return DeviceCodes(colptr, negative, codes.rows[first:last], codes.values[first:last], codes.n_rows)


def _kernels(codes: DeviceCodes, labels: Any) -> None:
    device_codes, bits = put_on(codes.device, codes, labels)
    for _ in best_chunks(device_codes, bits, Tuning()):
        pass


def _slices(codes: DeviceCodes) -> list[slice]:
    """The first latents (the first of a slot is dense), some in the middle, the last."""
    n = codes.n_latents
    return [slice(0, min(3, n)), slice(n // 2, min(n, n // 2 + 3)), slice(max(0, n - 3), n)]


def _same(found: Any, expected: Any) -> bool:
    return (
        np.array_equal(found.tp, expected.tp)
        and np.array_equal(found.on, expected.on)
        and np.allclose(found.auroc, expected.auroc, rtol=0, atol=1e-12, equal_nan=True)
    )


def _same_order(found: SortedCodes, expected: SortedCodes) -> bool:
    fields = ("colptr", "rows", "values", "negative")
    return all(np.array_equal(getattr(found, name), getattr(expected, name)) for name in fields)


SECTIONS: dict[str, Callable[[Table], None]] = {
    "peaks": peaks,
    "check": check,
    **sections_of_models(),
    "sort": sort,
    "counts": counts,
    "thresholds": thresholds,
}
