"""Capabilities, labels and the audit ring."""
