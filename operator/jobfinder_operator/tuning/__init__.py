"""The service's live tuning file: its contents and its rollout to the pods."""
