"""Templates over HTTP: immutable versions, what is refused, previews in bounded processes."""

import asyncio
import base64
from pathlib import Path
from typing import Any

from kit.servers import NatsServer

HERE = "/v1/templates/welcome"
PNG = base64.b64encode(b"\x89PNG not really").decode()


def mail(text: str = "Hello {{ name }}", **more: Any) -> dict[str, Any]:
    locales = {"en": {"subject": "Welcome", "text": text}, "de": {"text": "Hallo {{ name }}"}}
    return {"kind": "email", "locales": locales, "test_data": {"name": "Ada"}, **more}


async def test_other_contents_make_a_version_and_the_same_contents_none(gateway: Any) -> None:
    first = await gateway.http.put(HERE, json=mail())
    assert (first.status_code, first.json()["version"]) == (201, 1), first.text
    again = await gateway.http.put(HERE, json=mail())
    assert (again.status_code, again.json()) == (200, first.json())
    second = await gateway.http.put(HERE, json=mail("Dear {{ name }}"))
    assert (second.status_code, second.headers["location"]) == (201, f"{HERE}/versions/2")
    back = await gateway.http.put(HERE, json=mail())
    assert (back.status_code, back.json()["version"], back.json()["sha256"]) == (
        201,
        3,
        first.json()["sha256"],
    )

    newest = await gateway.http.get(HERE)
    assert (newest.json()["version"], newest.headers["etag"]) == (3, back.headers["etag"])
    kept = (await gateway.http.get(f"{HERE}/versions/2")).json()
    assert kept["sources"]["en"] == {"subject": "Welcome", "text": "Dear {{ name }}"}
    assert kept["test_data"] == {"name": "Ada"}
    listed = (await gateway.http.get(f"{HERE}/versions", params={"limit": 2})).json()
    assert [item["version"] for item in listed["items"]] == [3, 2]
    rest = (await gateway.http.get(f"{HERE}/versions", params={"limit": 2, "cursor": listed["next"]})).json()
    assert [item["version"] for item in rest["items"]] == [1]
    assert [item["name"] for item in (await gateway.http.get("/v1/templates")).json()["items"]] == ["welcome"]
    audited = (await gateway.http.get("/v1/audit", params={"action": "template.put"})).json()["items"]
    assert [row["details"]["version"] for row in audited] == [3, 2, 1]


async def test_of_two_who_read_the_same_one_changes_the_template(gateway: Any) -> None:
    tag = {"If-Match": (await gateway.http.put(HERE, json=mail())).headers["etag"]}
    puts = (gateway.http.put(HERE, json=mail(text), headers=tag) for text in ("a", "b"))
    assert sorted(answer.status_code for answer in await asyncio.gather(*puts)) == [201, 412]
    assert (await gateway.http.delete(HERE, headers=tag)).status_code == 412


async def test_a_retired_name_is_unknown_and_its_versions_are_still_there(gateway: Any) -> None:
    await gateway.http.put(HERE, json=mail())
    assert (await gateway.http.delete(HERE)).status_code == 204
    for answer in (await gateway.http.get(HERE), await gateway.http.delete(HERE)):
        assert (answer.status_code, answer.json()["code"]) == (404, "template_not_found")
    assert (await gateway.http.get("/v1/templates")).json()["items"] == []
    assert (await gateway.http.get(f"{HERE}/versions/1")).status_code == 200
    assert (await gateway.http.get(f"{HERE}/versions/{2**40}")).status_code == 404
    again = await gateway.http.put(HERE, json=mail())
    assert (again.status_code, again.json()["version"]) == (201, 2)


async def test_every_mistake_is_named_before_anything_is_stored(gateway: Any) -> None:
    async def pointers(body: dict[str, Any]) -> list[str]:
        answer = await gateway.http.put(HERE, json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "template_invalid"), answer.text
        return [error["pointer"] for error in answer.json()["errors"]]

    wrong = {"en": {"text": "{% if %}", "html": "{{ 1|nothing }}", "subject": "{% include 'x' %}"}}
    assert await pointers(mail(locales=wrong)) == [
        "/locales/en/html",
        "/locales/en/subject",
        "/locales/en/text",
    ]
    assert await pointers(mail(default_locale="fr", assets={"a.exe": {"base64": ""}})) == [
        "/default_locale", "/assets/a.exe"
    ]  # fmt: skip
    document = {"kind": "pdf", "locales": {"en": {"text": "x"}}}
    assert await pointers(document) == ["/locales/en/text", "/locales/en"]
    missing = {"artifact": "0" * 64 + ".png"}
    assert await pointers(mail(assets={"logo.png": missing})) == ["/assets/logo.png/artifact"]
    assert (await gateway.http.get(HERE)).status_code == 404

    await gateway.http.put(HERE, json=mail())
    other_kind = await gateway.http.put(HERE, json={"kind": "pdf", "locales": {"en": {"html": "x"}}})
    builtin = await gateway.http.put("/v1/templates/visa-certificate", json=mail())
    assert {each.json()["code"] for each in (other_kind, builtin)} == {"template_exists"}


