"""A picture as a skill makes it that is written with `argparse` and `urllib.request`, as most are; nothing makes it safe.

with_urllib.py --base URL --prompt TEXT --output FILE
"""

from __future__ import annotations

import argparse
import json
import urllib.request
from pathlib import Path
from typing import Any

KEY = "sk-bench-0123456789abcdef0123456789abcdef"


def generate(base: str, prompt: str) -> str:
    body: dict[str, Any] = {"model": "wan2.6-t2i", "parameters": {"n": 1}}
    body["input"] = {"messages": [{"role": "user", "content": [{"text": prompt}]}]}
    request = urllib.request.Request(
        f"{base}/services/aigc/multimodal-generation/generation",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=180) as response:
        answer = json.load(response)
    return str(answer["output"]["choices"][0]["message"]["content"][0]["image"])


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--base", "--prompt", "--output"):
        parser.add_argument(name, required=True)
    asked = parser.parse_args()
    output = Path(asked.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    with urllib.request.urlopen(generate(asked.base, asked.prompt), timeout=180) as response, output.open("wb") as file:
        while block := response.read(256 * 1024):
            file.write(block)


if __name__ == "__main__":
    main()
