"""Templates of documents and mails."""
