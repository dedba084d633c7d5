"""The tables, and the constraints on what must never be.

The two-yes gate (docs/design.md, section 3): a row of the outbox that holds an introduction and has not
ended points with two foreign keys at two consents that stand at yes. So no such row can come to be
without both, and neither yes can be taken back under one.
"""

from .base import Base as Base
from .base import FirstWriter as FirstWriter
from .base import MailState as MailState
from .base import Need as Need
from .base import Sought as Sought
from .base import canonical as canonical
from .desk import Desk as Desk
from .desk import SignIn as SignIn
from .introduction import Consent as Consent
from .introduction import Event as Event
from .introduction import Introduction as Introduction
from .introduction import LedgerEntry as LedgerEntry
from .limits import Installation as Installation
from .limits import Report as Report
from .limits import Suppression as Suppression
from .mail import InboundMail as InboundMail
from .mail import OutboxMail as OutboxMail
