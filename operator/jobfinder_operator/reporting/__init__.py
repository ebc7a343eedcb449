"""What the operator tells: status, events, metrics, probes."""
