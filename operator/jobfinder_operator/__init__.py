"""The operator of the job finder platform: it shares one connection budget, applies live tuning, and reports status."""
