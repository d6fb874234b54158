"""Coroutines in tests: the browser's driver leaves a loop running in the thread of the tests, so they get their own."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any


def run_alone(coroutine: Coroutine) -> Any:
    """What a coroutine comes to, run in a loop and a thread of its own, with the context of here."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(copy_context().run, asyncio.run, coroutine).result()
