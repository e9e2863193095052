"""`http.request`, which `call: http` becomes."""
