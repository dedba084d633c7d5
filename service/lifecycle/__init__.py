"""What may happen to an introduction, and what follows from it.

Pure: no Flask, no SQL, no clock. A command meets a `Case` at a time ``now``, and `decide` answers with
the case as it is afterwards, the events to write and the mails to queue; `next_due_at` tells when time
alone will change it next. This is the only place that decides a state. The rules are in docs/design.md.
"""

from .case import Case as Case
from .case import Side as Side
from .case import Timing as Timing
from .commands import *  # noqa: F403
from .due import next_due_at as next_due_at
from .later import may_ask_later as may_ask_later
from .later import moments_for_later as moments_for_later
from .relevance import still_wanted as still_wanted
from .rules import decide as decide
from .states import *  # noqa: F403
