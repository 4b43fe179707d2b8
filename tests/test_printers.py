"""What the printers of targets write, run as Python, against the operations it stands for: no target is needed.

What a target's own compiler makes of the text is held to the specification in the tests of that target.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from brian2_helpers import requires_brian2
from example_counts import examples
from hypothesis import given, strategies as st
from plan_strategies import DECLARED, declared_counter_rules
from ssdp_hw.targets.engine.generated import NumbaPrinter
from ssdp_hw.targets.lava.printer import NumpyPrinter, step_module
from ssdp_hw.targets.lava.rule_printer import rule_module
from ssdp_hw.targets.lava.worker.declared_changes import DeclaredChanges
from ssdp_hw.targets.lava.worker.weight_changes import Synapses
from test_models import CHIP, NEURONS, drawn
from test_operations import PLAIN, SMALL, WIDTH, graph

from ssdp_hw.models.form import ARRIVING, StepForm, _leaves
from ssdp_hw.models.registry import model_names, neuron_model
from ssdp_hw.operations.base import Values
from ssdp_hw.operations.graph import GraphOperations
from ssdp_hw.operations.ideal import IdealOperations
from ssdp_hw.operations.node import Node, in_order
from ssdp_hw.operations.philox import synapse_random
from ssdp_hw.rules.evaluation import Window, window_changes
from ssdp_hw.rules.form import leaf_name, moments
from ssdp_hw.rules.local import RandomKey
from ssdp_hw.testing.generation import factors


def in_numpy(nodes, *, ideal):
    printer = NumpyPrinter()
    lines, names = printer.printed(nodes)
    return [*printer.table_lines(), *lines], names, {"np": np}


def in_numba(nodes, *, ideal):
    """The printed text on numbers of Python, which are as wide as they need to be."""
    printer = NumbaPrinter()
    lines, names = printer.printed(nodes)
    number = float if ideal else int
    shifts = {"shift_left": lambda x, bits: x << bits, "shift_right": lambda x, bits: x >> bits}
    functions = {"number": number, "index": int, "lesser": min, "greater": max, **shifts}
    tables = {f"table_{k}": entries for k, entries in enumerate(printer.tables)}
    return lines, names, {**functions, **tables}


def in_brian2(nodes, *, ideal):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Brian2's own imports
        from ssdp_hw.targets.brian2.printer import Brian2Printer

    class Printer(Brian2Printer):
        def leaf(self, name):
            return f"of_{name}"

    printer = Printer(ideal=ideal)
    lines, names = printer.printed(nodes)
    return lines, names, {name: function.pyfunc for name, function in printer.functions.items()}


PRINTERS = [in_numpy, in_numba, pytest.param(in_brian2, marks=requires_brian2)]


def computed(printer, node, x, y, *, ideal):
    """The value of a node by the printed text, for each pair of x and y."""
    lines, names, functions = printer(list(in_order([node])), ideal=ideal)
    text, found = compile("\n".join(lines), "printed", "exec"), []
    for a, b in zip(x.tolist(), y.tolist(), strict=True):
        values = {**functions, "x": a, "y": b, "of_x": a, "of_y": b}
        exec(text, values)
        found.append(eval(names[id(node)], values))
    return found


@pytest.mark.parametrize("printer", PRINTERS)
@pytest.mark.parametrize("name", PLAIN)
def test_every_operation_in_integers(printer, name):
    step, formula = PLAIN[name]
    x, y = (a[::3] for a in SMALL)
    leaves = [Node("leaf", (), int(a.min()), int(a.max()), n) for n, a in (("x", x), ("y", y))]
    wanted = [formula(a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    assert [int(v) for v in computed(printer, step(graph(), *leaves), x, y, ideal=False)] == wanted


@pytest.mark.parametrize("printer", PRINTERS)
@pytest.mark.parametrize("name", [name for name in PLAIN if not name.startswith("shift by a value")])
def test_every_operation_in_real_numbers(printer, name):
    """On halves, with which all but a quotient is exact. A shift by a value has no one meaning in real numbers."""
    x, y = (a[::5] / 2.0 for a in SMALL)
    leaves = [Node("leaf", (), float(a.min()), float(a.max()), n) for n, a in (("x", x), ("y", y))]
    options = dict(spiking=True, at_least=False, subtract=False)
    step = PLAIN[name][0]
    wanted = np.broadcast_to(step(IdealOperations(3, {"v": WIDTH}, **options), x, y), x.shape)
    node = step(GraphOperations(3, {"v": WIDTH}, ideal=True, **options), *leaves)
    assert [float(v) for v in computed(printer, node, x, y, ideal=True)] == wanted.tolist()


@pytest.mark.parametrize("name", model_names())
def test_the_module_of_a_step_is_the_step(name):
    """As Lava's worker loads it: the new states, the spikes and the overflow counts."""
    rng = np.random.default_rng(4)
    for ports in ((), neuron_model(name).ports):
        form = StepForm(neuron_model(name), CHIP, spiking=True, at_least=False, subtract=False, ports=ports)
        states, parameters, arriving = _leaves(form, ideal=False)
        leaves = {**states, **parameters, ARRIVING: arriving}
        given = {n: drawn(rng, int(x.low), int(x.high)) for n, x in leaves.items()}
        received = [ARRIVING, *form.ports]
        for n in received:  # the module shifts what arrives to the scale of the voltage
            given[n] = given[n] >> form.chip.activation_shift
        written = {"__name__": "step"}
        exec(step_module(form, ideal=False), written)
        names = [*states, *form.model.acting_names, "bias"]
        new, fired, counted = written["step"](*(given[n] for n in received), *(given[n] for n in names))
        acting = {**given, **{n: given[n] << form.chip.activation_shift for n in received}}
        op = form.exact()
        op.counts = dict.fromkeys(form.count_names, 0)
        wanted, spikes = form.model.advance(
            op, Values({n: given[n] for n in states}), Values({n: acting[n] for n in parameters}), acting[ARRIVING]
        )
        for state, value in zip(states, new, strict=True):
            np.testing.assert_array_equal(np.broadcast_to(value, NEURONS), np.broadcast_to(wanted[state], NEURONS))
        np.testing.assert_array_equal(np.broadcast_to(fired, NEURONS), np.broadcast_to(spikes, NEURONS))
        sums = [int(np.count_nonzero(np.broadcast_to(c, NEURONS))) for c in counted]
        assert sums == [op.counts[n] for n in form.graph(ideal=False).counts]


