"""One module per construct of the language, each with the same few functions.

`begin` starts a task whose input is ready; `child_completed` and `child_faulted` are told what
became of a task within; `timer_fired` of a timer of its own. Each answers an `Outcome`; none
knows another construct. To add one: a module here, its frame in `state.py`, its cases in
`dispatch.py`; pyright refuses a forgotten case.
"""
