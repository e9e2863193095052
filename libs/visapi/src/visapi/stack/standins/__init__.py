"""Stand-ins for the world outside: a mail sink, a webhook receiver and a Slack that speak the real protocols.

The demo runs them as processes, tests start them in-process. Each can be told to misbehave.
"""
