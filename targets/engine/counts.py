"""How many overflow counts a population may have."""

COUNTS = 8
