"""One module per construct of the language, each with the same few functions.

`begin` starts a task whose input is ready; `child_completed` and `child_faulted` receive the end of a
task within; `timer_fired` receives a timer of the task. Each returns an `Outcome`; no module knows
another construct. A new construct needs a module here, a frame in `state.py`, and cases in
`dispatch.py`; pyright reports a forgotten case.
"""
