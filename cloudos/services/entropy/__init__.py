"""Entropy: random bytes for keys and nonces."""
