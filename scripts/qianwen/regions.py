"""The service's regions, and which hosts belong to the service, its storage, or this machine.

A workspace host is `{WorkspaceId}.{region}.maas.aliyuncs.com`; Frankfurt and Tokyo have only those ("Base URL overview"
and "Regions and endpoints", Model Studio, 2026-10).
"""

from __future__ import annotations

from .plain.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Mapping
    from urllib.parse import SplitResult


@record
class Region:
    """One region of the service.

    id: as the service spells it.
    place: its name for people.
    alias: a short name.
    host: the host that all workspaces share, "" for none.
    """

    id: str
    place: str
    alias: str = ""
    host: str = ""

    @property
    def needs_workspace(self) -> bool:
        return not self.host


KEYS_PAGE = "https://www.alibabacloud.com/help/en/model-studio/get-api-key"
"""How to make a key, for people."""
PRICES_PAGE = "https://help.aliyun.com/zh/model-studio/model-pricing"
"""What everything costs; in Chinese, the only list that we know."""

BEIJING, SINGAPORE, VIRGINIA = "cn-beijing", "ap-southeast-1", "us-east-1"
HONG_KONG, FRANKFURT, TOKYO = "cn-hongkong", "eu-central-1", "ap-northeast-1"

# The first is the default. Most keys belong to one of the first two.
TABLE = (
    Region(BEIJING, "Beijing", "cn", "dashscope.aliyuncs.com"),
    Region(SINGAPORE, "Singapore", "intl", "dashscope-intl.aliyuncs.com"),
    Region(VIRGINIA, "Virginia", "us", "dashscope-us.aliyuncs.com"),
    Region(HONG_KONG, "Hong Kong", "", "cn-hongkong.dashscope.aliyuncs.com"),
    Region(FRANKFURT, "Frankfurt", "eu"),
    Region(TOKYO, "Tokyo", "jp"),
)
DEFAULT = TABLE[0].id
PLACES: Mapping[str, str] = {region.id: region.place for region in TABLE}

# Many third parties name QwenCloud's hosts, but no official page that we know. They belong to no region.
QWENCLOUD = "maas.qwencloudapi.com"
QWENCLOUD_PLAN = "token-plan.maas.qwencloudapi.com"
CODING_HOSTS = ("coding.dashscope.aliyuncs.com", "coding-intl.dashscope.aliyuncs.com")
STORAGE_SUFFIX = ".aliyuncs.com"  # of the hosts of uploads and results, which never get a key
SHARED, QWENCLOUD_SHARED, PLAN, TRIAL, WORKSPACE = "shared", "qwencloud", "plan", "trial", "workspace"
HERE, FOREIGN = "here", "foreign"

_WORKSPACE_ID = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_SPECIAL_LABELS = {"token-plan": PLAN, "trial": TRIAL}  # in place of a workspace id


def named(name: str) -> Region | None:
    """The region with this id or alias, in upper or lower case; None for an unknown one."""
    lowered = name.lower()
    return next((region for region in TABLE if lowered and lowered in (region.id, region.alias)), None)


def names() -> list[str]:
    """Every id and every alias."""
    return [region.id for region in TABLE] + [region.alias for region in TABLE if region.alias]


def in_words() -> str:
    """All regions with their aliases, for a line of help."""

    def named(region: Region) -> str:
        marks = ", ".join(filter(None, (region.alias, "default" if region.id == DEFAULT else "")))
        return f"{region.id} ({marks})" if marks else region.id

    shared = ", ".join(named(region) for region in TABLE if region.host)
    others = ", ".join(named(region) for region in TABLE if region.needs_workspace)
    return f"{shared}; with a workspace also {others}"


def is_workspace_id(text: str) -> bool:
    """Whether a text can be the first label of a workspace host: up to 63 letters, digits and hyphens."""
    import re  # here and below: --help needs the table and no patterns

    return re.fullmatch(_WORKSPACE_ID, text) is not None


def workspace_host(workspace: str, region_id: str) -> str:
    return f"{workspace.lower()}.{region_id}.maas.aliyuncs.com"


def type_of(host: str) -> tuple[str, str]:
    """The type of a host (shared, qwencloud, plan, trial, workspace, here or foreign) and its region, "" for none.

    host: in lower case.
    """
    import re

    for region in TABLE:
        if region.host and host == region.host:
            return SHARED, region.id
        label, _, rest = host.partition(".")
        if rest == f"{region.id}.maas.aliyuncs.com" and re.fullmatch(r"[a-z0-9-]+", label):
            return _SPECIAL_LABELS.get(label, WORKSPACE), region.id
    if host in (QWENCLOUD, QWENCLOUD_PLAN):
        return (QWENCLOUD_SHARED if host == QWENCLOUD else PLAN), ""
    return (HERE if is_loopback(host) else FOREIGN), ""


def is_dashscope(host: str) -> bool:
    """Whether a host is the service's own, and so may get a key even if a `.env` file names it."""
    return type_of(host)[0] not in (HERE, FOREIGN)


def is_public(host: str) -> bool:
    """Whether all users share the host, so that its name does not identify the user."""
    return type_of(host)[0] in (SHARED, QWENCLOUD_SHARED) or host == QWENCLOUD_PLAN


def is_loopback(host: str) -> bool:
    """Whether a host is certainly this machine, so that a key may go there unencrypted."""
    import re

    if host in ("localhost", "127.0.0.1", "::1"):
        return True
    return host.startswith("127.") and re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None


def is_loopback_url(url: str) -> bool:
    try:
        return is_loopback(split(url).hostname or "")
    except ValueError:
        return False


def split(url: str) -> SplitResult:
    """`urllib.parse.urlsplit`, imported at the first call. Raises ValueError."""
    from urllib.parse import urlsplit

    return urlsplit(url)
