"""The V4 signature of storage against the vectors of its makers: every intermediate value that they publish."""

from __future__ import annotations

import hashlib
import unittest

from qianwen.plain.record import changed
from qianwen.storage import signature as oss_v4
from qianwen.storage.signature import Operation, Secret, Signer

SIGNER = Signer(Secret("ak"), Secret("sk"), "cn-hangzhou")
WITH_TOKEN = changed(SIGNER, token=Secret("token"))
TOKEN_TO_ENCODE = changed(SIGNER, token=Secret("token/+="))
HEADERS = {"x-oss-head1": "value", "abc": "value", "ZAbc": "value", "XYZ": "value"}
QUERY = {"param1": "value1", "+param1": "value3", "|param1": "value4", "+param2": "", "|param2": "", "param2": ""}
KEY = "/bucket/1234+-/123/1.txt"
PUT = Operation("PUT", KEY, {**HEADERS, "Content-Type": "text/plain"}, QUERY)
PUT_OCTETS = changed(PUT, headers={**HEADERS, "Content-Type": "application/octet-stream"})
GET = Operation("GET", KEY)
PICTURE = "/bucket/qwencloud-uploads/20231217/0a1b2c3d_a.png"
NAMED = "/bucket/qwencloud-uploads/20231217/0a1b2c3d_图 片+1.png"

H1_CANONICAL = """PUT
/bucket/1234%2B-/123/1.txt
%2Bparam1=value3&%2Bparam2&%7Cparam1=value4&%7Cparam2&param1=value1&param2
content-type:text/plain
x-oss-content-sha256:UNSIGNED-PAYLOAD
x-oss-date:20231216T162057Z
x-oss-head1:value


UNSIGNED-PAYLOAD"""

P1_CANONICAL = """PUT
/bucket/1234%2B-/123/1.txt
%2Bparam1=value3&%2Bparam2&%7Cparam1=value4&%7Cparam2&param1=value1&param2&x-oss-credential=ak%2F20231217%2Fcn-hangzhou%2Foss%2Faliyun_v4_request&x-oss-date=20231217T025437Z&x-oss-expires=599&x-oss-signature-version=OSS4-HMAC-SHA256
content-type:application/octet-stream
x-oss-head1:value


UNSIGNED-PAYLOAD"""

# name, signer, moment, operation, SHA-256 of the canonical request ("": not published), signature
IN_HEADERS = (
    ("H1", SIGNER, 1702743657, PUT, "f4613657f1b108998e8dbd10a1aa5da621dc2c6e02c9ddec0f163664848704c4", "e21d18daa82167720f9b1047ae7e7f1ce7cb77a31e8203a7d5f4624fa0284afe"),
    ("H2", WITH_TOKEN, 1702784856, PUT, "69494678fb11579d4ee12996e2796d9e2ba43c34aa4c723c4aec018f3d6b86b8", "b94a3f999cf85bcdc00d332fbd3734ba03e48382c36fa4d5af5df817395bd9ea"),
    ("D1", SIGNER, 1702743657, Operation("PUT", KEY, {"Content-Type": "text/plain"}), "5d8994b8f94df73696cdfac18eceaa379e49945484a110da926a2aed6c6b7e1f", "bc7c97c29d93b16dd9c134a15e2a8b264da08558e7846e3479ad1e18e2452e49"),
    ("D5", TOKEN_TO_ENCODE, 1702781677, Operation("PUT", PICTURE, {"Content-Type": "image/png"}), "85fc064a0c8dec30d6b1ab8b5dcf9c49449d6ff5493f37e8510356f7860d37ac", "c831d58c189b4547adeab113289eab4c2885c45eee5c699e47ced41d3303bff1"),
    ("D6", SIGNER, 1702781677, Operation("PUT", PICTURE, {"Content-Type": "image/png", "x-oss-forbid-overwrite": "true"}), "45e60235f413475f1c64c6c25992c1ceae15273c2725474525d4be1c64136667", "c7fe4ae72753eddaeeff1c1ab36c5f23bbb1464d42eaaf969c02ed73ae567851"),
)  # fmt: skip

