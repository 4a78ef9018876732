"""The one door out: what it refuses however it is written, and how it checks who answers."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.utils import timezone

from apps.kit import outgoing
from apps.kit.outgoing import NotSent, post
from tests.receiver import Receiver


class TestTheDoor:
    @pytest.mark.parametrize(
        "url",
        [
            "http://127.0.0.1/", "https://localhost/", "https://169.254.169.254/latest/meta-data", "https://10.1.2.3/",
            "https://[::1]/", "https://[::ffff:10.0.0.1]/", "https://[64:ff9b::a9fe:a9fe]/", "https://[fd00::1]/",
            "https://0.0.0.0/", "https://100.64.0.1/", "https://2130706433/", "https://0x7f.1/", "http://93.184.216.34/",
            "ftp://example.org/", "https://user:pass@93.184.216.34/",
        ],
    )  # fmt: skip
    def test_what_is_not_public_is_refused_however_it_is_written(self, url: str) -> None:
        with pytest.raises(NotSent) as refused:
            post(url, b"", {})
        assert refused.value.is_refused

    def test_a_listed_network_is_open_and_no_other(self, receiver: Receiver, settings: Any) -> None:
        assert post(receiver.url, b"{}", {}).status == 200
        settings.OUTGOING_ALLOW = ["10.0.0.0/8"]
        with pytest.raises(NotSent):
            post(receiver.url, b"{}", {})
        settings.OUTGOING_ALLOW = ["localhost"]
        assert post(receiver.url, b"{}", {}).body == b"taken"
        assert receiver.got[-1][0]["Host"].startswith("localhost:")

    def test_a_name_is_resolved_once_and_tls_verifies_it(
        self, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.OUTGOING_ALLOW = ["127.0.0.0/8"]
        authority = write_certificate(tmp_path, "hooks.example.test")
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        outgoing.trusted.cache_clear()
        asked: list[str] = []
        real = socket.getaddrinfo

        def resolve(host: str, *rest: Any, **more: Any) -> Any:
            asked.append(host)
            inner = host.endswith(".example.test")
            return real(
                "127.0.0.1" if inner and asked.count(host) == 1 else "10.0.0.9" if inner else host,
                *rest,
                **more,
            )

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        receiver = Receiver()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority)
        receiver.server.socket = context.wrap_socket(receiver.server.socket, server_side=True)
        thread = threading.Thread(target=receiver.server.serve_forever, daemon=True)
        thread.start()
        try:
            port = receiver.server.server_port
            assert post(f"https://hooks.example.test:{port}/", b"{}", {}).status == 200
            assert asked.count("hooks.example.test") == 1, (
                "the connection goes to the address that was checked"
            )
            with pytest.raises(NotSent, match="CERTIFICATE_VERIFY_FAILED"):
                post(f"https://other.example.test:{port}/", b"{}", {})
        finally:
            receiver.server.shutdown()
            receiver.server.server_close()
            thread.join()
            outgoing.trusted.cache_clear()

    def test_headers_that_drip_do_not_hold_the_call_beyond_its_deadline(self, settings: Any) -> None:
        settings.OUTGOING_ALLOW = ["127.0.0.0/8"]
        over = threading.Event()

        def drip(listening: socket.socket) -> None:
            peer, _ = listening.accept()
            with peer:
                peer.sendall(b"HTTP/1.1 200 OK\r\n")
                for number in range(200):
                    if over.wait(0.1):
                        return
                    peer.sendall(f"X-{number}: y\r\n".encode())

        with socket.create_server(("127.0.0.1", 0)) as listening:
            thread = threading.Thread(target=drip, args=[listening], daemon=True)
            thread.start()
            began = time.monotonic()
            with pytest.raises(NotSent, match="too long"):
                post(f"http://127.0.0.1:{listening.getsockname()[1]}", b"", {}, deadline_s=0.5)
            took = time.monotonic() - began
            over.set()
            thread.join()
        assert took < 5, "twenty seconds where only each read has a limit"

    def test_an_answer_is_read_up_to_its_limit(self, receiver: Receiver) -> None:
        receiver.answers = [(200, b"x" * 50_000)]
        assert len(post(receiver.url, b"", {}, most_bytes=1024).body) == 1024


def write_certificate(folder: Path, name: str) -> Path:
    """A certificate for this name that signs itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = timezone.now()
    builder = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    )
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(hours=1))
    builder = builder.not_valid_after(now + timedelta(hours=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "certificate.pem"
    path.write_bytes(plain + certificate.public_bytes(serialization.Encoding.PEM))
    return path
