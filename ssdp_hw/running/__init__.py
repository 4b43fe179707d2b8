"""Runs: what goes into a network, the interface of targets, and what comes back.

``run.py`` runs all steps at once, ``stream.py`` piece by piece, ``many.py`` batch by batch. ``encoding.py`` makes
spikes of values, ``drive.py`` checks input, ``result.py`` is what comes back and ``decoding.py`` makes classes of it.
``target.py`` is the interface of a target, ``target_registry.py`` finds one by its name.
"""
