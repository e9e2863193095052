"""Policies and scanners judge the modules, and every security line is one that a policy misses when it is broken."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kit.deploy_tools import ROOT, ask
from kit.scanners import checkov, read_exceptions, trivy, unexcused, without_reason
from kit.terraform import MODULES, TREE, parsed

EXCEPTIONS = read_exceptions(TREE / "scanner-exceptions.json")
POLICIES = sorted((TREE / "policy").glob("*.rego"))
REGO = ROOT / "tests" / "deploy" / "helm" / "rego_answers.py"

UNREAD = ("modules/grafana/main.tf",)
"""Checkov's parser takes an argument named `for` (of alert rules) for a loop; it has no check for Grafana."""

Mutation = Callable[[str], str]


def gone(_line: str) -> str:
    return ""


def instead(pattern: str, by: str) -> Mutation:
    return lambda line: re.sub(pattern, by, line)


SECURITY: dict[str, Mutation] = {
    r"^\s*(storage_encrypted|encrypted|enable_key_rotation) +=": instead("true", "false"),
    r"^\s*(kms_key_id|kms_key|key_arn|kms_master_key_id|performance_insights_kms_key_id|master_user_secret_kms_key_id) += ": gone,
    r"^\s*publicly_accessible +=": instead("false", "true"),
    r"^\s*manage_master_user_password +=": instead(r"manage_\w+ += true", 'password = "hunter2"'),
    r"^\s*deletion_protection +=": instead("var.protected", "false"),
    r"^\s*(skip_final_snapshot|force_destroy|force_delete) +=": instead("!var.protected", "true"),
    r"^\s*delete_automated_backups +=": instead("false", "true"),
    r"^\s*backup_retention_period +=": instead("var.backup_days", "0"),
    r"^\s*(block_public_acls|block_public_policy|ignore_public_acls|restrict_public_buckets) +=": instead(
        "true", "false"
    ),
    r"^\s*object_ownership +=": instead("BucketOwnerEnforced", "ObjectWriter"),
    r"^\s*sse_algorithm +=": instead("aws:kms", "AES256"),
    r'^\s*status += "Enabled"': instead("Enabled", "Suspended"),
    r'^\s*Effect += "Deny"': instead("Deny", "Allow"),
    r'"aws:SecureTransport"': instead("false", "true"),
    r'"s3:TlsVersion"': instead("1.2", "1.0"),
    r'^\s*name += "rds.force_ssl"': instead("rds.force_ssl", "log_hostname"),
    r'^\s*name += "synchronous_commit"': instead("synchronous_commit", "log_hostname"),
    r'^\s*value += "scram-sha-256"': instead("scram-sha-256", "md5"),
    r"^\s*image_tag_mutability +=": instead("IMMUTABLE", "MUTABLE"),
    r"^\s*scan_on_push +=": instead("true", "false"),
    r"^\s*encryption_type +=": instead("KMS", "AES256"),
    r"^\s*http_tokens +=": instead("required", "optional"),
    r"^\s*http_put_response_hop_limit +=": instead("1", "2"),
    r"^\s*endpoint_private_access +=": instead("true", "false"),
    r"^\s*endpoint_public_access +=": instead("= .*", "= true"),
    r"^\s*authentication_mode +=": instead("API", "CONFIG_MAP"),
    r"^\s*bootstrap_cluster_creator_admin_permissions +=": instead("false", "true"),
    r'^\s*resources += \["secrets"\]': instead("secrets", "nothing"),
    r"^\s*enabled_cluster_log_types +=": instead(r"\[.*\]", "[]"),
    r"^\s*Principal += \{ Service": instead(r"\{ Service = .* \}", '"*"'),
    r"^\s*referenced_security_group_id +=": instead(
        "referenced_security_group_id .*", 'cidr_ipv4 = "0.0.0.0/0"'
    ),
    r"^\s*traffic_type +=": instead("ALL", "REJECT"),
    r"^\s*ssl_enforcement +=": instead("true", "false"),
    r"^\s*atomic +=": instead("true", "false"),
    r'^resource "aws_(default_security_group|s3_bucket_public_access_block|flow_log)"': instead(
        '"aws_', '"null_'
    ),
}
"""What makes a line one of security, and how it is broken."""


