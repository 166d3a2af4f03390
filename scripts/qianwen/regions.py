"""Where the service is: one table of its regions, and which hosts are its own, its storage's, or this machine.

A workspace host is `{WorkspaceId}.{region}.maas.aliyuncs.com`; Frankfurt and Tokyo have no other (page base-url of the
model-api-reference, 2026-10).
"""

from __future__ import annotations

from .record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Mapping
    from urllib.parse import SplitResult


@record
class Region:
    """id: as the service spells it.  place: for people.  alias: a short name.  host: the shared host, "" for none."""

    id: str
    place: str
    alias: str = ""
    host: str = ""

    @property
    def needs_workspace(self) -> bool:
        return not self.host


BEIJING, SINGAPORE, VIRGINIA = "cn-beijing", "ap-southeast-1", "us-east-1"
HONG_KONG, FRANKFURT, TOKYO = "cn-hongkong", "eu-central-1", "ap-northeast-1"

# The first is the default. Most keys are made in one of the first two.
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

# QwenCloud's hosts are named by many third parties and by no official page that was seen; they belong to no region.
QWENCLOUD = "maas.qwencloudapi.com"
QWENCLOUD_PLAN = "token-plan.maas.qwencloudapi.com"
CODING_HOSTS = ("coding.dashscope.aliyuncs.com", "coding-intl.dashscope.aliyuncs.com")
STORAGE_HOSTS = ".aliyuncs.com"  # uploads and results; no key is ever sent to them
SHARED, QWENCLOUD_SHARED, PLAN, TRIAL, WORKSPACE = "shared", "qwencloud", "plan", "trial", "workspace"
HERE, FOREIGN = "here", "foreign"

_WORKSPACE_ID = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_NAMED_KINDS = {"token-plan": PLAN, "trial": TRIAL}  # what stands where other hosts have the id of a workspace


def find(name: str) -> Region | None:
    """The region of an id or an alias, in any case."""
    lowered = name.lower()
    return next((region for region in TABLE if lowered and lowered in (region.id, region.alias)), None)


def names() -> list[str]:
    """Every id and every alias."""
    return [region.id for region in TABLE] + [region.alias for region in TABLE if region.alias]


def in_words() -> str:
    """All regions with their aliases, for a line of help."""

    def told(region: Region) -> str:
        marks = ", ".join(filter(None, (region.alias, "default" if region.id == DEFAULT else "")))
        return f"{region.id} ({marks})" if marks else region.id

    shared = ", ".join(told(region) for region in TABLE if region.host)
    others = ", ".join(told(region) for region in TABLE if region.needs_workspace)
    return f"{shared}; with a workspace also {others}"


def is_workspace_id(text: str) -> bool:
    """Whether a text can be the first label of a workspace host: letters, digits and hyphens, at most 63."""
    import re  # here and below: --help needs the table and no patterns

    return re.fullmatch(_WORKSPACE_ID, text) is not None


def workspace_host(workspace: str, region_id: str) -> str:
    return f"{workspace.lower()}.{region_id}.maas.aliyuncs.com"


def kind_of(host: str) -> tuple[str, str]:
    """shared, qwencloud, plan, trial, workspace, here or foreign; and the region of a DashScope host, else "".

    host: in lower case, as it goes on the wire.
    """
    import re

    for region in TABLE:
        if region.host and host == region.host:
            return SHARED, region.id
        label, _, rest = host.partition(".")
        if rest == f"{region.id}.maas.aliyuncs.com" and re.fullmatch(r"[a-z0-9-]+", label):
            return _NAMED_KINDS.get(label, WORKSPACE), region.id
    if host in (QWENCLOUD, QWENCLOUD_PLAN):
        return (QWENCLOUD_SHARED if host == QWENCLOUD else PLAN), ""
    return (HERE if is_loopback(host) else FOREIGN), ""


def is_dashscope(host: str) -> bool:
    """Whether a host is one of the service's own, to which a key may go wherever the base URL was found."""
    return kind_of(host)[0] not in (HERE, FOREIGN)


def is_public(host: str) -> bool:
    """Whether everybody's requests go there, so that its name tells nothing of who we are."""
    return kind_of(host)[0] in (SHARED, QWENCLOUD_SHARED) or host == QWENCLOUD_PLAN


def is_loopback(host: str) -> bool:
    """Whether a host is this machine beyond doubt, so that a key may go there unencrypted."""
    import re

    return host in ("localhost", "::1") or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None


def is_loopback_url(url: str) -> bool:
    try:
        return is_loopback(split(url).hostname or "")
    except ValueError:
        return False


def split(url: str) -> SplitResult:
    """`urllib.parse.urlsplit`, imported when it is first needed. Raises ValueError."""
    from urllib.parse import urlsplit

    return urlsplit(url)
