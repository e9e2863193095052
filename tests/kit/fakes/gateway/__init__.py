"""One fake for each port of the gateway's services; each passes the suite of its real adapter
(`services/gateway/tests/integration/ports`). Fakes of one test share their rows (`GatewayTables`).
"""
