"""Many clients of one realtime gateway: `python -m loadtest.realtime` opens them and sends them events."""
