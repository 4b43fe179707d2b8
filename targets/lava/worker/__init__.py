"""What runs inside the worker subprocess: needs NumPy, SciPy and lava-nc, nothing of the toolkit.

The worker may be another interpreter in which the toolkit is not installed. It finds this package
by its folder, so its modules import one another relatively and nothing else of the project.
"""
