"""The API's base URL and its key, from the environment, `.env` files and the SDKs' own files.

A base URL from a `.env` file is not trusted and must be a DashScope host. Messages name the source of a key, never its
value.
"""

from __future__ import annotations

import itertools
import os
import re

from .. import regions
from ..environment import BASE_NAMES, REGION_NAMES, WORKSPACE_NAMES, Place, Setting, lookup, lookup_all, text_of
from ..errors import AuthError, UsageError
from ..plain.paths import under_home
from ..plain.record import record
from ..plain.redact import KEY_NAMES
from ..plain.spelling import nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, Mapping


LONGEST_PLACEHOLDER = 60
KEY_BEGINNINGS = r"(?i)sk-|st-|ltai"

_OF_A_NAME, _OF_IPV6 = "abcdefghijklmnopqrstuvwxyz0123456789._-", "0123456789abcdef:."

# What templates contain in place of a key. A match covers the whole value and has no digit, so no real key matches.
# "dummy" and "test" are not placeholders, because people give them to stand-ins and proxies on purpose.
_PLACEHOLDER = (
    r"(?i)<.*>|\[.*\]|\{.*\}|\$\{?\w+\}?|%\w+%"
    r"|(sk-|st-)?([x*•._-]{3,}|…+)"
    r"|[a-z_ -]*(?<![a-z])(your|my|insert|paste|enter|put|add)[a-z_ -]*(key|token)[a-z_ -]*|[^\d]*[你您][^\d]*"
    r"|(sk-)?(change|replace|fill)[-_ ]?(me|this|in)|(sk-)?(your|key|put)[a-z_ -]*here"
    r"|(dashscope[-_]|qwen[-_])?api[-_ ]?key|todo|placeholder|undefined|null|none"
)

_NEW_KEY = f"How to make one: {regions.KEYS_PAGE}. A new request can be tried without one: add --sandbox"
NO_KEY_HINT = (
    f"put a line DASHSCOPE_API_KEY=… with your own key into .env in this folder, or export the variable. {_NEW_KEY}"
)


def is_placeholder(value: str) -> bool:
    """Whether a key is only a placeholder, such as sk-your-key-here, <your key> or ${DASHSCOPE_API_KEY}."""
    if not value.startswith(tuple("<[{$%")) and any(map(str.isdecimal, value)):
        return False  # what a key looks like: compiling the pattern takes a millisecond
    return len(value) <= LONGEST_PLACEHOLDER and re.fullmatch(_PLACEHOLDER, value) is not None


def region(place: Place, flag: str) -> str:
    """The id of the region that --region, else the environment, names. Raises UsageError for an unknown one."""
    setting = Setting(flag, "--region", trusted=True) if flag else lookup(place, REGION_NAMES)
    if setting is None:
        return regions.DEFAULT
    if not flag and setting.value == "none":  # the family's word for "only the base URL counts"
        return regions.DEFAULT
    known = regions.named(setting.value)
    if known is None:
        near = "".join(f"did you mean {other}? " for other in nearest(setting.value.lower(), regions.names()))
        message = f"unknown region {setting.value!r} ({setting.source})"
        raise UsageError(message, hint=f"{near}regions: {', '.join(regions.names())}")
    return known.id


def base_url(place: Place, region_name: str, remembered: str = "") -> str:
    """The base URL of the native API, which ends in /api/v1 unless a proxy has another. A configured one wins.

    remembered: the base that took a task; used if it is one of DashScope's own.
    Raises AuthError for a base that we do not trust, and for a region or workspace without a host.
    """
    setting = lookup(place, BASE_NAMES)
    if setting:
        return _checked_base(setting)
    if remembered and _is_own(remembered):
        return remembered
    return f"https://{_host(place, region_name)}/api/v1"


def _is_own(base: str) -> bool:
    """Whether a base from the account is DashScope's own. Another gets no key unless the environment names it."""
    try:
        return _checked_base(Setting(base, "the ledger", trusted=False)) == base
    except AuthError:
        return False


