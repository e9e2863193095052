"""What users install: the command line, the client and the embedded stack."""
