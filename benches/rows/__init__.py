"""The rows of the benchmark, by topic. They run in each of the compared programs."""