def _host(place: Place, region_name: str) -> str:
    """The host of the configured workspace, else the region's shared one."""
    region = next(region for region in regions.TABLE if region.id == region_name)
    workspace = lookup(place, WORKSPACE_NAMES)
    if workspace is None and region.needs_workspace:
        raise AuthError(
            f"{region.id} ({region.place}) has no shared host: it needs a workspace, and none is configured",
            hint=f"set {WORKSPACE_NAMES[0]}=… with the id of a workspace in that region, in the environment or .env "
            "(the console lists the workspaces), or choose another --region",
        )
    if workspace is None:
        return region.host
    keys = {setting.value for setting in lookup_all(place, KEY_NAMES)}
    looks_like_a_key = re.match(KEY_BEGINNINGS, workspace.value) is not None or workspace.value in keys
    if looks_like_a_key or not regions.is_workspace_id(workspace.value):  # a key in a host name leaks through DNS
        raise AuthError(
            f"{workspace.source} is not a workspace id",
            hint="an id has letters, digits and hyphens, as in ws-0123abcd or llm-0123; it is neither a URL nor a key. "
            "The console shows it; without the variable the region's shared host is used",
        )
    return regions.workspace_host(workspace.value, region.id)


def key(place: Place, base: str) -> Setting:
    """The API key and where it was found. Raises AuthError without one, and for one that does not fit the base."""
    setting = _first_key(place)
    if not (setting.value.isascii() and setting.value.isprintable()) or " " in setting.value:
        raise AuthError(f"the key from {setting.source} has spaces or characters that no key has")
    is_of_a_plan = setting.value.startswith("sk-sp-")
    if is_of_a_plan and regions.type_of(regions.split(base).hostname or "")[0] != regions.PLAN:
        raise AuthError(
            f"the key from {setting.source} is a Token Plan or Coding Plan key (sk-sp-), which this host refuses",
            hint="use a pay-as-you-go key, or set DASHSCOPE_HTTP_BASE_URL to your plan's own host",
        )
    return setting


def _first_key(place: Place) -> Setting:
    """The first key that is not a placeholder. If there are only placeholders, the error says where."""
    placeholders = []
    for setting in itertools.chain(lookup_all(place, KEY_NAMES), _keys_of_other_tools(place)):
        if not is_placeholder(setting.value):
            return setting
        placeholders.append(setting.source)
    if placeholders:
        message = f"no API key was found: {placeholders[0]} holds a placeholder"
        raise AuthError(message, hint=f"put your own key in its place. {_NEW_KEY}")
    raise AuthError("no API key was found", hint=NO_KEY_HINT)


def endpoint(place: Place, region_name: str, remembered: str = "") -> tuple[Endpoint, str]:
    """The API's endpoint, and the source of its key in words. Raises as `base_url` and `key` do."""
    base = base_url(place, region_name, remembered)
    setting = key(place, base)
    return Endpoint(base, setting.value, setting.file), setting.source


def _checked_base(setting: Setting) -> str:
    """A base URL in its normal form. Raises AuthError for one that must not get a key."""

    def refuse(why: str) -> AuthError:
        return AuthError(f"the base URL from {setting.source} {why}, so no key is sent there", hint=_BASE_HINT)

    try:
        parts = regions.split(setting.value)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise refuse("cannot be read") from None
    if parts.scheme not in ("https", "http") or "@" in parts.netloc or parts.query or parts.fragment:
        raise refuse("is not a plain https URL")
    if not host or (host.strip(_OF_A_NAME) and host.strip(_OF_IPV6)):  # a character that none of them has is left
        raise refuse("has a host with other characters than ASCII letters, digits, dots and hyphens")
    if parts.scheme == "http" and not regions.is_loopback(host):
        raise refuse("is not encrypted (http)")
    if host in regions.CODING_HOSTS:
        raise refuse("is a Coding Plan host, which offers no pictures or videos")
    known = regions.is_dashscope(host) and parts.scheme == "https" and port in (None, 443)
    if not known and not setting.trusted:
        raise refuse("is not a DashScope host")
    path = parts.path.rstrip("/")
    if known or path in ("", "/compatible-mode/v1"):
        if path not in ("", "/api/v1", "/compatible-mode/v1"):
            raise refuse("is the URL of one endpoint, not a base")
        path = "/api/v1"
    return f"{parts.scheme}://{parts.netloc}{path}"


