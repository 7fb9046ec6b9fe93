"""Every supervised dictionary of attributes behind one interface: activations, attributes and values of names."""

from collections.abc import Callable
from functools import partial

from .attribute_probes import fit_attribute_probes
from .attributes import AttributeDictionary
from .difference import fit_difference_of_means
from .least_squares_codes import fit_mse
from .mean import fit_mean

REFERENCES: dict[str, Callable[..., AttributeDictionary]] = {
    "mean": fit_mean,
    "mse": fit_mse,
    "difference of means": fit_difference_of_means,
    "logistic probes": partial(fit_attribute_probes, kind="logistic"),
    "multinomial probes": partial(fit_attribute_probes, kind="multinomial"),
}