def resources(files: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Resources and locals of files of HCL, as the policies read them: each argument by its dotted path, and the
    whole as text without quotes.
    """
    named = [
        (kind, name, body)
        for file in files
        for resource in file.get("resource", [])
        for kind, bodies in resource.items()
        for name, body in bodies.items()
    ]
    named += [("locals", "locals", body) for file in files for body in file.get("locals", [])]
    return [
        {
            "kind": kind,
            "name": name,
            "fields": fields(body),
            "parameters": [f"{each['name']}={each['value']}" for each in body.get("parameter", [])],
            "text": json.dumps(body).replace('\\"', ""),
        }
        for kind, name, body in named
    ]


def fields(body: Any, path: str = "") -> dict[str, list[Any]]:
    """The values of each argument, through blocks."""
    found: dict[str, list[Any]] = {}
    if isinstance(body, dict):
        inner = [(f"{path}.{key}".lstrip("."), each) for key, each in body.items()]
    elif isinstance(body, list) and any(isinstance(each, dict) for each in body):
        inner = [(path, each) for each in body]
    else:
        return {path: [body]}
    for place, each in inner:
        for name, values in fields(each, place).items():
            found.setdefault(name, []).extend(values)
    return found


def sources(module: str) -> list[Path]:
    return sorted(
        path
        for path in (TREE / "modules" / module).glob("*.tf")
        if path.name not in ("variables.tf", "outputs.tf", "versions.tf")
    )


def denials(folders: list[list[dict[str, Any]]]) -> list[list[str]]:
    """What the policies have against each module."""
    return ask("chart-python", REGO, folders, *map(str, POLICIES))


def broken_lines() -> dict[str, tuple[Path, str]]:
    """By name, each security line: its file, and the whole text with that line broken."""
    found: dict[str, tuple[Path, str]] = {}
    for path in (path for module in MODULES for path in sources(module)):
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            for pattern, mutation in SECURITY.items():
                if re.search(pattern, line) and not _of_lifecycle(lines, number):
                    text = "\n".join([*lines[:number], mutation(line), *lines[number + 1 :]]) + "\n"
                    found[f"{path.parent.name}/{path.name}:{number + 1} {line.strip()}"] = (path, text)
    return found


def _of_lifecycle(lines: list[str], number: int) -> bool:
    """Whether a line belongs to the rule by which deleted objects are removed, which guards nothing."""
    head = next(line for line in reversed(lines[: number + 1]) if line and not line[0].isspace())
    return "aws_s3_bucket_lifecycle_configuration" in head


def test_no_policy_has_anything_against_any_module():
    files = {module: sources(module) for module in MODULES}
    read = iter(parsed([path for paths in files.values() for path in paths]))
    found = denials([resources([next(read) for _ in paths]) for paths in files.values()])
    assert dict(zip(files, found, strict=True)) == {module: [] for module in MODULES}


def test_each_kind_of_security_line_stands_in_some_module():
    texts = "\n".join(path.read_text(encoding="utf-8") for module in MODULES for path in sources(module))
    assert [pattern for pattern in SECURITY if not re.search(pattern, texts, re.MULTILINE)] == []


@pytest.mark.timeout(300)
def test_breaking_any_security_line_is_denied(tmp_path: Path):
    broken = broken_lines()
    assert len(broken) > 60
    texts: list[Path] = []
    for number, (path, text) in enumerate(broken.values()):
        texts.append(tmp_path / f"{number}-{path.name}")
        texts[-1].write_text(text, encoding="utf-8")
    every = [path for module in MODULES for path in sources(module)]
    read = parsed([*every, *texts])
    whole = dict(zip(every, read, strict=False))
    mutants = [
        resources([mutant, *(whole[other] for other in sources(path.parent.name) if other != path)])
        for (path, _), mutant in zip(broken.values(), read[len(every) :], strict=True)
    ]
    answers = dict(zip(broken, denials(mutants), strict=True))
    assert [name for name, found in answers.items() if not found] == []


@pytest.mark.timeout(300)
def test_checkov_finds_nothing_that_is_not_excused():
    assert unexcused(checkov(TREE, "terraform", passed_min=150, unread=UNREAD), EXCEPTIONS["checkov"]) == []


def test_trivy_finds_nothing_that_is_not_excused():
    assert unexcused(trivy(TREE, passed_min=30), EXCEPTIONS["trivy"]) == []


def test_each_exception_has_a_reason():
    assert without_reason(EXCEPTIONS) == []
