"""The simulated machine: the third architecture, which exists only under CPython."""
