"""The study of what a drift leaves to learn: its back-propagation, what learns, and how it chooses."""

from dataclasses import replace

import numpy as np
import pytest

import ssdp_hw as sh


def test_back_propagation_runs_the_toolkits_network(studies):
    network = studies.tasks.networks("digits", studies.drift.data("digits"))["float"]
    spikes = np.random.default_rng(0).random((30, 20, 64)) < 0.3
    found = studies.backprop.Chain.of(network).run(spikes.astype(float))
    wanted = sh.run(network, spikes, steps=30).spikes
    for (_, _, fired), name in zip(found, ("hidden", "readout"), strict=True):
        np.testing.assert_array_equal(fired, wanted[name])
        assert fired.any()


def test_gradients_are_those_of_finite_differences(studies):
    """With the fast sigmoid itself as a neuron's output, of which the surrogate is the derivative."""
    generator = np.random.default_rng(1)
    backprop = studies.backprop
    chain = backprop.Chain((generator.normal(0, 0.8, (6, 5)), generator.normal(0, 0.8, (4, 6))), (0.9, 0.8))
    spikes, labels = (generator.random((12, 7, 5)) < 0.4).astype(float), generator.integers(0, 4, 7)
    _, gradients = chain.gradients(spikes, labels, backprop.smooth)
    for weights, gradient in zip(chain.weights, gradients, strict=True):
        for where in np.ndindex(weights.shape):
            losses = []
            for step in (1e-5, -1e-5):
                weights[where] += step
                losses.append(chain.gradients(spikes, labels, backprop.smooth)[0])
                weights[where] -= step
            assert gradient[where] == pytest.approx((losses[0] - losses[1]) / 2e-5, rel=1e-4, abs=1e-8)


@pytest.mark.slow
def test_the_numbers_of_a_row_are_the_best_on_what_is_neither_taught_nor_asked(studies):
    study = studies.bounds
    part = replace(study.SETTINGS.part, taught=40, asked=60)
    settings = replace(study.SETTINGS, part=part, epochs=2, refresh=20, validation=(7,))
    data = study.data("")
    for row in (study.ON_CHIP, study.READOUT, study.INPUT):
        form = studies.teaching.arithmetic(row)
        trial = study.world(settings.part, data, "events", 7, form, validation=True)
        order = np.random.default_rng((7, 2)).permutation(len(data.train_labels))
        np.testing.assert_array_equal(trial.labels, data.train_labels[order[:40]])
        np.testing.assert_array_equal(trial.asked_labels, data.train_labels[order[40:100]])
        right = {choice: study.accuracy(trial, row, choice, settings) for choice in study.GRIDS[row]}
        assert len(set(right.values())) > 1
        choice = study.chosen(settings, data, "events", row)
        assert right[choice] == max(right.values())
        run = study.run("events", row, 0, settings, data)
        assert run["choice"] == list(choice)
        given = study.world(settings.part, data, "events", 0, form, validation=False)
        if row == study.INPUT:
            continue
        network = study.learned(given, row, choice, settings)
        first, last = network.projections
        np.testing.assert_array_equal(first.synapse_weights, given.network.projections[0].synapse_weights)
        assert np.any(last.synapse_weights != given.network.projections[1].synapse_weights)
        whole = sh.run(network, given.asked, steps=len(given.asked), on_overflow="ignore")
        assert run["after"] == np.mean(whole.predict() == given.asked_labels)


def test_back_propagation_through_all_layers_learns_what_it_is_taught(studies):
    study = studies.bounds
    part = replace(study.SETTINGS.part, taught=60, asked=20)
    given = study.world(part, study.data(""), "events", 0, "float", validation=False)
    taught = replace(given, asked=given.taught, asked_labels=given.labels)
    settings = replace(study.SETTINGS, part=part, batch=20)
    before = study.answers(taught, given.network, taught.asked).accuracy
    assert study.accuracy(taught, study.ALL_LAYERS, (3e-3, 10), settings) == 1.0 > before


def test_support_vectors_see_the_input_alone(studies):
    study = studies.bounds
    part = replace(study.SETTINGS.part, taught=200, asked=100)
    given = study.world(part, study.data(""), "events", 0, "float", validation=False)
    assert study.support_vectors(given, (10.0, 1.0)) > 0.8
    blank = replace(given, taught=np.roll(given.taught, 1, axis=1))
    assert study.support_vectors(blank, (10.0, 1.0)) < 0.3
