"""A real SMTP server, aiosmtpd, and certificates for it."""

import datetime
import ipaddress
import ssl
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.unit.delivery.smtp_peer import free_port

USER, PASSWORD = "sender@example.com", "geheimes Paßwort"
URL_CREDENTIALS = "sender%40example.com:geheimes%20Pa%C3%9Fwort"


class Certificate:
    """A self-signed certificate for `name`, in files."""

    def __init__(self, folder: Path, name: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.UTC)
        try:
            alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            alternative = x509.DNSName(name)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        self.path = folder / f"{name}.pem"
        self.path.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )

    def server_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.path)
        return context


class Mailbox:
    """Keeps what aiosmtpd received."""

    def __init__(self) -> None:
        self.received: list[tuple[Envelope, Session]] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.received.append((envelope, session))
        return "250 2.0.0 kept"


class Aiosmtpd:
    """A real server: aiosmtpd in a thread of its own."""

    def __init__(
        self, *, mechanisms: tuple[str, ...] = (), implicit: ssl.SSLContext | None = None, **options: Any
    ) -> None:
        self.mailbox = Mailbox()
        self.logins: list[str] = []
        if mechanisms:
            options["authenticator"] = self._authenticate
            options["auth_exclude_mechanism"] = {"PLAIN", "LOGIN"} - set(mechanisms)
            options["auth_required"] = True
        self.port = free_port()
        self._controller = Controller(
            self.mailbox, hostname="127.0.0.1", port=self.port, ssl_context=implicit, enable_SMTPUTF8=True, **options
        )

    def _authenticate(
        self, server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        self.logins.append(mechanism)
        good = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=good, handled=False)

    def __enter__(self) -> "Aiosmtpd":
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()


def url(server: Any, query: str, credentials: str = "") -> str:
    port = server if isinstance(server, int) else server.port
    return f"smtp://{credentials}{'@' if credentials else ''}127.0.0.1:{port}?{query}"
