"""The audit log: what is written to it beside the statements that cause what they log."""
