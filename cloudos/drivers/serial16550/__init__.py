"""Serial ports of the 16550 family."""
