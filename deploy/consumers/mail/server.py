"""A mail server for the tests of notify: server.py CERTIFICATE KEY starttls|tls. It wants TLS and a login.

Prints its port, then each mail that it takes as a line of JSON.
"""
import json
import socket
import ssl
import sys
import threading
from email import message_from_bytes
from email.policy import default

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


class Handler:
    async def handle_DATA(self, server, session, envelope):
        mail = message_from_bytes(envelope.content, policy=default)
        print(json.dumps({"from": envelope.mail_from, "to": envelope.rcpt_tos, "subject": mail["subject"], "text": mail.get_content(),
                          "encrypted": session.ssl is not None or way == "tls", "authenticated": session.authenticated}), flush=True)
        return "250 queued"


def authenticate(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (b"cdc", b"sesame"), handled=False)


certificate, key, way = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    port = s.getsockname()[1]
options = {"tls_context": context, "require_starttls": True} if way == "starttls" else {"ssl_context": context, "auth_require_tls": False}
Controller(Handler(), hostname="127.0.0.1", port=port, auth_required=True, authenticator=authenticate, **options).start()
print(port, flush=True)
threading.Event().wait()
