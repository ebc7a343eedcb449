"""The service's live tuning file: what it holds, and how it reaches the pods."""
