"""The reference: the same jobs with `http.client` and nothing that makes them safe. Prints nothing.

with_http_client.py picture|video BASE PROMPT FILE · download|hashed URL FILE · upload BASE FILE
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from typing import Any
from urllib.parse import urlsplit

KEY = "sk-bench-0123456789abcdef0123456789abcdef"
BLOCK_BYTES = 256 * 1024


def connected(url: str, blocksize: int = 8192) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.netloc, blocksize=blocksize)


class Api:
    def __init__(self, base: str) -> None:
        self.path = urlsplit(base).path
        self.connection = connected(base)

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", **headers}
        self.connection.request(method, self.path + path, json.dumps(body) if body else None, headers)
        return json.loads(self.connection.getresponse().read())


def download(url: str, path: str, is_hashed: bool = False) -> None:
    connection = connected(url)
    connection.request("GET", urlsplit(url).path)
    response = connection.getresponse()
    digest = None
    if is_hashed:
        import hashlib

        digest = hashlib.sha256()
    with open(path, "wb") as stream:
        while block := response.read(BLOCK_BYTES):
            stream.write(block)
            if digest:
                digest.update(block)


def picture(base: str, prompt: str, path: str) -> None:
    body = {"model": "wan2.6-t2i", "input": {"messages": [{"role": "user", "content": [{"text": prompt}]}]}}
    answer = Api(base).ask("POST", "/services/aigc/multimodal-generation/generation", {**body, "parameters": {"n": 1}})
    download(answer["output"]["choices"][0]["message"]["content"][0]["image"], path)


def video(base: str, prompt: str, path: str) -> None:
    api = Api(base)
    body = {"model": "wan2.6-t2v", "input": {"prompt": prompt}}
    task = api.ask("POST", "/services/aigc/video-generation/video-synthesis", body, **{"X-DashScope-Async": "enable"})
    while True:
        time.sleep(3)
        output = api.ask("GET", f"/tasks/{task['output']['task_id']}")["output"]
        if output["task_status"] == "SUCCEEDED":
            break
    download(output["video_url"], path)


def upload(base: str, path: str) -> None:
    import os

    policy = Api(base).ask("GET", "/uploads?action=getPolicy&model=wan2.6-t2v")["data"]
    head = f'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\n{policy["upload_dir"]}/x\r\n'
    head += '--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
    tail = b"\r\n--b--\r\n"
    connection = connected(policy["upload_host"], blocksize=BLOCK_BYTES)
    connection.putrequest("POST", "/")
    connection.putheader("Content-Type", "multipart/form-data; boundary=b")
    connection.putheader("Content-Length", str(len(head) + os.path.getsize(path) + len(tail)))
    connection.endheaders()
    connection.send(head.encode())
    with open(path, "rb") as stream:
        connection.send(stream)
    connection.send(tail)
    connection.getresponse().read()


def hashed(url: str, path: str) -> None:
    download(url, path, is_hashed=True)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
