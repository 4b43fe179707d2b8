"""The graph that a float and a fixed-point network share: populations joined by projections.

The timing rule, which holds for every network, projection and target: a spike sent in step t acts
in step t + 1 + delay. In step 0 nothing arrives. All populations of a step are updated at once,
from what was sent before it, so the order in which they are listed has no meaning.
"""

from __future__ import annotations

import heapq
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from functools import cached_property
from typing import Generic, TypeVar

import numpy as np
import scipy.sparse as sp

from ssdp_hw.checks import Choice, check_exact
from ssdp_hw.display import Drawable, Table, listed
from ssdp_hw.errors import ParameterError, ShapeError
from ssdp_hw.files.container import Container
from ssdp_hw.files.record import Record
from ssdp_hw.network.convolution import ConvWeight
from ssdp_hw.network.graph_parts import Input, PopulationLike
from ssdp_hw.network.projection import BaseProjection
from ssdp_hw.network.weight import DenseWeight, SparseWeight

# The files of Network and FixedNetwork.
NETWORK_FILE = Container("ssdp-hw network", 2, "a network saved by ssdp-hw")

WEIGHT_KINDS = (DenseWeight, SparseWeight, ConvWeight)


class Reset(Choice):
    """What a spike does to the voltage, in the same step."""

    ZERO = "zero"  # v <- v_reset
    SUBTRACT = "subtract"  # v <- v - (v_threshold - v_reset)


class Comparison(Choice):
    """Spike condition."""

    ABOVE = ">"  # v > v_threshold
    AT_LEAST = ">="  # v >= v_threshold


def check_kind(record: Record, kind: str) -> None:
    """Raise unless a file's record is that of a network of that kind.

    Raises:
        ParameterError: it is not.
    """
    found = record.values["kind"]
    if found not in ("float", "fixed"):
        raise ParameterError(f"networks of kind {found!r} are unknown")
    if found != kind:
        raise ParameterError(f"holds a {found} network, not a {kind} one")


def _freeze(part: object) -> None:
    """Make the arrays of a population or projection read-only, so that what targets derive from them stays true."""
    for value in vars(part).values():
        arrays = (value.data, value.indices, value.indptr) if sp.issparse(value) else (value,)
        for array in arrays:
            if isinstance(array, np.ndarray):
                array.setflags(write=False)
        if is_dataclass(value) and not isinstance(value, type):
            _freeze(value)


P = TypeVar("P", bound=PopulationLike)
J = TypeVar("J", bound=BaseProjection)


