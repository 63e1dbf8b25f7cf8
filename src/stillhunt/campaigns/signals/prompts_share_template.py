from __future__ import annotations

from stillhunt.campaigns.log import Log
from stillhunt.campaigns.signals.signal import Artefacts, shared


def prompts_share_template(log: Log) -> Artefacts:
    """Accounts send prompts that were filled from one template.

    Prompts are compared by a keyed sketch, never by their text: prompts with most of their five-letter pieces in
    common often fall into one template band, others hardly ever.

    Null: an account takes up a template in proportion to the template's popularity in this log and to how many
    different templates the account uses, independently of every other account.

    Unit: accounts that carry a band. Misleads when a tool, a course or a form letter gives strangers one template:
    popular templates weigh little, and a template alone, without agreement in another family, proves nothing.
    Source: locality-sensitive hashing of MinHash sketches (Broder 1997; Indyk and Motwani 1998).
    """
    return shared(log, "prompt_sketch[1:4]", "'prompt template ' || lower(hex(prompt_sketch[1:4]))")
