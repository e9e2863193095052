"""The notifier's edges: the deliveries ledger, the mail relay, the template process."""
