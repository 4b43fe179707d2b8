"""Supervised learning: which samples are taught, by which teacher, and the gates of the delta rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.checks import class_labels
from ssdp_hw.display import shown
from ssdp_hw.errors import ParameterError
from ssdp_hw.learning.inputs import teachable_output
from ssdp_hw.learning.presentation import check_range
from ssdp_hw.learning.soft_error import soft_error, softmax_table
from ssdp_hw.learning.teacher import Teacher
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.running.decoding import UNDECIDED, decoding_rule, required_record
from ssdp_hw.running.drive import AnyNetwork, Drive, make_drive
from ssdp_hw.running.result import RunResult

Teach = Literal["all", "errors", "delta", "softmax"]
Spikes = Mapping[str, ArrayLike]


@shown
@dataclass(frozen=True)
class Teaching:
    """Which samples are taught, and by what.

    Attributes:
        teach: ``all`` presents every sample. ``errors`` first runs the samples without a teacher and
            teaches only those that ``decode`` gets wrong. ``delta`` does so too, with a gate for each
            output neuron: 1 for the labelled, -1 for the wrongly chosen, 0 for the others.
            ``softmax`` has no teacher: every sample is run once to count the spikes of the output, and the label
            minus the softmax of these counts is the gate of each output neuron while the sample is presented again;
            a rule that only the source moves, such as ``sh.Rule("a*x1*u0", ...)``, then is the delta rule.
        teacher: what makes the labelled neuron fire; default ``Teacher()`` if there are labels, for ``delta`` one that
            does not inhibit.
        decode: rule by which the class of a sample is predicted, see :mod:`ssdp_hw.running.decoding`; for ``errors``,
            ``delta`` and evaluations; default ``spike_count``, of a readout ``max_membrane``.
        refresh: for ``errors``, ``delta`` and ``softmax``: number of samples after which the network, with the weights
            learned until then, runs the next samples without a teacher; default once an epoch.
        temperature: for ``softmax``, in spikes: a count that is lower by the temperature has a probability that is
            lower by the factor e.

    Raises:
        ParameterError: an unknown ``teach``, or ``refresh`` or ``temperature`` out of range.
    """

    teach: Teach = "all"
    teacher: Teacher | None = None
    decode: str | None = None
    refresh: int | None = None
    temperature: float = 2.0

    def __post_init__(self) -> None:
        if self.teach not in get_args(Teach):
            raise ParameterError(f"teach = {self.teach!r}; choose {', '.join(get_args(Teach))}")
        softmax_table(self.temperature)  # raises if the temperature is out of range
        if self.refresh is not None:
            check_range("refresh", self.refresh, 1, 2**31)

    def supervise(
        self, network: AnyNetwork, labels: ArrayLike | None, given: Drive, plastic: Sequence[str], *, gated: bool
    ) -> Supervision | None:
        """The supervision by these labels, or None without labels.

        Args:
            network: the network that learns.
            labels: class of every sample, shape (batch,), or None.
            given: the input.
            plastic: names of the plastic projections.
            gated: whether there are gates from outside.

        Raises:
            ParameterError, ShapeError: labels that do not fit, or that are missing; a ``delta`` whose gates, teacher
                or plastic projections contradict it.
            UnsupportedError: several output populations.
        """
        if labels is None:
            if self.teacher is not None:
                raise ParameterError("a teacher needs labels")
            if self.teach != "all":
                raise ParameterError(f"teach = '{self.teach}' needs labels")
            return None
        output = teachable_output(network)
        classes = class_labels(labels, given.batch, network.size_of(output), given.steps)
        teacher = Teacher(inhibit=self.teach != "delta") if self.teacher is None else self.teacher
        if self.teach == "softmax" and self.teacher is not None:
            raise ParameterError("teach = 'softmax' needs no teacher: its error acts as a gate on what fires by itself")
        if self.teach in ("delta", "softmax"):
            _check_gates(self.teach, network, output, plastic, gated)
        if self.teach == "delta" and teacher.inhibit:
            raise ParameterError("teach = 'delta' needs a teacher with inhibit=False: the wrong neuron has to fire")
        decode = decoding_rule(self.decode, not network.population(output).spiking, output)
        return Supervision(classes, teacher, output, self.teach, decode, self.temperature)

    def group_size(self, batch: int) -> int:
        """Number of samples that are presented between two predictions of their classes."""
        return batch if self.teach == "all" or self.refresh is None else self.refresh


def _check_gates(teach: str, network: AnyNetwork, output: str, plastic: Sequence[str], gated: bool) -> None:
    if gated:
        raise ParameterError(f"teach = '{teach}' makes the gates itself; give none")
    for name in plastic:
        if network.projection(name).post != output:
            raise ParameterError(
                f"teach = '{teach}' has an error for the neurons of '{output}' only; projection '{name}' leads "
                "elsewhere"
            )


@dataclass(frozen=True, eq=False)
class Supervision:
    """The labels of the samples, and the teacher of one output population.

    Attributes:
        classes: class of every sample, shape (batch,).
        teacher: when and how strongly it acts.
        output: population that it teaches.
        teach, decode, temperature: see :class:`Teaching`.
    """

    classes: NDArray[np.int64]
    teacher: Teacher
    output: str
    teach: Teach
    decode: str
    temperature: float = 2.0

    @property
    def record(self) -> tuple[str, ...]:
        """What a run has to record so that :meth:`mistaken` can predict the classes, and :meth:`soft_gates` count."""
        needed = [required_record(self.decode), *(["spikes"] if self.teach == "softmax" else [])]
        return tuple(dict.fromkeys(needed))

    @property
    def has_teacher(self) -> bool:
        """Whether a teacher makes output neurons fire."""
        return self.teach != "softmax"

    def mistaken(self, result: RunResult, samples: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The samples whose predicted class is not the labelled one, and their predicted classes.

        Args:
            result: a run of these samples without a teacher.
            samples: their indices.
        """
        predicted = np.asarray(result.predict(self.decode, self.output), np.int64)
        wrong = predicted != self.classes[samples]
        return samples[wrong], predicted[wrong]

    def error_gates(self, samples: NDArray[np.int64], predicted: NDArray[np.int64], size: int) -> NDArray[np.float64]:
        """Gates of the delta rule: 1 for the labelled neuron of a mistaken sample, -1 for the predicted one.

        Args:
            samples: indices of the mistaken samples.
            predicted: their predicted classes; no gate is -1 where the output did not decide.
            size: number of output neurons.

        Returns:
            Shape (batch, size), 0 elsewhere.
        """
        gates = np.zeros((self.classes.size, size))
        gates[samples, self.classes[samples]] = 1.0
        decided = predicted != UNDECIDED
        gates[samples[decided], predicted[decided]] = -1.0
        return gates

    def soft_gates(self, result: RunResult, samples: NDArray[np.int64]) -> NDArray[np.float64]:
        """The soft error of every output neuron; see :mod:`ssdp_hw.learning.soft_error`.

        Args:
            result: a run of these samples without a teacher.
            samples: their indices.

        Returns:
            Shape (all samples, n), 0 for those that were not run.
        """
        counts = result.spikes[self.output].sum(axis=0, dtype=np.int64)
        gates = np.zeros((self.classes.size, counts.shape[1]))
        gates[samples] = soft_error(counts, self.classes[samples], self.temperature)
        return gates

    def attach(self, network: AnyNetwork, widest: FixedNetwork | None) -> AnyNetwork:
        """The network with the teacher's inputs and projections; see :meth:`Teacher.attach`."""
        return self.teacher.attach(network, self.output, widest) if self.has_teacher else network

    def drive(self, taught: AnyNetwork, spikes: Spikes, samples: NDArray[np.int64], steps: int) -> Drive:
        """The spikes of some samples and of their teacher, for the network that :meth:`attach` returned."""
        if not self.has_teacher:
            return make_drive(taught, spikes)
        teacher = self.teacher.spikes(taught, self.output, self.classes[samples], steps)
        return make_drive(taught, {**spikes, **teacher})
