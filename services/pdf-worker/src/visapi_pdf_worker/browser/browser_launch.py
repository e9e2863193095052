"""Starts one browser under a deadline, and cleans up when that fails."""

import asyncio
import os
from pathlib import Path
from typing import NamedTuple

import msgspec
from playwright.async_api import Playwright, async_playwright

from visapi_common.adapters.egress_proxy import EgressProxy
from visapi_common.core.errors import Fault, TransientFault
from visapi_pdf_worker.browser import chromium, launcher
from visapi_pdf_worker.browser.browser_faults import browser_faults
from visapi_pdf_worker.browser.cdp import cdp
from visapi_pdf_worker.browser.process_tree import ProcessTree, children_named
from visapi_pdf_worker.browser.rules.memory import MemoryLimit, limit_of
from visapi_pdf_worker.browser.running_browser import RunningBrowser
from visapi_pdf_worker.browser.targets import Targets
from visapi_pdf_worker.settings import PdfWorkerSettings

_LAUNCH_S = 30.0
_STOP_S = 3.0
_DRIVER = b"run-driver"
_WARM_UP_BYTES = 1024 * 1024
_WARM_UP = "<p style='font-family:sans-serif'>VisAPI <b>warm</b> <i>up</i></p>"


class BrowserSettings(msgspec.Struct, frozen=True):
    """`chromium` and `user` may be empty; see `chromium.prepare`."""

    folder: Path
    chromium: str
    user: str
    sandbox: bool
    jobs_max: int
    memory_max_mb: int
    limit: MemoryLimit = limit_of(1024, 2)


def browser_settings(settings: PdfWorkerSettings, user: str, folder: Path) -> BrowserSettings:
    """What concerns the browser. `folder` is private to this process, `user` whom Chromium becomes."""
    return BrowserSettings(
        folder=folder,
        chromium=settings.chromium,
        user=user,
        sandbox=settings.chromium_sandbox == "on",
        jobs_max=settings.browser_jobs_max,
        memory_max_mb=settings.browser_memory_max_mb,
        limit=limit_of(settings.pdf_memory_max_mb, settings.pdf_concurrency),
    )


class LaunchPlan(NamedTuple):
    """What all browsers of a worker are started with."""

    settings: BrowserSettings
    flags: list[str]
    proxy: EgressProxy


async def launch(
    plan: LaunchPlan, one_driver_at_a_time: asyncio.Lock, *, shared: bool, nice: int = 0
) -> RunningBrowser:
    """A warm browser, `shared` by documents or for one alone. Raises a `Fault` when this machine cannot run
    one, or not in time.

    Only the start of its driver excludes others: the driver is the child that was not there before.
    """
    try:
        async with asyncio.timeout(_LAUNCH_S):
            async with one_driver_at_a_time:
                playwright, driver = await _start_driver(nice)
            return await _launch(plan, playwright, driver, shared=shared, nice=nice)
    except TimeoutError as error:
        raise TransientFault(f"Chromium did not start within {_LAUNCH_S:.0f} s") from error
    except Fault as error:
        raise (_explained(error) if plan.settings.sandbox else error) from error
    except Exception as error:
        # Playwright raises various exceptions when its driver dies at its start.
        raise TransientFault(f"Chromium could not be started: {error!r}") from error


async def _start_driver(nice: int) -> tuple[Playwright, int]:
    before = children_named(_DRIVER)
    try:
        playwright = await async_playwright().start()
        [driver] = children_named(_DRIVER) - before
    except BaseException:
        # Also on cancellation and timeout: there is no other reference to the driver.
        for pid in children_named(_DRIVER) - before:
            ProcessTree(pid).kill()
        raise
    if nice:
        # Chromium inherits it.
        os.setpriority(os.PRIO_PROCESS, driver, os.getpriority(os.PRIO_PROCESS, 0) + nice)
    return playwright, driver


async def _launch(
    plan: LaunchPlan, playwright: Playwright, driver: int, *, shared: bool, nice: int
) -> RunningBrowser:
    settings = plan.settings
    try:
        way = chromium.prepare(
            settings.folder,
            setting=settings.chromium,
            playwrights=playwright.chromium.executable_path,
            user=settings.user,
            sandbox=settings.sandbox,
        )
        with browser_faults("starting Chromium"):
            browser = await playwright.chromium.launch(
                executable_path=way.program,
                chromium_sandbox=way.sandbox,
                args=plan.flags,
                ignore_default_args=[*chromium.UNWANTED],
                env={**way.environment, launcher.NICE: str(nice)},
                timeout=_LAUNCH_S * 1000,
                handle_sigint=False,
                handle_sigterm=False,
                handle_sighup=False,
            )
            session = await browser.new_browser_cdp_session()
        tree = ProcessTree(driver)
        targets = Targets(cdp(session), plan.proxy)
        running = RunningBrowser(playwright, browser, targets, tree, limit=settings.limit, shared=shared)
        await running.static.print("warm-up", _WARM_UP, {"printBackground": True}, _WARM_UP_BYTES)
    except BaseException:
        # Also on cancellation and timeout: no process of an unused browser may remain.
        ProcessTree(driver).kill()
        await _stop(playwright)
        raise
    return running


async def _stop(playwright: Playwright) -> None:
    try:
        async with asyncio.timeout(_STOP_S):
            await playwright.stop()
    except Exception:  # noqa: BLE001 (the launch failed already, and its processes are killed)
        return


def _explained(error: Fault) -> Fault:
    detail = (
        f"{error}; if this machine allows no user namespaces, Chromium's sandbox cannot work: "
        "allow them (sysctl kernel.unprivileged_userns_clone=1), or set VISAPI_CHROMIUM_SANDBOX=off "
        "where every document is trusted"
    )
    return type(error)(detail)
