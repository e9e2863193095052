"""Runs in the environment of regopy: policies as arguments, a list of renders on stdin, the denials of each on stdout."""

import json
import sys
from pathlib import Path

from regopy import Interpreter  # pyright: ignore[reportMissingImports]

interpreter = Interpreter()
for policy in sys.argv[1:]:
    interpreter.add_module(policy, Path(policy).read_text(encoding="utf-8"))
answers: list[list[str]] = []
for objects in json.load(sys.stdin):
    interpreter.set_input({"objects": objects})
    [found] = interpreter.query("data.visapi.deny").results[0].expressions
    answers.append(sorted(found))
json.dump(answers, sys.stdout)
