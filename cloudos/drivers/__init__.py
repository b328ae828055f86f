"""Drivers: programs that were given a device, each with a component.toml."""
