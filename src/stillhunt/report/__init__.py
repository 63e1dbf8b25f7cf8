"""What people see after a scan: one document, rendered as a page and as JSON."""
