"""`pdf.render`."""
