"""A real SMTP server (aiosmtpd) for the suite; tests/it/support/post.rs starts it.

Argument: JSON {mode: starttls|tls|none, certificate, key, username, password}. It writes a line of JSON for its port, for each login that is
tried, for each letter, and for each command that is done; it reads commands from standard input, and ends when that ends.
"""

import asyncio
import json
import logging
import ssl
import sys
import warnings
from email import policy
from email.parser import BytesParser

from aiosmtpd.smtp import SMTP, AuthResult

asked = json.loads(sys.argv[1])
away = False
# What goes wrong is for the tests to see in what the client makes of it.
logging.disable()
warnings.simplefilter("ignore")


def tell(**what):
    print(json.dumps(what), flush=True)


def login(server, session, envelope, mechanism, data):
    tell(login=data.login.decode())
    good = (data.login.decode(), data.password.decode()) == (asked["username"], asked["password"])
    return AuthResult(success=good, handled=False)


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused"):
            return "550 no such mailbox here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if envelope.rcpt_tos[0].startswith("silent"):
            await asyncio.Event().wait()
        raw = envelope.original_content
        message = BytesParser(policy=policy.default).parsebytes(raw)
        leaves = [part for part in message.walk() if not part.is_multipart()]
        defects = [str(defect) for part in message.walk() for defect in part.defects]
        defects += [str(defect) for part in message.walk() for value in part.values() for defect in value.defects]
        body = {part.get_content_type(): part.get_content() for part in leaves}
        tell(
            letter={
                "from": envelope.mail_from,
                "to": envelope.rcpt_tos,
                "encrypted": server.transport.get_extra_info("cipher") is not None,
                "hello": session.host_name,
                "kind": message.get_content_type(),
                "headers": [[name, str(value)] for name, value in message.items()],
                "parts": [[part.get_content_type(), part.get_content_charset()] for part in leaves],
                "text": body.get("text/plain", ""),
                "html": body.get("text/html", ""),
                "defects": defects,
                "raw": raw.decode("latin-1"),
            }
        )
        return "250 taken"


def connection():
    if away:

        class Away(asyncio.Protocol):
            def connection_made(self, transport):
                transport.abort()

        return Away()
    starttls = asked["mode"] == "starttls"
    return SMTP(
        Handler(),
        hostname="localhost",
        tls_context=context if starttls else None,
        require_starttls=starttls,
        auth_require_tls=starttls,
        auth_required=True,
        authenticator=login,
    )


async def commands():
    global away
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode().strip():
        away = line == "away"
        tell(done=line)


async def main():
    tls = context if asked["mode"] == "tls" else None
    server = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", 0, ssl=tls)
    tell(port=server.sockets[0].getsockname()[1])
    await commands()


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(asked["certificate"], asked["key"])
asyncio.run(main())
