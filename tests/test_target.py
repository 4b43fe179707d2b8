import subprocess
import sys

import numpy as np
import pytest

from ssdp_hw import FixedNetwork, FixedPopulation, FixedProjection, Input
from ssdp_hw.errors import ParameterError, TargetUnavailableError, UnknownTargetError, UnsupportedError
from ssdp_hw.rules import SSDP, FixedSSDP
from ssdp_hw.running import target_registry as target
from ssdp_hw.running.drive import make_drive
from ssdp_hw.running.learning_plan import LearningPlan
from ssdp_hw.running.result import Recording
from ssdp_hw.running.run import run
from ssdp_hw.running.target import Availability, Target
from ssdp_hw.running.target_registry import get_target, list_targets


def network(delay=0):
    projection = FixedProjection(pre="in", post="p", weight=[[2]], delay=delay)
    return FixedNetwork([Input("in", 1)], [FixedPopulation(name="p", size=1, vth=1)], [projection], ["p"])


class Fake(Target):
    name = "fake"
    title = "a target of the tests"
    options = {"speed": 3, "colour": "red"}  # noqa: RUF012
    installed = True

    def availability(self):
        return Availability(self.installed, "fake 1.0" if self.installed else "", "pip install fake")

    def unsupported(self, net, *, learning=False):
        return [f"delays above {k}" for k in range(net.max_delay)]

    def run(self, net, drive, record, options):
        return Recording({}, {}, {}, info={"seen": options})


class EntryPoint:
    def __init__(self, load):
        self.load = load


@pytest.fixture
def fake(monkeypatch):
    """A registered target, without an installed package."""
    made = Fake()
    register(monkeypatch, fake=lambda: made)
    return made


def register(monkeypatch, **loaders):
    monkeypatch.setattr(target, "_entry_points", lambda: {name: EntryPoint(load) for name, load in loaders.items()})
    target._load.cache_clear()


@pytest.fixture(autouse=True)
def forget():
    yield
    target._load.cache_clear()


SPIKES = np.ones((2, 1, 1))


def test_spec_is_always_there():
    (spec,) = [t for t in list_targets() if t.name == "spec"]
    assert spec.installed
    assert np.__version__ in spec.version
    assert get_target("spec", network()).name == "spec"


def test_unknown_target():
    with pytest.raises(UnknownTargetError, match=r"target 'abacus' is unknown; there are: .*spec"):
        run(network(), SPIKES, "abacus")


def test_options_have_defaults_and_names(fake):
    assert run(network(), SPIKES, "fake", options={"speed": 9}).info["seen"] == {"speed": 9, "colour": "red"}
    with pytest.raises(ParameterError, match="target 'fake' has no option 'sped'; its options: speed, colour"):
        run(network(), SPIKES, "fake", options={"sped": 9})
    fake.options = {}
    with pytest.raises(ParameterError, match="target 'fake' has no option 'x'; its options: none"):
        run(network(), SPIKES, "fake", options={"x": 1})


def test_missing_installation(fake):
    fake.installed = False
    with pytest.raises(TargetUnavailableError, match="'fake' is not installed; install it with: pip install fake"):
        run(network(), SPIKES, "fake")
    (listed,) = list_targets()
    assert (listed.installed, listed.install) == (False, "pip install fake")


def test_every_reason_why_a_network_cannot_run_is_listed(fake):
    with pytest.raises(UnsupportedError, match="cannot run this network: delays above 0; delays above 1"):
        run(network(delay=2), SPIKES, "fake")


def test_target_that_does_not_learn(fake):
    with pytest.raises(UnsupportedError, match="'fake' cannot learn"):
        fake.learn(network(), None, LearningPlan({}), {})


@pytest.mark.parametrize("error", [ImportError("no module\nnamed abacus"), AttributeError("TARGET"), RuntimeError()])
def test_target_that_fails_to_load_spoils_nothing(monkeypatch, error):
    def fail():
        raise error

    good = Fake()
    register(monkeypatch, broken=fail, fake=lambda: good)
    words = rf"target 'broken' cannot be loaded \({type(error).__name__}"
    with pytest.raises(TargetUnavailableError, match=words) as caught:
        run(network(), SPIKES, "broken")
    assert "\n" not in str(caught.value)
    broken, working = list_targets()
    assert (broken.name, broken.installed, working.installed) == ("broken", False, True)
    assert type(error).__name__ in broken.install


def test_entry_point_that_is_no_target(monkeypatch):
    register(monkeypatch, odd=dict)
    with pytest.raises(TargetUnavailableError, match=r"no ssdp_hw\.running\.target\.Target"):
        run(network(), SPIKES, "odd")
    assert not list_targets()[0].installed


def test_plastic_projections_share_their_commit_windows():
    assert LearningPlan({"a": SSDP(windows_per_update=3), "b": SSDP(windows_per_update=3)}).windows_per_update == 3
    for rules in ({}, {"a": SSDP(windows_per_update=3), "b": SSDP()}):
        with pytest.raises(ParameterError, match="one windows_per_update in common"):
            _ = LearningPlan(rules).windows_per_update


@pytest.mark.slow
def test_the_package_of_targets_hides_no_public_name():
    """``ssdp_hw.targets`` is a package, so the function that lists targets has another name."""
    code = "import ssdp_hw as sh; before = sh.list_targets(); import ssdp_hw.targets.spec; "
    code += "print(sh.list_targets() == before, type(ssdp_hw.targets).__name__, callable(ssdp_hw.targets))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["True", "module", "False"], done.stderr


@pytest.mark.parametrize("name", ["spec", "engine", "lava", "brian2"])
@pytest.mark.parametrize(
    ("windows", "windows_per_update", "message"),
    [
        (1, 1, "exceeds the 63"),
        (3, 3, "64 steps are no multiple of the 3"),
        (2, 1, "windows_per_update = 1 is no multiple"),
    ],
)
def test_windows_that_a_rule_cannot_hold_are_refused_by_every_target(name, windows, windows_per_update, message):
    """Also without ``learn``, which checks them too: tables by distance end where the register does."""
    runner = get_target(name)
    net = FixedNetwork(
        [Input("in", 2)],
        [FixedPopulation(name="out", size=2, vth=4)],
        [FixedProjection(pre="in", post="out", weight=np.full((2, 2), 8), name="w")],
        ["out"],
    )
    plan = LearningPlan(
        {"w": FixedSSDP(a_plus=1, a_baseline=1, lut=(255,), lsb_shift=8, windows_per_update=windows_per_update)},
        windows_per_sample=windows,
    )
    with pytest.raises(ParameterError, match=message):
        runner.learn(net, make_drive(net, np.zeros((64, 1, 2), bool)), plan, runner.resolve({}))
