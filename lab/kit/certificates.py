"""An authority, and certificates of it: real ones, as files in a folder of the test."""

from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from django.utils import timezone

from lab.servers import RedisTls


class Certificate(NamedTuple):
    """Paths of PEM files."""

    cert: Path
    key: Path


class Authority:
    """Signs certificates for this machine, as server and as client. `cert`: what others check them against."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name, self._made = folder, name, 0
        self._key = generate_private_key(SECP256R1())
        self._subject = named(name)
        builder = self._builder(self._subject, self._key)
        made = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.cert = self._store("authority", made.sign(self._key, SHA256()), self._key).cert

    def certificate(self, host: str = "localhost") -> Certificate:
        """A certificate for this name, and for the loopback address."""
        self._made += 1
        key = generate_private_key(SECP256R1())
        names = [x509.DNSName(host), x509.IPAddress(IPv4Address("127.0.0.1"))]
        builder = self._builder(named(host), key).add_extension(x509.SubjectAlternativeName(names), critical=False)
        return self._store(f"certificate-{self._made}", builder.sign(self._key, SHA256()), key)

    def _builder(self, subject: x509.Name, key: EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = timezone.now()
        return x509.CertificateBuilder(
            issuer_name=self._subject,
            subject_name=subject,
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - timedelta(days=1),
            not_valid_after=now + timedelta(days=1),
        )

    def _store(self, name: str, made: x509.Certificate, key: EllipticCurvePrivateKey) -> Certificate:
        cert, key_path = (self._folder / f"{self._name}-{name}.{kind}.pem" for kind in ("cert", "key"))
        cert.write_bytes(made.public_bytes(Encoding.PEM))
        key_path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return Certificate(cert, key_path)


def redis_tls(folder: Path) -> RedisTls:
    """What a private Redis answers over TLS with, signed by an authority `ours`."""
    authority = Authority(folder, "ours")
    return RedisTls(*authority.certificate(), authority.cert)


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
