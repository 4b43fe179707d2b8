"""What to write instead of an operation that no network can do."""

from __future__ import annotations

from ssdp_hw.conversion.torch.values import words

_MAXIMUM = "no neuron computes the maximum of currents: take that of spikes as neurons send them, or add them"
_NEURONS = "spiking neurons are the only non-linearity that a network has: remove it, or put neurons in its place"
_DEFAULT = "write it with sums, constant factors, linear layers and averages, or do it outside the module"
_BY_NAME = {
    "gt ge lt le eq ne greater greater_equal less less_equal not_equal where sign sgn heaviside": (
        "prepare the input outside the module; between layers only neurons compare, by their thresholds"
    ),
    "layer_norm group_norm instance_norm normalize rms_norm softmax log_softmax norm": (
        "it divides by what each sample itself holds: train with batch normalisation, whose numbers stay"
    ),
    "relu relu6 leaky_relu prelu rrelu elu selu celu gelu silu mish sigmoid logsigmoid tanh softplus softsign "
    "hardsigmoid hardswish hardshrink softshrink abs absolute square pow exp log sqrt sin cos": _NEURONS,
    "bernoulli rand_like randn_like poisson normal": (
        "a network answers alike each time: encode the input outside the module, with ssdp_hw.encode"
    ),
    "maximum max amax fmax": _MAXIMUM,
    "clamp clip clamp_min clamp_max hardtanh": (
        "no neuron limits a current, only a number of spikes to 1: train without it, or set reset and threshold"
    ),
    "reciprocal": "divide by constants only",
    "bool logical_or bitwise_or or": (
        "keep spikes as the numbers 0 and 1: torch.maximum(a, b) of spikes is their OR, and becomes a population"
    ),
    "logical_and bitwise_and and logical_xor bitwise_xor xor logical_not bitwise_not invert": (
        "keep spikes as the numbers 0 and 1: 1 - a is NOT; an AND takes neurons that both have to drive"
    ),
    "topk argmax argmin argsort sort kthvalue scatter one_hot": (
        "no neuron compares currents: let neurons inhibit each other by their spikes of the last step"
    ),
    "linear_dynamic quantize_per_tensor quantize_per_channel quantize_per_tensor_dynamic": (
        "give the module as it was before torch's quantisation: ssdp_hw.quantize rounds to the chip's integers"
    ),
}
_ADVICE = {name: text for names, text in _BY_NAME.items() for name in words(names)}


def advice_for(name: str) -> str:
    """What to write instead of the operation of that name."""
    if name.startswith(("max_pool", "adaptive_max_pool", "fractional_max_pool")):
        return "no neuron computes the maximum of currents: pool behind the neurons, or use an average"
    return _ADVICE.get(name, _DEFAULT)


def is_never_affine(name: str) -> bool:
    """Whether an operation of that name cannot be expressed however its input is cut into steps."""
    return name in _ADVICE
