"""The closed set of integer operations in which neuron models are written, and their meanings.

A model is one Python function of these operations. Called with NumPy arrays it is the executable specification
(:mod:`.exact`), with floats the ideal arithmetic without rounding and overflow (:mod:`.ideal`), with symbols a graph
(:mod:`.graph`) that targets print as code of their own and in which every node has an interval. With torch, integers
carry gradients (:mod:`.straight_through`).
"""
