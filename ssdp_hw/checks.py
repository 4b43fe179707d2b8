"""Input checks shared by the network classes: each names the owner, the value, the limit."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence, Set
from enum import EnumMeta, StrEnum
from pathlib import Path
from reprlib import repr as short  # of an array given by mistake, its beginning and its end
from typing import Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.arrays import Array
from ssdp_hw.errors import ParameterError, ShapeError, UnsupportedError

_Number = TypeVar("_Number", bound=np.generic)


class _ByText(EnumMeta):
    """Enums that compare no other values than texts with their members: an array would be compared entry by entry."""

    def __call__(cls, value: object, *args: Any, **kwargs: Any) -> Any:
        if not (args or kwargs or isinstance(value, str)):
            _refuse(cls, short(value))
        return super().__call__(value, *args, **kwargs)


def _refuse(choice: Any, said: str) -> NoReturn:
    known = ", ".join(repr(str(member.value)) for member in choice)
    raise ParameterError(f"{choice.__name__} {said} is unknown; there are: {known}")


class Choice(StrEnum, metaclass=_ByText):
    """An enum of named rules whose members are also reached by their value.

    Raises:
        ParameterError: a value that names no member.
    """

    @classmethod
    def _missing_(cls, value: object) -> NoReturn:
        _refuse(cls, repr(value))


def check_name(name: object, what: str) -> str:
    """A non-empty printable string.

    Raises:
        ParameterError: anything else.
    """
    if not isinstance(name, str) or not name or not name.isprintable():
        raise ParameterError(f"{what}: the name {short(name)} is not a non-empty printable string")
    return name


def check_exact(part: object, known: Collection[type[object]], owner: str, instead: str) -> None:
    """Raise unless a part is of one of the ``known`` classes itself.

    Targets know these classes and read their parameters: a subclass that computes otherwise would run as its parent on
    some of them.

    Args:
        part: what a user gives.
        known: the classes.
        owner: what it is part of, for the message.
        instead: what to do, for the message.

    Raises:
        UnsupportedError: a subclass.
        ParameterError: something else.
    """
    kind = type(part)
    if kind in known:
        return
    parents = [c.__name__ for c in kind.__mro__[1:] if c in known]
    if not parents:
        names = sorted(c.__name__ for c in known)
        raise ParameterError(f"{owner} is of type {kind.__name__}; expected {' or '.join(names)}")
    raise UnsupportedError(
        f"{owner} is of type {kind.__name__}, a subclass of {parents[0]} that targets and files do not know and would "
        f"take for a {parents[0]}; {instead}"
    )


def without_gradient(value: Any) -> Any:
    """A torch tensor as an array, whatever its device, type, layout or gradient; any other value as it is.

    Tensors within lists, tuples and dicts are replaced as well. Types that NumPy does not have, such as bfloat16,
    become float32, which holds their values exactly.

    Raises:
        ParameterError: a tensor without numbers, a nested one, or a masked array that lacks some.
    """
    if isinstance(value, dict):
        plain = {key: without_gradient(item) for key, item in value.items()}
        return value if all(plain[key] is item for key, item in value.items()) else plain
    if type(value) in (list, tuple):
        # Only the first levels of a list of numbers are looked at, since it may be long.
        if not value or isinstance(value[0], int | float | str):
            return value
        items = [without_gradient(item) for item in value]
        return value if all(a is b for a, b in zip(items, value, strict=True)) else type(value)(items)
    if isinstance(value, np.ma.MaskedArray) and bool(np.any(value.mask)):
        raise ParameterError("a masked array lacks the values that are masked; give them, as its method filled() does")
    if not (hasattr(value, "detach") and hasattr(value, "numpy")):
        return value
    if getattr(value, "is_meta", False):
        raise ParameterError("a tensor on the device 'meta' holds no numbers; load its values")
    if getattr(value, "is_nested", False):
        raise ParameterError("a nested tensor has samples of different shapes; give one array, or run each by itself")
    tensor = value.detach().cpu()
    if getattr(tensor, "is_quantized", False):
        tensor = tensor.dequantize()
    if "strided" not in str(getattr(tensor, "layout", "strided")):
        tensor = tensor.to_dense()
    try:
        return tensor.resolve_conj().resolve_neg().numpy()
    except TypeError:
        return tensor.float().numpy()


def as_array(value: object, owner: str) -> Array:
    """``value`` as an array of any type and shape.

    Raises:
        ShapeError: nested sequences of different lengths.
        ParameterError: a tensor without numbers, or a nested one.
    """
    try:
        return np.asarray(without_gradient(value))
    except ParameterError:
        raise
    except ValueError:
        raise ShapeError(f"{owner} is no array: its rows differ in length") from None


def as_int(value: object, owner: str) -> int:
    """``value`` as an integer; floats and truth values are none, whatever they hold.

    Raises:
        ParameterError: not an integer.
    """
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise ParameterError(f"{owner} = {value!r} is not a whole number")
    return int(value)


# The most of what has an entry each in some array: of 64 bits they take 2 GiB.
MOST = 1 << 28


def as_size(value: object, owner: str) -> int:
    """``value`` as a count from 1 to :data:`MOST`.

    Raises:
        ParameterError: not an integer, or outside of that.
    """
    size = as_int(value, owner)
    if size < 1:
        raise ParameterError(f"{owner} = {size}; at least 1 is needed")
    if size > MOST:
        raise ParameterError(f"{owner} = {size}; at most {MOST} are possible")
    return size


def as_path(value: object, owner: str) -> Path:
    """``value`` as a path.

    Raises:
        ParameterError: no text and no path, or one with a null character, which no file system has.
    """
    if not isinstance(value, str | os.PathLike) or not isinstance(os.fspath(value), str):
        raise ParameterError(f"{owner} is a {type(value).__name__}; give a path")
    if "\0" in os.fspath(value):
        raise ParameterError(f"{owner} = {os.fspath(value)!r} has a null character; give another path")
    return Path(value)


def as_names(value: object, owner: str) -> tuple[str, ...]:
    """``value`` as several names.

    Raises:
        ParameterError: a single text, or no sequence of texts.
    """
    if isinstance(value, str):
        raise ParameterError(f"{owner} = {value!r} is a single name; give a list of names, as [{value!r}]")
    names = tuple(value) if isinstance(value, Sequence | Set) else None
    if names is None or not all(isinstance(name, str) for name in names):
        raise ParameterError(f"{owner} is a {type(value).__name__}, no list of names")
    return names


def iterates(value: Any) -> bool:
    """Whether a loop goes over it; an array of no axis says so and does not."""
    try:
        iter(value)
    except TypeError:
        return False
    return True


def as_mapping(value: object, owner: str) -> Mapping[Any, Any]:
    """``value`` as a dict by name; None is an empty one.

    Raises:
        ParameterError: something else.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ParameterError(f"{owner} is a {type(value).__name__}, no dict by name")
    return value


