# pyright: basic
"""How many integer operations a CUDA device does in a second: chains of multiply-adds that nothing can shorten."""

import triton
import triton.language as tl


@triton.jit
def spin(out, factor, steps, size: tl.constexpr):
    """Four chains a lane, each fed by its neighbour; 8 operations a step and lane."""
    at = tl.program_id(0) * size + tl.arange(0, size)
    a, b, c, d = at, at + 1, at + 2, at + 3
    for _ in range(steps):
        a = a * factor + b
        b = b * factor + c
        c = c * factor + d
        d = d * factor + a
    tl.store(out + at, a ^ b ^ c ^ d)