# the same, with the seconds that the URL is good for
IN_THE_QUERY = (
    ("P1", SIGNER, 1702781677, PUT_OCTETS, 599, "48814c11f278d51662015bf2f896b66ca10b6de0187ed8d952e341bbce0aa336", "a39966c61718be0d5b14e668088b3fa07601033f6518ac7b523100014269c0fe"),
    ("P2", WITH_TOKEN, 1702785388, PUT_OCTETS, 599, "", "3817ac9d206cd6dfc90f1c09c00be45005602e55898f26f5ddb06d7892e1f8b5"),
    ("P4", SIGNER, 1702781677, PUT_OCTETS, 432000, "", "31029123dc7732d2d2cfd4006ea4fdb6cf86da6478f813e2bf8f87877c7b9fec"),
    ("D2", SIGNER, 1702781677, GET, 599, "08b7351aa3383beb5c29d88b0ec66536f53e1b14f0796dbd52dc6ba3fac8fa87", "6ebba124f9d62b0a8718efbce2f6942e3f4d6e376773558a8e22ef88d9685a4a"),
    ("D3", SIGNER, 1702781677, Operation("GET", NAMED), 86400, "dfaa83b383be5668559fbbda063ab63a4b1dffe9fb62fc9e619d8ed9644d8c26", "f61e9d60792a9006550799dd98ad509cac46da2e42dba84cb8386c3a1840e43a"),
    ("D4", TOKEN_TO_ENCODE, 1702781677, GET, 599, "b6268d3a65c5f5972dc476e82cd4824d3c37d1775a7449a58bb0d4052cb31f80", "4374b6c67525b27acabbce839923252876bfc6bc7f68b723f19da9574453dabb"),
)  # fmt: skip

# name, stamp, the whole chain of keys
KEYS = (
    (
        "20231216T162057Z",
        (
            "151acc75ab7203acc219c35ef7415d0c604d059c7140665fe78233ec8ae7f9ea",
            "cd7fb718a1d15d167938c1ea34698de973b43added106b102eba0973c9aad028",
            "fde9c360ae5165f5a84690330c8bc545e6bde502ba8ba4972db81e5a2ea80bec",
            "b412a03b134ebddd720f5167b5de6db66620ebb3b01cff4d49e3ccb09f8de97f",
        ),
    ),
    (
        "20231217T025437Z",
        (
            "f24d05a22297c2386d5860ac554546ab8021243f319b00f3adacbfd970bb1360",
            "02fb3838d0f4cef85df4cc58942325428a4d3f58fab313e0b8adead7024c992a",
            "291a0af6963ee13337ac89e955921cc928b637f63065d4939b2287c58102db79",
            "0e11d77e422d3484e84ee6b628fdf2a85f3788e1a597f23116b477efb407e94e",
        ),
    ),
)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def canonical_in_headers(signer: Signer, moment: float, operation: Operation) -> str:
    fields = oss_v4.header_fields(signer, oss_v4.timestamp(moment))
    return oss_v4.canonical_request(changed(operation, headers={**operation.headers, **fields}))


def canonical_in_the_query(signer: Signer, moment: float, operation: Operation, expires: int) -> str:
    fields = oss_v4.query_fields(signer, oss_v4.timestamp(moment), expires)
    return oss_v4.canonical_request(changed(operation, query={**operation.query, **fields}))