def check_memory(needed: int, limit: int, what: str) -> None:
    """Raise before an allocation of ``needed`` bytes that exceeds ``limit``.

    Raises:
        ParameterError: it does.
    """
    if needed > as_int(limit, "max_bytes"):
        raise ParameterError(f"{what} would take {needed / 2**30:.3g} GiB; the limit is {limit / 2**30:.3g} GiB")


def real_array(value: object, owner: str) -> NDArray[np.float64]:
    """``value`` as finite float64 of any shape.

    Raises:
        ParameterError: not numeric, complex or not finite.
    """
    try:
        array = np.asarray(without_gradient(value))
        if array.dtype.kind == "c":
            raise ParameterError(f"{owner} has complex numbers; give real ones")
        if array.dtype.kind not in "fiub":
            raise TypeError
        array = array.astype(np.float64)
    except ParameterError:
        raise
    except (TypeError, ValueError):
        raise ParameterError(f"{owner} is not numeric: {str(value)[:40]!r}") from None
    if not np.all(np.isfinite(array)):
        raise ParameterError(f"{owner} has a NaN or infinite value; every value must be finite")
    return array


def real_vector(value: object, size: int, owner: str) -> NDArray[np.float64]:
    """``value`` as finite float64 of shape (size,); a scalar is broadcast.

    Raises:
        ParameterError: not numeric or not finite.
        ShapeError: another shape.
    """
    return _broadcast(real_array(value, owner), size, owner)


