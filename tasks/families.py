"""The tasks by name: what each measures, where it can be posed, what SAEBench calls it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..metrics.absorption import PROPERTIES as ABSORPTION
from ..metrics.absorption_saebench import PROPERTIES as ABSORPTION_SAEBENCH
from ..metrics.llm.autointerp_saebench import PROPERTIES as AUTOINTERP_SAEBENCH
from ..metrics.llm.records import PROPERTIES as AUTOINTERP
from ..metrics.mdl import PROPERTIES as MDL
from ..metrics.meta_structure import PROPERTIES as META
from ..metrics.properties import Properties
from ..metrics.ravel import PROPERTIES as RAVEL
from ..metrics.ravel_model import PROPERTIES as RAVEL_MODEL
from ..metrics.score import Score
from ..metrics.scr_records import PROPERTIES as SCR
from ..metrics.sparse_probing import PROPERTIES as PROBING
from ..metrics.tpp_records import PROPERTIES as TPP
from ..metrics.unlearning_records import PROPERTIES as UNLEARNING
from ..subject import Subject
from ..testbed_catalogue import AnyTestbed
from . import absorption, autointerp, mdl, meta_structure, ravel, scr, sparse_probing, tpp, unlearning


@dataclass(frozen=True)
class Task:
    """One of SAEBench's tasks, posed on testbeds.

    Attributes:
        eval_type: what SAEBench calls it, in the names and the inside of its result files.
        records: what its scores declare, by name.
        measure: all of its scores.
        published: the published formula, by SAEBench's own output names.
        offered: on which testbeds it can be posed.
        same_stream: whether it only makes sense for a dictionary that reads the testbed's own activations.
    """

    eval_type: str
    records: Mapping[str, Properties]
    measure: Callable[[Subject], dict[str, Score]]
    published: Callable[[Subject], dict[str, Score]]
    offered: Callable[[AnyTestbed], bool]
    same_stream: bool = True


TASKS: dict[str, Task] = {
    "probing": Task(
        "sparse_probing",
        PROBING,
        sparse_probing.measure,
        sparse_probing.published,
        sparse_probing.offered,
        same_stream=False,
    ),
    "scr": Task("scr", SCR, scr.measure, scr.published, scr.offered),
    "tpp": Task("tpp", TPP, tpp.measure, tpp.published, tpp.offered),
    "absorption": Task(
        "absorption_first_letter",
        {**ABSORPTION, **ABSORPTION_SAEBENCH},
        absorption.measure,
        absorption.published,
        absorption.offered,
    ),
    "ravel": Task("ravel", {**RAVEL, **RAVEL_MODEL}, ravel.measure, ravel.published, ravel.offered),
    "unlearning": Task("unlearning", UNLEARNING, unlearning.measure, unlearning.published, unlearning.offered),
    "mdl": Task("mdl", MDL, mdl.measure, mdl.published, mdl.offered),
    "meta": Task(
        "meta_structure_decoder_variance",
        META,
        meta_structure.measure,
        meta_structure.published,
        meta_structure.offered,
    ),
    "autointerp": Task(
        "autointerp",
        {**AUTOINTERP, **AUTOINTERP_SAEBENCH},
        autointerp.measure,
        autointerp.published,
        autointerp.offered,
        same_stream=False,
    ),
}
