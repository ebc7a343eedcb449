"""Administration: what only accounts with the flag `admin` may do, each act of which is in the audit log."""
