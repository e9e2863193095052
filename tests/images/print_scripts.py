"""Runs in the image of the PDF worker: print five scripts and tell whether renderers are in a sandbox."""

import asyncio
import io
import json
import os
from pathlib import Path

import pikepdf
from playwright.async_api import async_playwright

HTML = """<meta charset="utf-8"><style>body { font: 20px sans-serif }</style>
<p>Visa approved, façade, žluťoučký</p><p lang="he">אשרה אושרה</p><p lang="ar">تمت الموافقة على التأشيرة</p>
<p lang="zh-Hans">签证已批准</p><p lang="ja">査証が承認されました</p><p lang="ko">비자가 승인되었습니다</p><p>🛂 ✈️ 🎉</p>"""


def filters(status: str) -> int:
    return int(status.split("Seccomp_filters:")[1].split(maxsplit=1)[0])


def sandboxed() -> bool:
    """Whether each renderer is in a namespace of processes of its own, and under more filters than we are."""
    mine = filters(Path("/proc/self/status").read_text())
    found: list[bool] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_text().replace("\0", " ").split()
            if line[:1] == [os.environ["VISAPI_CHROMIUM"]] and "--type=renderer" in line:
                status = (folder / "status").read_text()
                nested = len(status.split("NSpid:")[1].split("\n")[0].split()) > 1
                found.append(nested and filters(status) > mine)
        except OSError:
            continue
    return bool(found) and all(found)


async def main() -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=os.environ["VISAPI_CHROMIUM"], chromium_sandbox=True
        )
        page = await browser.new_page()
        await page.set_content(HTML)
        inside = sandboxed()
        content = await page.pdf()
        await browser.close()
    with pikepdf.open(io.BytesIO(content)) as document:
        fonts = {
            str(item.get("/BaseFont") or item.get("/FontName"))
            for item in document.objects
            if isinstance(item, pikepdf.Dictionary) and ("/BaseFont" in item or "/FontName" in item)
        }
    print(json.dumps({"sandboxed": inside, "bytes": len(content), "fonts": sorted(fonts)}))


asyncio.run(main())
