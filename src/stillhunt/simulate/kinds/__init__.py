"""Kinds of honest customers, and of abuse that is not distillation; one file per family of kinds."""
