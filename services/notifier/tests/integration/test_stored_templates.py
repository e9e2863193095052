"""`notify.email` with a template that a tenant has stored."""

from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry

from kit.template_shelf import PNG, TemplateShelf
from visapi_common.contracts.templates import TemplateParts, UsedTemplate
from visapi_common.telemetry.catalogue import Metrics
from visapi_notifier.channels.email.jobs import MailRequest, mail_of
from visapi_notifier.channels.email.rendering import Rendering
from visapi_notifier.channels.email.rules.addresses import Mailbox
from visapi_notifier.channels.email.rules.message import EmailInput, File, call_of
from visapi_notifier.channels.email.templates import TemplateProcess
from visapi_notifier.opening import open_programs

HTML = "<img src=\"{{ asset('logo.png') }}\"><p>{{ name }}</p>"


async def test_a_mail_carries_the_assets_that_its_html_shows(tmp_path: Path, make_task: Any) -> None:
    shelf = TemplateShelf(tmp_path, kind="email")
    await shelf.store(1, en=TemplateParts(subject="Hi {{ name }}", html=HTML))
    await shelf.store(2, en=TemplateParts(text="second for {{ name }}"))
    processes = open_programs(Metrics(CollectorRegistry()))
    rendering = Rendering(TemplateProcess(processes), shelf.templates)

    async def mail(template: str) -> Any:
        wanted = EmailInput(to="a@example.com", subject="given", template=template, data={"name": "<Ada>"})
        made = await rendering.render(call_of(wanted), msgspec.structs.replace(make_task(), tenant="default"))
        files = [*made.shown, File("a.txt", "text/plain", b"attached")]
        order = MailRequest(
            made.wanted, Mailbox("V", "v", "example.com"), files, "ab" * 32, datetime(2026, 1, 1, tzinfo=UTC)
        )
        return made.used, message_from_bytes(mail_of(order).message, policy=policy.default)

    used, first = await mail("welcome@1")
    assert (used, first["subject"]) == (UsedTemplate("welcome", 1, "en"), "Hi <Ada>")
    html = first.get_body(("html",)).get_content()
    [image] = [part for part in first.walk() if part.get_content_type() == "image/png"]
    assert image.get_content() == PNG
    assert f'src="cid:{image["content-id"].strip("<>")}"' in html
    assert [part.get_filename() for part in first.iter_attachments()] == ["a.txt"]
    used, second = await mail("welcome")
    assert (used.version, second["subject"]) == (2, "given")
    assert second.get_body(("plain",)).get_content().strip() == "second for <Ada>"
    assert not [part for part in second.walk() if part.get_content_type() == "image/png"]
    await processes.close()
