"""The microkernel: the only code of CloudOS that runs in supervisor mode."""
