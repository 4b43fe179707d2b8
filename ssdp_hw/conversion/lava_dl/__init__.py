"""Networks from lava-dl's .net files."""
