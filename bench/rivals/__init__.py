"""What else is used against pooled accounts: one file a rival, each a function from a log to a score per account."""
