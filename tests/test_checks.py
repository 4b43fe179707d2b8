import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings, strategies as st

from ssdp_hw.checks import Choice, as_array, check_name, int_vector, real_array, real_vector, without_gradient
from ssdp_hw.errors import ParameterError, ShapeError
from ssdp_hw.network import weight as weights
from ssdp_hw.network.weight import as_weight, checked_weight


class Colour(Choice):
    RED = "red"
    BLUE = "blue"


def test_choice_by_value_member_and_unknown():
    assert Colour("red") is Colour.RED
    assert Colour(Colour.BLUE) is Colour.BLUE
    assert str(Colour.BLUE) == "blue"
    for value in ("green", None, 3, ["red"], np.zeros((99, 99)), np.array(["red", "blue"])):
        with pytest.raises(ParameterError, match="is unknown; there are: 'red', 'blue'") as raised:
            Colour(value)
        assert len(str(raised.value)) < 100


@pytest.mark.parametrize("name", ["", "a\nb", "\x00", "\ud800", None, 3, b"a"])
def test_names(name):
    with pytest.raises(ParameterError, match="thing: the name"):
        check_name(name, "thing")


def test_real_vector():
    assert real_vector(2, 3, "x").tolist() == [2, 2, 2]
    assert real_vector([[1, 2], [3, 4]], 4, "x").tolist() == [1, 2, 3, 4]
    for bad in (np.nan, [1, np.inf], "a", None, 1j, [[1], [1, 2]]):
        with pytest.raises(ParameterError, match=r"^x "):
            real_vector(bad, 2, "x")
    with pytest.raises(ShapeError, match="x has 3 values for 2 neurons"):
        real_vector([1, 2, 3], 2, "x")


def test_real_vector_is_a_copy():
    given = np.ones(2)
    real_vector(given, 2, "x")[0] = 5
    assert given[0] == 1


@pytest.mark.parametrize("value", [0.5, True, "1", 2**70, [[1], [2, 3]], None])
def test_int_vector_takes_integers_only(value):
    with pytest.raises(ParameterError, match=r"^x "):
        int_vector(value, 2, 0, 10, "x")


def test_int_vector_limits_are_inclusive():
    assert int_vector([0, 10], 2, 0, 10, "x").tolist() == [0, 10]
    for value in (-1, 11, np.uint64(2**64 - 1)):
        with pytest.raises(ParameterError, match=r"is outside 0 \.\. 10"):
            int_vector(value, 2, 0, 10, "x")


def test_sparse_matrix_keeps_stored_zeros_and_is_sorted():
    given = sp.csr_array((np.array([1.0, 0.0, 3.0]), np.array([2, 0, 1]), np.array([0, 2, 3])), shape=(2, 3))
    kept = checked_weight(given, "w", (2, 3)).given
    assert kept.indices.tolist() == [0, 2, 1]
    assert kept.data.tolist() == [0, 1, 3]
    assert given.indices.tolist() == [2, 0, 1]


def test_sparse_indices_out_of_range_are_refused():
    bad = sp.csr_array((np.ones(2), np.array([0, 1]), np.array([0, 1, 2])), shape=(2, 3))
    bad.indices[1] = 7
    with pytest.raises(ParameterError, match="w: the sparse weight is malformed"):
        checked_weight(bad, "w", (2, 3))


def test_synapse_stored_twice_is_refused():
    twice = sp.csr_array((np.ones(2), np.array([1, 1]), np.array([0, 2])), shape=(1, 2))
    with pytest.raises(ParameterError, match="a synapse occurs twice"):
        checked_weight(twice, "w", (1, 2))


@pytest.mark.parametrize("weight", [np.ones((2, 2)) * 1j, np.ones((2, 2), bool), [["a", "b"], ["c", "d"]]])
def test_weights_are_real_numbers(weight):
    with pytest.raises(ParameterError, match="not real numbers"):
        checked_weight(weight, "w", (2, 2))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
def test_weights_are_finite(value, form):
    with pytest.raises(ParameterError, match="w: a weight is NaN or infinite"):
        checked_weight(form([[1.0, value]]), "w", (1, 2))


def test_other_values_on_the_same_synapses():
    dense = np.arange(6).reshape(2, 3)
    assert as_weight(dense).with_values(np.arange(6) * 2).given.tolist() == (dense * 2).tolist()
    sparse = sp.csr_array(([1, 2], [2, 0], [0, 1, 2]), shape=(2, 3))
    assert as_weight(sparse).with_values(np.array([5, 6])).given.toarray().tolist() == [[0, 0, 5], [6, 0, 0]]


@settings(max_examples=60)
@given(
    post=st.integers(1, 9),
    pre=st.integers(1, 9),
    density=st.sampled_from((0.0, 0.2, 0.9)),
    at_once=st.sampled_from((1, 5, 1000)),
    seed=st.integers(0, 2**32 - 1),
)
def test_sums_of_magnitudes(post, pre, density, at_once, seed):
    """However many rows are summed at a time, rows without a synapse included."""
    rng = np.random.default_rng(seed)
    dense = np.where(rng.random((post, pre)) < density, rng.integers(-256, 255, (post, pre)), 0).astype(np.int16)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "_SYNAPSES_AT_ONCE", at_once)
        for weight in (dense, sp.csr_array(dense)):
            found = as_weight(weight).absolute_row_sums()
            np.testing.assert_array_equal(found, np.abs(dense.astype(np.int64)).sum(axis=1), strict=True)


def test_wide_indices_are_narrowed_and_the_callers_stay_his():
    wide = sp.csr_array((np.ones(3), np.array([0, 1, 1], np.int64), np.array([0, 2, 3], np.int64)), shape=(2, 2))
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    kept = checked_weight(wide, "here", (2, 2)).given
    assert kept.indices.dtype == kept.indptr.dtype == np.int32
    kept.indices[0], kept.data[0] = 1, 5
    assert (wide.indices[0], wide.data[0]) == (0, 1)


class Tensor:
    """What this package asks of a torch tensor: one that needs a gradient, on another device, in bfloat16."""

    layout = "torch.strided"

    def __init__(self, values, detached=False, on_cpu=False, known=False):
        self.values, self.state = values, (detached, on_cpu, known)

    def detach(self):
        return Tensor(self.values, True, *self.state[1:])

    def cpu(self):
        return Tensor(self.values, self.state[0], True, self.state[2])

    def float(self):
        return Tensor(self.values, *self.state[:2], True)

    def resolve_conj(self):
        return self

    resolve_neg = resolve_conj

    def numpy(self):
        if not all(self.state):
            raise TypeError("Got unsupported ScalarType BFloat16")
        return np.asarray(self.values, np.float32)


def test_tensors_are_arrays_wherever_they_stand():
    tensor = Tensor([[1.0, 2.0], [3.0, 4.0]])
    for read in (
        as_array(tensor, "x"),
        real_array(tensor, "x"),
        as_array([Tensor([1.0, 2.0]), Tensor([3.0, 4.0])], "x"),
    ):
        np.testing.assert_array_equal(read, [[1, 2], [3, 4]])
    np.testing.assert_array_equal(real_vector(Tensor([5.0, 6.0]), 2, "x"), [5, 6])
    nested = without_gradient({"a": [Tensor([1.0])], "b": {"c": Tensor([2.0])}, "d": "text"})
    assert nested["a"][0].tolist() == [1]
    assert nested["b"]["c"].tolist() == [2]
    assert nested["d"] == "text"


def test_what_holds_no_tensor_is_handed_on_as_it_is():
    for value in ([1, 2], (), {"a": [1]}, "text", np.ones(2), None):
        assert without_gradient(value) is value
