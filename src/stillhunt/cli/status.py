"""Exit statuses of every command (contract, section 2)."""

DONE = 0
FOUND = 1
"""``scan`` found a campaign; a verifier found what does not verify; ``demo`` disagreed with its truth."""
UNUSABLE = 2
"""Unusable input or arguments."""
PARTIAL = 3
"""Some input was skipped; the run says what and why. Outranks FOUND."""
INTERNAL = 70
INTERRUPTED = 130
"""Stopped by a person or by the system; nothing was written."""
PIPE_CLOSED = 141
"""Whoever read standard output has gone."""
