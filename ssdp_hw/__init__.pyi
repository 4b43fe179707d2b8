"""The public names of the toolkit: the one table of them, read by type checkers and by ``__init__.py``."""

from ssdp_hw.analysis.activity import measure_activity as measure_activity
from ssdp_hw.analysis.comparison import compare as compare
from ssdp_hw.analysis.ladder import loss_ladder as loss_ladder
from ssdp_hw.analysis.proof import prove as prove
from ssdp_hw.analysis.resources import resources as resources
from ssdp_hw.analysis.step_cost import step_costs as step_costs
from ssdp_hw.analysis.verification import verify as verify
from ssdp_hw.chips import load_chip as load_chip
from ssdp_hw.conversion import (
    from_lava_dl as from_lava_dl,
    from_torch as from_torch,
)
from ssdp_hw.conversion.nir import (
    from_nir as from_nir,
    rule_from_nir as rule_from_nir,
    to_nir as to_nir,
    write_nir as write_nir,
)
from ssdp_hw.errors import SsdpHwError as SsdpHwError
from ssdp_hw.estimator import OnChipClassifier as OnChipClassifier
from ssdp_hw.learning.checkpoint import Checkpoint as Checkpoint
from ssdp_hw.learning.evaluation import Evaluation as Evaluation
from ssdp_hw.learning.learn import learn as learn
from ssdp_hw.learning.presentation import Presentation as Presentation
from ssdp_hw.learning.scale import LearningScale as LearningScale, learning_scale as learning_scale
from ssdp_hw.learning.state import LearningState as LearningState
from ssdp_hw.learning.state_file import (
    load_learning as load_learning,
    save_learning as save_learning,
)
from ssdp_hw.learning.supervision import Teaching as Teaching
from ssdp_hw.learning.teacher import Teacher as Teacher
from ssdp_hw.learning.warm_up import fit_gate as fit_gate
from ssdp_hw.microcode import compile_microcode as compile_microcode
from ssdp_hw.models.base import NeuronModel as NeuronModel
from ssdp_hw.models.registry import (
    model_names as model_names,
    neuron_model as neuron_model,
    register_model as register_model,
)
from ssdp_hw.network.convolution import ConvWeight as ConvWeight
from ssdp_hw.network.fixed_network import (
    FixedNetwork as FixedNetwork,
    FixedPopulation as FixedPopulation,
    FixedProjection as FixedProjection,
)
from ssdp_hw.network.float_network import (
    Network as Network,
    Population as Population,
    Projection as Projection,
    Semantics as Semantics,
)
from ssdp_hw.network.formats import WeightFormat as WeightFormat
from ssdp_hw.network.graph_parts import Input as Input
from ssdp_hw.network.model_neuron import (
    ModelNeuron as ModelNeuron,
    neuron as neuron,
)
from ssdp_hw.network.network_file import (
    load as load,
    save as save,
)
from ssdp_hw.network.neurons import (
    IF as IF,
    LI as LI,
    LIF as LIF,
    CubaLI as CubaLI,
    CubaLIF as CubaLIF,
    I as I,
)
from ssdp_hw.neurobench import NeuroBenchNetwork as NeuroBenchNetwork
from ssdp_hw.quantization import (
    dequantize as dequantize,
    quantize as quantize,
)
from ssdp_hw.reporting.report import report as report
from ssdp_hw.rules import (
    SADP as SADP,
    SSDP as SSDP,
    STDP as STDP,
    AliveBit as AliveBit,
    BatchSSDP as BatchSSDP,
    FixedDeclaredRule as FixedDeclaredRule,
    FixedGate as FixedGate,
    FixedSADP as FixedSADP,
    FixedSSDP as FixedSSDP,
    FixedSTDP as FixedSTDP,
    FloatDeclaredRule as FloatDeclaredRule,
    Gate as Gate,
    Quantity as Quantity,
    Rule as Rule,
    RuleFactor as RuleFactor,
    RuleKind as RuleKind,
    RuleModel as RuleModel,
    RuleParameter as RuleParameter,
    RuleVariable as RuleVariable,
    StateRead as StateRead,
    WrittenVariable as WrittenVariable,
    batch_update as batch_update,
    csdp as csdp,
    register_rule as register_rule,
    released_ssdp as released_ssdp,
    rule as rule,
    rule_names as rule_names,
    tess as tess,
)
from ssdp_hw.running.drive import DirectInput as DirectInput
from ssdp_hw.running.encoding import encode as encode
from ssdp_hw.running.events import from_events as from_events
from ssdp_hw.running.run import run as run
from ssdp_hw.running.stream import stream as stream
from ssdp_hw.running.target import Target as Target
from ssdp_hw.running.target_registry import list_targets as list_targets
from ssdp_hw.running.time_limit import limited_time as limited_time
from ssdp_hw.sweeping import (
    Lesson as Lesson,
    RandomSamples as RandomSamples,
    Range as Range,
    search_bits as search_bits,
    sweep as sweep,
)

__version__: str
