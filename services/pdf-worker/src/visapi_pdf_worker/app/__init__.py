"""The use cases of the PDF worker; they name the Protocols they need."""
