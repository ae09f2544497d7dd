"""Benchmarks and accuracy studies; run as modules from the project folder."""
