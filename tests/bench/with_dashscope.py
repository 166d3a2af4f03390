"""The same jobs as a user of the official SDK writes them. Needs `dashscope`.

with_dashscope.py picture|video BASE PROMPT FILE · download BASE TASK FILE · upload BASE FILE · polls SECONDS
with_dashscope.py pool BASE FILE FOLDER THREADS
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from typing import Any

import requests

# The SDK's own annotations are loose; what it does at run time is what is measured here.
dashscope: Any = importlib.import_module("dashscope")

dashscope.api_key = "sk-bench-0123456789abcdef0123456789abcdef"


def save(url: str, path: str) -> None:
    with requests.get(url, stream=True) as response, open(path, "wb") as stream:
        for block in response.iter_content(256 * 1024):
            stream.write(block)


def picture(base: str, prompt: str, path: str) -> None:
    from dashscope.aigc.image_generation import ImageGeneration
    from dashscope.api_entities.dashscope_response import Message

    dashscope.base_http_api_url = base
    message = Message(role="user", content=[{"text": prompt}])
    response = ImageGeneration.call(model="wan2.6-t2i", messages=[message], n=1)
    save(response.output.choices[0].message.content[0]["image"], path)


def pool(base: str, rows: str, folder: str, threads: str) -> None:
    """A picture for each line of a file, so many at a time."""
    from concurrent.futures import ThreadPoolExecutor

    with open(rows, encoding="utf-8") as stream, ThreadPoolExecutor(int(threads)) as pool:
        jobs = [pool.submit(picture, base, line, f"{folder}/sdk-{n}.png") for n, line in enumerate(stream)]
    for job in jobs:
        job.result()


def video(base: str, prompt: str, path: str) -> None:
    dashscope.base_http_api_url = base
    response = dashscope.VideoSynthesis.call(model="wan2.6-t2v", prompt=prompt)
    save(response.output.video_url, path)


def download(base: str, task_id: str, path: str) -> None:
    dashscope.base_http_api_url = base
    save(dashscope.VideoSynthesis.fetch(task_id).output.video_url, path)


def upload(base: str, path: str) -> None:
    from dashscope.utils.oss_utils import OssUtils

    dashscope.base_http_api_url = base
    OssUtils.upload(model="wan2.6-t2v", file_path=path, api_key=dashscope.api_key)


def polls(seconds: str) -> None:
    """Prints the moments at which the SDK's own loop asks for a task, as JSON: its sleep only counts."""
    from dashscope.client import base_api

    now = 0.0
    moments: list[float] = []

    def sleep(gap: float) -> None:
        nonlocal now
        now += gap

    def get(*args: object, **kwargs: object) -> Any:
        moments.append(now)
        word = "RUNNING" if now < float(seconds) else "SUCCEEDED"
        return base_api.DashScopeAPIResponse(request_id="r", status_code=200, output={"task_status": word})

    setattr(time, "sleep", sleep)  # noqa: B010 - the SDK looks it up there
    base_api.BaseAsyncApi._get = get
    base_api.BaseAsyncApi.wait("task")
    print(json.dumps(moments))


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
