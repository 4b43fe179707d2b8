"""Conformance: any neuron model, learning rule or target against the reference target, bit by bit.

In a test of another package::

    from ssdp_hw.testing import check_neuron_model, check_rule, check_target

    def test_my_neuron():
        check_neuron_model(MODEL)

or from a shell, where every target and network is a test of its own::

    pytest -p ssdp_hw.testing.plugin --pyargs ssdp_hw.testing.suite --neuron-model my_neurons:MODEL
"""

from ssdp_hw.testing.conformance import check_neuron_model, check_rule, check_target

__all__ = ["check_neuron_model", "check_rule", "check_target"]
