"""Scores of accounts, learnt from judgements or from campaigns injected into an operator's own traffic."""
