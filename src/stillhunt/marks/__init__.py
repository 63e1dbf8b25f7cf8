"""Keyed marks in answers: keys, schemes, exact tests, what power they have. Wire formats: spec/marks.md."""
