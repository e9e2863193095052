"""Runtime expressions: a gate for hostile jq, a native path for simple expressions, jq for the rest.

The native path answers only when it is certain that jq would give the same answer; everything
else, every type error included, is left to jq. So there is one meaning and one set of messages.
"""