ANY = ""
# (type of host, type of key, what to do when that host refuses that key). The first matching row counts. Sources: the
# pages "Base URL overview", "Regions and endpoints" and "Error messages" (Model Studio, 2026-10); plan keys: the
# Token Plan page of qianwen-ai (2026-08).
ADVICE: tuple[tuple[str, str, str], ...] = (
    (
        "plan",
        "plan",
        "{host} accepts only keys of its own plan and region (Token Plan and Coding Plan keys look alike but are not "
        "interchangeable): check in the console which plan the key belongs to",
    ),
    ("here", ANY, "{host} is this machine and not DashScope: the program that listens there wants another key"),
    (
        "foreign",
        ANY,
        "{host} is not a DashScope host: check which key it accepts, or unset {names} to use DashScope itself",
    ),
    (ANY, "plan", "Token Plan and Coding Plan keys work only on their plan's own host: use a pay-as-you-go key here"),
    (
        ANY,
        "temporary",
        "a temporary key lasts 30 minutes at most and works only where the key that made it works: create a new one",
    ),
    (
        "plan",
        ANY,
        "{host} accepts only Token Plan keys: unset {names} to use a pay-as-you-go key on the host of its region",
    ),
    (
        "workspace",
        ANY,
        "{host} accepts only keys of this workspace: create one there, or, for a key of another "
        "workspace, unset {names} (or {workspace}) and give the key's --region",
    ),
    (
        "qwencloud",
        ANY,
        "{host} accepts only QwenCloud keys: check there that the key exists; for a Model Studio key unset {names}",
    ),
    (
        "trial",
        ANY,
        "{host} is a trial host and accepts only keys of {region} that may use the trial: unset {names} to use the "
        "regular host of the region",
    ),
    (
        "shared",
        ANY,
        "{host} accepts only keys of {region}: check in the console that the key exists and where it was created; "
        "for a key of another region try --region {others} (with {names} unset)",
    ),
)


def advice(base: str, key: str, source: str) -> str:
    """What to do when the host of `base` refuses the key itself (401). Names the source of the key, never its value."""
    host = (regions.split(base).hostname or "").lower()
    host_type, region_name = regions.type_of(host)
    key_type = "plan" if key.startswith("sk-sp-") else "temporary" if key.startswith("st-") else "usual"
    words = next(words for hosts, keys, words in ADVICE if hosts in (host_type, ANY) and keys in (key_type, ANY))
    # Most keys are made in one of the first two regions.
    others = " or ".join(region.id for region in regions.TABLE[:2] if region.id != region_name)
    names, workspace = " and ".join(BASE_NAMES), WORKSPACE_NAMES[0]
    advised = words.format(host=host, region=region_name, others=others, names=names, workspace=workspace)
    return f"{advised} (the key is {source})"


_BASE_HINT = (
    "a base looks like https://dashscope.aliyuncs.com/api/v1; another host must be set in the real environment as "
    "DASHSCOPE_HTTP_BASE_URL, not in a .env file"
)


def _keys_of_other_tools(place: Place) -> Iterator[Setting]:
    path = os.path.join(place.home, ".alibabacloud", "credentials")
    value = _from_credentials(path, place.env) if place.home else ""
    if value:
        yield Setting(value, path, trusted=True)
    named = place.env.get("DASHSCOPE_API_KEY_FILE_PATH", "") or os.path.join("~", ".dashscope", "api_key")
    path = under_home(named, place.home)
    value = text_of(path).strip()  # "" for ""
    if value:
        yield Setting(value, path, trusted=True)


def _from_credentials(path: str, env: Mapping[str, str]) -> str:
    """`dashscope_api_key` of the chosen profile. We do not read the cloud keys next to it."""
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
    """The API's base URL, which ends in /api/v1 or a proxy's own path, and the key for it.

    key_file: the `.env` file that has the key, "" if it comes from elsewhere.
    """

    base: str
    key: str
    key_file: str = ""
