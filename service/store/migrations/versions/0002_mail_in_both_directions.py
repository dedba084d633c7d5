"""mail in both directions: languages, replies, bounces, reports, what arrives"""

import secrets

import sqlalchemy as sa
from alembic import op

from service.store.models.columns import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

KINDS = (
    "verify", "ask", "reminder", "receipt", "recheck", "unclear", "declined", "undeliverable",
    "introduction", "undelivered", "follow_up", "not_come_about", "summary",
)  # fmt: skip
ROLES = ("a", "b", "requester")


def upgrade() -> None:
    _add_languages()
    _add_suspicion()
    _extend_outbox()
    _let_suppression_name_a_requester()
    _create_reports()
    _create_inbound()


def _add_languages() -> None:
    for table, column in (("introductions", "requester_language"), ("consents", "language")):
        op.add_column(table, sa.Column(column, sa.String(length=8), nullable=False, server_default="en"))


def _add_suspicion() -> None:
    for table in ("introductions", "consents"):
        op.add_column(table, sa.Column("mailed_at", UtcDateTime(), nullable=True))
    op.add_column("consents", sa.Column("touched_at", UtcDateTime(), nullable=True))
    op.add_column("consents", sa.Column("suspects", sa.Integer(), nullable=False, server_default="0"))


def _extend_outbox() -> None:
    op.add_column("outbox", sa.Column("tag", sa.String(length=16), nullable=True))
    op.add_column("outbox", sa.Column("bounces", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("outbox", sa.Column("bounced_at", UtcDateTime(), nullable=True))
    connection = op.get_bind()
    outbox = sa.table("outbox", sa.column("id", sa.Integer()), sa.column("tag", sa.String()))
    for mail_id in connection.scalars(sa.select(outbox.c.id)).all():
        connection.execute(outbox.update().where(outbox.c.id == mail_id).values(tag=secrets.token_hex(8)))
    with op.batch_alter_table("outbox") as batch:
        batch.alter_column("tag", existing_type=sa.String(length=16), nullable=False)
        batch.create_unique_constraint(op.f("uq_outbox_tag"), ["tag"])
        batch.drop_constraint(op.f("ck_outbox_mailkind"), type_="check")
        kinds = ", ".join(repr(kind) for kind in KINDS)
        batch.create_check_constraint(op.f("ck_outbox_mailkind"), sa.text(f"kind IN ({kinds})"))
    op.create_index("ix_outbox_recipient_sent_at", "outbox", [sa.text("lower(recipient)"), "sent_at"])


def _let_suppression_name_a_requester() -> None:
    connection = op.get_bind()
    kept = connection.execute(sa.text("SELECT address_hash, created_at FROM suppressions")).all()
    op.drop_table("suppressions")
    suppressions = op.create_table(
        "suppressions",
        sa.Column("address_hash", sa.String(length=64), nullable=False),
        sa.Column("requester_hash", sa.String(length=64), nullable=False, server_default=""),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("address_hash", "requester_hash", name=op.f("pk_suppressions")),
    )
    insert = sa.text(f"INSERT INTO {suppressions.name} VALUES (:address_hash, '', :created_at)")
    for row in kept:
        connection.execute(insert, {"address_hash": row.address_hash, "created_at": row.created_at})


def _create_reports() -> None:
    op.create_table(
        "reports",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("introduction_id", sa.Integer(), nullable=False),
        sa.Column(
            "side",
            sa.Enum(*ROLES, name="role", native_enum=False, create_constraint=True, length=24),
            nullable=False,
        ),
        sa.Column("requester_address", sa.String(length=254), nullable=False),
        sa.Column("reported_at", UtcDateTime(), nullable=False),
        sa.Column("dismissed_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["introduction_id"], ["introductions.id"], name=op.f("fk_reports_introduction_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reports")),
        sa.UniqueConstraint("introduction_id", "side", name=op.f("uq_reports_introduction_id_side")),
    )
    op.create_index("ix_reports_requester_address", "reports", ["requester_address"])


def _create_inbound() -> None:
    op.create_table(
        "inbound",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.String(length=250), nullable=False),
        sa.Column("sender", sa.String(length=320), nullable=False),
        sa.Column("recipient", sa.String(length=320), nullable=False),
        sa.Column("way", sa.String(length=16), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=True),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("processed_at", UtcDateTime(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=40), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("outbox_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["outbox_id"], ["outbox.id"], name=op.f("fk_inbound_outbox_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbound")),
        sa.UniqueConstraint("message_id", "recipient", name=op.f("uq_inbound_message_id_recipient")),
    )
    op.create_index("ix_inbound_processed_at", "inbound", ["processed_at"])
    op.create_index("ix_inbound_recipient_received_at", "inbound", ["recipient", "received_at"])
    kept = sa.text("raw IS NOT NULL")
    op.create_index("ix_inbound_kept", "inbound", ["received_at"], sqlite_where=kept, postgresql_where=kept)
