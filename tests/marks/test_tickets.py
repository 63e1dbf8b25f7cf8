from __future__ import annotations

import pytest

from stillhunt.marks.keys import master_key
from stillhunt.marks.tickets import bucket_of_ticket, bucket_ticket

KEY = master_key(bytes(range(32)))


def test_a_ticket_names_the_accounts_bucket() -> None:
    ticket = bucket_ticket(KEY, "acct-1", "2026-11", 64)
    assert bucket_of_ticket(KEY, "2026-11", ticket) == KEY.bucket_of("acct-1", "2026-11", 64)


@pytest.mark.parametrize(
    "change",
    [lambda t: t[:-1] + ("0" if t[-1] != "0" else "1"), lambda t: "9" + t, lambda t: 7, lambda t: None],
)
def test_anything_else_names_no_bucket(change: object) -> None:
    assert callable(change)
    ticket = bucket_ticket(KEY, "acct-1", "2026-11", 64)
    assert bucket_of_ticket(KEY, "2026-11", change(ticket)) == ""
    assert bucket_of_ticket(KEY, "2026-12", ticket) == ""
    assert bucket_of_ticket(master_key(bytes(32)), "2026-11", ticket) == ""
