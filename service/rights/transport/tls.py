"""TLS of the native transport: HTTP/2 only, by ALPN; client certificates where an authority for them is named."""

from __future__ import annotations

import ssl

from rights.settings import Settings, SettingsError

# What HTTP/2 allows of TLS 1.2 (RFC 9113, appendix A, forbids the rest). TLS 1.3 brings its own.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


def server_context(settings: Settings) -> ssl.SSLContext | None:
    """The context of the settings' files; None: plaintext. Raises SettingsError for files that cannot be used."""
    if settings.tls_certificate_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(["h2"])
    try:
        context.load_cert_chain(settings.tls_certificate_file, settings.tls_key_file)
        if settings.tls_client_ca_file is not None:
            context.load_verify_locations(settings.tls_client_ca_file)
            context.verify_mode = ssl.CERT_REQUIRED
    except (ssl.SSLError, OSError) as error:
        raise SettingsError(f"RIGHTS_TLS_*_FILE: {error}") from None
    return context
