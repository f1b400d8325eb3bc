"""What the benchmark measures, by topic. Runs in each of the compared programs."""
