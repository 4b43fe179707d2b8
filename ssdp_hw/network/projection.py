"""A projection: the synapses between two populations of a float or fixed network, with their weights and delays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

from ssdp_hw.arrays import Given, GivenWeight, Numbers
from ssdp_hw.checks import as_array, check_name, int_vector
from ssdp_hw.errors import UnsupportedError
from ssdp_hw.files.record import Record
from ssdp_hw.network.convolution import weight_from_record
from ssdp_hw.network.sparse_check import in_row_major_order
from ssdp_hw.network.weight import Index, Weight, as_weight, checked_weight

# A delay line longer than this is a mistake of units, not a network.
MAX_DELAY = 100_000


@dataclass(frozen=True, eq=False, kw_only=True)
class BaseProjection:
    """Synapses from one population (or input) to another.

    Attributes:
        pre, post: names of the presynaptic population (or input) and of the postsynaptic one.
        weight: shape (post, pre): a dense array; a ``scipy.sparse.csr_array``, in which each stored
            entry is a synapse, a stored zero included; or a :class:`~ssdp_hw.ConvWeight`, whose
            synapses share the weights of its kernel.
        delay: further steps beyond the one that every projection takes; one integer, or (not in a
            convolution) one a synapse: an array of shape (post, pre), or of shape (nnz,) in the
            stored order of a sparse weight.
        name: unique in the network; default ``pre->post``.
        port: which synaptic input of the postsynaptic neurons it feeds, one of their model's ``ports``; empty for the
            first, which every model has.
    """

    pre: str
    post: str
    weight: GivenWeight
    delay: Given = 0
    name: str = ""
    port: str = ""

    def __post_init__(self) -> None:
        check_name(self.pre, "projection: pre")
        check_name(self.post, "projection: post")
        object.__setattr__(self, "name", check_name(self.name or f"{self.pre}->{self.post}", "projection"))
        owner = f"projection '{self.name}'"
        given: GivenWeight = self.weight
        object.__setattr__(self, "weight", checked_weight(given, owner).given)
        object.__setattr__(self, "delay", self._checked_delay(given, owner))
        if self.port:
            check_name(self.port, f"{owner}: port")

    def _checked_delay(self, given: Given, owner: str) -> int | Index:
        """The delay as one integer, or one a synapse in row-major order."""
        delay = self.delay.toarray() if sp.issparse(self.delay) else as_array(self.delay, f"{owner}: delay")
        count = self.stored.values.size
        if delay.size == 1:
            one = int(int_vector(delay, 1, 0, MAX_DELAY, f"{owner}: delay")[0])
            return one if self.synapse_count else 0
        delay = self.stored.per_synapse(in_row_major_order(given, delay), f"{owner}: delay")
        values = int_vector(delay, count, 0, MAX_DELAY, f"{owner}: delay")
        if count == 0:
            return 0
        return int(values[0]) if np.all(values == values[0]) else values

    def to_record(self) -> Record:
        """What a file keeps of the projection."""
        weight = self.stored.to_record()
        # Files keep the names of version 0.1.0 for the ends.
        values = {"name": self.name, "source": self.pre, "target": self.post, **weight.values}
        if self.port:
            values["port"] = self.port
        return Record(values, {"delay": np.atleast_1d(np.asarray(self.delay, np.int64)), **weight.arrays})

    @staticmethod
    def arguments_from(record: Record) -> dict[str, Any]:
        """Arguments of the constructor that ``to_record`` described, and further values by their names.

        Raises:
            Exception: of any kind, where a file is damaged.
        """
        weight = weight_from_record(record)
        values = {name: value for name, value in record.values.items() if name not in ("shape", "convolution")}
        pre, post = values.pop("source"), values.pop("target")
        return dict(pre=pre, post=post, **values, weight=weight, delay=record.arrays["delay"])

    @cached_property
    def stored(self) -> Weight:
        """The weight behind the one interface of dense, sparse and convolutional ones."""
        return as_weight(self.weight)

    @cached_property
    def unshared(self) -> Weight:
        """The weight with one stored value a synapse.

        Raises:
            UnsupportedError: a convolution of too many synapses.
        """
        try:
            return self.stored.by_synapse()
        except UnsupportedError as error:
            raise UnsupportedError(f"projection '{self.name}': {error}") from None

    @property
    def shape(self) -> tuple[int, int]:
        """(post, pre)."""
        post, pre = self.stored.shape
        return post, pre

    @property
    def is_convolution(self) -> bool:
        """Whether synapses share the weights of a kernel."""
        return self.stored.shared

    @property
    def is_sparse(self) -> bool:
        """Whether ``matrix`` is sparse."""
        return self.stored.sparse

    @property
    def matrix(self) -> GivenWeight:
        """The weight as a dense or sparse matrix in which every synapse has an entry of its own.

        Raises:
            UnsupportedError: a convolution of too many synapses.
        """
        return self.unshared.given

    @cached_property
    def stored_index(self) -> Index:
        """For every synapse, in row-major order of ``matrix``, the position of its weight in ``stored_weights``."""
        return self.stored.stored_index()

    def sum_shared(self, values: Numbers) -> Numbers:
        """Values of all synapses, those that share a stored weight added up, in the order of ``stored_weights``."""
        return self.stored.sum_shared(values, self.stored_index) if self.stored.shared else values

    def of_synapses(self, stored: Numbers) -> Numbers:
        """Values of all stored weights as those of the synapses that use them, in row-major order."""
        return stored[self.stored_index] if self.stored.shared else stored

    @property
    def synapse_count(self) -> int:
        """Number of synapses."""
        return self.stored.synapses

    @property
    def stored_weights(self) -> Numbers:
        """One weight a synapse in row-major order, or those of the kernel of a convolution."""
        return self.stored.values

    @property
    def synapse_weights(self) -> Numbers:
        """One weight a synapse, in row-major order of ``matrix``."""
        return self.unshared.values

    @property
    def synapse_delays(self) -> Index:
        """One delay a synapse, in the order of ``synapse_weights``."""
        return np.broadcast_to(np.asarray(self.delay, np.int64), (self.synapse_count,))

    @property
    def synapse_indices(self) -> tuple[Index, Index]:
        """(post, pre) of every synapse, in the order of ``synapse_weights``."""
        return self.unshared.synapse_indices()

    @property
    def max_delay(self) -> int:
        """Longest delay beyond the one step that every projection takes."""
        return int(np.max(self.delay, initial=0))
