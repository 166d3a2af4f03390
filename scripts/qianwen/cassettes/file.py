"""A cassette on the disk: tests where it is written, and checks its format before it is replayed."""

from __future__ import annotations

import base64
import json
import os
import re
import stat

from ..errors import UsageError
from ..files.safe_open import Draft, open_theirs, read_theirs, sha256_of
from ..plain import strict_json
from ..regions import split
from .placeholders import digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Callable

    JSON = dict[str, Any]
    Form = tuple[tuple[str, Callable[[Any], object], str], ...]

FORMAT, VERSION = "qianwen-cassette", 1
DIGEST = re.compile("[0-9a-f]{64}")
CHARSET = re.compile("latin-1|utf-(?:16|32)(?:-[bl]e)?")  # of a body that is not quite text
BLOCK_BYTES = 256 * 1024
LARGEST = 64 * 2**20  # bytes of a cassette, which has whole answers of the API
LARGEST_BODY = 4 * 2**30
DEEPEST = strict_json.DEEPEST + 8  # an answer as deep as we read one, and what is around it in a cassette


# Writing ----------------------------------------------------------------------------------------------------


def prepare(path: str, overwrite: bool) -> None:
    """Raises UsageError unless a cassette can be written there."""
    try:
        if _exists(path) and not overwrite:
            hint = "replace it with --overwrite, or name another file; a recording has one run"
            raise UsageError(f"the recording {path} already exists", hint=hint)
        if os.path.isdir(path):
            raise IsADirectoryError(21, "it is a folder")
        beside = bodies_folder(path)
        if os.path.lexists(beside) and not (overwrite and _is_folder(beside)):
            raise FileExistsError(17, f"{beside} exists, and it gets a folder of that name for large bodies")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with Draft(os.path.dirname(path)) as draft:
            draft.stream.write(b"x" * BLOCK_BYTES)  # a full disk can still create empty files
            draft.stream.flush()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        hint = "nothing was sent; name a file in a writable folder"
        raise UsageError(f"the recording {path} cannot be written: {reason}", hint=hint) from error


def _exists(path: str) -> bool:
    """Raises OSError or ValueError for a path that cannot exist: too long, or with a NUL."""
    try:
        os.lstat(path)
    except FileNotFoundError:
        return False
    return True


def write(path: str, data: bytes, replace: bool) -> None:
    """Write the cassette atomically. replace: whether a file of that name may be replaced. Raises OSError."""
    with Draft(os.path.dirname(path)) as draft:
        draft.stream.write(data)
        if replace:
            draft.replace(path)
            return
        draft.finish()
        if not draft.take(path):
            raise FileExistsError(17, "another program has made a file of that name")


def new_body(path: str, may_exist: bool) -> Draft:
    """A draft in the folder of a cassette's bodies, which is made if need be. Raises OSError.

    may_exist: the folder may be there already, because this run has made it or an earlier recording is overwritten.
    """
    folder = bodies_folder(path)
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        if not (may_exist and _is_folder(folder)):
            raise
    return Draft(folder)


def keep_body(draft: Draft, digest: str) -> None:
    """Name a finished body by its digest, unless the same body is there already. Raises OSError."""
    draft.finish()
    path = os.path.join(os.path.dirname(draft.path), digest)
    if not draft.take(path):
        open_body(path, {"sha256": digest}).close()


def _is_folder(path: str) -> bool:
    """Whether it is a folder, and no link to one."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except (OSError, ValueError):
        return False


def bodies_folder(path: str) -> str:
    """The folder of a cassette's large bodies, each named by its digest."""
    return f"{os.path.splitext(path)[0]}.files"


# Reading ----------------------------------------------------------------------------------------------------

_HINT = "nothing was sent; make a recording with --record"


def load(path: str) -> JSON:
    """The cassette at `path`, completely checked. Raises UsageError."""
    try:
        text = read_theirs(path, LARGEST).decode("utf-8-sig")
        cassette = strict_json.load(text, deepest=DEEPEST)
        json.dumps(cassette, ensure_ascii=False).encode("utf-8")  # half a character cannot be sent or written
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or f"it is not valid JSON: {_words(error)}"
        raise UsageError(f"the recording {path} cannot be read: {reason}", hint=_HINT) from error
    if not isinstance(cassette, dict) or cassette.get("format") != FORMAT:
        raise UsageError(f"{path} is not a recording of this program", hint=_HINT)
    version = cassette.get("version")
    if version != VERSION or type(version) is not int:
        raise UsageError(
            f"the recording {path} has version {json.dumps(version)} of the format; this program reads {VERSION}",
            hint="record it again with --record, or use the version of the program that made it",
        )
    try:
        _check_cassette(cassette)
    except _Damaged as damage:
        raise UsageError(f"the recording {path} is damaged: {damage}", hint=_HINT) from None
    return cassette


