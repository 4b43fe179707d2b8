"""On-chip learning: samples presented to a network whose weights follow a rule.

``learn.py`` is the call and ``learner.py`` the loop over samples: ``presentation.py`` orders them, ``supervision.py``
chooses which are taught and ``teacher.py`` how, ``evaluation.py`` and ``checkpoint.py`` act between them, ``health.py``
says what rounding cost. The rules are in :mod:`ssdp_hw.rules`.
"""

from ssdp_hw.deprecation import moved_names

__getattr__ = moved_names(__name__, ("LearnResult", "Teach", "learn"), "ssdp_hw.learning.learn")
