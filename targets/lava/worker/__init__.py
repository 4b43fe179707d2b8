"""The code of the worker subprocess, which imports NumPy, SciPy and lava-nc, but not the toolkit.

The worker may be another interpreter in which the toolkit is not installed. It finds this package
by its folder, so these modules import one another relatively and no other module of the project.
"""
