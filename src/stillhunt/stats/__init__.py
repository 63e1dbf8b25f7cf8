"""Arrays in, arrays out: bounds, dispersion, tails, false discovery. No input or output, nothing of the log."""