@examples(100, default=6)
@given(st.sampled_from(DECLARED).flatmap(lambda m: declared_counter_rules(1, (m,))), st.integers(0, 2**32 - 1))
def test_the_module_of_a_rule_is_the_rule(rule, seed):
    """In two windows, as Lava's worker runs it, against the specification."""
    rng, steps = np.random.default_rng(seed), 12
    declaration = rule.declaration(steps)
    model, written = declaration.model, {}
    exec(rule_module(declaration, steps, ideal=False), written)
    rows, cols = (index.reshape(-1) for index in np.indices((3, 4)))
    given = factors(model, seed, (2, steps, 3), fixed=True)
    key = RandomKey(seed, layer=3, first_window=5)
    printed = DeclaredChanges(
        {
            **{name: written[name] for name in ("start", *moments(model))},
            **{f"factor_{name}": values for name, values in given.items()},
            **{"random": synapse_random, "seed": key.seed, "layer": key.layer},
            **{"first_window": key.first_window, "round_steps": steps, "windows": 1},
        }
    )
    for number in range(2):
        pre, post = rng.random((steps, 4)) < 0.3, rng.random((steps, 3)) < 0.3
        weight = rng.integers(-100, 100, 12)
        now = {name: values[number] for name, values in given.items()}
        sizes = {"pre": 4, "post": 3}
        read = {leaf_name(r.home, r.name): rng.integers(-99, 99, (steps, sizes[r.home])) for r in model.reads}
        window = Window(pre, post, rows, cols, weight, key, number, factors={**now, **read})
        wanted = window_changes(model, declaration.parameters, window)
        found = printed.step(pre, post, Synapses(rows, cols, weight, number, read))
        np.testing.assert_array_equal(found, wanted)
