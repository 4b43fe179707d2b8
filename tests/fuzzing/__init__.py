"""Damages files at random and lets this toolkit read them: ``make fuzz``."""
