"""E-mail, by SMTP: text and HTML, one thread an incident."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from hashlib import sha256

import aiosmtplib
import jinja2
import structlog

from collector.alert import Message
from collector.notify import texts
from collector.notify.channel import DeliveryError
from collector.notify.chosen import EmailConfig

_ANSWER = 10.0  # seconds for each answer of the server
_WITHIN = 20.0  # for all of it
_TOO_LARGE = 552  # to MAIL already, where the size is told there (RFC 1870)
_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("collector.notify"),
    autoescape=lambda name: name is not None and ".html" in name,  # noqa: S701 (the rest is plain text)
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
# For every server; and a subject is not folded behind its name.
_POLICY = SMTP.clone(max_line_length=250, cte_type="7bit")
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Email:
    config: EmailConfig
    clock: Callable[[], datetime]

    async def send(self, message: Message) -> None:
        config = self.config
        made = payload(message, config.sender, config.to, self.clock())
        try:
            async with asyncio.timeout(_WITHIN):
                refused, _ = await aiosmtplib.send(
                    made.as_bytes(),
                    sender=config.sender,
                    recipients=list(config.to),
                    hostname=config.host,
                    port=config.port,
                    username=config.username,
                    password=config.password,
                    use_tls=config.tls == "tls",
                    start_tls=config.tls == "starttls",
                    timeout=_ANSWER,
                )
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [one.code for one in error.recipients]
            permanent = all(code >= 500 for code in codes)
            raise DeliveryError(f"SMTP {codes[0]} recipients", permanent=permanent) from None
        except aiosmtplib.SMTPResponseException as error:
            # The server's words may quote what we said; its number is enough.
            # A server that turns everybody away, does so for a while.
            permanent = error.code >= 500 and not isinstance(error, aiosmtplib.SMTPConnectError)
            malformed = permanent and (
                isinstance(error, aiosmtplib.SMTPDataError) or error.code == _TOO_LARGE
            )
            raise DeliveryError(
                f"SMTP {error.code}", permanent=permanent, malformed=malformed
            ) from None
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise DeliveryError(type(error).__name__, permanent=False) from None
        if refused:
            log.warning("mail.recipients_refused", channel=config.name, recipients=len(refused))


def payload(message: Message, sender: str, to: tuple[str, ...], now: datetime) -> EmailMessage:
    """Each try has the same Message-ID, so that a reader shows a repeated mail once; those of one
    incident refer to one id."""
    alert = message.alert
    domain = sender.rpartition("@")[2]
    thread = f"<{_id(message.thread)}@{domain}>"
    made = EmailMessage(_POLICY)
    made["Subject"] = texts.title(message, 200)
    made["From"] = f"Pinfall <{sender}>"
    made["To"] = ", ".join(to)
    made["Date"] = format_datetime(now)
    made["Message-ID"] = f"<{_id(message.thread, message.id)}@{domain}>"
    made["In-Reply-To"] = thread
    made["References"] = thread
    made["Auto-Submitted"] = "auto-generated"
    told = {
        "title": texts.title(message),
        "facts": texts.facts(alert),
        "steps": texts.steps(alert),
        "links": texts.links(alert),
    }
    made.set_content(_TEMPLATES.get_template("mail.txt.j2").render(told))
    made.add_alternative(_TEMPLATES.get_template("mail.html.j2").render(told), subtype="html")
    return made


def _id(*parts: str) -> str:
    return sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:40]
