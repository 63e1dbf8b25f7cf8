"""The command line. Other rooms are used by it, none uses it."""

import os

# Arrow hands pages back to the system 10 ms after their last use, and then gets them anew, zeroed, for the next batch:
# a twentieth of what ingest costs. A command ends soon, and its peak is the same. Read when Arrow is loaded.
os.environ.setdefault("MIMALLOC_PURGE_DELAY", "-1")
# Room is made ready at once, not piece by piece: another fortieth, and no memory that is not written to.
os.environ.setdefault("MIMALLOC_ARENA_EAGER_COMMIT", "1")
