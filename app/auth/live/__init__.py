"""Which of many sessions are live."""
