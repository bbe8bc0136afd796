"""TLS between services: who is checked against which authority, and with which certificate one shows oneself."""

from pathlib import Path
from typing import NamedTuple, Self

import grpc


class TlsUnusable(Exception):
    """Files of TLS that are missing or do not belong together; one sentence."""


class Tls(NamedTuple):
    """PEM: the authority that the other side is checked against, and one's own certificate chain with its key."""

    authority: bytes | None
    certificate: bytes | None
    key: bytes | None

    @classmethod
    def read(cls, authority: Path | None, certificate: Path | None, key: Path | None) -> Self | None:
        """Reads the files; None where there are none. Raises TlsUnusable."""
        if not (authority or certificate or key):
            return None
        if bool(certificate) != bool(key):
            raise TlsUnusable("TLS takes both, a certificate and its key.")
        try:
            return cls(*(path.read_bytes() if path else None for path in (authority, certificate, key)))
        except OSError as error:
            raise TlsUnusable(f"Cannot read {error.filename}: {error.strerror}.") from error

    def of_client(self) -> grpc.ChannelCredentials:
        """What a caller needs; without an authority the usual ones of the machine count."""
        return grpc.ssl_channel_credentials(self.authority, self.key, self.certificate)

    def of_server(self) -> grpc.ServerCredentials:
        """What a server needs; with an authority only callers with a certificate of it get in. Raises TlsUnusable."""
        if not self.certificate:
            raise TlsUnusable("To check the certificates of callers a server needs one of its own, and its key.")
        pairs = [(self.key, self.certificate)]
        return grpc.ssl_server_credentials(pairs, self.authority, require_client_auth=self.authority is not None)


def path_of(text: str) -> Path | None:
    """A setting that may be empty."""
    return Path(text) if text else None
