"""`openapi.request`, which `call: openapi` becomes."""
