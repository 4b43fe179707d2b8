"""docs/step.png shows what the specification computes, and its page says it in the same numbers."""

import importlib.util
import json
import struct

import pytest
from code_blocks import DOCS


def description(path):
    """The text that matplotlib wrote into a PNG file."""
    data, place = path.read_bytes(), 8
    while place < len(data):
        size, kind = struct.unpack(">I4s", data[place : place + 8])
        if kind == b"tEXt" and data[place + 8 :].startswith(b"Description\0"):
            return data[place + 8 : place + 8 + size].partition(b"\0")[2].decode()
        place += size + 12
    raise AssertionError(f"{path} has no description: draw it with docs/draw_step.py")


def computed():
    pytest.importorskip("matplotlib")
    spec = importlib.util.spec_from_file_location("draw_step", DOCS / "draw_step.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.numbers()


def test_the_picture_is_of_this_specification():
    assert json.loads(description(DOCS / "step.png")) == computed()


def test_the_numbers_are_those_of_the_formulas():
    """By hand, in Python's integers: half of u and an eighth of v are lost, 40 << 6 comes three steps after a spike."""
    found, u, v = computed(), 0, 0
    for step in range(len(found["u"])):
        arriving = 40 * 64 * found["sent"][step - 3] if step >= 3 else 0
        u = u // 2 + arriving
        v = v * 7 // 8 + u
        fired = v > 75 * 64
        v = 0 if fired else v
        assert (u, v, int(fired)) == (found["u"][step], found["v"][step], found["fired"][step])
