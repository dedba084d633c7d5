"""which mailboxes are suspect, whose browser asked, the words that were sent, reports taken back, bytes"""

import sqlalchemy as sa
from alembic import op

from service.store.models.columns import UtcDateTime

revision = "only_a_person_answers"
down_revision = "number_and_about"
branch_labels = None
depends_on = None

BROWSER_LENGTH, HASH_LENGTH = 43, 64


def upgrade() -> None:
    for table in ("introductions", "consents", "sign_ins"):
        op.add_column(table, sa.Column("suspect_at", UtcDateTime(), nullable=True))
    for table in ("introductions", "sign_ins"):
        op.add_column(table, sa.Column("browser", sa.String(length=BROWSER_LENGTH), nullable=True))
    op.create_index("ix_introductions_browser", "introductions", ["browser"])
    op.add_column(
        "introductions", sa.Column("code_attempts", sa.Integer(), nullable=False, server_default="0")
    )
    op.add_column("outbox", sa.Column("sent_text", sa.Text(), nullable=True))
    op.add_column("outbox", sa.Column("sent_html", sa.Text(), nullable=True))
    op.add_column(
        "suppressions", sa.Column("one_click", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("reports", sa.Column("reporter_hash", sa.String(length=HASH_LENGTH), nullable=True))
    op.add_column("reports", sa.Column("taken_back_at", UtcDateTime(), nullable=True))
    _index_what_arrived()


def _index_what_arrived() -> None:
    op.create_index("ix_inbound_sender_received_at", "inbound", ["sender", "received_at"])
    named = sa.text("outbox_id IS NOT NULL")
    op.create_index(
        "ix_inbound_outbox_id", "inbound", ["outbox_id"], sqlite_where=named, postgresql_where=named
    )
    op.drop_index("ix_inbound_kept", "inbound")
    kept = sa.text("raw IS NOT NULL")
    columns = ["received_at", "outbox_id", "size"]
    op.create_index("ix_inbound_kept", "inbound", columns, sqlite_where=kept, postgresql_where=kept)