def _words(error: Exception) -> str:
    return "it has half a character" if isinstance(error, UnicodeEncodeError) else str(error)


def check_base(path: str, base: str) -> None:
    """Raises UsageError unless the base of the cassette at `path`, with its placeholders filled, is a URL."""
    try:
        parts = split(base)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and base.isprintable():
            return  # `port` raises ValueError for one that is no port
    except ValueError:
        pass
    raise UsageError(f"the recording {path} is damaged: the file: base is not a URL", hint=_HINT)


def open_body(path: str, recorded: JSON) -> BinaryIO:
    """A body beside a cassette, which has the recorded size and digest. Raises OSError."""
    stream = open_theirs(path, follow=False)
    try:
        size = os.fstat(stream.fileno()).st_size
        if size != recorded.get("bytes", size) or size > LARGEST_BODY:
            raise OSError(5, "does not have the recorded bytes")
        if sha256_of(stream) != recorded["sha256"]:
            raise OSError(5, "does not have the recorded bytes")
        stream.seek(0)
    except BaseException:
        stream.close()
        raise
    return stream


class _Damaged(Exception):
    pass


def _check_cassette(cassette: JSON) -> None:
    _check(cassette, _CASSETTE, "the file")
    for number, exchange in enumerate(cassette["exchanges"], 1):
        _check(exchange, _EXCHANGE, f"exchange {number}")
        if len({"response", "fault", "unanswered"} & exchange.keys()) != 1:
            raise _Damaged(f"exchange {number}: it needs one of response, fault and unanswered")


def _check(value: JSON, form: Form, name_of_value: str) -> None:
    """Raises _Damaged for the first part that is missing or wrong."""
    for path, is_right, message in form:
        part: Any = value
        try:
            for name in path.split("."):
                if name.endswith("?") and name[:-1] not in part:
                    break
                part = part[name.rstrip("?")]
            else:
                if not is_right(part):
                    raise _Damaged(f"{name_of_value}: {message}")
        except (KeyError, TypeError, AttributeError):
            raise _Damaged(f"{name_of_value} lacks {path.replace('?', '')}, or has it in another form") from None


def _is(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind)


def _is_fault(fault: JSON) -> bool:
    is_whole = isinstance(fault["reason"], str) and isinstance(fault["sent"], bool)
    return is_whole and isinstance(fault.get("permanent", False), bool) and isinstance(fault.get("hint", ""), str)


def _is_line(line: object) -> bool:
    return isinstance(line, str) or (isinstance(line, dict) and "data" in line)


def _matches_its_digest(body: JSON) -> bool:
    return "base64" not in body or digest(base64.b64decode(body["base64"])) == body["sha256"]


def _is_base64(text: str) -> bool:
    try:
        return base64.b64decode(text, validate=True) is not None
    except ValueError:
        return False


# (path of a part, its check, message if that fails). A name with a question mark is optional.
_CASSETTE: Form = (
    ("base", lambda base: isinstance(base, str) and "://" in base, "base is not a URL"),
    ("exchanges", _is(list), "exchanges is not a list"),
)
_EXCHANGE: Form = (
    ("request.url", _is(str), "the request has no URL"),
    ("request.method", _is(str), "the request has no method"),
    ("request.headers", _is(dict), "the headers of the request are not an object"),
    ("request.body", _is(dict), "the body of the request is not an object"),
    ("seconds?", lambda value: type(value) in (int, float) and 0 <= value < 1e9, "seconds is not a number of seconds"),
    ("fault?", _is_fault, "a fault needs a reason and whether the request was sent"),
    ("response?.status", lambda value: type(value) is int and 100 <= value < 600, "the status is not an HTTP status"),
    ("response?.headers", lambda value: all(map(_is(str), value.values())), "a header is not a string"),
    ("response?.body", _is(dict), "the body is not an object"),
    ("response?.body.text?", _is(str), "the text of the body is not a string"),
    ("response?.body.charset?", CHARSET.fullmatch, "the charset of the body is none that is recorded"),
    ("response?.body.lines?", lambda lines: all(map(_is_line, lines)), "a line is neither a string nor data"),
    ("response?.body.sha256?", lambda text: DIGEST.fullmatch(text) is not None, "sha256 is not a digest"),
    ("response?.body.bytes?", lambda value: type(value) is int and value >= 0, "the size of the body is not a number"),
    ("response?.body.base64?", _is_base64, "the bytes of the body are not base64"),
    ("response?.body", _matches_its_digest, "the bytes of the body do not match their digest"),
    ("response?.broke?", _is_fault, "a fault needs a reason and whether the request was sent"),
)  # fmt: skip
