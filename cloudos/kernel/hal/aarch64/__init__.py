"""AArch64: Linux image header, device tree, EL1, GIC, PSCI. Source: Arm Architecture Reference Manual (DDI 0487)."""
