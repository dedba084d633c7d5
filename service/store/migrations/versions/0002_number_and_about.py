"""a mail's number and what it is about, which were one number"""

import sqlalchemy as sa
from alembic import op

revision = "number_and_about"
down_revision = "first_tables"
branch_labels = None
depends_on = None

ABOUT = ("case", "a", "b", "answer", "handoff", "end")
UNIQUE = "uq_outbox_introduction_id_kind_recipient"


def upgrade() -> None:
    op.add_column("outbox", sa.Column("number", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("outbox", sa.Column("about", sa.String(length=24), nullable=False, server_default="case"))
    _take_apart()
    _replace_round()


def _take_apart() -> None:
    """Odd rounds of some mails to the requester were about side a, even ones about side b."""
    op.execute("UPDATE outbox SET number = round")
    op.execute(
        """
        UPDATE outbox
        SET number = (round + 1) / 2, about = CASE round % 2 WHEN 1 THEN 'a' ELSE 'b' END
        WHERE kind IN ('declined', 'undeliverable', 'undelivered') AND "to" = 'requester'
        """
    )
    op.execute(
        """
        UPDATE outbox
        SET number = 1, about = CASE round WHEN 2 THEN 'handoff' WHEN 3 THEN 'end' ELSE 'answer' END
        WHERE kind = 'unclear'
        """
    )


def _replace_round() -> None:
    words = ", ".join(repr(word) for word in ABOUT)
    # SQLite gets the table copied, and an index on an expression would be lost on the way.
    op.drop_index("ix_outbox_recipient_sent_at", "outbox")
    with op.batch_alter_table("outbox") as batch:
        batch.drop_constraint(op.f(f"{UNIQUE}_round"), type_="unique")
        batch.drop_constraint(op.f("ck_outbox_introduced_once"), type_="check")
        batch.drop_column("round")
        batch.alter_column("number", existing_type=sa.Integer(), server_default=None)
        batch.alter_column("about", existing_type=sa.String(length=24), server_default=None)
        batch.create_check_constraint(op.f("ck_outbox_about"), sa.text(f"about IN ({words})"))
        batch.create_check_constraint(
            op.f("ck_outbox_introduced_once"),
            sa.text("kind <> 'introduction' OR (number = 1 AND about = 'case' AND body IS NOT NULL)"),
        )
        batch.create_unique_constraint(
            op.f(f"{UNIQUE}_number_about"), ["introduction_id", "kind", "recipient", "number", "about"]
        )
    op.create_index("ix_outbox_recipient_sent_at", "outbox", [sa.text("lower(recipient)"), "sent_at"])
