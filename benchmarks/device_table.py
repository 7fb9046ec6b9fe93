"""What a device did, as a table: seconds, counted work, and the share of what the device reached in the same run."""

import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch


@dataclass(frozen=True)
class Row:
    """One timed thing.

    Attributes:
        section: where it belongs.
        what: and its sizes.
        seconds: median of the repeats, waiting for the device at both ends.
        spread: slowest over fastest.
        bytes: moved at least, or asked for, as `note` says; None where they are not counted.
        operations: counted; None where they are not.
        unit: which rate of the device they are held against: "int32", "float32", "float64", "bfloat16".
        note: what was counted.
    """

    section: str
    what: str
    seconds: float
    spread: float
    bytes: int | None = None
    operations: int | None = None
    unit: str | None = None
    note: str = ""


@dataclass
class Table:
    """Rows as they come, with the device's own rates.

    Attributes:
        device: "cuda" or "cpu".
        small: whether sizes are those of a test.
        rates: bytes a second of a copy under "copy", operations a second under each unit.
        rows: what was timed.
        checks: what was found equal, and how many numbers.
        failures: checks and sections that failed.
    """

    device: str
    small: bool
    rates: dict[str, float] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    checks: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Keep a row and print it at once."""
        self.rows.append(row)
        print(self.line(row), flush=True)

    def timed(self, work: Callable[[], Any], repeats: int = 5) -> tuple[float, float]:
        """Median seconds of `work` after one run that is not counted, and slowest over fastest; one run where small."""
        seconds: list[float] = []
        if not self.small:
            work()
        for _ in range(1 if self.small else repeats):
            self._wait()
            start = time.perf_counter()
            work()
            self._wait()
            seconds.append(time.perf_counter() - start)
        return statistics.median(seconds), max(seconds) / max(min(seconds), 1e-12)

    def _wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()

    def check(self, what: str, equal: bool) -> None:
        """Note a check.

        Raises:
            AssertionError: it failed.
        """
        if not equal:
            raise AssertionError(f"{what}: NOT equal")
        self.checks.append(what)
        print(f"  checked: {what}", flush=True)

    def line(self, row: Row) -> str:
        """The row in Markdown."""
        bandwidth = _share(row.bytes, row.seconds, self.rates.get("copy"))
        rate = _share(row.operations, row.seconds, self.rates.get(row.unit or ""))
        cells = [
            row.section,
            row.what,
            f"{row.seconds:.4g}",
            f"{row.spread:.2f}",
            "" if row.bytes is None else f"{row.bytes / 1e9:.3g}",
            bandwidth,
            "" if row.operations is None else f"{row.operations / 1e9:.4g} {row.unit}",
            rate,
            row.note,
        ]
        return "| " + " | ".join(cells) + " |"

    def markdown(self) -> str:
        """The whole table."""
        about = machine(self.device)
        rates = ", ".join(
            f"{name} {value / 1e12:.3g} {'TB/s' if name == 'copy' else 'T/s'}" for name, value in self.rates.items()
        )
        head = (
            "section",
            "what",
            "seconds",
            "slowest / fastest",
            "GB",
            "of copy",
            "G operations",
            "of rate",
            "counted",
        )
        lines = [
            f"# The core on {about['name']}",
            "",
            ("Sizes of a test: no figures. " if self.small else "")
            + ", ".join(f"{key} {value}" for key, value in about.items() if key != "name")
            + ".",
            f"The device's own rates, measured in this run: {rates}.",
            "",
            "| " + " | ".join(head) + " |",
            "|" + "---|" * len(head),
            *(self.line(row) for row in self.rows),
            "",
            "Checked: " + ("; ".join(self.checks) or "nothing") + ".",
            *(f"\n**FAILED**: {failure}" for failure in self.failures),
            "",
        ]
        return "\n".join(lines)

    def write(self, folder: Path) -> None:
        """device.md and device.json."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "device.md").write_text(self.markdown())
        content = asdict(self) | {"machine": machine(self.device)}
        (folder / "device.json").write_text(json.dumps(content, indent=1) + "\n")


def machine(device: str) -> dict[str, Any]:
    """What computes."""
    from importlib.metadata import PackageNotFoundError, version

    def found(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return "missing"

    about: dict[str, Any] = {"name": platform.processor() or platform.machine(), "threads": torch.get_num_threads()}
    if device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        about = {
            "name": properties.name,
            "multiprocessors": properties.multi_processor_count,
            "GB": round(properties.total_memory / 1e9),
        }
    return about | {name: found(name) for name in ("torch", "triton", "numba", "numpy")}


def products(work: Callable[[], Any]) -> int:
    """Floating-point operations of the matrix products in `work`, counted by torch as it runs."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())


def _share(amount: int | None, seconds: float, rate: float | None) -> str:
    return "" if amount is None or not rate else f"{amount / seconds / rate:.1%}"
