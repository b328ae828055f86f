"""The real-time clock of Arm machines."""
