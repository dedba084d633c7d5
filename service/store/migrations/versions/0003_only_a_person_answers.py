"""which mailboxes are suspect, whose browser asked, the words that were sent, reports taken back"""

import sqlalchemy as sa
from alembic import op

from service.store.models.columns import UtcDateTime

revision = "only_a_person_answers"
down_revision = "number_and_about"
branch_labels = None
depends_on = None

BROWSER_LENGTH, HASH_LENGTH = 43, 64
KINDS = (
    "verify", "ask", "reminder", "receipt", "recheck", "unclear", "declined", "undeliverable",
    "introduction", "undelivered", "follow_up", "not_come_about", "summary", "sign_in", "stopped",
)  # fmt: skip


def upgrade() -> None:
    for table in ("introductions", "consents", "sign_ins"):
        op.add_column(table, sa.Column("suspect_at", UtcDateTime(), nullable=True))
    for table in ("introductions", "sign_ins"):
        op.add_column(table, sa.Column("browser", sa.String(length=BROWSER_LENGTH), nullable=True))
    op.create_index("ix_introductions_browser", "introductions", ["browser"])
    op.add_column(
        "introductions", sa.Column("code_attempts", sa.Integer(), nullable=False, server_default="0")
    )
    _extend_outbox()
    op.add_column(
        "suppressions", sa.Column("one_click", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("reports", sa.Column("reporter_hash", sa.String(length=HASH_LENGTH), nullable=True))
    op.add_column("reports", sa.Column("taken_back_at", UtcDateTime(), nullable=True))


def _extend_outbox() -> None:
    """Make room for the words that were sent, and for the kind of mail that tells an operator."""
    kinds = ", ".join(repr(kind) for kind in KINDS)
    # SQLite gets the table copied, and an index on an expression would be lost on the way.
    op.drop_index("ix_outbox_recipient_sent_at", "outbox")
    with op.batch_alter_table("outbox") as batch:
        batch.add_column(sa.Column("sent_subject", sa.Text(), nullable=True))
        batch.add_column(sa.Column("sent_text", sa.Text(), nullable=True))
        batch.add_column(sa.Column("sent_html", sa.Text(), nullable=True))
        batch.drop_constraint(op.f("ck_outbox_mailkind"), type_="check")
        batch.drop_constraint(op.f("ck_outbox_belongs_to_one"), type_="check")
        batch.create_check_constraint(op.f("ck_outbox_mailkind"), sa.text(f"kind IN ({kinds})"))
        batch.create_check_constraint(
            op.f("ck_outbox_belongs_to_one"),
            sa.text(
                "(introduction_id IS NULL) = (kind IN ('sign_in', 'stopped')) AND "
                "(sign_in_id IS NOT NULL) = (kind = 'sign_in')"
            ),
        )
    op.create_index("ix_outbox_recipient_sent_at", "outbox", [sa.text("lower(recipient)"), "sent_at"])
