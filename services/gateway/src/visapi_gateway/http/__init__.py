"""HTTP: the ASGI shell, the operations, and the OpenAPI document made from them."""
