"""Kernel objects, one file each, with the system calls that work on them."""
