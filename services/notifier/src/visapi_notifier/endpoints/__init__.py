"""Webhooks to endpoints: claimed from the ledger, sent, and tried again for three days."""
