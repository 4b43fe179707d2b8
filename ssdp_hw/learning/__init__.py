"""On-chip learning: samples presented to a network whose weights follow a rule."""
