"""Float and fixed-point networks: populations joined by projections."""
