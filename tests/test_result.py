import numpy as np
import pytest

from ssdp_hw.errors import ParameterError
from ssdp_hw.running.result import OverflowCount, Record, RunResult, first_divergence


def result(spikes=None, v=None, u=None, outputs=("p",), steps=4, batch=2):
    return RunResult(spikes or {}, v or {}, u or {}, outputs, "spec", "fixed", steps, batch, 0.0, None, {})


def traces(*changes, n=3, dtype=np.int64):
    array = np.zeros((4, 2, n), dtype)
    for place, value in changes:
        array[place] = value
    return {"p": array}


def test_record():
    record = Record(("v", "u"), ("a",))
    assert [record.wants(v, p) for v in ("v", "spikes") for p in "ab"] == [True, False, False, False]
    assert not Record(("w",), ("a",), frozenset({("w", "a")})).wants("w", "a")


def test_overflow_counts_add_up():
    total = OverflowCount(1, 2, 3) + OverflowCount(10, 20, 30)
    assert total == OverflowCount(11, 22, 33)
    assert total.total == 44
    assert OverflowCount().total == 0


def test_output():
    assert result().output == "p"
    with pytest.raises(ParameterError, match=r"several outputs, .*'a', 'b'.*: name one"):
        _ = result(outputs=("a", "b")).output


def test_spike_rate():
    spikes = traces(((0, 0, 0), True), ((1, 1, 1), True), dtype=bool) | {"q": np.ones((4, 2, 1), bool)}
    r = result(spikes)
    assert r.spike_rate("p") == 2 / 24
    assert r.spike_rate() == 10 / 32
    assert result().spike_rate() == 0
    with pytest.raises(ParameterError, match=r"'none'.*recorded"):
        r.spike_rate("none")


def test_equal_runs_do_not_diverge():
    assert first_divergence(result(v=traces()), result(v=traces())) is None


def test_earliest_step_wins_over_variables_and_within_a_step_causes_come_first():
    late = result(spikes=traces(dtype=bool), v=traces(((3, 0, 0), 7)), u=traces())
    early = result(spikes=traces(((2, 1, 2), True), dtype=bool), v=traces(((2, 1, 1), 5)), u=traces())
    d = first_divergence(early, late)
    assert (d.variable, d.population, d.step, d.sample, d.neuron, d.left, d.right) == ("v", "p", 2, 1, 1, 5, 0)
    assert str(d) == "v of 'p' at step 2, sample 1, neuron 1: 5 against 0"
    assert first_divergence(result(v=late.v), result(v=traces())).step == 3
    assert first_divergence(result(spikes=early.spikes), result(spikes=late.spikes)).variable == "spikes"


def test_only_what_both_recorded_is_compared():
    left = result(v=traces() | {"q": np.ones((4, 2, 1))}, u=traces(((0, 0, 0), 1)))
    assert first_divergence(left, result(v=traces())) is None
    with pytest.raises(ParameterError, match="recorded nothing in common"):
        first_divergence(result(v=traces()), result(u=traces()))


def test_tolerance():
    left, right = result(v=traces(((1, 0, 0), 0.5), dtype=float)), result(v=traces(dtype=float))
    assert first_divergence(left, right, 0.5) is None
    assert first_divergence(left, right, 0.49).step == 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_diverges_whatever_the_tolerance(value):
    odd = result(v=traces(((1, 0, 0), value), dtype=float))
    assert first_divergence(odd, result(v=traces(dtype=float)), 1e300).step == 1
    if not np.isnan(value):
        assert first_divergence(odd, odd) is None
        assert first_divergence(odd, result(v=traces(((1, 0, 0), -value), dtype=float)), 1e300).step == 1


def test_runs_that_cannot_be_compared():
    with pytest.raises(ParameterError, match="cannot be compared"):
        first_divergence(result(), result(steps=5))
    with pytest.raises(ParameterError, match=r"'p'.*neurons"):
        first_divergence(result(v=traces()), result(v=traces(n=4)))
