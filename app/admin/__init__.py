"""Administration: actions of accounts with the flag `admin`; each action is written to the audit log."""
