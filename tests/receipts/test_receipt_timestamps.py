"""Time-stamps from a real authority, OpenSSL's, and read by OpenSSL."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from receipt_scene import Scene
from typer.testing import CliRunner

from stillhunt.cli.main import app
from stillhunt.errors import InputError
from stillhunt.receipts.failure import VerificationError
from stillhunt.receipts.timestamps import check_stamp, read_roots, stamp

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None and os.environ.get("STILLHUNT_REQUIRE_ALL") != "1",
    reason="needs the openssl command",
)
CONFIG = """
[tsa]
default_tsa = it
[it]
serial = serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1
ordering = yes
tsa_name = no
ess_cert_id_alg = sha256
"""


def certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    stamps: bool,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=not stamps, path_length=None), critical=True)
    )
    if stamps:
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(issuer_key, hashes.SHA256())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of an authority on loopback, and its root certificate."""
    home = tmp_path_factory.mktemp("authority")
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = certificate("root", root_key, "root", root_key, stamps=False)
    (home / "root.pem").write_bytes(root.public_bytes(Encoding.PEM))
    signer = certificate("authority", key, "root", root_key, stamps=True)
    (home / "signer.pem").write_bytes(signer.public_bytes(Encoding.PEM))
    (home / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (home / "serial").write_text("01")
    (home / "tsa.cnf").write_text(CONFIG)

    class Authority(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            (home / "query").write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
            command = "openssl ts -reply -config tsa.cnf -queryfile query -signer signer.pem -inkey key.pem -out reply"
            subprocess.run(command.split(), cwd=home, check=True, capture_output=True)
            self.send_response(200)
            self.end_headers()
            self.wfile.write((home / "reply").read_bytes())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Authority)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", home / "root.pem"
    server.shutdown()
    server.server_close()
    thread.join(20)


def test_a_checkpoint_is_stamped_and_openssl_agrees(authority: tuple[str, Path], tmp_path: Path) -> None:
    url, root = authority
    scene = Scene(tmp_path / "store")
    scene.logged(range(7))
    log = scene.issuer.log_folder
    path = stamp(log, url, read_roots(root))
    note = (log / "timestamps" / "7.checkpoint").read_bytes()
    assert (path, note) == (log / "timestamps" / "7.tsr", (log / "checkpoint").read_bytes())
    when = check_stamp(note, path.read_bytes(), read_roots(root))
    assert abs(when - datetime.now(UTC)) < timedelta(minutes=5)
    command = ["openssl", "ts", "-verify", "-data", "7.checkpoint", "-in", "7.tsr", "-CAfile", str(root)]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, check=False)
    assert (done.returncode, "Verification: OK" in done.stdout + done.stderr) == (0, True)
    with pytest.raises(VerificationError, match="does not verify"):
        check_stamp(note.replace(b"\n7\n", b"\n8\n"), path.read_bytes(), read_roots(root))
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    with pytest.raises(VerificationError, match="does not verify"):
        check_stamp(note, bytes(data), read_roots(root))
    with pytest.raises(VerificationError, match="does not verify"):
        check_stamp(note, b"nonsense", read_roots(root))


def test_the_commands_stamp_and_verify(authority: tuple[str, Path], tmp_path: Path) -> None:
    scene = Scene(tmp_path / "store")
    scene.logged(range(7))
    log = scene.issuer.log_folder
    roots = ("--roots", str(authority[1]))
    got = CliRunner().invoke(app, ["receipts", "stamp", str(log), "--authority", authority[0], *roots])
    assert (got.exit_code, "7.tsr" in got.output) == (0, True)
    made = (str(log / "timestamps" / "7.checkpoint"), str(log / "timestamps" / "7.tsr"))
    got = CliRunner().invoke(app, ["receipts", "stamped", *made, *roots])
    assert (got.exit_code, "the authority saw this checkpoint at" in got.output) == (0, True)
    got = CliRunner().invoke(app, ["receipts", "stamped", made[1], made[1], *roots, "--json"])
    assert (got.exit_code, json.loads(got.output)["verified"]) == (1, False)


def test_another_root_is_refused(authority: tuple[str, Path], tmp_path: Path) -> None:
    scene = Scene(tmp_path / "store")
    key = ec.generate_private_key(ec.SECP256R1())
    other = certificate("root", key, "root", key, stamps=False)
    with pytest.raises(VerificationError, match="does not verify"):
        stamp(scene.issuer.log_folder, authority[0], [other])
    assert not (scene.issuer.log_folder / "timestamps").exists()


def test_an_authority_that_is_away_is_named(tmp_path: Path, authority: tuple[str, Path]) -> None:
    scene = Scene(tmp_path / "store")
    roots = read_roots(authority[1])
    with pytest.raises(InputError, match="the authority gave no stamp"):
        stamp(scene.issuer.log_folder, "http://127.0.0.1:9", roots)
    with pytest.raises(InputError, match="expected an authority at http"):
        stamp(scene.issuer.log_folder, "file:///etc/passwd", roots)
    (tmp_path / "no.pem").write_text("x")
    with pytest.raises(InputError, match="expected certificates in PEM"):
        read_roots(tmp_path / "no.pem")
