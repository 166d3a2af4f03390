"""Where the API is and which key opens it: found in the environment, in `.env` files and in the SDKs' own files.

A `.env` file is data and not trusted: only the names of `FROM_FILE` are read, nothing enters the environment, and a
base URL from it must be a DashScope host. Messages name the source of a key and never its value.
"""

from __future__ import annotations

import itertools
import os
import re

from .. import regions
from ..environment import BASE_NAMES, REGION_NAMES, WORKSPACE_NAMES, Place, Setting, find, find_all, text_of
from ..errors import AuthError, UsageError
from ..plain.record import record
from ..plain.redact import KEY_NAMES
from ..plain.spelling import nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, Mapping


LONGEST_PLACEHOLDER = 60
KEY_BEGINNINGS = r"(?i)sk-|st-|ltai"

# Patterns are compiled where they are first used: a dry run needs none of them.
_HOST = r"[a-z0-9._-]+|[0-9a-f:.]+"  # a name as it goes on the wire, or an IPv6 address

# What templates leave where a key belongs. Always the whole value and never a digit, so that no real key is taken for
# one; "dummy" or "test" are no placeholders, because people give them to stand-ins and proxies on purpose.
_PLACEHOLDER = (
    r"(?i)<.*>|\[.*\]|\{.*\}|\$\{?\w+\}?|%\w+%"
    r"|(sk-|st-)?([x*•._-]{3,}|…+)"
    r"|[a-z_ -]*(?<![a-z])(your|my|insert|paste|enter|put|add)[a-z_ -]*(key|token)[a-z_ -]*|[^\d]*[你您][^\d]*"
    r"|(sk-)?(change|replace|fill)[-_ ]?(me|this|in)|(sk-)?(your|key|put)[a-z_ -]*here"
    r"|(dashscope[-_]|qwen[-_])?api[-_ ]?key|todo|placeholder|undefined|null|none"
)

NO_KEY_HINT = (
    "put a line DASHSCOPE_API_KEY=sk-your-key-here with your own key into .env in this folder, or export the variable; "
    "keys are made in the Model Studio console. To rehearse without a key, add --sandbox"
)


def is_placeholder(value: str) -> bool:
    """Whether a key is what a template left, such as sk-your-key-here, <your key> or ${DASHSCOPE_API_KEY}."""
    return len(value) <= LONGEST_PLACEHOLDER and re.fullmatch(_PLACEHOLDER, value) is not None


def region(place: Place, flag: str) -> str:
    """The region's full name. Raises UsageError for an unknown one."""
    found = find(place, REGION_NAMES)
    name, source = (flag, "--region") if flag else (found.value, found.source) if found else (regions.DEFAULT, "")
    if not flag and name == "none":  # the family's word for "only the base URL counts"
        return regions.DEFAULT
    known = regions.find(name)
    if known is None:
        near = "".join(f"did you mean {other}? " for other in nearest(name.lower(), regions.names()))
        raise UsageError(f"{name!r} ({source}) is no region", hint=f"{near}regions: {', '.join(regions.names())}")
    return known.id


def base_url(place: Place, region_name: str, remembered: str = "") -> str:
    """The native base, ending in /api/v1 unless a proxy has another. A base URL that is set decides.

    remembered: the base that took a task, to which a later run goes back if it is one of DashScope's own.
    Raises AuthError for a base not to be trusted, and for a region or a workspace that makes no host.
    """
    found = find(place, BASE_NAMES)
    if found:
        return _checked_base(found)
    if remembered and _is_own(remembered):
        return remembered
    return f"https://{_host(place, region_name)}/api/v1"


def _is_own(base: str) -> bool:
    """Whether a base that was written down is DashScope's own: another gets no key unless the environment names it."""
    try:
        return _checked_base(Setting(base, "the ledger", trusted=False)) == base
    except AuthError:
        return False


