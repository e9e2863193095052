"""Work whose cost an attacker chooses, beside a bystander: schemas, bodies, definitions, mails, templates."""

import asyncio
import json
from typing import Any

import pytest

from attacks.bystander import Bystander
from attacks.harness import AttackStack, Tenant
from attacks.stalls import no_stalls

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

BOMB = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


def workflow(name: str, schema: Any = None, task: str = "set: {done: true}") -> str:
    head = f"document: {{dsl: '1.0.3', namespace: attacks, name: {name}, version: '1.0.0'}}\n"
    stated = "" if schema is None else f"input: {{schema: {{document: {json.dumps(schema)}}}}}\n"
    return f"{head}{stated}do:\n  - work:\n      {task}\n"


async def deploy_any(attacker: Tenant, body: bytes) -> int:
    answer = await attacker.client.post(
        "/v1/workflows", content=body, headers={"Content-Type": "application/yaml"}
    )
    return answer.status_code


async def test_references_that_double(stack: AttackStack, attacker: Tenant, bystander: Bystander) -> None:
    definitions: dict[str, Any] = {
        f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}, {"$ref": f"#/$defs/d{n + 1}"}]} for n in range(40)
    }
    definitions["d40"] = {"type": "integer"}
    schema = {"$defs": definitions, "properties": {"x": {"$ref": "#/$defs/d0"}}}
    target = await attacker.deploy(workflow("doubling", schema))
    attack = "doubling references"
    async with no_stalls(stack, "gateway", attack=attack), bystander.at_work(attack=attack):
        answers = await asyncio.gather(*(attacker.start(target, {"x": 1}) for _ in range(8)))
    assert {answer.status_code for answer in answers} <= {422, 429}
    assert "CPU time" in answers[0].text or "longer than" in answers[0].text


@pytest.mark.full
async def test_300_kb_of_wrong_numbers(stack: AttackStack, attacker: Tenant, bystander: Bystander) -> None:
    target = await attacker.deploy(workflow("numbers", {"items": {"type": "string"}}))
    attack = "wrong numbers"
    async with no_stalls(stack, "gateway", attack=attack), bystander.at_work(attack=attack):
        for _ in range(8):
            answer = await attacker.start(target, list(range(50_000)))
            assert answer.status_code == 422, answer.text
            assert len(answer.json()["errors"]) <= 50


async def test_large_bodies_of_much_structure(
    stack: AttackStack, attacker: Tenant, bystander: Bystander
) -> None:
    target = await attacker.deploy(workflow("structure"))
    body = b"[" + b",".join([b'{"a":1}'] * 120_000) + b"]"
    attack = "120,000 objects"
    async with no_stalls(stack, "gateway", attack=attack), bystander.at_work(attack=attack):
        for _ in range(8):
            answer = await attacker.client.post(
                target, content=body, headers={"Content-Type": "application/json"}
            )
            assert answer.status_code in (202, 413), answer.text


async def test_yaml_that_is_large_or_full_of_aliases_or_of_wrong_keywords(
    stack: AttackStack, attacker: Tenant, bystander: Bystander
) -> None:
    head = "document: {dsl: '1.0.3', namespace: attacks, name: yaml, version: '1.0.0'}\n"
    large = head + "do:\n" + "".join(f"- t{n}: {{set: {{a: 1}}}}\n" for n in range(40_000))
    laughs = (
        head
        + "a: &a [x,x,x,x]\n"
        + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(9))
    )
    keywords = head + "do:\n- t:\n    set: {}\n" + "".join(f"{'docu' * 12}{n:06}: 1\n" for n in range(9_000))
    attack = "definitions"
    async with no_stalls(stack, "gateway", attack=attack), bystander.at_work(attack=attack):
        bodies = [large, laughs, keywords] * 2
        found = await asyncio.gather(*(deploy_any(attacker, body.encode()[:1_040_000]) for body in bodies))
    assert set(found) <= {400, 422, 429}, found


@pytest.mark.full
async def test_the_html_of_a_mail_without_any_end(
    stack: AttackStack, attacker: Tenant, bystander: Bystander
) -> None:
    mail = "call: notify.email\n      with: {to: a@example.com, subject: x, html: '${ .html }'}"
    target = await attacker.deploy(workflow("mail", task=mail))
    attack = "HTML without end"
    async with no_stalls(stack, "notifier", attack=attack), bystander.at_work("mail", "hook", attack=attack):
        for bomb in ("<a ", "<!--", "<a b='", "</"):
            answer = await attacker.start(target, {"html": bomb * 12_000}, wait_s=30)
            assert answer.json()["status"] == "completed", answer.text


@pytest.mark.full
async def test_eight_templates_that_never_end(
    stack: AttackStack, attacker: Tenant, bystander: Bystander
) -> None:
    document = "call: pdf.render\n      with: {template: {source: '${ .source }'}}"
    mail = "call: notify.email\n      with: {to: a@example.com, subject: x, template: '${ .source }'}"
    targets = [
        await attacker.deploy(workflow("pdf-bomb", task=document)),
        await attacker.deploy(workflow("mail-bomb", task=mail)),
    ]
    attack = "template bombs"
    services = ("notifier", "pdf-worker")
    async with no_stalls(stack, *services, attack=attack), bystander.at_work("pdf", "mail", attack=attack):
        started = [attacker.start(target, {"source": BOMB}, wait_s=5) for target in targets for _ in range(8)]
        await asyncio.gather(*started)
        async with asyncio.timeout(60):
            while not await _ended(stack, "pdf-worker") or not await _ended(stack, "notifier"):
                await asyncio.sleep(0.5)


async def _ended(stack: AttackStack, service: str) -> float:
    """How many templates were ended for what they used."""
    name = "visapi_bounded_jobs_total"
    return sum([await stack.metric(service, name, job="template", outcome=one) for one in ("cpu", "wall")])
