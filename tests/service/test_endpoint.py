"""Keys and base URLs: where from, in which order, and which of them are to be trusted."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from qianwen import environment, regions
from qianwen.environment import Place
from qianwen.errors import AuthError, UsageError
from qianwen.service import endpoint

from .. import SCRIPTS
from ..support import KEY, Case

BASE = "https://dashscope.aliyuncs.com/api/v1"


class Settings(Case):
    def place(self, **env: str) -> Place:
        return Place(env, str(self.here), str(self.home))

    def setUp(self) -> None:
        super().setUp()
        self.here = self.cwd

    def dotenv(self, text: str, folder: Path | None = None) -> Path:
        path = (folder or self.cwd) / ".env"
        path.write_text(text, encoding="utf-8")
        return path

    def key(self, place: Place, base: str = BASE) -> tuple[str, str]:
        found = endpoint.key(place, base)
        return found.value, found.source

    def test_the_order_of_names_in_the_environment(self) -> None:
        names = ("QIANWEN_API_KEY", "QWENCLOUD_API_KEY", "QWEN_API_KEY", "DASHSCOPE_API_KEY")
        for start in range(4):
            env = {name: f"sk-of-{name}" for name in names[start:]}
            self.assertEqual(
                self.key(self.place(**env)), (f"sk-of-{names[start]}", f"{names[start]} in the environment")
            )

    def test_the_order_of_places(self) -> None:
        (self.folder / ".git").mkdir()
        self.here = deep = self.cwd / "a" / "b"
        deep.mkdir(parents=True)
        sdk = self.home / ".dashscope" / "api_key"
        sdk.parent.mkdir()
        sdk.write_text("sk-sdk\n")
        self.assertEqual(self.key(self.place())[0], "sk-sdk")
        cloud = self.home / ".alibabacloud" / "credentials"
        cloud.parent.mkdir()
        cloud.write_text(
            "[default]\ndashscope_api_key = sk-%cloud\naccess_key_secret = no\n[work]\nDASHSCOPE_API_KEY=sk-work\n"
        )
        self.assertEqual(self.key(self.place())[0], "sk-%cloud")
        self.assertEqual(self.key(self.place(ALIBABA_CLOUD_PROFILE="work"))[0], "sk-work")
        self.dotenv("DASHSCOPE_API_KEY=sk-root", self.folder)
        self.assertEqual(self.key(self.place())[0], "sk-root")
        here = self.dotenv("DASHSCOPE_API_KEY=sk-here", deep)
        self.assertEqual(self.key(self.place()), ("sk-here", f"DASHSCOPE_API_KEY in {here}"))
        self.assertEqual(self.key(self.place(DASHSCOPE_API_KEY="sk-env"))[0], "sk-env")

    def test_a_key_file_that_is_named(self) -> None:
        path = self.folder / "key"
        path.write_text(" sk-file \n")
        self.assertEqual(self.key(self.place(DASHSCOPE_API_KEY_FILE_PATH=str(path)))[0], "sk-file")

    def test_the_grammar_of_a_dotenv_file(self) -> None:
        for text, value in (
            ("DASHSCOPE_API_KEY=sk-plain", "sk-plain"),
            ("\ufeffDASHSCOPE_API_KEY=sk-bom", "sk-bom"),
            ('  export DASHSCOPE_API_KEY = "sk-quoted"  ', "sk-quoted"),
            ("# DASHSCOPE_API_KEY=sk-no\n\nDASHSCOPE_API_KEY='sk-single'\r\nX", "sk-single"),
            ("DASHSCOPE_API_KEY=sk-a=b", "sk-a=b"),
            ('DASHSCOPE_API_KEY="sk-a" # mine', "sk-a"),
            ("DASHSCOPE_API_KEY='sk-a'# 'mine'", "sk-a"),
            ("DASHSCOPE_API_KEY=sk-a # mine", "sk-a"),
            ("DASHSCOPE_API_KEY=sk-a\t#mine", "sk-a"),
            ("DASHSCOPE_API_KEY=sk-a#b", "sk-a#b"),
            ('DASHSCOPE_API_KEY="sk-a#b"', "sk-a#b"),
            ('DASHSCOPE_API_KEY="sk-a', "sk-a"),
            ("DASHSCOPE_API_KEY= # to do\nQWEN_API_KEY=sk-b", "sk-b"),
        ):
            with self.subTest(text):
                self.dotenv(text)
                self.assertEqual(self.key(self.place())[0], value)

    def test_the_encodings_of_a_dotenv_file(self) -> None:
        path, line = self.dotenv(""), "DASHSCOPE_API_KEY=sk-a\r\n"
        for name, data in (
            *((encoding, line.encode(encoding)) for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be")),
            ("appended to another encoding", b"OUTPUT_DIR=x\n" + line.encode("utf-16-le")),
            ("with a comment in a code page", "# clé\n".encode("latin-1") + line.encode()),
        ):
            with self.subTest(name):
                path.write_bytes(data)
                self.assertEqual(self.key(self.place())[0], "sk-a")

    def test_a_dotenv_file_is_data(self) -> None:
        path = self.dotenv(
            "PATH=/evil\nHTTPS_PROXY=http://evil\nSSL_CERT_FILE=x\nQIANWEN_STATE_DIR=/x\nOUTPUT_DIR=here"
        )
        self.assertEqual(self.place().files, [(str(path), {"OUTPUT_DIR": "here"})])

    PLACEHOLDERS = (
        "sk-your-key-here", "sk-xxxx", "SK-XXXXXXXX", "sk-xxxx-xxxx-xxxx", "xxxxxx", "sk-...", "sk-…", "sk-****", "your-api-key",
        "YOUR_API_KEY", "your_dashscope_api_key", "your dashscope api key", "sk-your-dashscope-api-key", "sk-ws-your-key", "yourkey",
        "my-api-key", "<your key>", "<DASHSCOPE_API_KEY>", "[your key]", "{{ api_key }}", "${DASHSCOPE_API_KEY}", "$DASHSCOPE_API_KEY",
        "%DASHSCOPE_API_KEY%", "changeme", "CHANGE_ME", "sk-change-me", "replace-me", "replace_this", "insert-your-key-here",
        "paste_key_here", "put-key-here", "sk-put-it-here", "api-key", "API_KEY", "dashscope_api_key", "你的API-KEY", "sk-你的密钥", "您的 API Key", "TODO", "none", "null",
    )  # fmt: skip
    KEYS = (
        "sk-0123456789abcdef0123456789abcdef", "sk-abcdefabcdefabcdefabcdefabcdefab", "sk-ws-H.IDDMYD.yourkey1.MEUCIQ", "sk-sp-xxxxxxx1",
        "st-0123", "any", "test", "dummy", "sandbox", "EMPTY", "secret", "sk-real", "my-proxy", "yourself", "x", "xx", "key",
        "sk-" + "xY" * 29, "your-key-" * 40, "<" * 100_000,
    )  # fmt: skip

    def test_no_key(self) -> None:
        for text in ("", "DASHSCOPE_API_KEY="):
            self.dotenv(text)
            with self.subTest(text), self.assertRaises(AuthError) as caught:
                self.key(self.place(DASHSCOPE_API_KEY="  "))
            self.assertEqual(caught.exception.message, "no API key was found")
            self.assertIn(".env", caught.exception.hint)

    def test_placeholders_are_no_keys(self) -> None:
        for text in self.PLACEHOLDERS:
            path = self.dotenv(f"DASHSCOPE_API_KEY={text}")
            with self.subTest(text), self.assertRaises(AuthError) as caught:
                self.key(self.place())
            told = f"no API key was found: DASHSCOPE_API_KEY in {path} holds a placeholder"
            self.assertEqual(caught.exception.message, told)
            self.assertIn("your own key", caught.exception.hint)

    def test_keys_are_no_placeholders(self) -> None:
        for text in self.KEYS:
            began = time.thread_time()
            with self.subTest(text[:40]):
                self.assertFalse(endpoint.is_placeholder(text))
                self.assertLess(time.thread_time() - began, 0.1)

    def test_a_placeholder_in_any_place_hides_no_key_of_a_later_one(self) -> None:
        sdk = self.home / ".dashscope" / "api_key"
        sdk.parent.mkdir()
        sdk.write_text("${DASHSCOPE_API_KEY}")
        with self.assertRaises(AuthError) as caught:
            self.key(self.place())
        self.assertIn(f"{sdk} holds a placeholder", caught.exception.message)
        sdk.write_text("sk-real")
        self.dotenv("DASHSCOPE_API_KEY=changeme\nQIANWEN_API_KEY=<your key>")
        self.assertEqual(
            self.key(self.place(DASHSCOPE_API_KEY="sk-your-key-here", QWEN_API_KEY="sk-xxxx"))[0], "sk-real"
        )
        self.dotenv("QWEN_API_KEY=sk-nearer")
        self.assertEqual(self.key(self.place(DASHSCOPE_API_KEY="sk-your-key-here"))[0], "sk-nearer")
        self.assertEqual(self.key(self.place(QIANWEN_API_KEY="your-api-key", DASHSCOPE_API_KEY="sk-env"))[0], "sk-env")

    def test_only_keys_have_placeholders(self) -> None:
        self.dotenv("OUTPUT_DIR=my-keyframes\nQWEN_REGION=us")
        found = environment.lookup(self.place(), ("OUTPUT_DIR",))
        self.assertEqual(found and found.value, "my-keyframes")
        self.assertEqual(endpoint.region(self.place(QWEN_REGION="none"), ""), regions.DEFAULT)

    # base, key, what the advice says
    ADVICE = (
        (BASE, "sk-ws-x.Y1", "accepts only keys of cn-beijing", "try --region ap-southeast-1 (with"),
        ("https://dashscope-intl.aliyuncs.com/api/v1", "sk-0123456789abcdef", "accepts only keys of ap-southeast-1", "try --region cn-beijing (with"),
        ("https://dashscope-us.aliyuncs.com/api/v1", "sk-0123456789abcdef", "accepts only keys of us-east-1", "cn-beijing or ap-southeast-1"),
        ("https://cn-hongkong.dashscope.aliyuncs.com/api/v1", "sk-0123456789abcdef", "accepts only keys of cn-hongkong", "--region"),
        ("https://ws-1.eu-central-1.maas.aliyuncs.com/api/v1", "sk-ws-x.Y1", "only keys of this workspace", "unset DASHSCOPE_HTTP_BASE_URL and QWEN_BASE_URL"),
        ("https://trial.cn-beijing.maas.aliyuncs.com/api/v1", "sk-ws-x.Y1", "trial host", "keys of cn-beijing"),
        ("https://token-plan.cn-beijing.maas.aliyuncs.com/api/v1", "sk-ws-x.Y1", "accepts only Token Plan keys", "unset"),
        ("https://token-plan.cn-beijing.maas.aliyuncs.com/api/v1", "sk-sp-x.Y1", "its own plan and region", "not interchangeable"),
        (BASE, "sk-sp-x.Y1", "only on their plan's own host", "pay-as-you-go"),
        (BASE, "st-0123456789", "30 minutes", "create a new one"),
        ("https://ws-1.cn-beijing.maas.aliyuncs.com/api/v1", "st-0123456789", "30 minutes", "create a new one"),
        ("https://maas.qwencloudapi.com/api/v1", "sk-ws-x.Y1", "accepts only QwenCloud keys", "unset"),
        ("https://token-plan.maas.qwencloudapi.com/api/v1", "sk-sp-x.Y1", "its own plan", "not interchangeable"),
        ("https://token-plan.maas.qwencloudapi.com/api/v1", "sk-ws-x.Y1", "accepts only Token Plan keys", "unset"),
        ("https://proxy.example.com:8443/x", "sk-ws-x.Y1", "proxy.example.com is not a DashScope host", "unset"),
        ("https://proxy.example.com/x", "st-0123456789", "is not a DashScope host", "which key it accepts"),
        ("http://127.0.0.1:80/api/v1", "sk-sp-x.Y1", "127.0.0.1 is this machine", "another key"),
        ("", "", "not a DashScope host", "unset"),
    )  # fmt: skip

    def test_advice_when_a_key_is_refused(self) -> None:
        for base, key, *words in self.ADVICE:
            with self.subTest(base=base, key=key):
                told = endpoint.advice(base, key, "QWEN_API_KEY in /x/.env")
                for word in [*words, "(the key is QWEN_API_KEY in /x/.env)"]:
                    self.assertIn(word, told)
                self.assertNotIn("{", told)
                self.assertNotRegex(told, r"\b(sk|st)-")
                if key:
                    self.assertNotIn(key[-4:], told)

    def test_every_advice_is_given_somewhere(self) -> None:
        told = {endpoint.advice(base, key, "") for base, key, *_ in self.ADVICE}
        for *_, words in endpoint.ADVICE:
            begin = words.partition("{host}")[2][:25] or words[:25]
            self.assertTrue([text for text in told if begin.split("{")[0] in text], words)

    def test_a_key_that_could_not_be_one_is_never_shown(self) -> None:
        for value in ("sk-a b", "sk-a\nX-Evil: 1", "sk-é"):
            with self.subTest(value), self.assertRaises(AuthError) as caught:
                self.key(self.place(QWEN_API_KEY=value))
            self.assertNotIn(value, str(caught.exception))

    def test_plan_keys_stop_unless_the_base_is_a_plan_host(self) -> None:
        place = self.place(DASHSCOPE_API_KEY="sk-sp-0123456789")
        for plan in ("token-plan.cn-beijing.maas.aliyuncs.com", "token-plan.maas.qwencloudapi.com"):
            self.assertEqual(self.key(place, f"https://{plan}/api/v1")[0], "sk-sp-0123456789")
        for base in (
            BASE,
            "http://127.0.0.1:1/api/v1",
            "https://ws-1.cn-beijing.maas.aliyuncs.com/api/v1",
            "https://maas.qwencloudapi.com/api/v1",
        ):
            with self.subTest(base), self.assertRaises(AuthError) as caught:
                self.key(place, base)
            self.assertIn("Coding Plan", caught.exception.message)

    def test_regions(self) -> None:
        for flag, host in (
            ("", "dashscope"),
            ("cn-beijing", "dashscope"),
            ("CN", "dashscope"),
            ("intl", "dashscope-intl"),
            ("ap-southeast-1", "dashscope-intl"),
            ("us", "dashscope-us"),
            ("cn-hongkong", "cn-hongkong.dashscope"),
        ):
            with self.subTest(flag):
                place = self.place()
                self.assertEqual(
                    endpoint.base_url(place, endpoint.region(place, flag)), f"https://{host}.aliyuncs.com/api/v1"
                )
        self.assertEqual(endpoint.region(self.place(QWEN_REGION="ap-southeast-1"), ""), "ap-southeast-1")
        self.dotenv("QWEN_REGION=us")
        self.assertEqual(endpoint.region(self.place(), ""), "us-east-1")
        with self.assertRaises(UsageError) as caught:
            endpoint.region(self.place(), "mars")
        self.assertIn("cn-beijing", caught.exception.hint)

    # settings, region, host
    WORKSPACES = (
        ({"DASHSCOPE_WORKSPACE": "ws-1"}, "", "ws-1.cn-beijing"),
        ({"DASHSCOPE_WORKSPACE": "ws-1"}, "intl", "ws-1.ap-southeast-1"),
        ({"DASHSCOPE_WORKSPACE": "LLM-A1"}, "us", "llm-a1.us-east-1"),
        ({"DASHSCOPE_WORKSPACE": "ws-1"}, "cn-hongkong", "ws-1.cn-hongkong"),
        ({"DASHSCOPE_WORKSPACE_ID": "ws-2"}, "eu", "ws-2.eu-central-1"),
        ({"DASHSCOPE_WORKSPACE_ID": "ws-2"}, "AP-Northeast-1", "ws-2.ap-northeast-1"),
        ({"DASHSCOPE_WORKSPACE": "ws-1", "DASHSCOPE_WORKSPACE_ID": "ws-2"}, "jp", "ws-1.ap-northeast-1"),
        ({"DASHSCOPE_WORKSPACE": "  ", "DASHSCOPE_WORKSPACE_ID": "ws-2"}, "jp", "ws-2.ap-northeast-1"),
        ({"DASHSCOPE_WORKSPACE": "a" * 63}, "", "a" * 63 + ".cn-beijing"),
    )
    NO_WORKSPACES = (
        "ws_1", "ws 1", "ws.1", "ws-1.cn-beijing", "https://ws-1.cn-beijing.maas.aliyuncs.com", "-ws", "ws-", "é", "ｗｓ", "a/b", "a@b",
        "sk-0123456789abcdef0123456789abcdef", "SK-ws-1", "st-0123456789", "LTAI5tAbCdEfGhIj", "the-key-itself", "a" * 64, "a" * 100_000, "ws\n1", "ws%2e1",
    )  # fmt: skip

    def test_a_workspace_makes_the_host_of_its_region(self) -> None:
        for env, flag, host in self.WORKSPACES:
            with self.subTest(env=env, flag=flag):
                base = f"https://{host}.maas.aliyuncs.com/api/v1"
                self.dotenv("")
                place = self.place(**env)
                self.assertEqual(endpoint.base_url(place, endpoint.region(place, flag)), base)
                self.dotenv("\n".join(f"{name}={value}" for name, value in env.items()))
                self.assertEqual(endpoint.base_url(self.place(), endpoint.region(self.place(), flag)), base)

    def test_what_is_no_workspace_is_said_so_and_not_shown(self) -> None:
        for value in self.NO_WORKSPACES:
            with self.subTest(value[:40]), self.assertRaises(AuthError) as caught:
                endpoint.base_url(
                    self.place(DASHSCOPE_WORKSPACE=value, DASHSCOPE_API_KEY="the-key-itself"), "cn-beijing"
                )
            self.assertIn("DASHSCOPE_WORKSPACE in the environment is not a workspace id", caught.exception.message)
            self.assertNotIn(value, caught.exception.message)
            self.assertIn("letters, digits and hyphens", caught.exception.hint)

    def test_regions_that_need_a_workspace_say_so(self) -> None:
        for flag, told in (("eu", "eu-central-1 (Frankfurt)"), ("jp", "ap-northeast-1 (Tokyo)")):
            with self.subTest(flag), self.assertRaises(AuthError) as caught:
                endpoint.base_url(self.place(), endpoint.region(self.place(), flag))
            self.assertIn(told, caught.exception.message)
            self.assertIn("DASHSCOPE_WORKSPACE=", caught.exception.hint)

    def test_a_base_url_wins_over_a_workspace_and_over_what_is_remembered(self) -> None:
        place = self.place(QWEN_BASE_URL="https://dashscope-intl.aliyuncs.com", DASHSCOPE_WORKSPACE="not an id")
        for region in ("cn-beijing", "eu-central-1"):
            base = endpoint.base_url(place, region, "https://ws-1.eu-central-1.maas.aliyuncs.com/api/v1")
            self.assertEqual(base, "https://dashscope-intl.aliyuncs.com/api/v1")

    def test_only_a_base_of_dashscope_is_gone_back_to(self) -> None:
        place = self.place(DASHSCOPE_WORKSPACE="ws-1")
        for base, is_own in (
            (BASE, True),
            ("https://ws-9.eu-central-1.maas.aliyuncs.com/api/v1", True),
            ("https://maas.qwencloudapi.com/api/v1", True),
            ("https://ws-9.eu-central-1.maas.aliyuncs.com/api/v2", False),
            ("https://proxy.example.com/api/v1", False),
            ("http://127.0.0.1:8000/api/v1", False),
            ("http://dashscope.aliyuncs.com/api/v1", False),
            ("https://dashscope.aliyuncs.com:8443/api/v1", False),
            ("nonsense", False),
            ("", False),
        ):
            with self.subTest(base):
                here = "https://ws-1.cn-beijing.maas.aliyuncs.com/api/v1"
                self.assertEqual(endpoint.base_url(place, "cn-beijing", base), base if is_own else here)

    TRUSTED = (
        ("https://dashscope.aliyuncs.com", BASE),
        ("https://dashscope.aliyuncs.com/", BASE),
        ("https://dashscope.aliyuncs.com/api/v1/", BASE),
        ("https://dashscope.aliyuncs.com:443/compatible-mode/v1", "https://dashscope.aliyuncs.com:443/api/v1"),
        ("https://ws-1.ap-southeast-1.maas.aliyuncs.com", "https://ws-1.ap-southeast-1.maas.aliyuncs.com/api/v1"),
        ("https://trial.cn-hongkong.maas.aliyuncs.com", "https://trial.cn-hongkong.maas.aliyuncs.com/api/v1"),
        ("https://maas.qwencloudapi.com", "https://maas.qwencloudapi.com/api/v1"),
        ("https://maas.qwencloudapi.com/compatible-mode/v1", "https://maas.qwencloudapi.com/api/v1"),
        ("https://token-plan.maas.qwencloudapi.com", "https://token-plan.maas.qwencloudapi.com/api/v1"),
    )
    ONLY_FROM_THE_ENVIRONMENT = (
        ("https://proxy.example.com/dashscope", "https://proxy.example.com/dashscope"),
        ("https://proxy.example.com", "https://proxy.example.com/api/v1"),
        ("http://127.0.0.1:8000/api/v1", "http://127.0.0.1:8000/api/v1"),
        ("http://localhost:8000", "http://localhost:8000/api/v1"),
        ("http://[::1]:8000", "http://[::1]:8000/api/v1"),
        ("https://my-bucket.oss-cn-beijing.aliyuncs.com", "https://my-bucket.oss-cn-beijing.aliyuncs.com/api/v1"),
        ("https://dashscope.aliyuncs.com.evil.example", "https://dashscope.aliyuncs.com.evil.example/api/v1"),
        ("https://dashscope.aliyuncs.com:8443", "https://dashscope.aliyuncs.com:8443/api/v1"),
        ("https://dashscope.aliyuncs.com.", "https://dashscope.aliyuncs.com./api/v1"),
        ("https://evil-dashscope.aliyuncs.com", "https://evil-dashscope.aliyuncs.com/api/v1"),
        ("https://maas.qwencloudapi.com.evil.example", "https://maas.qwencloudapi.com.evil.example/api/v1"),
        ("https://evil.maas.qwencloudapi.com", "https://evil.maas.qwencloudapi.com/api/v1"),
        ("https://ws-1.mars-1.maas.aliyuncs.com", "https://ws-1.mars-1.maas.aliyuncs.com/api/v1"),
        ("https://a.b.cn-beijing.maas.aliyuncs.com", "https://a.b.cn-beijing.maas.aliyuncs.com/api/v1"),
    )
    NEVER = (
        "http://dashscope.aliyuncs.com",
        "http://127.0.0.1.evil.example",
        "http://10.0.0.1/api/v1",
        "ftp://dashscope.aliyuncs.com",
        "dashscope.aliyuncs.com",
        "https://",
        "https://[::1",
        "https://host:port",
        "https://user@dashscope.aliyuncs.com",
        "https://:password@dashscope.aliyuncs.com",
        "https://dashscope.aliyuncs.com/api/v1?x=1",
        "https://dashscope.aliyuncs.com/api/v1#x",
        "https://dashscope.aliyuncs.com/api/v1/services/aigc/multimodal-generation/generation",
        "https://coding.dashscope.aliyuncs.com/v1",
        "https://evil.example\\.dashscope.aliyuncs.com",
        "https://dashscope.aliyuncs.com\\@evil.example",
        "https://dashscope。aliyuncs.com",
        "https://dаshscope.aliyuncs.com",  # a Cyrillic a
        "https://dashscope.aliyuncs.com%2eevil.example",
        "https://dashscope.aliyuncs.com;evil.example",
    )

    def test_bases_that_are_trusted_from_anywhere(self) -> None:
        for value, base in self.TRUSTED:
            with self.subTest(value):
                self.assertEqual(endpoint.base_url(self.place(QWEN_BASE_URL=value), "cn-beijing"), base)
                self.dotenv(f"DASHSCOPE_HTTP_BASE_URL={value}")
                self.assertEqual(endpoint.base_url(self.place(), "cn-beijing"), base)

    def test_other_hosts_only_from_the_real_environment(self) -> None:
        for value, base in self.ONLY_FROM_THE_ENVIRONMENT:
            with self.subTest(value):
                self.dotenv(f"DASHSCOPE_HTTP_BASE_URL={value}")
                with self.assertRaises(AuthError):
                    endpoint.base_url(self.place(), "cn-beijing")
                place = self.place(DASHSCOPE_HTTP_BASE_URL=value)
                self.assertEqual(endpoint.base_url(place, "cn-beijing"), base)

    def test_what_no_key_is_ever_sent_to(self) -> None:
        for value in self.NEVER:
            with self.subTest(value), self.assertRaises(AuthError) as caught:
                endpoint.base_url(self.place(DASHSCOPE_HTTP_BASE_URL=value), "cn-beijing")
            self.assertIn("DASHSCOPE_HTTP_BASE_URL", caught.exception.message)


class ReadOnce(Case):
    """An audit hook in a process of its own sees every file that Python opens."""

    COUNTS = (
        "import runpy, sys\n"
        "def hook(event, args):\n"
        "    if event == 'open' and args[1] and str(args[0]).endswith('.env'):\n"  # without a mode it is by an opener
        "        print('opened', args[0], file=sys.stderr, flush=True)\n"
        "sys.addaudithook(hook)\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )

    def opened(self, script: str, *argv: str) -> list[str]:
        """The paths of the `.env` files that a run opened, in order."""
        names = ("PATH", "SYSTEMROOT", "QIANWEN_NO_UPDATE_CHECK", "PYTHONPYCACHEPREFIX")
        base = {"DASHSCOPE_HTTP_BASE_URL": self.env["DASHSCOPE_HTTP_BASE_URL"], "HOME": str(self.home)}
        ran = subprocess.run(
            [sys.executable, "-c", self.COUNTS, str(SCRIPTS / script), *argv],
            env={**{name: os.environ[name] for name in names if name in os.environ}, **base},
            cwd=self.cwd,
            capture_output=True,
            text=True,
        )
        self.assertEqual(ran.returncode, 0, ran.stderr)
        return [line[len("opened ") :] for line in ran.stderr.splitlines() if line.startswith("opened ")]

    def test_each_file_is_opened_once_in_a_run(self) -> None:
        (self.folder / ".git").mkdir()
        here, root = self.cwd / ".env", self.folder / ".env"
        here.write_text(f"DASHSCOPE_API_KEY={KEY}\n")
        root.write_text("QWEN_REGION=us\nOUTPUT_DIR=made\n")
        self.picture("a.png")
        with self.standin():
            for script, argv in (
                ("image.py", ("x", "--image", "a.png")),
                ("image.py", ("x", "--image", "a.png", "--dry-run")),
                ("image.py", ("x", "--async", "--region", "us")),
                ("image.py", ("x", "--sandbox")),
                ("video.py", ("x", "--submit-only")),
            ):
                with self.subTest(script, argv=argv):
                    self.assertEqual(self.opened(script, *argv), [str(here), str(root)])

    def test_a_file_that_changes_during_a_run_gives_one_answer(self) -> None:
        (self.cwd / ".env").write_text("QWEN_REGION=us\nOUTPUT_DIR=first\n")
        place = Place({}, str(self.cwd), str(self.home))
        self.assertEqual(endpoint.region(place, ""), "us-east-1")
        (self.cwd / ".env").write_text("QWEN_REGION=intl\nOUTPUT_DIR=second\n")
        found = environment.lookup(place, ("OUTPUT_DIR",))
        self.assertEqual((endpoint.region(place, ""), found and found.value), ("us-east-1", "first"))

    def test_a_pipe_of_that_name_does_not_block(self) -> None:
        if hasattr(os, "mkfifo"):
            os.mkfifo(self.cwd / ".env")
            self.assertIsNone(environment.lookup(Place({}, str(self.cwd), str(self.home)), ("OUTPUT_DIR",)))
