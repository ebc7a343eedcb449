"""The audit log: entries that have a statement of their own, such as failed logins."""
