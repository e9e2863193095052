"""The notifier: everything outbound leaves here."""
