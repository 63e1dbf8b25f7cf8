"""The registry of issued answers: an index over keyed sketches (spec/registry.md)."""
