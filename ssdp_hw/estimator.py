"""A scikit-learn classifier that learns in a chip's integers, by a local rule, on any target (extra ``sklearn``)."""

from __future__ import annotations

import warnings
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

import ssdp_hw.learning.nothing_learned as nothing_learned
from ssdp_hw.arrays import Numbers
from ssdp_hw.errors import MissingPackageError, ParameterError
from ssdp_hw.learning.learn import learn
from ssdp_hw.learning.presentation import Presentation
from ssdp_hw.learning.state import LearningState
from ssdp_hw.learning.supervision import Teaching
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.network.float_network import Network, Population, Projection, Semantics
from ssdp_hw.network.graph_parts import Input
from ssdp_hw.network.neurons import LIF
from ssdp_hw.quantization import quantize
from ssdp_hw.rules import Rule
from ssdp_hw.running.drive import DirectInput
from ssdp_hw.running.encoding import encode
from ssdp_hw.running.run import run
from ssdp_hw.running.silence import SilentNetworkWarning

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils.multiclass import check_classification_targets, unique_labels
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise MissingPackageError(
        f"OnChipClassifier needs scikit-learn 1.6 or later ({error}): pip install 'ssdp-hw[sklearn]'"
    ) from None

# Time constants in steps of the network that is made where none is given.
_TAU_HIDDEN, _TAU_READOUT = 8.0, 16.0
# Largest weight of its readout: the chip's weights reach as far in float units.
_LARGEST = 0.2
# Samples of the first batch on which the network is calibrated, at most.
_CALIBRATION = 500


class OnChipClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier whose readout learns in a chip's integers.

    Features become input in every step of a sample; the layers before the readout stay as they are; the readout learns
    by the delta rule with the softmax of its spike counts (``teach="softmax"`` of :func:`ssdp_hw.learn`): the integers
    on the chip are weights of 8 bits, a counter a synapse and presynaptic traces, and there is no float. The class is
    the output neuron that fired most often, the first of several.

    Without a network one is made: each hidden LIF neuron gets ``w * (x - c)`` of the features x, which are scaled to
    0 .. 1 by the smallest and largest of the first batch, with random w and a random point c (an extreme learning
    machine: G.-B. Huang et al., Neurocomputing 70, 2006), and the readout begins with weights of 0.

    Args:
        network: a trained float network, whose features are not scaled; its only projection into the output learns,
            from the weights that it has. Default: a random one.
        hidden: neurons of the random layer.
        encoder: how features become input: ``direct`` or ``rate``, see :func:`ssdp_hw.encode`; for a network that is
            given ``latency``, too.
        steps: of a sample.
        learning_rate: of the delta rule, divided by the mean squared length of the vectors of spike counts of the first
            batch, so that it does not depend on the size of the network.
        temperature: by so many spikes a count has to be lower for a probability e times lower.
        epochs: of ``fit``; ``partial_fit`` presents its samples once.
        refresh: samples between two predictions of the readout that the errors are taken from.
        rounding: of the weights, see :class:`~ssdp_hw.Rule`.
        chip: see :func:`ssdp_hw.quantize`.
        target: where it runs and learns; default the fastest.
        random_state: an int: seed of the random network, the order of the samples, ``rate`` and random rounding.

    Attributes:
        classes_: the classes, in the order of the output neurons.
        network_: the fixed network as it is now.
        n_features_in_: features of a sample.
        windows_: samples that were taught.
    """

    def __init__(
        self,
        network: Network | None = None,
        *,
        hidden: int = 200,
        encoder: str = "direct",
        steps: int = 32,
        learning_rate: float = 1.0,
        temperature: float = 2.0,
        epochs: int = 10,
        refresh: int = 20,
        rounding: str = "carry",
        chip: str = "loihi",
        target: str | None = None,
        random_state: int = 0,
    ) -> None:
        self.network = network
        self.hidden = hidden
        self.encoder = encoder
        self.steps = steps
        self.learning_rate = learning_rate
        self.temperature = temperature
        self.epochs = epochs
        self.refresh = refresh
        self.rounding = rounding
        self.chip = chip
        self.target = target
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> OnChipClassifier:  # noqa: N803 - scikit-learn's name
        """Learn from the beginning.

        Args:
            X: features, shape (samples, features).
            y: classes, shape (samples,).

        Raises:
            ValueError: features or classes that cannot be learned.
        """
        values, labels = validate_data(self, X, y)
        self._begin(values, unique_labels(self._targets(labels)))
        return self._teach(values, labels, self.epochs)

    def partial_fit(self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None) -> OnChipClassifier:  # noqa: N803
        """Learn from more samples, each presented once; features are scaled as in the first batch.

        Args:
            X, y: as for ``fit``.
            classes: all classes that will ever come; to be given the first time.

        Raises:
            ValueError: features or classes that cannot be learned, or classes that were not announced.
        """
        first = not hasattr(self, "network_")
        values, labels = validate_data(self, X, y, reset=first)
        labels = self._targets(labels)
        if first:
            if classes is None:
                raise ValueError("partial_fit: classes must be given at the first call")
            self._begin(values, unique_labels(classes))
        elif classes is not None and not np.array_equal(unique_labels(classes), self.classes_):
            raise ValueError(
                f"partial_fit: classes {list(unique_labels(classes))} are not those of the first call: "
                f"{list(self.classes_)}"
            )
        return self._teach(values, labels, 1)

    def predict(self, X: ArrayLike) -> Numbers:  # noqa: N803
        """The class of each sample, shape (samples,)."""
        counts = self._counts(X)
        found: Numbers = self.classes_[np.argmax(counts, axis=1)]
        return found

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """Softmax of the spike counts over the temperature, of which learning takes its errors: (samples, classes)."""
        scaled = self._counts(X) / self.temperature
        powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        found: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
        return found

    def _counts(self, X: ArrayLike) -> NDArray[np.int64]:  # noqa: N803
        """Spikes of each output neuron, shape (samples, classes)."""
        check_is_fitted(self, "network_")
        values = validate_data(self, X, reset=False)
        return self._spikes(self.network_, values)[self.network_.outputs[0]]

    def _targets(self, labels: Any) -> Any:
        check_classification_targets(labels)
        return labels

    def _begin(self, values: NDArray[np.float64], classes: Numbers) -> None:
        """Make the fixed network and the rule."""
        if self.network is None and self.encoder == "latency":
            raise ParameterError(
                "OnChipClassifier: encoder = 'latency' sends one spike a feature, too few for the random network; "
                "choose direct or rate, or give a network that was trained on such spikes"
            )
        if len(classes) < 2:
            raise ValueError(f"OnChipClassifier: y holds one class, {classes}; at least two are needed")
        self.classes_ = classes
        self._low, self._high = values.min(axis=0), values.max(axis=0)
        network = self._random_network(values.shape[1], len(classes)) if self.network is None else self.network
        self._check(network, values.shape[1], len(classes))
        [learns] = [p for p in network.projections if p.post == network.outputs[0]]
        fixed = quantize(network, self.chip, calibration=self._input(values[:_CALIBRATION]))
        if self.network is None:
            fixed = fixed.with_mantissas({learns.name: np.zeros(learns.shape, np.int64)})
        counts = self._spikes(fixed, values[:_CALIBRATION])[learns.pre].astype(np.float64)
        length = float(np.mean(np.sum(counts**2, axis=1)))
        self._plastic = learns.name
        self._rule = Rule(
            "a*x1*u0",
            a=self.learning_rate / max(length, 1.0),
            tau_x1=1e3,  # the trace counts the spikes of a sample
            trace_bits=12,
            trace_rounding="nearest",
            counter_bits=24,
            clip=float(np.abs(learns.stored_weights).max()) if self.network is not None else _LARGEST,
            rounding=self.rounding,
        )
        self.network_: FixedNetwork = fixed
        self._state: LearningState | None = None
        self.windows_ = 0

    def _check(self, network: Network, features: int, classes: int) -> None:
        """Raise unless a network fits the features and classes.

        Raises:
            ParameterError: it does not.
        """
        if not isinstance(network, Network):
            raise ParameterError(
                f"OnChipClassifier: network is a {type(network).__name__}; give a float ssdp_hw.Network"
            )
        sizes = [i.size for i in network.inputs], [network.size_of(name) for name in network.outputs]
        wanted = features + (self.network is None)
        if sizes != ([wanted], [classes]):
            raise ParameterError(
                f"OnChipClassifier: the network has inputs of {sizes[0]} and outputs of {sizes[1]} neurons; these data "
                f"need one input of {features} and one output of {classes}"
            )

    def _random_network(self, features: int, classes: int) -> Network:
        generator = np.random.default_rng(self.random_state)
        w = generator.normal(size=(self.hidden, features)) / np.sqrt(features)
        bias = -np.sum(w * generator.random(w.shape), axis=1, keepdims=True)
        readout = generator.uniform(-_LARGEST, _LARGEST, (classes, self.hidden))  # they give quantisation its scale
        return Network(
            inputs=[Input("features", features + 1)],
            populations=[
                Population(name="hidden", neuron=LIF(size=self.hidden, tau_mem=_TAU_HIDDEN, r=_TAU_HIDDEN)),
                Population(name="readout", neuron=LIF(size=classes, tau_mem=_TAU_READOUT, r=_TAU_READOUT)),
            ],
            projections=[
                Projection(pre="features", post="hidden", weight=np.concatenate([w, bias], axis=1)),
                Projection(pre="hidden", post="readout", weight=readout),
            ],
            outputs=["readout"],
            semantics=Semantics(dt=1.0),
        )

    def _input(self, values: NDArray[np.float64]) -> Any:
        """Features as input of the network."""
        if self.network is None:
            spread = np.where(self._high > self._low, self._high - self._low, 1.0)
            values = np.clip((values - self._low) / spread, 0.0, 1.0)
            values = np.concatenate([values, np.ones((len(values), 1))], axis=1)
        if self.encoder == "direct":
            return DirectInput(values, self.steps)
        return encode(values, self.encoder, steps=self.steps, seed=self.random_state)

    def _spikes(self, network: FixedNetwork, values: NDArray[np.float64]) -> dict[str, NDArray[np.int64]]:
        """Spikes of each neuron by population, shape (samples, neurons)."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SilentNetworkWarning)  # before it has learned nothing fires
            ran = run(
                network, self._input(values), self.target, steps=self.steps + network.latency, on_overflow="ignore"
            )
        return {name: raster.sum(axis=0, dtype=np.int64) for name, raster in ran.spikes.items()}

    def _teach(self, values: NDArray[np.float64], labels: Numbers, epochs: int) -> OnChipClassifier:
        unknown = np.setdiff1d(labels, self.classes_)
        if len(unknown):
            raise ValueError(f"OnChipClassifier: y holds {unknown}, which are none of the classes {self.classes_}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", nothing_learned.NothingLearnedWarning)  # a batch that is right already
            warnings.simplefilter("ignore", SilentNetworkWarning)
            learned = learn(
                self.network_,
                self._input(values),
                np.searchsorted(self.classes_, labels),
                {self._plastic: self._rule},
                self.target,
                teach=Teaching("softmax", temperature=self.temperature, refresh=self.refresh),
                presentation=Presentation(epochs, seed=self.random_state),
                state=self._state,
                on_overflow="ignore",
                health=False,
            )
        self.network_, self._state = cast(FixedNetwork, learned.network), learned.state
        self.windows_ += len(labels) * epochs
        return self
