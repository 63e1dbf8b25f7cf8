from __future__ import annotations

from stillhunt.campaigns.log import Log
from stillhunt.campaigns.signals.signal import Artefacts, shared


def shares_parameters(log: Log) -> Artefacts:
    """Accounts ask with the same rare combination of token cap, temperature and number of tools.

    Null: an account uses a combination in proportion to its popularity in this log and to how many combinations the
    account uses, independently of every other account.

    Unit: accounts that carry a combination. Misleads when a program's defaults are shared by its users. Belongs to
    the family of the client program, with templates and agents.
    Source: own; parameters are part of the harness that a harvest is run with.
    """
    cap, heat = "'cap ' || max_tokens", "', temperature ' || round(temperature, 3)"
    combination = f"{cap} || {heat} || ', tools ' || coalesce(tools, 0)"
    return shared(log, combination, f"'parameters: ' || {combination}")
