import numpy as np
import pytest
from hypothesis import given, strategies as st

from ssdp_hw.operations.philox import neuron_layer, philox4x32, synapse_random

ONES = 0xFFFFFFFF
# Random123's kat_vectors, philox4x32 with 10 rounds: counter, key, answer.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ONES,) * 4, (ONES,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]
words = st.integers(0, ONES)


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_known_answers(counter, key, answer):
    assert tuple(int(w) for w in philox4x32(counter, key)) == answer


def py_philox(counter, key):
    """The ten rounds in Python's unbounded integers."""
    c, (k0, k1) = list(counter), key
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k0, b & ONES, (a >> 32) ^ c[3] ^ k1, a & ONES]
        k0, k1 = (k0 + 0x9E3779B9) & ONES, (k1 + 0xBB67AE85) & ONES
    return tuple(c)


@given(st.tuples(words, words, words, words), st.tuples(words, words))
def test_any_counter_and_key(counter, key):
    assert tuple(int(w) for w in philox4x32(counter, key)) == py_philox(counter, key)


def test_arrays_are_the_single_answers():
    counters = np.arange(5)
    together = philox4x32((counters, 1, 2, 3), (4, 5))
    for k in range(5):
        assert together[:, k].tolist() == list(py_philox((k, 1, 2, 3), (4, 5)))


@given(st.integers(0, 2**64 - 1), words, st.integers(0, 2**34 - 1), words, st.integers(0, 32))
def test_synapse_random_is_the_documented_word(seed, layer, synapse, update, bits):
    block = py_philox((synapse // 4, layer, update, 0), (seed % 2**32, seed // 2**32))
    expected = block[synapse % 4] >> (32 - bits)
    assert int(synapse_random(seed, layer, synapse, update, bits)) == expected
    assert synapse_random(seed, layer, np.array([synapse]), update, bits).tolist() == [expected]


def test_synapses_draw_the_same_in_any_order():
    order = np.random.default_rng(0).permutation(101)
    plain = synapse_random(7, 1, np.arange(101), 2, 20)
    np.testing.assert_array_equal(synapse_random(7, 1, order, 2, 20), plain[order])
    assert len(set(plain.tolist())) > 95


def test_every_part_of_the_key_matters():
    draws = {
        tuple(synapse_random(seed, layer, np.arange(8), update, 32).tolist())
        for seed in (0, 1, 2**32)
        for layer in (0, 1)
        for update in (0, 1)
    }
    assert len(draws) == 12


def test_no_bits_is_zero():
    assert synapse_random(1, 0, np.arange(9), 0, 0).tolist() == [0] * 9


@given(st.integers(0, 2**20 - 1), st.integers(0, 1), st.integers(0, 100))
def test_the_layer_of_a_neuron_is_its_documented_sum(layer, side, number):
    """No layer of a projection, none of the other side, and none of another draw; without a number the first draw."""
    assert neuron_layer(layer, side, number) == layer + 2**31 + side * 2**30 + number * 2**20
    assert neuron_layer(layer, side) == neuron_layer(layer, side, 0)
