"""The benchmark: this engine beside its peers, in one process and under equal conditions."""
