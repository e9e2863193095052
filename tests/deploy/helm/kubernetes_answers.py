"""Runs in the environment of kubernetes-validate: objects and versions on stdin, what is wrong with them on stdout."""

import json
import sys

import kubernetes_validate  # pyright: ignore[reportMissingImports]

question = json.load(sys.stdin)
wrong: list[str] = []
unknown: set[str] = set()
for version in question["versions"]:
    for each in question["objects"]:
        title = f"{version} {each['kind']}/{each['metadata']['name']}"
        try:
            kubernetes_validate.validate(each, version, strict=True)
        except kubernetes_validate.SchemaNotFoundError:
            unknown.add(f"{each['apiVersion']} {each['kind']}")
        except kubernetes_validate.ValidationError as error:
            wrong.append(f"{title}: {'/'.join(map(str, error.path))}: {error.message}")
json.dump({"wrong": wrong, "unknown": sorted(unknown)}, sys.stdout)
