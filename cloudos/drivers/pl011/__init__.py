"""Arm's PrimeCell UART."""
