"""the desk: links to sign in, and sessions that can be ended everywhere"""

import sqlalchemy as sa
from alembic import op

from service.store.models.columns import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KINDS = (
    "verify", "ask", "reminder", "receipt", "recheck", "unclear", "declined", "undeliverable",
    "introduction", "undelivered", "follow_up", "not_come_about", "summary", "sign_in",
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "desks",
        sa.Column("address", sa.String(length=254), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_desks")),
    )
    op.create_table(
        "sign_ins",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(length=254), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_ins")),
    )
    op.create_index("ix_sign_ins_address_created_at", "sign_ins", ["address", "created_at"])
    _let_a_mail_belong_to_a_sign_in()


def _let_a_mail_belong_to_a_sign_in() -> None:
    # SQLite gets the table copied, and an index on an expression would be lost on the way.
    op.drop_index("ix_outbox_recipient_sent_at", "outbox")
    with op.batch_alter_table("outbox") as batch:
        batch.alter_column("introduction_id", existing_type=sa.Integer(), nullable=True)
        batch.add_column(sa.Column("sign_in_id", sa.Integer(), nullable=True))
        batch.create_foreign_key(op.f("fk_outbox_sign_in_id"), "sign_ins", ["sign_in_id"], ["id"])
        batch.create_unique_constraint(op.f("uq_outbox_sign_in_id"), ["sign_in_id"])
        batch.drop_constraint(op.f("ck_outbox_mailkind"), type_="check")
        kinds = ", ".join(repr(kind) for kind in KINDS)
        batch.create_check_constraint(op.f("ck_outbox_mailkind"), sa.text(f"kind IN ({kinds})"))
        batch.create_check_constraint(
            op.f("ck_outbox_belongs_to_one"),
            sa.text(
                "(introduction_id IS NULL) = (kind = 'sign_in') AND "
                "(sign_in_id IS NOT NULL) = (kind = 'sign_in')"
            ),
        )
    op.create_index("ix_outbox_recipient_sent_at", "outbox", [sa.text("lower(recipient)"), "sent_at"])
