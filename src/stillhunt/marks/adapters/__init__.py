"""Marks inside other people's engines. Each module needs its engine installed; nothing else imports them."""
