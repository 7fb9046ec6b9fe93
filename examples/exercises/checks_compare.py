"""A student's function against ours, on small made-up arrays; what the checks of exercises 05 to 08 share."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from checks import Wrong, as_array, given, require, right

Function = Callable[..., Any]
Cases = Sequence[tuple[Any, ...]]


def compare(
    name: str,
    function: Function,
    reference: Function,
    cases: Cases,
    *,
    wrong: Mapping[str, Function] | None = None,
    hint: str = "",
    tolerance: float = 1e-4,
) -> None:
    """A function of the student's against ours.

    Args:
        name: of the function.
        function: the student's.
        reference: ours.
        cases: arguments of every call; the student's function gets copies.
        wrong: hint -> a function that errs in a way that one can foresee.
        hint: for all other errors.
        tolerance: absolute, of the largest deviation.

    Raises:
        NotImplementedError: not written yet.
        Wrong: it raises, returns another shape or other numbers, or changes its arguments.
    """
    told = dict.fromkeys(wrong or {}, True)
    first = ""
    for case in cases:
        wanted = _array(reference(*_copies(case)))
        found = called(name, function, case, wanted.shape)
        if np.abs(found - wanted).max(initial=0) > tolerance and not first:
            at = np.argwhere(np.abs(found - wanted) > tolerance)[0].tolist()  # [] for a number
            first = f"entry {at} is {found[tuple(at)]:.4g}" if at else f"it returns {float(found):.4g}"
        for text, other in (wrong or {}).items():
            foreseen = _array(other(*_copies(case)))
            told[text] &= foreseen.shape == found.shape and np.allclose(foreseen, found, atol=tolerance)
    if not first:
        right(name)
        return
    for text, holds in told.items():
        require(not holds, f"{name}: {text}")
    raise Wrong(f"{name} is not it yet: on a small example {first}, which is wrong. {hint}".rstrip())


def _copies(case: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(
        a.clone() if isinstance(a, torch.Tensor) else a.copy() if isinstance(a, np.ndarray) else a for a in case
    )


def _array(value: Any) -> np.ndarray:
    return np.asarray(value.detach().cpu() if isinstance(value, torch.Tensor) else value, dtype=float)


def called(name: str, function: Function, case: tuple[Any, ...], shape: tuple[int, ...]) -> np.ndarray:
    handed = _copies(case)
    try:
        found = function(*handed)
    except (NotImplementedError, KeyboardInterrupt):
        raise
    except Exception as error:
        shapes = ", ".join(str(list(np.shape(a))) if np.ndim(a) else str(a) for a in case)
        raise Wrong(f"{name} raised {type(error).__name__}: {error} (arguments of shapes {shapes})") from None
    given(f"what {name} returns", found)
    for before, after in zip(case, handed, strict=True):
        require(np.array_equal(_array(before), _array(after)), f"{name} changes one of its arguments; work on a copy")
    if shape:
        return as_array(f"what {name} returns", found, shape).astype(float)
    array = _array(found)
    require(array.size == 1, f"{name} should return one number, got the shape {list(array.shape)}")
    require(bool(np.isfinite(array).all()), f"{name} returns {float(array.reshape(-1)[0])}: is something divided by 0?")
    return array.reshape(())
