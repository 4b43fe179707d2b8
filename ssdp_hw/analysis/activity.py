"""What a network does on given input: operations and spikes, in NeuroBench's words, and their energy.

Names follow NeuroBench (Yik et al., Nature Communications 16, 1545, 2025): ``synaptic_operations``
(``Effective_ACs``: one accumulate for each synapse a spike reaches; ``Dense``: as if every synapse
were used in every step), ``membrane_updates``, ``activation_sparsity``, ``connection_sparsity``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.checks import as_int
from ssdp_hw.display import Table, shown
from ssdp_hw.files.json_values import JSON
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.network.projection import BaseProjection
from ssdp_hw.running.drive import AnyNetwork, DirectInput, make_drive
from ssdp_hw.running.run import run


@shown
@dataclass(frozen=True)
class Activity:
    """Counts of a run, per sample.

    Attributes:
        samples, steps: of the run.
        effective_acs: synaptic operations done, one for each synapse that a spike reaches; a spike in
            the last step counts too.
        dense_operations: synapses times steps, without those of analog input.
        analog_products: products of analog input with weights other than 0, which are made outside the chip: a chip
            gets their sums, and no synapse of it works for them.
        membrane_updates: neurons times steps.
        spikes: of all populations, the inputs not included; ``input_spikes`` those of the inputs.
        activation_sparsity: share of neuron steps without a spike.
        connection_sparsity: share of possible synapses that are absent or 0.
        energy_nj: lower bound of the energy in nJ, by term; empty where no figure is known.
        unpriced: what the energy leaves out.
    """

    samples: int
    steps: int
    effective_acs: float
    dense_operations: int
    analog_products: float
    membrane_updates: int
    spikes: float
    input_spikes: float
    activation_sparsity: float
    connection_sparsity: float
    energy_nj: Mapping[str, float]
    unpriced: tuple[str, ...]

    def _table(self) -> Table:
        rows = [
            ("synaptic operations", f"{self.effective_acs:.0f} of {self.dense_operations} dense"),
            *(
                [("products of analog input, off the chip", f"{self.analog_products:.0f}")]
                if self.analog_products
                else []
            ),
            ("membrane updates", str(self.membrane_updates)),
            ("spikes", f"{self.spikes:.0f}"),
            ("input spikes", f"{self.input_spikes:.0f}"),
            ("activation sparsity", f"{self.activation_sparsity:.4f}"),
            ("connection sparsity", f"{self.connection_sparsity:.4f}"),
            *((f"energy of {name.replace('_', ' ')}, nJ", f"{value:.1f}") for name, value in self.energy_nj.items()),
        ]
        notes = [f"The energy is a lower bound; not priced: {', '.join(self.unpriced)}."] if self.unpriced else []
        return Table(f"per sample of {self.steps} steps, mean of {self.samples}", ("count", "value"), rows, notes)

    def to_dict(self) -> dict[str, JSON]:
        """Plain values, for JSON."""
        return asdict(self)

    def lines(self) -> list[str]:
        """For people."""
        analog = f"{self.analog_products:.0f} products of analog input off the chip, " if self.analog_products else ""
        out = [
            f"per sample of {self.steps} steps, mean of {self.samples}: {self.effective_acs:.0f} synaptic operations "
            f"(dense: {self.dense_operations}), {analog}{self.membrane_updates} membrane updates, "
            f"{self.spikes:.0f} spikes, {self.input_spikes:.0f} input spikes",
            f"activation sparsity {self.activation_sparsity:.4f}, connection sparsity {self.connection_sparsity:.4f}",
        ]
        if self.energy_nj:
            terms = ", ".join(f"{name} {value:.1f}" for name, value in self.energy_nj.items())
            out.append(
                f"energy at least {sum(self.energy_nj.values()):.1f} nJ ({terms}); not priced: "
                f"{', '.join(self.unpriced)}"
            )
        return out


def measure_activity(
    network: AnyNetwork,
    inputs: ArrayLike | Mapping[str, ArrayLike] | DirectInput,
    target: str | None = None,
    *,
    steps: int | None = None,
) -> Activity:
    """Run a network and count what it does.

    Args:
        network, inputs, target, steps: as for :func:`ssdp_hw.run`; steps default to those of the
            input plus ``network.latency``.

    Raises:
        SsdpHwError: as :func:`ssdp_hw.run`.
    """
    length = make_drive(network, inputs).steps + network.latency if steps is None else as_int(steps, "steps")
    drive = make_drive(network, inputs, length)
    result = run(network, inputs, target, steps=length, on_overflow="ignore")
    rasters = {**drive.spikes, **result.spikes}
    counts = {name: np.asarray(raster.sum(axis=(0, 1), dtype=np.int64)) for name, raster in rasters.items()}
    operations = sum(int(counts[p.pre] @ _fan_out(p)) for p in network.projections)
    neurons = sum(p.size for p in network.populations)
    spikes = sum(int(counts[name].sum()) for name in network.population_names)
    incoming = sum(int(counts[name].sum()) for name in network.input_names)
    synapses = sum(p.synapse_count for p in network.projections if p.pre not in drive.values)
    products = sum(
        int(np.count_nonzero(v.frames[v.of_step], axis=(0, 1)) @ _fan_out(p))
        for p in network.projections
        for v in [drive.values.get(p.pre)]
        if v is not None
    )
    possible = sum(p.shape[0] * p.shape[1] for p in network.projections)
    used = sum(int(_fan_out(p).sum()) for p in network.projections)
    updates = neurons * length
    own = [p.name for p in network.populations if p.name not in network.helpers]
    cells = sum(network.size_of(name) for name in own) * length * drive.batch
    fired = sum(int(counts[name].sum()) for name in own)
    energy, unpriced = _energy(network, operations / drive.batch, updates, spikes / drive.batch)
    if energy and products:
        unpriced = ("the products of analog input with weights", *unpriced)
    return Activity(
        drive.batch,
        length,
        operations / drive.batch,
        synapses * length,
        products / drive.batch,
        updates,
        spikes / drive.batch,
        incoming / drive.batch,
        1 - fired / cells if cells else 1.0,
        1 - used / possible if possible else 0.0,
        energy,
        unpriced,
    )


def _fan_out(projection: BaseProjection) -> NDArray[np.int64]:
    """Synapses of weight other than 0 that each source neuron has, shape (pre,)."""
    return projection.stored.with_values((projection.stored_weights != 0).astype(np.int64)).sum(axis=0)


def _energy(
    network: AnyNetwork, operations: float, updates: int, spikes: float
) -> tuple[dict[str, float], tuple[str, ...]]:
    """Lower bound in nJ by term: every neuron update at the price of an inactive one."""
    figures = network.limits.figures("energy") if isinstance(network, FixedNetwork) else {}
    wanted = (
        ("synaptic_operation", operations),
        ("neuron_update_inactive", float(updates)),
        ("spike_in_tile", spikes),
    )
    if not all(name in figures for name, _ in wanted):
        return {}, ()
    energy = {name: count * figures[name].value / 1000 for name, count in wanted}
    return energy, (
        "hops between tiles",
        "the higher price of active neuron updates",
        "spikes that enter the chip",
        "learning",
        "host, management cores and static power",
    )