def _host(place: Place, region_name: str) -> str:
    """The host of the workspace that is set, else the region's shared one."""
    region = next(region for region in regions.TABLE if region.id == region_name)
    workspace = find(place, WORKSPACE_NAMES)
    if workspace is None and region.needs_workspace:
        raise AuthError(
            f"{region.id} ({region.place}) has no shared host: it answers only to a workspace, and none is named",
            hint=f"put {WORKSPACE_NAMES[0]}=… with the id of a workspace in that region into the environment or .env "
            "(the console lists the workspaces), or choose another --region",
        )
    if workspace is None:
        return region.host
    keys = {found.value for found in find_all(place, KEY_NAMES)}
    looks_like_a_key = re.match(KEY_BEGINNINGS, workspace.value) is not None or workspace.value in keys
    if looks_like_a_key or not regions.is_workspace_id(workspace.value):  # a key in a host's name is told to everybody
        raise AuthError(
            f"{workspace.source} is no workspace id, so no host can be made of it",
            hint="an id has letters, digits and hyphens, as in ws-0123abcd or llm-0123; it is neither a URL nor a key. "
            "The console shows it with the workspace; without the variable the region's shared host is used",
        )
    return regions.workspace_host(workspace.value, region.id)


def key(place: Place, base: str) -> Setting:
    """The API key and where it was found. Raises AuthError when there is none, or none that fits the base."""
    found = _found_key(place)
    if not re.fullmatch(r"[\x21-\x7e]+", found.value):
        raise AuthError(f"the key from {found.source} holds spaces or characters that no key has")
    host = regions.split(base).hostname or ""
    if found.value.startswith("sk-sp-") and regions.kind_of(host)[0] != regions.PLAN:
        raise AuthError(
            f"the key from {found.source} is a Token Plan or Coding Plan key (sk-sp-), which this host does not take",
            hint="use a pay-as-you-go key, or set DASHSCOPE_HTTP_BASE_URL to your plan's own host",
        )
    return found


def _found_key(place: Place) -> Setting:
    """The first key that is none of a template's words. When there are only such, the error says where they stand."""
    templates = []
    for found in itertools.chain(find_all(place, KEY_NAMES), _keys_of_other_tools(place)):
        if not is_placeholder(found.value):
            return found
        templates.append(found.source)
    if templates:
        told = f"no API key was found: {templates[0]} holds a placeholder"
        raise AuthError(told, hint=f"put your own key in its place. {NO_KEY_HINT[0].upper()}{NO_KEY_HINT[1:]}")
    raise AuthError("no API key was found", hint=NO_KEY_HINT)


def endpoint(place: Place, region_name: str, remembered: str = "") -> tuple[Endpoint, str]:
    """Where the API is and the key for it; and in words where the key was found. Raises as `base_url` and `key` do."""
    base = base_url(place, region_name, remembered)
    found = key(place, base)
    return Endpoint(base, found.value), found.source


def _checked_base(found: Setting) -> str:
    """A base URL in its normal form; refuses what a key must not be sent to."""

    def refuse(why: str) -> AuthError:
        return AuthError(f"the base URL from {found.source} {why}, so no key is sent there", hint=_BASE_HINT)

    try:
        parts = regions.split(found.value)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise refuse("cannot be read") from None
    if parts.scheme not in ("https", "http") or "@" in parts.netloc or parts.query or parts.fragment:
        raise refuse("is no plain https URL")
    if not re.fullmatch(_HOST, host):
        raise refuse("names no host in plain ASCII letters, digits, dots and hyphens")
    if parts.scheme == "http" and not regions.is_loopback(host):
        raise refuse("is not encrypted (http)")
    if host in regions.CODING_HOSTS:
        raise refuse("is a Coding Plan host, which has no pictures or videos")
    known = regions.is_dashscope(host) and parts.scheme == "https" and port in (None, 443)
    if not known and not found.trusted:
        raise refuse("is no DashScope host")
    path = parts.path.rstrip("/")
    if known or path in ("", "/compatible-mode/v1"):
        if path not in ("", "/api/v1", "/compatible-mode/v1"):
            raise refuse("is the address of one endpoint and not a base")
        path = "/api/v1"
    return f"{parts.scheme}://{parts.netloc}{path}"


