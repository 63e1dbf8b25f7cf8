"""One file per signal. A signal's docstring is its documentation, for analysts and for accused customers."""