class Vectors(unittest.TestCase):
    def test_signatures_in_headers(self) -> None:
        for name, signer, moment, operation, hashed, signature in IN_HEADERS:
            with self.subTest(name):
                if hashed:
                    self.assertEqual(digest(canonical_in_headers(signer, moment, operation)), hashed)
                headers = oss_v4.authorization(signer, moment, operation)
                self.assertTrue(headers["Authorization"].endswith(f",Signature={signature}"))

    def test_signatures_in_the_query(self) -> None:
        for name, signer, moment, operation, expires, hashed, signature in IN_THE_QUERY:
            with self.subTest(name):
                if hashed:
                    self.assertEqual(digest(canonical_in_the_query(signer, moment, operation, expires)), hashed)
                query = oss_v4.presigned(signer, moment, operation, expires)
                self.assertTrue(query.endswith(f"&x-oss-signature={signature}"))

    def test_the_canonical_requests_letter_by_letter(self) -> None:
        self.assertEqual(canonical_in_headers(SIGNER, 1702743657, PUT), H1_CANONICAL)
        self.assertEqual(canonical_in_the_query(SIGNER, 1702781677, PUT_OCTETS, 599), P1_CANONICAL)
        with_token = canonical_in_headers(WITH_TOKEN, 1702784856, PUT)
        self.assertIn("x-oss-head1:value\nx-oss-security-token:token\n\n", with_token)
        self.assertIn("/0a1b2c3d_%E5%9B%BE%20%E7%89%87%2B1.png\n", oss_v4.canonical_request(Operation("GET", NAMED)))

    def test_the_string_to_sign(self) -> None:
        self.assertEqual(
            oss_v4.string_to_sign(SIGNER, "20231216T162057Z", H1_CANONICAL),
            "OSS4-HMAC-SHA256\n20231216T162057Z\n20231216/cn-hangzhou/oss/aliyun_v4_request\n"
            "f4613657f1b108998e8dbd10a1aa5da621dc2c6e02c9ddec0f163664848704c4",
        )

    def test_the_chain_of_keys(self) -> None:
        for stamp, keys in KEYS:
            with self.subTest(stamp):
                self.assertEqual(tuple(key.hex() for key in oss_v4.signing_keys(SIGNER, stamp)), keys)


class Shape(unittest.TestCase):
    def test_the_authorization_header(self) -> None:
        headers = oss_v4.authorization(SIGNER, 1702743657, PUT)
        self.assertEqual(
            headers,
            {
                "x-oss-content-sha256": "UNSIGNED-PAYLOAD",
                "x-oss-date": "20231216T162057Z",
                "Authorization": "OSS4-HMAC-SHA256 Credential=ak/20231216/cn-hangzhou/oss/aliyun_v4_request,"
                f"Signature={IN_HEADERS[0][-1]}",
            },
        )
        self.assertEqual(oss_v4.authorization(WITH_TOKEN, 0, PUT)["x-oss-security-token"], "token")

    def test_the_query_of_a_presigned_url(self) -> None:
        self.assertEqual(
            oss_v4.presigned(SIGNER, 1702781677, GET, 599),
            "x-oss-credential=ak%2F20231217%2Fcn-hangzhou%2Foss%2Faliyun_v4_request&x-oss-date=20231217T025437Z"
            "&x-oss-expires=599&x-oss-signature-version=OSS4-HMAC-SHA256"
            "&x-oss-signature=6ebba124f9d62b0a8718efbce2f6942e3f4d6e376773558a8e22ef88d9685a4a",
        )
        self.assertIn("&x-oss-security-token=token%2F%2B%3D&", oss_v4.presigned(TOKEN_TO_ENCODE, 1702781677, GET, 599))

    def test_values_are_trimmed_and_names_folded(self) -> None:
        messy = changed(PUT, headers={"X-OSS-Head1": " value ", "CONTENT-type": "text/plain\t"})
        self.assertEqual(canonical_in_headers(SIGNER, 1702743657, messy), H1_CANONICAL)

    def test_secrets_do_not_show_themselves(self) -> None:
        signer = Signer(Secret("my-id"), Secret("my-secret"), "cn-hangzhou", Secret("my-token"))
        self.assertNotIn("my-", repr(signer))
        self.assertIn("cn-hangzhou", repr(signer))


if __name__ == "__main__":
    unittest.main()
