"""The benchmark: this engine and its peers, in one process and under equal conditions."""
