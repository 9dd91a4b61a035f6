"""A certificate for the endpoint, and the authority that clients can be told to trust."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from airflow_emrs_ext.local.server.kept_state import check_own

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
# Clients take certificates of at most 825 days.
_DAYS = 365
_AUTHORITY_DAYS = 3650


@dataclass(frozen=True)
class Certificate:
    """Files in PEM form.

    :param authority: what clients are told to trust
    :param chain: what the endpoint shows them
    :param key: the private key of that, for nobody else to read
    """

    authority: Path
    chain: Path
    key: Path


def make_certificate(directory: Path, names: Sequence[str]) -> Certificate:
    """Make a certificate for loopback and further names, signed by an authority of its own.

    An authority that is there already stays the same for its ten years, so that clients trust the next endpoint in the
    directory, too; its private key is kept beside it.

    :param directory: where the files are
    :param names: host names, each with all below it, and addresses under which the endpoint answers
    :raises StateError: somebody else may have written to the directory
    """
    directory.mkdir(mode=0o700, exist_ok=True)
    check_own(directory)
    made = Certificate(directory / "ca.pem", directory / "server.pem", directory / "server.key")
    authority_key_path = directory / "ca.key"
    kept = x509.load_pem_x509_certificate(made.authority.read_bytes()) if made.authority.exists() else None
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=_DAYS)
    if kept is not None and authority_key_path.exists() and kept.not_valid_after_utc > until:
        authority = kept
        loaded = serialization.load_pem_private_key(authority_key_path.read_bytes(), None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        authority_key = loaded
    else:
        authority_key = ec.generate_private_key(ec.SECP256R1())
        authority = _sign("emrs-local authority", authority_key, None, authority_key, is_authority=True)
        _write_key(authority_key_path, authority_key)
        made.authority.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    key = ec.generate_private_key(ec.SECP256R1())
    alternatives = [one for name in dict.fromkeys((*_LOOPBACK, *names)) for one in _alternatives(name)]
    certificate = _sign("emrs-local", key, authority, authority_key, alternatives)
    _write_key(made.key, key)
    made.chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return made


def _sign(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate | None,
    authority_key: ec.EllipticCurvePrivateKey,
    alternatives: Sequence[x509.GeneralName] = (),
    *,
    is_authority: bool = False,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    began = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)
    usage = x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(authority.subject if authority else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(began)
        .not_valid_after(began + datetime.timedelta(days=_AUTHORITY_DAYS if is_authority else _DAYS))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=0 if is_authority else None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
    )
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False).add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
        )
    return builder.sign(authority_key, hashes.SHA256())


def _alternatives(name: str) -> Sequence[x509.GeneralName]:
    try:
        return [x509.IPAddress(ipaddress.ip_address(name))]
    except ValueError:
        ascii_name = name.encode("idna").decode()
        return [x509.DNSName(ascii_name), x509.DNSName(f"*.{ascii_name}")]


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(0o600)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
