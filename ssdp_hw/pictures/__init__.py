"""Pictures of networks, runs and results, one file each; methods such as ``result.plot()`` draw them.

A picture takes ``ax=``, one matplotlib Axes that it fills (several panels share its place), and makes a figure by
pyplot where there is none. It gives back its Axes: one, or an array of them from top to bottom. Titles say what is
found, and colours differ for colour-blind readers as well.
"""
