"""One fake for each port of the orchestrator's services; each passes the suite of its real adapter
(`services/orchestrator/tests/integration/ports`). Fakes of one test share their rows (`FakeRows`).
"""
