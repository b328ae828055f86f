"""Layer 4: the shell and the utilities."""
