"""A buyer's audit of a vendor: its receipts, the buyer's own gateway log and the invoice held against each other
(spec/audit.md)."""
