"""ConvWeight against its equation, written out tap by tap, and against the matrix that it is."""

import math

import numpy as np
import pytest
from conv_strategies import convolutions
from example_counts import examples
from hypothesis import given, strategies as st

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError, ShapeError, UnsupportedError
from ssdp_hw.network.convolution import MAX_UNROLLED, ConvWeight


def naive(w, x):
    """y[o, p] = sum over c, k of kernel[o, c, k] x[group(o) + c, p * stride - before + k * dilation]."""
    x = np.reshape(x, w.shape_in)
    c_out, c_in, *taps = w.kernel.shape
    y = np.zeros(w.shape_out)
    for o, *p in np.ndindex(*w.shape_out):
        for c, *k in np.ndindex(c_in, *taps):
            where = [p[a] * w.stride[a] - w.padding[a][0] + k[a] * w.dilation[a] for a in range(len(taps))]
            if all(0 <= q < size for q, size in zip(where, w.shape_in[1:], strict=True)):
                y[(o, *p)] += w.kernel[(o, c, *k)] * x[(o // (c_out // w.groups) * c_in + c, *where)]
    return y.reshape(-1)


@examples(100, default=30)
@given(convolutions(), st.integers(0, 2**32 - 1))
def test_matrix_sums_and_index_follow_from_the_equation(w, seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(-3, 4, w.shape[1])
    matrix = w.unrolled()
    np.testing.assert_array_equal(matrix @ x, naive(w, x))
    assert matrix.shape == w.shape == (math.prod(w.shape_out), math.prod(w.shape_in))
    assert matrix.has_canonical_format
    assert matrix.nnz == w.synapses
    np.testing.assert_array_equal(w.values[w.stored_index()], matrix.data)
    for axis in (0, 1):
        np.testing.assert_array_equal(w.sum(axis), matrix.sum(axis=axis))


@examples(100, default=30)
@given(convolutions(), st.integers(0, 2**32 - 1))
def test_factors_of_whole_channels_go_into_the_kernel(w, seed):
    rng = np.random.default_rng(seed)
    out, into = w.shape_out[0], w.shape_in[0]
    by_output = np.repeat(rng.integers(-3, 4, out), w.shape[0] // out).astype(float)
    by_input = np.repeat(rng.integers(-3, 4, into), w.shape[1] // into).astype(float)
    both = w.times_outputs(by_output).times_inputs(by_input)
    np.testing.assert_array_equal(both.unrolled().toarray(), by_output[:, None] * w.unrolled().toarray() * by_input)
    if w.shape[0] > out:
        assert w.times_outputs(np.arange(w.shape[0])) is None
    if w.shape[1] > into:
        assert w.times_inputs(np.arange(w.shape[1])) is None


@examples(100, default=30)
@given(st.data())
def test_a_convolution_after_a_pooling_that_tiles_is_one_convolution(data):
    size = tuple(data.draw(st.lists(st.integers(1, 3), min_size=2, max_size=2)))
    channels, *space = data.draw(st.tuples(*[st.integers(1, 4)] * 3))
    w = data.draw(convolutions((channels, *space)).filter(lambda w: w.kernel.ndim == 4))
    pool = ConvWeight.pooling(0.5, size, (channels, *(n * k for n, k in zip(space, size, strict=True))), size)
    both = w.after_pooling(pool)
    if set(w.dilation) == {1}:
        np.testing.assert_array_equal(both.unrolled().toarray(), (w.unrolled() @ pool.unrolled()).toarray())
        joined = w.with_values(np.ones(w.kernel.size)).unrolled() @ pool.unrolled()
        assert both.synapses == joined.nnz
    else:
        assert both is None


def test_a_pooling_that_does_not_tile_stays_apart():
    w = ConvWeight(np.ones((1, 2, 2, 2)), (2, 3, 3))
    for pool in (
        ConvWeight.pooling(1.0, (2, 2), (2, 7, 7), (2, 2)),
        ConvWeight.pooling(1.0, (3, 3), (2, 7, 7), (2, 2)),
        ConvWeight.pooling(1.0, (2, 2), (2, 4, 4), (2, 2), 1),
        ConvWeight(np.ones((2, 2, 2, 2)), (2, 6, 6), 2),
    ):
        assert pool.shape_out[-2:] == (3, 3)
        assert w.after_pooling(pool) is None


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"kernel": np.ones((2, 1))}, ShapeError, r"a kernel of shape \(2, 1\)"),
        ({"kernel": np.ones((2, 1, 0))}, ShapeError, "a kernel of shape"),
        ({"kernel": np.ones((3, 1, 2)), "groups": 2}, ShapeError, "multiple of the groups"),
        ({"kernel": np.ones((2, 3, 2))}, ShapeError, "takes 3 channels"),
        ({"stride": 0}, ParameterError, "stride = '0'"),
        ({"dilation": [1, 2]}, ParameterError, "dilation"),
        ({"padding": -1}, ParameterError, "padding"),
        ({"padding": [[1, 2], [3, 4]]}, ParameterError, "padding"),
        ({"stride": 1.0}, ParameterError, "stride"),
        ({"shape_in": (1, [2])}, ParameterError, "shape_in"),
        ({"shape_in": (1, 1)}, ShapeError, "smaller than a kernel"),
        ({"padding": 1 << 30}, ParameterError, "too large"),
    ],
)
def test_what_makes_no_sense(arguments, error, words):
    with pytest.raises(error, match=words):
        ConvWeight(**{"kernel": np.ones((2, 1, 2)), "shape_in": (1, 5), **arguments})


def projection(**changes):
    weight = ConvWeight(np.arange(4.0).reshape(2, 1, 2), (1, 5))
    return sh.Projection(**{"pre": "in", "post": "p", "weight": weight, **changes})


def test_projection_of_a_convolution():
    p = projection(delay=3)
    assert (p.shape, p.is_convolution, p.is_sparse, p.synapse_count) == ((8, 5), True, True, 16)
    assert p.stored_weights.tolist() == [0, 1, 2, 3]
    assert p.synapse_weights.size == p.synapse_delays.size == 16
    assert p.synapse_delays.tolist() == [3] * 16
    assert p.matrix is p.matrix
    with pytest.raises(ShapeError, match="a convolution has one delay"):
        projection(delay=np.zeros(16, int))
    with pytest.raises(ParameterError, match="NaN"):
        projection(weight=ConvWeight(np.full((1, 1, 1), np.nan), (1, 5)))


def test_the_caller_cannot_change_the_kernel_of_a_network():
    kernel = np.ones((1, 1, 2))
    weight = ConvWeight(kernel, (1, 5))
    net = sh.Network(
        [sh.Input("in", 5)],
        [sh.Population(name="p", neuron=sh.IF(size=4))],
        [projection(weight=weight)],
        ["p"],
        sh.Semantics(1.0),
    )
    kernel[:] = 7
    weight.kernel[:] = 7
    assert net.projections[0].stored_weights.tolist() == [1, 1]
    with pytest.raises(ValueError, match="read-only"):
        net.projections[0].weight.kernel[:] = 7
    assert "projection in->p: 5 -> 4, convolution, delay up to 0" in net.summary()


def test_too_many_synapses_to_list_are_refused_by_name():
    p = projection(weight=ConvWeight(np.ones((2, 1, 16, 16)), (1, 1 << 9, 1 << 9)))
    assert p.synapse_count > MAX_UNROLLED
    message = r"projection 'in->p': a convolution of 126468608 synapses .* on a target that keeps the kernel"
    with pytest.raises(UnsupportedError, match=message):
        _ = p.matrix


def test_stored_integers():
    fixed = sh.FixedProjection(pre="in", post="p", weight=projection().weight.with_values(np.arange(4) * 2))
    assert fixed.with_mantissa(fixed.mantissa + 1).stored_weights.tolist() == [2, 4, 6, 8]
    with pytest.raises(ShapeError, match="'in->p': 16 weight integers; it stores 4"):
        fixed.with_mantissa(np.zeros(16, int))


@examples(100, default=30)
@given(convolutions())
def test_values_of_synapses_are_added_up_by_stored_weight(weight):
    p = sh.Projection(pre="in", post="p", weight=weight)
    np.testing.assert_array_equal(p.stored_weights[p.stored_index], p.synapse_weights)
    values = np.random.default_rng(0).integers(-9, 10, p.synapse_count)
    wanted = [values[p.stored_index == k].sum() for k in range(p.stored_weights.size)]
    np.testing.assert_array_equal(p.sum_shared(values), wanted)