def positive_or_none(value: object, owner: str) -> float | None:
    """``value`` as a finite float above 0, or None.

    Raises:
        ParameterError: anything else.
    """
    if value is None:
        return None
    return float(positive_vector(value, 1, owner)[0])


def positive_vector(value: object, size: int, owner: str) -> NDArray[np.float64]:
    """``value`` as finite float64 above 0 of shape (size,); a scalar is broadcast.

    Raises:
        ParameterError: not numeric, not finite or not above 0.
        ShapeError: another shape.
    """
    vector = real_vector(value, size, owner)
    if np.any(vector <= 0):
        raise ParameterError(f"{owner} = {float(vector.min()):g} must be above 0")
    return vector


def class_labels(value: object, batch: int, classes: int, steps: int | None = None) -> NDArray[np.int64]:
    """Labels as int64 of shape (batch,), each within 0 .. classes - 1.

    Args:
        value: the labels.
        batch, classes: how many samples and classes there are.
        steps: of the samples, to tell when the axes of time and batch were taken for each other.

    Raises:
        ShapeError: another shape.
        ParameterError: not integers, or not the number of a neuron of the output.
    """
    if value is None:
        raise ParameterError(f"labels is None; the class of each of the {batch} samples is needed")
    array = as_array(value, "labels")
    if array.shape != (batch,):
        raise ShapeError(
            f"labels of shape {array.shape}; expected ({batch},), one a sample{_taken_for_time(array.shape, steps)}"
        )
    if not np.issubdtype(array.dtype, np.integer):
        raise ParameterError(f"labels are {array.dtype}, not integers")
    if array.min() < 0 or array.max() >= classes:
        raise ParameterError(
            f"labels from {array.min()} to {array.max()}; the output has {classes} neurons, 0 .. {classes - 1}"
        )
    return array.astype(np.int64)


def _taken_for_time(labels: tuple[int, ...], steps: int | None) -> str:
    """What to do about labels of that shape, if they fit the axis of time."""
    if steps is None or labels != (steps,):
        return ""
    return (
        f": the spikes are read as (time, batch, channels), {steps} steps; if the samples are their first axis, swap "
        "the two: spikes.swapaxes(0, 1)"
    )


def int_vector(value: object, size: int, low: int, high: int, owner: str) -> NDArray[np.int64]:
    """``value`` as int64 of shape (size,) within low .. high; a scalar is broadcast.

    Raises:
        ParameterError: not an integer type, or out of range.
        ShapeError: another shape.
    """
    array = as_array(value, owner)
    if not np.issubdtype(array.dtype, np.integer):
        raise ParameterError(f"{owner} is {array.dtype}, not integers: chip registers hold integers only")
    outside = array[(array < low) | (array > high)]
    if outside.size:
        raise ParameterError(f"{owner} = {int(outside.flat[0])} is outside {low} .. {high}")
    return _broadcast(array.astype(np.int64), size, owner)


def _broadcast(array: NDArray[_Number], size: int, owner: str) -> NDArray[_Number]:
    if array.ndim == 0 or array.size == 1:
        return np.full(size, array.reshape(-1)[0])
    if array.size != size:
        raise ShapeError(f"{owner} has {array.size} values for {size} neurons: give one, or one a neuron")
    return array.reshape(size).copy()
