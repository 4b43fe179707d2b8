"""Hypothesis strategies for convolutions and networks of them, in float and in chip integers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from hypothesis import strategies as st
from strategies import CHIP, on_grid

import ssdp_hw as sh
from ssdp_hw.network.convolution import ConvWeight
from ssdp_hw.network.formats import WeightFormat
from ssdp_hw.network.graph import Reset
from ssdp_hw.network.weight import as_weight

Draw = st.DrawFn


@st.composite
def convolutions(draw: Draw, shape_in: tuple[int, ...] | None = None) -> ConvWeight:
    """Convolutions over one or two axes (kernels of integers), and poolings, of any geometry that fits."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if shape_in is None:
        axes = draw(st.integers(1, 2))
        shape_in = (draw(st.integers(1, 3)), *(draw(st.integers(1, 6)) for _ in range(axes)))
    space = shape_in[1:]
    if draw(st.integers(0, 3)) == 0:
        size = tuple(draw(st.integers(1, k)) for k in space)
        stride = tuple(draw(st.integers(1, 3)) for _ in space)
        return ConvWeight.pooling(draw(st.sampled_from((1.0, 3.0))), size, shape_in, stride, draw(st.integers(0, 1)))
    taps = tuple(draw(st.integers(1, 3)) for _ in space)
    dilation = tuple(draw(st.sampled_from((1, 1, 2, 3))) for _ in space)
    padding = []
    for size, k, d in zip(space, taps, dilation, strict=True):
        missing = max(0, d * (k - 1) + 1 - size)
        before = draw(st.integers(0, 2))
        padding.append((before, max(missing - before, draw(st.integers(0, 2)))))
    groups = draw(st.sampled_from(sorted({1, shape_in[0]})))
    kernel = rng.integers(-9, 10, (groups * draw(st.integers(1, 3)), shape_in[0] // groups, *taps)).astype(float)
    stride = tuple(draw(st.sampled_from((1, 1, 2, 3))) for _ in space)
    return ConvWeight(kernel, shape_in, stride, padding, dilation, groups)


def channels(weight: ConvWeight) -> tuple[int, ...]:
    """Shape of the output as the next convolution takes it: a pooling has the channels as an axis."""
    shape = weight.shape_out
    return shape[1:] if weight.kernel.shape[:3] == (1, 1, 1) and len(shape) > 2 and shape[0] == 1 else shape


@st.composite
def weights(draw: Draw) -> tuple[dict[str, int], list[tuple[str, str, Any]]]:
    """Sizes by name, and (source, target, weight) of projections: convolutions, and others beside them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    first = draw(convolutions())
    second = draw(convolutions(channels(first)))
    sizes = {"in": first.shape[1], "a": first.shape[0], "b": second.shape[0], "c": 3}
    found: list[tuple[str, str, Any]] = [("in", "a", first), ("a", "b", second)]
    found.append(("b", "c", rng.integers(-9, 10, (3, sizes["b"]))))
    for kind in draw(st.lists(st.sampled_from(("again", "matrix", "back", "other shape", "identity")), max_size=3)):
        if kind == "again":
            found.append(("in", "a", first.with_values(rng.integers(-9, 10, first.kernel.size))))
        elif kind == "matrix":
            found.append(("in", "b", rng.integers(-9, 10, (sizes["b"], sizes["in"]))))
        elif kind == "back":
            found.append(("c", "a", rng.integers(-9, 10, (sizes["a"], 3))))
        elif kind == "identity":
            found.append(("b", "b", sp.csr_array(sp.diags_array(rng.integers(1, 9, sizes["b"]).astype(float)))))
        else:  # a convolution of one position into the same population, whose channels are not those of the other
            kernel = rng.integers(-9, 10, (sizes["a"], sizes["in"], 1))
            found.append(("in", "a", ConvWeight(kernel, (sizes["in"], 1))))
    return sizes, found


@st.composite
def float_conv_networks(draw: Draw) -> sh.Network:
    """Networks of convolutions, poolings and matrices, with delays, biases and every reset."""
    sizes, found = draw(weights())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return sh.Network(
        [sh.Input("in", sizes["in"])],
        [
            sh.Population(
                name=n,
                neuron=sh.LIF(size=sizes[n], tau_mem=rng.uniform(2e-3, 9e-3, sizes[n]), v_threshold=2.0),
                bias=rng.normal(0, 1, sizes[n]) if draw(st.booleans()) else 0.0,
                reset=draw(st.sampled_from(Reset)),
            )
            for n in sizes
            if n != "in"
        ],
        [
            sh.Projection(pre=s, post=t, weight=w, delay=draw(st.sampled_from((0, 0, 1, 3))), name=f"w{k}")
            for k, (s, t, w) in enumerate(found)
        ],
        ["c"],
        sh.Semantics(1e-3),
    )


@st.composite
def fixed_conv_networks(draw: Draw) -> sh.FixedNetwork:
    """The same in chip integers, with weights of 8 bits or the chip's most, and exponents of both signs."""
    sizes, found = draw(weights())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    form = WeightFormat(draw(st.sampled_from((8, CHIP.weight_bits))))
    factor = form.step * draw(st.sampled_from((1, 4)))
    return sh.FixedNetwork(
        [sh.Input("in", sizes["in"])],
        [
            sh.FixedPopulation(
                name=n,
                size=sizes[n],
                du=draw(st.sampled_from((4095, 2000))),
                dv=int(rng.integers(0, 2000)),
                vth=rng.integers(1, 60, sizes[n]),
                bias_mant=rng.integers(-20, 21, sizes[n]),
                bias_exp=5,
                reset=draw(st.sampled_from(Reset)),
            )
            for n in sizes
            if n != "in"
        ],
        [
            sh.FixedProjection(
                pre=s,
                post=t,
                weight=as_weight(w).with_values(on_grid(as_weight(w).values.astype(np.int64) * factor, exponent, form)),
                delay=draw(st.sampled_from((0, 0, 1, 3))),
                name=f"w{k}",
                format=form,
                weight_exp=exponent,
            )
            for k, (s, t, w) in enumerate(found)
            for exponent in [draw(st.sampled_from((-3, -1, 0, 0, 2)))]
        ],
        ["c"],
    )


def unrolled(network: Any) -> Any:
    """The same network with every convolution as the sparse matrix that it is."""
    return replace(network, projections=[replace(p, weight=p.matrix) for p in network.projections])
