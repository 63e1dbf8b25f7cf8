"""Was a model trained on our answers? Tests whose null is our own randomness (design, section 6, rung A)."""
