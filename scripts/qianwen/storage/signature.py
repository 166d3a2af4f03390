"""The V4 signature of Alibaba Cloud OSS, `OSS4-HMAC-SHA256`: pure functions without clock or network.

Two modes: headers that authorize our own request, and a query that lets anyone download one object for a while. The
canonical URI always names the bucket, and the host is not signed, so one signature fits every host of a bucket. Bodies
are streamed and never signed. Source: OSS pages "Include a V4 signature in the Authorization header" and "V4 signatures
in presigned URLs" (2026-10).
"""

from __future__ import annotations

import hashlib
import hmac
import time
from urllib.parse import quote

from ..plain.record import changed, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Mapping

ALGORITHM = "OSS4-HMAC-SHA256"
PAYLOAD = "UNSIGNED-PAYLOAD"
PRODUCT = "oss"
TERMINATOR = "aliyun_v4_request"
ALWAYS_SIGNED = ("content-type", "content-md5")  # if they are sent; like every x-oss- header


class Secret(str):
    """A text whose repr is hidden. Formatting it into another text shows it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'[hidden]'"


@record
class Signer:
    """The key that signs, and its region.

    token: of temporary (STS) credentials, "" for a permanent key.
    """

    access_key_id: Secret
    secret: Secret
    region: str
    token: Secret = Secret("")


@record
class Operation:
    """A request to sign.

    resource: `/bucket/key`, not encoded.
    headers: those that will be sent.
    query: names and values, not encoded.
    """

    method: str
    resource: str
    headers: Mapping[str, str] = {}
    query: Mapping[str, str] = {}


def authorization(signer: Signer, moment: float, operation: Operation) -> dict[str, str]:
    """The headers to add to those of the operation: date, payload, token and `Authorization`.

    moment: epoch seconds; the server refuses a skew of more than 15 minutes.
    """
    stamp = timestamp(moment)
    fields = header_fields(signer, stamp)
    whole = changed(operation, headers={**operation.headers, **fields})
    signed = signature(signer, stamp, canonical_request(whole))
    credential = f"{signer.access_key_id}/{scope(signer, stamp)}"
    return {**fields, "Authorization": f"{ALGORITHM} Credential={credential},Signature={signed}"}


def presigned(signer: Signer, moment: float, operation: Operation, expires: int) -> str:
    """The whole query of a URL that is valid for `expires` seconds from `moment`."""
    stamp = timestamp(moment)
    query = {**operation.query, **query_fields(signer, stamp, expires)}
    signed = signature(signer, stamp, canonical_request(changed(operation, query=query)))
    return f"{canonical_query(query)}&x-oss-signature={signed}"


def header_fields(signer: Signer, stamp: str) -> dict[str, str]:
    fields = {"x-oss-content-sha256": PAYLOAD, "x-oss-date": stamp}
    return {**fields, "x-oss-security-token": signer.token} if signer.token else fields


def query_fields(signer: Signer, stamp: str, expires: int) -> dict[str, str]:
    fields = {
        "x-oss-signature-version": ALGORITHM,
        "x-oss-credential": f"{signer.access_key_id}/{scope(signer, stamp)}",
        "x-oss-date": stamp,
        "x-oss-expires": str(expires),
    }
    return {**fields, "x-oss-security-token": signer.token} if signer.token else fields


def canonical_request(operation: Operation) -> str:
    sent = sorted((name.lower(), value.strip()) for name, value in operation.headers.items())
    signed = [(name, value) for name, value in sent if name.startswith("x-oss-") or name in ALWAYS_SIGNED]
    return "\n".join(
        (
            operation.method,
            encoded_path(operation.resource),
            canonical_query(operation.query),
            "".join(f"{name}:{value}\n" for name, value in signed),
            "",  # the names of further headers that are signed
            PAYLOAD,
        )
    )


def canonical_query(query: Mapping[str, str]) -> str:
    pairs = sorted((quote(name, safe=""), quote(value, safe="")) for name, value in query.items())
    return "&".join(f"{name}={value}" if value else name for name, value in pairs)


def encoded_path(path: str) -> str:
    return quote(path, safe="/")


def timestamp(moment: float) -> str:
    """UTC, such as 20231216T162057Z."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(moment))


def scope(signer: Signer, stamp: str) -> str:
    return f"{stamp[:8]}/{signer.region}/{PRODUCT}/{TERMINATOR}"


def string_to_sign(signer: Signer, stamp: str, canonical: str) -> str:
    digest = hashlib.sha256(canonical.encode("utf-8")).hexdigest()
    return "\n".join((ALGORITHM, stamp, scope(signer, stamp), digest))


def signing_keys(signer: Signer, stamp: str) -> list[bytes]:
    """The chain of keys for day, region and product, each derived from the one before; the last one signs."""
    key = f"aliyun_v4{signer.secret}".encode()
    keys = []
    for part in (stamp[:8], signer.region, PRODUCT, TERMINATOR):
        key = hmac.new(key, part.encode("utf-8"), "sha256").digest()
        keys.append(key)
    return keys


def signature(signer: Signer, stamp: str, canonical: str) -> str:
    """The signature of a canonical request, in lower-case hex."""
    text = string_to_sign(signer, stamp, canonical)
    return hmac.new(signing_keys(signer, stamp)[-1], text.encode("utf-8"), "sha256").hexdigest()
