"""The whole system on the simulated machine."""
