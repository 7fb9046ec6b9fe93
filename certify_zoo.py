"""The trained SAEs that a certification ranks: a small zoo on a synthetic world, what ships on any other testbed."""

from collections.abc import Callable
from pathlib import Path

from .certify_population import Trained, shipped
from .data.assets import path_sha256
from .synthetic_testbed import SyntheticTestbed
from .testbed_catalogue import AnyTestbed
from .zoo import Plan, l0s_for, train_zoo

ARCHS = ("standard", "p_anneal", "jumprelu", "topk", "batchtopk", "matryoshka")
CHECKPOINTS = 4


def plan_for(bed: SyntheticTestbed, *, seeds: tuple[int, ...] = (0,), samples: int = 300_000) -> Plan:
    """Six architectures at half, once and twice the true L0, half as wide as there are features, with checkpoints.

    Everything follows from the world, nothing from the sample that is scored.
    """
    return Plan(
        archs=ARCHS,
        l0s=l0s_for(bed),
        seeds=seeds,
        n_latents=max(64, len(bed.true_directions) // 2),
        samples=samples,
        batch_size=512,
        checkpoints=CHECKPOINTS,
    )


def small_zoo(
    bed: AnyTestbed,
    out: Path,
    *,
    seeds: tuple[int, ...] = (0,),
    samples: int = 300_000,
    say: Callable[[str], None] = lambda line: None,
    progress: bool = True,
) -> list[Trained]:
    """SAEs to rank, with checkpoints along training where they are trained here; kept in `out`."""
    if not isinstance(bed, SyntheticTestbed):
        return shipped(bed)
    found = train_zoo(bed, out, plan_for(bed, seeds=seeds, samples=samples), say=say, progress=progress)
    return [Trained(one.name, one.run, one.step, path_sha256(one.folder) or "", one.load) for one in found]
