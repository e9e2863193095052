"""What makes a cluster: roles, schema, NATS users, tenants and keys. The embedded stack is made by the same
code.
"""
