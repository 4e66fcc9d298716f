"""Numbers for Prometheus: what each process counts, on an address of its own."""
