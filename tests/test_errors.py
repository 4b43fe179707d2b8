"""Messages of errors are one line of printable characters, whatever they cite."""

import pickle

import pytest
from hypothesis import given, strategies as st

import ssdp_hw as sh
from ssdp_hw import errors

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.SsdpHwError)]


@given(st.sampled_from(KINDS), st.text(st.characters(exclude_categories=())))
def test_any_text_becomes_one_printable_line(kind, text):
    error = kind(f"'{text}' is unknown")
    assert str(error).isprintable()
    str(error).encode()
    if text.isprintable():
        assert str(error) == f"'{text}' is unknown"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_a_name_with_a_line_break_is_cited_as_python_writes_it():
    with pytest.raises(sh.SsdpHwError, match=r"chip 'a\\nb'"):
        sh.load_chip("a\nb")
