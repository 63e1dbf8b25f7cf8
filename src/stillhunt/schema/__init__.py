"""The nouns: frozen values and Arrow schemas. Imports nothing else of Stillhunt's."""
