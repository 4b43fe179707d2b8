import numpy as np
import pytest
from hypothesis import given, strategies as st

from ssdp_hw import DirectInput, encode
from ssdp_hw.errors import ParameterError, ShapeError
from ssdp_hw.running.encoding import ENCODERS


def test_rate_is_seeded_and_of_the_given_probability():
    values = np.repeat([[0.0, 0.2, 0.5, 1.0]], 50, axis=0)
    spikes = encode(values, "rate", steps=400, seed=3)
    assert spikes.shape == (400, 50, 4)
    assert spikes.dtype == bool
    np.testing.assert_array_equal(spikes, encode(values, "rate", steps=400, seed=3))
    assert (spikes != encode(values, "rate", steps=400, seed=4)).any()
    rates = spikes.mean(axis=(0, 1))
    assert (rates[0], rates[3]) == (0, 1)
    deviation = 5 * np.sqrt(0.2 * 0.8 / 20_000)
    np.testing.assert_allclose(rates[1:3], [0.2, 0.5], atol=deviation)


def test_rate_draws_channels_and_steps_apart():
    spikes = encode(np.full((1, 2), 0.5), "rate", steps=2000, seed=0)[:, 0]
    for a, b in ((spikes[:, 0], spikes[:, 1]), (spikes[1:, 0], spikes[:-1, 0])):
        assert abs(np.mean(a == b) - 0.5) < 5 / np.sqrt(4 * len(a))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.integers(1, 40))
def test_latency_is_one_spike_largest_first(values, steps):
    spikes = encode([values], "latency", steps=steps)[:, 0]
    assert spikes.shape == (steps, len(values))
    assert spikes.sum(axis=0).tolist() == [int(v > 0) for v in values]
    when = spikes.argmax(axis=0)
    for v, t in zip(values, when.tolist(), strict=True):
        if v > 0:
            assert abs(t - (1 - v) * (steps - 1)) <= 0.5
    fired = np.array(values) > 0
    order = np.argsort(np.array(values)[fired])
    assert (np.diff(when[fired][order]) <= 0).all()


def test_direct_keeps_any_finite_value():
    direct = encode([[-3.0, 7.5]], "direct", steps=4)
    assert isinstance(direct, DirectInput)
    assert direct.steps == 4
    assert direct.values.tolist() == [[-3.0, 7.5]]


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize(
    ("values", "more", "error"),
    [
        ([0.5], {}, ShapeError),
        ([[[0.5]]], {}, ShapeError),
        ([[np.nan]], {}, ParameterError),
        ([[np.inf]], {}, ParameterError),
        ([["a"]], {}, ParameterError),
        ([[0.5], [0.5, 0.5]], {}, ParameterError),
        ([[0.5]], {"steps": 0}, ParameterError),
        ([[0.5]], {"steps": 1.5}, ParameterError),
        ([[0.5]], {"steps": True}, ParameterError),
        ([[0.5]], {"steps": None}, ParameterError),
    ],
)
def test_bad_values(encoder, values, more, error):
    with pytest.raises(error):
        encode(values, encoder, **({"steps": 3, "seed": 0} | more))


@pytest.mark.parametrize("encoder", ["rate", "latency"])
@pytest.mark.parametrize("value", [-0.01, 1.01])
def test_values_outside_their_range(encoder, value):
    with pytest.raises(ParameterError, match=f"'{encoder}' encodes 0"):
        encode([[0.5, value]], encoder, steps=3, seed=0)


def test_names_and_seed():
    with pytest.raises(ParameterError, match="'morse' is unknown; there are: rate, latency, direct"):
        encode([[0.5]], "morse", steps=3)
    with pytest.raises(ParameterError, match="give a seed"):
        encode([[0.5]], "rate", steps=3)
