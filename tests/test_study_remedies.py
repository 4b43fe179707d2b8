"""The study of remedies for drifts: what each row moves, what it is told, and how its numbers are chosen."""

from dataclasses import replace

import numpy as np
import pytest

import ssdp_hw as sh


@pytest.fixture(scope="module")
def study(studies):
    return studies.remedies


@pytest.fixture(scope="module")
def settings(study):
    part = replace(study.SETTINGS.part, taught=40, asked=50)
    return replace(study.SETTINGS, part=part, epochs=1, refresh=20, validation=7)


def thresholds(population):
    fixed = isinstance(population, sh.FixedPopulation)
    return population.vth if fixed else population.neuron.parameter("v_threshold")


def moved(before, after):
    """Which projections and populations two networks differ in, by weights and thresholds."""
    ends = [(p, after.projection(p.name)) for p in before.projections]
    cells = [(p, after.population(p.name)) for p in before.populations]
    return {p.name for p, other in ends if np.any(p.synapse_weights != other.synapse_weights)} | {
        p.name for p, other in cells if np.any(thresholds(p) != thresholds(other))
    }


# Rows by their place in the study: those that other rows are parts of, and those whose rules have tests of their own,
# are slow.
ROWS = [pytest.param(k, marks=pytest.mark.slow if k in (2, 4, 5) else []) for k in range(8)]


@pytest.mark.slow
@pytest.mark.parametrize("number", ROWS)
def test_each_row_moves_what_it_says(study, settings, number):
    assert len(study.ROWS) == len(ROWS)
    row = study.ROWS[number]
    whats = {
        study.HIDDEN: {"fc1", "fc2"},
        study.RATES: {"hidden"},
        study.RATES_FLOAT: {"hidden"},
        study.BOTH: {"hidden", "fc2"},
    }
    form = "float" if row.endswith("float") else "fixed"
    world = study.world(settings.part, study.data(""), "dead pixels", 0, form, validation=False)
    network = study.LEARN[row](world, study.GRIDS[row][-1], settings)
    assert moved(world.network, network) == whats.get(row, {"fc2"})


def test_thresholds_learn_without_labels_and_toward_the_rates_before_the_drift(study, settings):
    world = study.world(settings.part, study.data(""), "dead pixels", 0, "fixed", validation=False)
    choice = (3e-3, 3.0)
    learned = study.by_thresholds(world, choice, settings)
    blind = study.by_thresholds(replace(world, labels=world.labels[::-1]), choice, settings)
    np.testing.assert_array_equal(learned.population("hidden").vth, blind.population("hidden").vth)
    wanted = study.hidden(world.network, world.remembered).mean(axis=(0, 1))
    away = [
        np.abs(study.hidden(network, world.taught).mean(axis=(0, 1)) - wanted).sum()
        for network in (world.network, learned)
    ]
    assert away[1] < 0.5 * away[0]


@pytest.mark.slow
def test_numbers_are_the_best_of_a_world_that_is_not_asked(study, settings):
    data, row = study.data(""), study.RATES
    trial = study.world(settings.part, data, "events", settings.validation, "fixed", validation=True)
    right = {
        c: study.answers(trial, study.LEARN[row](trial, c, settings), trial.asked).accuracy for c in study.GRIDS[row]
    }
    assert len(set(right.values())) > 1
    found = study.run("events", row, 0, settings, data)
    assert right[tuple(found["choice"])] == max(right.values())
    given = study.world(settings.part, data, "events", 0, "fixed", validation=False)
    network = study.LEARN[row](given, tuple(found["choice"]), settings)
    whole = sh.run(network, given.asked, steps=len(given.asked), on_overflow="ignore")
    assert found["after"] == np.mean(whole.predict() == given.asked_labels)
