"""The language of simulated texts: words, patterns of prompts, patterns of instructions."""
