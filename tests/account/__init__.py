"""What the tests of the account share: one purchase, as the account has it."""

from __future__ import annotations

from qianwen.account.purchase import Purchase

BASE = "https://dashscope.aliyuncs.com/api/v1"
RUN = Purchase(
    id="0123456789abcdef",
    program="video.py",
    model="wan2.6-t2v",
    mode="t2v",
    region="cn-beijing",
    base=BASE,
    request="ab" * 32,
    is_task=True,
    folder="/o",
    stem="a-cat",
    suffix="",
    at=1_700_000_000.25,
)
