"""Certificates for the tests of TLS."""

import pytest

from tests.unit.delivery.smtp_servers import Certificate


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate(tmp_path_factory.mktemp("tls"), "127.0.0.1")


@pytest.fixture
def trusted(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> Certificate:
    """The certificate, among those that ssl.create_default_context trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    return certificate