class Graph(Drawable, Generic[P, J]):
    """Inputs, populations and projections with consistent names and sizes.

    ``plot`` draws the graph: inputs, populations and projections, those that lead back dashed.

    Raises:
        ParameterError: a name occurs twice or is unknown, a projection starts at a population
            without spikes, or an input or output is missing.
        ShapeError: a weight does not fit its populations.
    """

    _picture = "network"

    inputs: Sequence[Input]
    populations: Sequence[P]
    projections: Sequence[J]
    outputs: Sequence[str]
    notes: Sequence[str]
    _populations: Mapping[str, P]
    _projections: Mapping[str, J]
    _incoming: Mapping[str, Sequence[J]]
    _outgoing: Mapping[str, Sequence[J]]

    def _check_classes(self, network: type[object], population: type[object], projection: type[object]) -> None:
        """Raise unless the network and its parts are of these classes themselves, which is what targets know."""
        for name in ("inputs", "populations", "projections", "outputs"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        check_exact(self, (network,), "the network", f"give a {network.__name__} itself")
        declare = "declare a neuron model of your own (ssdp_hw.neuron) or give a {} itself"
        for i in self.inputs:
            check_exact(i, (Input,), f"input '{getattr(i, 'name', i)}'", "give an Input itself")
        for p in self.populations:
            owner = f"population '{getattr(p, 'name', p)}'"
            check_exact(p, (population,), owner, declare.format(population.__name__))
        for q in self.projections:
            owner = f"projection '{getattr(q, 'name', q)}'"
            check_exact(q, (projection,), owner, f"give a {projection.__name__} itself")
            check_exact(q.stored, WEIGHT_KINDS, f"{owner}: its weight", "give an array, a sparse array or a ConvWeight")

    def _index(self) -> None:
        """Freeze the arrays, index the parts by name and check the graph."""
        object.__setattr__(self, "_populations", {p.name: p for p in self.populations})
        object.__setattr__(self, "_projections", {p.name: p for p in self.projections})
        incoming: dict[str, list[J]] = {}
        outgoing: dict[str, list[J]] = {}
        for p in self.projections:
            incoming.setdefault(p.post, []).append(p)
            outgoing.setdefault(p.pre, []).append(p)
        object.__setattr__(self, "_incoming", incoming)
        object.__setattr__(self, "_outgoing", outgoing)
        for part in (*self.populations, *self.projections):
            _freeze(part)
        self._check()

    def _check(self) -> None:
        if not self.inputs:
            raise ParameterError("the network has no input")
        if not self.populations:
            raise ParameterError("the network has no population of neurons")
        for what, names in (
            ("population", [*self.input_names, *self.population_names]),
            ("projection", [p.name for p in self.projections]),
            ("output", list(self.outputs)),
        ):
            for name, count in Counter(names).items():
                if count > 1:
                    raise ParameterError(f"{what} '{name}' occurs twice; every name must be unique")
        if not self.outputs:
            raise ParameterError("the network has no output population")
        for name in self.outputs:
            self.population(name)
        for projection in self.projections:
            self._check_ends(projection)
            self._check_port(projection)

    def _check_ends(self, projection: J) -> None:
        """Raise unless a projection joins two parts of the network whose sizes its weight fits."""
        owner = f"projection '{projection.name}'"
        if projection.post not in self._populations:
            raise ParameterError(f"{owner}: post '{projection.post}' is no population of this network")
        pre = self._populations.get(projection.pre)
        if pre is not None and not pre.spiking:
            raise ParameterError(f"{owner}: pre '{projection.pre}' is a readout without spikes and cannot project")
        expected = (self.size_of(projection.post), self.size_of(projection.pre))
        if projection.shape != expected:
            raise ShapeError(
                f"{owner}: the weight has shape {projection.shape}, but the populations ask for "
                f"(post, pre) = {expected}"
            )

    def _check_port(self, projection: J) -> None:
        """Raise unless the neurons have the synaptic input at which a projection ends, and their step uses it."""
        owner, post = f"projection '{projection.name}'", self._populations[projection.post]
        if projection.port and projection.port not in post.known_ports:
            known = ", ".join(f"'{port}'" for port in post.known_ports) or "none"
            raise ParameterError(
                f"{owner}: port = '{projection.port}'; the neurons of '{projection.post}' have beside their first "
                f"synaptic input: {known}"
            )
        if projection.port not in post.used_inputs:
            known = ", ".join(f"port = '{port}'" if port else "the first" for port in post.used_inputs) or "none"
            which = f"input '{projection.port}'" if projection.port else "the first synaptic input"
            raise ParameterError(
                f"{owner}: the step of '{projection.post}' makes nothing of {which}, so that the projection would "
                f"do nothing; of its synaptic inputs it uses: {known}"
            )

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the inputs, in order."""
        return tuple(i.name for i in self.inputs)

    @property
    def population_names(self) -> tuple[str, ...]:
        """Names of the populations, in order."""
        return tuple(p.name for p in self.populations)

    @cached_property
    def helpers(self) -> frozenset[str]:
        """Populations that nothing feeds and that are no output: they fire by themselves and bring others' biases."""
        fed = {p.post for p in self.projections if p.pre != p.post}
        driving = {p.pre for p in self.projections if p.pre != p.post}
        return frozenset(self._populations) & (driving - fed).difference(self.outputs)

    def population(self, name: str) -> P:
        """The population of that name.

        Raises:
            ParameterError: there is none.
        """
        if name not in self._populations:
            raise ParameterError(f"'{name}' is no population; there are: {listed(self._populations)}")
        return self._populations[name]

    def projection(self, name: str) -> J:
        """The projection of that name.

        Raises:
            ParameterError: there is none.
        """
        if name not in self._projections:
            raise ParameterError(f"'{name}' is no projection; there are: {listed(self._projections)}")
        return self._projections[name]

    def ports(self, name: str) -> tuple[str, ...]:
        """Synaptic inputs of a population beside the first that a projection feeds, in the order of its model."""
        fed = {q.port for q in self.incoming(name)}
        return tuple(port for port in self.population(name).known_ports if port in fed)

    def synaptic_inputs(self, name: str) -> tuple[str, ...]:
        """The names of all synaptic inputs of a population: the first has none, then come its ports."""
        return ("", *self.ports(name))

    def layer(self, name: str) -> int:
        """Position of a projection in the network, which keys its random numbers.

        Raises:
            ParameterError: there is no such projection.
        """
        self.projection(name)
        return self._layers[name]

    @cached_property
    def _layers(self) -> dict[str, int]:
        return {p.name: position for position, p in enumerate(self.projections)}

    @cached_property
    def _channels(self) -> dict[str, int]:
        return {i.name: i.size for i in self.inputs}

    def size_of(self, name: str) -> int:
        """Number of neurons of a population, or of channels of an input.

        Raises:
            ParameterError: no such population or input.
        """
        channels = self._channels.get(name)
        return self.population(name).size if channels is None else channels

    def incoming(self, name: str) -> list[J]:
        """Projections that end at a population, in their order."""
        return list(self._incoming.get(name, ()))

    def outgoing(self, name: str) -> list[J]:
        """Projections that begin at an input or a population, in their order."""
        return list(self._outgoing.get(name, ()))

    @property
    def max_delay(self) -> int:
        """Longest delay of any projection, beyond the one step that each takes."""
        return max((p.max_delay for p in self.projections), default=0)

    @property
    def latency(self) -> int:
        """Steps until a spike at an input has reached every output by the shortest way.

        Each projection counts 1 plus its longest delay. Outputs that no input reaches count 0.
        """
        steps = {p.name: 1 + p.max_delay for p in self.projections}
        distance: dict[str, int] = {}
        reached = [(0, name) for name in self.input_names]  # a heap, from which the nearest comes first (Dijkstra)
        while reached:
            here, name = heapq.heappop(reached)
            if name not in distance:
                distance[name] = here
                for p in self.outgoing(name):
                    if p.post not in distance:
                        heapq.heappush(reached, (here + steps[p.name], p.post))
        return max((distance.get(name, 0) for name in self.outputs), default=0)

    def to_record(self) -> Record:
        """What a file keeps of the network."""
        record = Record(
            {
                "inputs": [i.to_values() for i in self.inputs],
                "outputs": list(self.outputs),
                "notes": [str(n) for n in self.notes],
            }
        )
        record.add_parts("populations", [p.to_record() for p in self.populations])
        record.add_parts("projections", [q.to_record() for q in self.projections])
        return record

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to one file, complete or not at all.

        Raises:
            ParameterError, FileFormatError: see ``to_record``; or the file cannot be written.
        """
        NETWORK_FILE.write(path, self.to_record())

    def _table(self) -> Table:
        neurons = sum(p.size for p in self.populations)
        synapses = sum(q.synapse_count for q in self.projections)
        many = "s" if len(self.populations) > 1 else ""
        size = f"{neurons} neurons in {len(self.populations)} population{many}, {synapses} synapses"
        outputs = frozenset(self.outputs)
        rows = [(i.name, "input", f"{i.size} channels", "") for i in self.inputs]
        for p in self.populations:
            role = ", output" if p.name in outputs else ", brings biases" if p.name in self.helpers else ""
            rows.append((p.name, "population", f"{p.size} neurons", self._model_of(p) + role))
        for q in self.projections:
            post, pre = q.shape
            delays = f", delays to {q.max_delay}" if q.max_delay else ""
            kind = f"{q.stored.kind}, {q.synapse_count} synapses{delays}"
            rows.append((q.name, "projection", f"{pre} -> {post}", kind))
        return Table(f"{size}{self._kind_said()}", ("name", "what", "size", "kind"), rows, self.notes)

    def _model_of(self, population: P) -> str:
        """The neuron model of a population, for people."""
        raise NotImplementedError

    def _kind_said(self) -> str:
        """What a network says of itself as a whole, after its size."""
        return ""

    def summary(self) -> list[str]:
        """One line an input, population and projection, for people."""
        lines = [f"input {i.name}: {i.size} channels" for i in self.inputs]
        brings = dict.fromkeys(self.helpers, ", brings biases")
        lines += [f"population {p.name}: {p.size} neurons{brings.get(p.name, '')}" for p in self.populations]
        for p in self.projections:
            post, pre = p.shape
            lines.append(f"projection {p.name}: {pre} -> {post}, {p.stored.kind}, delay up to {p.max_delay}")
        lines.append(f"output {', '.join(self.outputs)}")
        return lines