async def test_a_template_that_is_refused_leaves_no_file(
    serve: Any, shared_nats: NatsServer, tmp_path: Path
) -> None:
    def files() -> set[Path]:
        return {path for path in (tmp_path / "artifacts").rglob("*") if path.is_file()}

    async with serve(shared_nats, tenant_templates_max=1) as gateway:
        big = mail("other", assets={"logo.png": {"base64": PNG}})
        absent = await gateway.http.put(HERE, json=big, headers={"If-Match": '"other"'})
        assert (absent.status_code, files()) == (412, set())
        first = await gateway.http.put(HERE, json=mail())
        kept = files()
        assert (first.status_code, len(kept)) == (201, 1), first.text

        wrong = await gateway.http.put(HERE, json=big, headers={"If-Match": '"other"'})
        document = {"kind": "pdf", "locales": {"en": {"html": "x"}}, "assets": big["assets"]}
        for refused, status, code in (
            (wrong, 412, "precondition_failed"),
            (await gateway.http.put(HERE, json=document), 409, "template_exists"),
            (await gateway.http.put(HERE, json=big), 409, "quota_exceeded"),
            (await gateway.http.put("/v1/templates/second", json=big), 409, "quota_exceeded"),
        ):
            assert (refused.status_code, refused.json()["code"]) == (status, code), refused.text
        assert files() == kept
        assert (await gateway.http.get("/v1/templates/second")).status_code == 404
        assert (await gateway.http.put(HERE, json=mail())).status_code == 200, "it is no new version"


async def test_a_preview_shows_the_fitting_locale_with_assets(gateway: Any) -> None:
    html = "<p>{{ name }}</p><img src=\"{{ asset('logo.png') }}\">"
    locales = {"en": {"html": "en {{ name }}"}, "de": {"html": html, "subject": "{{ name }}"}}
    body = mail(locales=locales, assets={"logo.png": {"base64": PNG}})
    assert (await gateway.http.put(HERE, json=body)).status_code == 201
    shown = await gateway.http.post(f"{HERE}/preview", json={"locale": "de-AT", "data": {"name": "<Ada>"}})
    assert shown.json() == {
        "version": 1,
        "locale": "de",
        "html": f'<p>&lt;Ada&gt;</p><img src="data:image/png;base64,{PNG}">',
        "subject": "<Ada>",
        "text": None,
    }
    assert (await gateway.http.post(f"{HERE}/preview")).json()["html"] == "en Ada"
    failed = await gateway.http.post(f"{HERE}/preview", json={"locale": "de", "data": {}})
    assert (failed.status_code, failed.json()["code"]) == (422, "template_failed")
    assert "name" in failed.json()["detail"]


async def test_endless_templates_of_one_tenant_keep_no_other_tenant_waiting(gateway: Any) -> None:
    bomb = "{% for a in range(99999) %}{% for b in range(99999) %}{{ a * b }}{% endfor %}{% endfor %}"
    await gateway.http.put("/v1/templates/bomb", json=mail(bomb))
    other = gateway.client(await gateway.key(tenant="other"))

    async def known() -> bool:
        return (await other.get("/v1/keys/current")).status_code == 200

    await gateway.until(known)
    await other.put(HERE, json=mail())
    bombs = [asyncio.create_task(gateway.http.post("/v1/templates/bomb/preview")) for _ in range(8)]
    done, _ = await asyncio.wait(bombs, return_when=asyncio.FIRST_COMPLETED)
    shown = await other.post(f"{HERE}/preview")
    assert shown.json()["text"] == "Hello Ada"
    assert not all(each.done() for each in bombs), "the other tenant stood behind all of them"
    assert {each.result().json()["code"] for each in done} == {"template_failed"}
    for each in bombs:
        each.cancel()
    await asyncio.gather(*bombs, return_exceptions=True)
    await other.aclose()