ANY = ""
# Who refuses whom, and what to do then: (kind of host, kind of key) → words. The first row that fits counts.
ADVICE: tuple[tuple[str, str, str], ...] = (
    (
        "plan",
        "plan",
        "{host} takes only keys of its own plan and region (Token Plan and Coding Plan keys look alike and are not "
        "interchangeable): check in the console which plan the key belongs to",
    ),
    ("here", ANY, "{host} is this machine and not DashScope: what listens there wants another key"),
    (
        "foreign",
        ANY,
        "{host} is no DashScope host: check which key it takes, or unset {names} to speak to DashScope itself",
    ),
    (ANY, "plan", "Token Plan and Coding Plan keys work on their plan's own host only: use a pay-as-you-go key here"),
    (
        ANY,
        "temporary",
        "a temporary key lives 30 minutes at most, and works where the key that made it does: make a new one",
    ),
    (
        "plan",
        ANY,
        "{host} takes Token Plan keys only: unset {names} to use a pay-as-you-go key on the host of its region",
    ),
    (
        "workspace",
        ANY,
        "{host} takes only keys that were made in this very workspace: make one there, or, for a key of another "
        "workspace, unset {names} (or {workspace}) and give the key's --region",
    ),
    (
        "qwencloud",
        ANY,
        "{host} takes keys of QwenCloud only: check there that the key exists; for a key of Model Studio unset {names}",
    ),
    (
        "trial",
        ANY,
        "{host} is a trial host and takes keys of {region} that may use the trial: unset {names} to use the regular "
        "host of the region",
    ),
    (
        "shared",
        ANY,
        "{host} takes keys of {region} only: check in the console that the key exists and where it was made; for "
        "a key of another region try --region {others} (with {names} unset)",
    ),
)


def advice(base: str, key: str, source: str) -> str:
    """What to do when the host of `base` refuses a key itself (401). Nothing of the key is in it but its source."""
    host = (regions.split(base).hostname or "").lower()
    host_kind, region_name = regions.kind_of(host)
    key_kind = "plan" if key.startswith("sk-sp-") else "temporary" if key.startswith("st-") else "usual"
    words = next(words for hosts, keys, words in ADVICE if hosts in (host_kind, ANY) and keys in (key_kind, ANY))
    # Most keys are made in one of the first two regions.
    others = " or ".join(region.id for region in regions.TABLE[:2] if region.id != region_name)
    names, workspace = " and ".join(BASE_NAMES), WORKSPACE_NAMES[0]
    told = words.format(host=host, region=region_name, others=others, names=names, workspace=workspace)
    return f"{told} (the key is {source})"


_BASE_HINT = (
    "a base looks like https://dashscope.aliyuncs.com/api/v1; another host must be set in the real environment as "
    "DASHSCOPE_HTTP_BASE_URL, not in a .env file"
)


def _keys_of_other_tools(place: Place) -> Iterator[Setting]:
    path = os.path.join(place.home, ".alibabacloud", "credentials")
    value = _from_credentials(path, place.env)
    if value:
        yield Setting(value, path, trusted=True)
    named = place.env.get("DASHSCOPE_API_KEY_FILE_PATH", "")
    path = os.path.expanduser(named) if named else os.path.join(place.home, ".dashscope", "api_key")
    value = text_of(path).strip()
    if value:
        yield Setting(value, path, trusted=True)


def _from_credentials(path: str, env: Mapping[str, str]) -> str:
    """`dashscope_api_key` of the chosen profile; the cloud keys beside it are none of our business."""
    profile = env.get("ALIBABA_CLOUD_PROFILE") or env.get("ALICLOUD_PROFILE") or "default"
    import configparser

    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text_of(path))
        return parser.get(profile, "dashscope_api_key", fallback="").strip()
    except configparser.Error:
        return ""


@record
class Endpoint:
    """Where the API is and the key for it. `base` ends in /api/v1 or what stands for it behind a proxy."""

    base: str
    key: str
