"""Stillhunt finds, stops and proves the illicit distillation of language models."""

__version__ = "0.1.0"
