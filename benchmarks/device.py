"""One script for a device: checks against the plain definitions on awkward input, then times, with share of peak.

    python benchmarks/device.py --out results               # on a CUDA device, under 8 minutes, all sections
    python benchmarks/device.py --sections peaks counts     # some of them
    TRITON_INTERPRET=1 python benchmarks/device.py --small  # the same code on a CPU in seconds; no figures

Prints each result at once, writes device.md and device.json after every section (to --out, $OUT or here), and ends with
status 1 if any check failed or any section broke. Runs from a checkout whether the package is installed or not.
"""

import argparse
import importlib
import importlib.util
import os
import sys
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def find_package() -> None:
    """Make `fiducial` and the files beside this one importable, from this checkout."""
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    if importlib.util.find_spec("fiducial") is not None:
        return
    spec = importlib.util.spec_from_file_location(
        "fiducial", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fiducial"] = module
    spec.loader.exec_module(module)


def main(arguments: list[str] | None = None) -> int:
    """Run the sections; 0 if all went well."""
    find_package()
    import torch
    from device_sections import SECTIONS
    from device_table import Table

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sections", nargs="+", choices=list(SECTIONS), default=list(SECTIONS))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", choices=["cuda", "cpu"])
    parser.add_argument("--small", action="store_true", help="sizes of a test: whether it runs, not how fast")
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT", ".")))
    parser.add_argument("--budget", type=float, default=460.0, help="seconds after which no further section starts")
    options = parser.parse_args(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("torch finds no CUDA device; --device cpu --small tries the script")
    if options.device == "cpu" and not options.small:
        parser.error("the full sizes are those of a CUDA device; on a CPU give --small")
    table = Table(options.device, options.small)
    started = time.perf_counter()
    for name in options.sections:
        spent = time.perf_counter() - started
        if spent > options.budget:
            table.failures.append(f"{name}: not started, {spent:.0f} s were spent")
            continue
        print(f"\n== {name} ({spent:.0f} s) ==", flush=True)
        try:
            SECTIONS[name](table)
        except Exception as error:
            traceback.print_exc()
            table.failures.append(f"{name}: {type(error).__name__}: {error}")
            print(f"** {name} FAILED **", flush=True)
        if options.device == "cuda":
            torch.cuda.empty_cache()
        table.write(options.out)
    table.write(options.out)
    print("\n" + table.markdown(), flush=True)
    print(f"{time.perf_counter() - started:.0f} s in all; {len(table.failures)} failures", flush=True)
    return 1 if table.failures else 0


if __name__ == "__main__":
    sys.exit(main())
