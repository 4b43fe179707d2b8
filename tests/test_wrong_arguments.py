"""Whatever an argument of a public function or class is, what is raised is ours and says which it is."""

import math

import numpy as np
import pytest

import ssdp_hw as sh
from ssdp_hw.running.run import OverflowWarning
from ssdp_hw.running.silence import SilentNetworkWarning


def network():
    rng = np.random.default_rng(0)
    lif = {"tau_mem": 1e-2, "v_threshold": 0.05}
    return sh.Network(
        [sh.Input("in", 4)],
        [
            sh.Population(name="h", neuron=sh.LIF(size=5, **lif)),
            sh.Population(name="out", neuron=sh.LIF(size=3, **lif)),
        ],
        [
            sh.Projection(pre="in", post="h", weight=rng.normal(0.3, 0.3, (5, 4))),
            sh.Projection(pre="h", post="out", weight=rng.normal(0.3, 0.3, (3, 5))),
        ],
        ["out"],
        sh.Semantics(1e-3),
    )


RNG = np.random.default_rng(1)
NET, SPIKES, LABELS = network(), RNG.random((10, 6, 4)) < 0.4, RNG.integers(0, 3, 6)
FIXED = sh.quantize(NET)  # without a calibration, since each worker collects this file and would run the engine
RULE = sh.SSDP(a_plus=0.05, a_baseline=0.01, sigma=3.0)
RAN = sh.run(FIXED, SPIKES, "spec")
EVENT = np.array([(0, 0)], [("x", int), ("t", int)])
# A folder in place of OUT is made by the test.
OUT = object()

