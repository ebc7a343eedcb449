"""The operator of the job finder platform: one connection budget, live tuning, honest status."""
