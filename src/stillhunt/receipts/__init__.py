"""Signed receipts for answers, and the log that nobody can rewrite. The page to follow is ``spec/receipt.md``.

Who verifies needs ``verify`` and ``chain`` alone; who issues starts at ``issuer``, or mounts ``asgi``.
"""