# Functions and classes with arguments that are right.
CALLS = {
    "run": (sh.run, {"network": FIXED, "inputs": SPIKES, "target": "spec", "record": ("spikes", "v"),
                     "populations": ["out"], "steps": 12, "on_overflow": "ignore", "max_bytes": 10**9, "options": {}}),
    "stream": (sh.stream, {"network": FIXED, "pieces": [SPIKES], "path": OUT, "target": "engine", "record": ("spikes",),
                           "populations": ["out"], "on_overflow": "ignore", "max_bytes": 10**9, "options": {}}),
    "quantize": (sh.quantize, {"network": NET, "chip": "loihi", "calibration": SPIKES, "weight_bits": 6,
                               "sign_mode": "mixed", "method": "mse", "granularity": "projection", "split": 1,
                               "overrides": {"in->h": {"weight_bits": 4}}, "headroom": 2.0}),
    "dequantize": (sh.dequantize, {"network": FIXED}),
    "compare": (sh.compare, {"network": NET, "fixed": FIXED, "inputs": SPIKES, "labels": LABELS, "targets": ["spec"],
                             "decode": "spike_count", "steps": 12, "options": {}, "max_batch_bytes": 10**8}),
    "loss_ladder": (sh.loss_ladder, {"network": NET, "inputs": SPIKES, "labels": LABELS, "fixed": FIXED,
                                     "source": LABELS, "target": "spec", "decode": "spike_count", "steps": 12}),
    "verify": (sh.verify, {"model": NET, "network": NET, "samples": SPIKES}),
    "prove": (sh.prove, {"fixed": FIXED}),
    "resources": (sh.resources, {"network": FIXED}),
    "measure_activity": (sh.measure_activity, {"network": FIXED, "inputs": SPIKES, "target": "spec", "steps": 12}),
    "learn": (sh.learn, {"network": FIXED, "inputs": SPIKES, "labels": LABELS, "rule": RULE, "target": "spec",
                         "plastic": ["h->out"], "teach": "all", "presentation": sh.Presentation(epochs=1),
                         "gates": None, "state": None, "on_overflow": "ignore", "health": False, "options": {}}),
    "save": (sh.save, {"network": FIXED, "path": OUT}),
    "load": (sh.load, {"path": "none.h5", "max_bytes": 10**9}),
    "write_nir": (sh.write_nir, {"network": NET, "path": OUT, "rule": RULE}),
    "to_nir": (sh.to_nir, {"network": NET, "rule": None}),
    "from_nir": (sh.from_nir, {"source": sh.to_nir(NET), "dt": 1e-3}),
    "save_learning": (sh.save_learning, {"network": FIXED, "state": sh.LearningState(), "path": OUT}),
    "encode": (sh.encode, {"values": np.full((2, 3), 0.5), "encoder": "rate", "steps": 5, "seed": 0}),
    "Input": (sh.Input, {"name": "in", "size": 4}),
    "Population": (sh.Population, {"name": "p", "neuron": sh.LIF(size=5, tau_mem=1e-2), "bias": 0.0}),
    "Projection": (sh.Projection, {"pre": "a", "post": "b", "weight": np.ones((2, 3)), "delay": 0, "name": "q"}),
    "LIF": (sh.LIF, {"size": 3, "tau_mem": 1e-2, "r": 1.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0}),
    "CubaLIF": (sh.CubaLIF, {"size": 3, "tau_mem": 1e-2, "tau_syn": 1e-2, "v_threshold": 1.0, "w_in": 1.0}),
    "FixedPopulation": (sh.FixedPopulation, {"name": "p", "size": 3, "du": 4095, "dv": 10, "vth": 5, "bias_mant": 0,
                                             "bias_exp": 0, "v_init": 0, "reset": "zero", "threshold": ">",
                                             "spiking": True, "scale": 1.0}),
    "FixedProjection": (sh.FixedProjection, {"pre": "a", "post": "b", "weight": np.full((2, 3), 2), "delay": 0,
                                             "weight_exp": 0, "name": "q"}),
    "WeightFormat": (sh.WeightFormat, {"bits": 8, "sign_mode": "mixed", "scale_bits": 8}),
    "ConvWeight": (sh.ConvWeight, {"kernel": np.ones((1, 1, 2, 2)), "shape_in": (1, 4, 4), "stride": 1, "padding": 0,
                                   "dilation": 1, "groups": 1}),
    "Semantics": (sh.Semantics, {"dt": 1e-3}),
    "DirectInput": (sh.DirectInput, {"values": np.ones((2, 3)), "steps": 5}),
    "SSDP": (sh.SSDP, {"a_plus": 0.1, "a_baseline": 0.1, "sigma": 1.0, "clip": 1.0, "counter_bits": 16,
                       "rounding": "carry", "windows_per_update": 1}),
    "STDP": (sh.STDP, {"a_plus": 0.1, "a_minus": 0.1, "tau_plus": 10.0, "tau_minus": 10.0}),
    "SADP": (sh.SADP, {"a_plus": 0.1, "a_minus": 0.1}),
    "Rule": (sh.Rule, {"dw": "a*x1*y0", "a": 0.1, "trace_bits": 7, "clip": 1.0, "counter_bits": 16}),
    "rule": (sh.rule, {"model": "Oja", "eta": 0.01, "forget": 0.1}),
    "released_ssdp": (sh.released_ssdp, {"form": "transformer", "steps": 10}),
    "compile_microcode": (sh.compile_microcode, {"rule": RULE, "window": 7, "scale": 100.0, "exponentials": 1}),
    "load_chip": (sh.load_chip, {"chip": "loihi"}),
    "Presentation": (sh.Presentation, {"epochs": 1, "shuffle": True, "seed": 0, "steps": 10, "windows": 1}),
    "Teaching": (sh.Teaching, {"teach": "all", "decode": "spike_count", "refresh": 5, "temperature": 2.0}),
    "Evaluation": (sh.Evaluation, {"x": SPIKES, "y": LABELS, "every": 2}),
    "Checkpoint": (sh.Checkpoint, {"path": "c.h5", "every": 2}),
    "sweep": (sh.sweep, {"study": dict, "grid": {"a": [1]}, "data": {"b": 1}, "store": OUT}),
    "Range": (sh.Range, {"low": 1, "high": 2, "scale": "log", "integer": False}),
    "from_events": (sh.from_events, {"samples": [(EVENT, 0)], "dt": 1e-3, "steps": 5, "sensor_size": (1, 1, 1),
                                     "time_unit": 1e-6, "start": "first", "count": 1, "max_bytes": 10**6}),
    "RunResult.predict": (RAN.predict, {"decode": "spike_count", "population": "out"}),
    "RunResult.spike_rate": (RAN.spike_rate, {"population": "out"}),
    "with_mantissas": (FIXED.with_mantissas, {"mantissas": {"in->h": FIXED.projections[0].mantissa}}),
    "with_weights": (NET.with_weights, {"weights": {"in->h": np.ones((5, 4))}}),
}  # fmt: skip
WRONG = [
    None, object(), "x", "", "a\0b", -1, 0, 1.5, 2**40, 2**70, -(2**70), math.nan, math.inf, 1j, True, b"x", float,
    set(), [], {}, (), [[1, 2], [3]], {"x": None}, np.float64("nan"), np.array(object()),
]  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_any_argument_may_be_wrong(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    function, right = CALLS[name]

    class One:
        """An executor."""

        def submit(self, function, *given):
            raise OSError("not here")

    def call(**given):
        numbers = iter(range(10**6))
        made = {k: tmp_path / f"{next(numbers)}.out" if v is OUT else v for k, v in given.items()}
        return function(**made, **({"executor": One()} if name == "sweep" else {}))

    for argument in right:
        for wrong in WRONG:
            if argument == "model" and callable(wrong):
                continue  # a function of the user's, which may raise what it likes
            try:
                call(**{**right, argument: wrong})
            except (sh.SsdpHwError, SilentNetworkWarning, OverflowWarning):
                pass
            except Exception as error:
                raise AssertionError(f"{name}({argument}={wrong!r}) raises {type(error).__name__}: {error}") from error
