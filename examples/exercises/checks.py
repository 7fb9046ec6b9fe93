"""What the checks of the exercises share: they say `right`, or what is wrong and where to look, never the answer.

    check_number("prevalence", prevalence, 0.2, hints={0.8: "that is the share of rows where it is off"})

A check that fails raises `Wrong`, which a notebook shows as one line. What is still `...` or None raises
NotImplementedError("your turn: ..."). The checks of single exercises stand in files of their own.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


class Wrong(AssertionError):
    """An answer that is not right yet; a notebook shows the hint alone, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [f"\x1b[31mnot yet:\x1b[0m {self}"]


def right(what: str) -> None:
    """Say so."""
    print(f"right: {what}")


def require(holds: bool, hint: str) -> None:
    """Stop with the hint unless it holds.

    Raises:
        Wrong: it does not.
    """
    if not holds:
        raise Wrong(hint)


def given(name: str, value: Any) -> Any:
    """The value, if the student has set it.

    Raises:
        NotImplementedError: it is still `...` or None.
    """
    if value is ... or value is None:
        raise NotImplementedError(f"your turn: {name} is not set yet")
    return value


def as_array(name: str, value: Any, shape: tuple[int | None, ...]) -> npt.NDArray[Any]:
    """A student's array or tensor as numpy, if it has this shape (None: any length) and only finite numbers.

    Raises:
        NotImplementedError: it is not set yet.
        Wrong: no array, another shape, NaN or infinity.
    """
    given(name, value)
    array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    require(array.dtype.kind in "biuf", f"{name} should be an array of numbers, got {type(value).__name__}")
    told = "[" + ", ".join("any" if n is None else str(n) for n in shape) + "]"
    fits = array.ndim == len(shape) and all(
        want is None or got == want for got, want in zip(array.shape, shape, strict=True)
    )
    require(fits, f"{name} should have the shape {told}, but has {list(array.shape)}")
    require(bool(np.isfinite(array).all()), f"{name} holds NaN or infinity: is something divided by 0?")
    return array


def check_number(
    name: str,
    value: Any,
    expected: float,
    *,
    tolerance: float = 1e-3,
    hints: Mapping[float, str] | None = None,
    hint: str = "",
) -> None:
    """One number.

    Args:
        name: of the student's variable.
        value: what he found.
        expected: never printed.
        tolerance: absolute.
        hints: for wrong answers that one can foresee: value -> what was probably done.
        hint: for all others.

    Raises:
        NotImplementedError: it is not set yet.
        Wrong: it is no number, or another one.
    """
    given(name, value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise Wrong(f"{name} should be one number, got {type(value).__name__}") from None
    if abs(number - expected) <= tolerance:
        right(name)
        return
    for foreseen, told in (hints or {}).items():
        require(abs(number - foreseen) > tolerance, f"{name} = {number:.4g}: {told}")
    raise Wrong(f"{name} = {number:.4g} is not it. {hint}".rstrip())


def check_array(
    name: str,
    value: Any,
    expected: npt.NDArray[Any],
    *,
    tolerance: float = 1e-4,
    hints: Mapping[str, npt.NDArray[Any]] | None = None,
    hint: str = "",
) -> None:
    """An array, entry by entry.

    Args:
        name: of the student's variable or function.
        value: what he found: array or tensor.
        expected: same shape; never printed.
        tolerance: absolute, of the largest deviation.
        hints: what was probably done -> the wrong array that comes of it.
        hint: for all others.

    Raises:
        NotImplementedError: it is not set yet.
        Wrong: another shape or other entries; says how many and where the first is.
    """
    array = as_array(name, value, expected.shape)
    far = np.abs(array.astype(float) - expected.astype(float)) > tolerance
    if not far.any():
        right(name)
        return
    for told, foreseen in (hints or {}).items():
        if foreseen.shape == array.shape and np.allclose(array, foreseen, atol=tolerance):
            raise Wrong(f"{name}: {told}")
    first = [int(i[0]) for i in np.nonzero(far)]
    raise Wrong(f"{name}: {int(far.sum())} of {far.size} entries are off, the first at {first}. {hint}".rstrip())


def check_choice(name: str, value: Any, expected: str, hints: Mapping[str, str]) -> None:
    """One of several answers in words.

    Args:
        name: of the student's variable.
        value: his answer.
        expected: the right one.
        hints: for each wrong answer, why not; these and `expected` are all that can be chosen.

    Raises:
        NotImplementedError: it is not set yet.
        Wrong: another answer; says why not.
    """
    given(name, value)
    choices = sorted([expected, *hints])
    require(value in choices, f"{name} should be one of {', '.join(map(repr, choices))}, got {value!r}")
    require(value == expected, f"{name} = {value!r}: {hints.get(value, '')}")
    right(name)


def check_function(
    name: str,
    function: Callable[..., Any],
    cases: Sequence[tuple[Any, ...]],
    reference: Callable[..., Any],
    *,
    tolerance: float = 1e-4,
    hints: Mapping[str, Callable[..., Any]] | None = None,
    hint: str = "",
) -> None:
    """A function, on inputs that the student has not seen.

    Args:
        name: of the function.
        function: the student's.
        cases: arguments of each call: arrays, tensors or numbers.
        reference: what it should give.
        tolerance: absolute, of the largest deviation.
        hints: what was probably done -> a function that does it.
        hint: for all other deviations.

    Raises:
        NotImplementedError: it is not written yet.
        Wrong: it raises, changes its arguments, or gives something else.
    """
    for arguments in cases:
        handed = copy.deepcopy(arguments)
        try:
            value = function(*handed)
        except NotImplementedError:
            raise
        except Exception as error:
            raise Wrong(f"{name} raised {type(error).__name__}: {error}") from error
        same = all(np.array_equal(np.asarray(a), np.asarray(b)) for a, b in zip(handed, arguments, strict=True))
        require(same, f"{name} changes its arguments; work on a copy of what you want to change")
        require(value is not None, f"{name} returns nothing; is there a `return`?")
        expected = np.asarray(reference(*arguments), float)
        array = as_array(f"what {name} returns", value, expected.shape)
        if np.allclose(array, expected, atol=tolerance, rtol=0):
            continue
        for told, wrong in (hints or {}).items():
            foreseen = np.asarray(wrong(*arguments), float)
            if foreseen.shape == expected.shape and np.allclose(array, foreseen, atol=tolerance, rtol=0):
                raise Wrong(f"{name}: {told}")
        deviation = np.abs(array - expected).max()
        raise Wrong(f"{name}: on inputs of our own it is off by up to {deviation:.3g}. {hint}".rstrip())
    right(name)
