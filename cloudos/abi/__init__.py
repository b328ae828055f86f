"""The binary interface between kernel, programs and host tool: declared here, derived everywhere else."""
