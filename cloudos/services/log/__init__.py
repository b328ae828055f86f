"""Log: records of all components, in a ring."""
