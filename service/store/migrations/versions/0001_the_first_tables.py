"""the first tables"""

import secrets

import sqlalchemy as sa
from alembic import op

from service.store.models.columns import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    installation = op.create_table(
        "installation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("address_salt", sa.String(length=64), nullable=False),
        sa.Column("relay_paused_until", UtcDateTime(), nullable=True),
        sa.Column("relay_failures", sa.Integer(), nullable=False),
        sa.Column("relay_reply", sa.String(length=300), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_installation_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
    )
    op.create_table(
        "introductions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("requester_name", sa.String(length=200), nullable=False),
        sa.Column("requester_email", sa.String(length=254), nullable=False),
        sa.Column("requester_address", sa.String(length=254), nullable=False),
        sa.Column("need", sa.Text(), nullable=False),
        sa.Column(
            "need_of",
            sa.Enum("a", "b", "both", name="need", native_enum=False, create_constraint=True, length=24),
            nullable=False,
        ),
        sa.Column(
            "sought",
            sa.Enum(
                "yes", "no", "unsure", name="sought", native_enum=False, create_constraint=True, length=24
            ),
            nullable=False,
        ),
        sa.Column(
            "first_writer",
            sa.Enum(
                "a", "b", "either", name="firstwriter", native_enum=False, create_constraint=True, length=24
            ),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("next_due_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column(
            "requester_is",
            sa.Enum("a", "b", "requester", name="role", native_enum=False, create_constraint=True, length=24),
            nullable=True,
        ),
        sa.Column(
            "order",
            sa.Enum(
                "together",
                "a_first",
                "b_first",
                name="order",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("reminders", sa.Boolean(), nullable=False),
        sa.Column("cc_requester", sa.Boolean(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "unverified",
                "asking",
                "agreed",
                "introducing",
                "introduced",
                "confirmed",
                "closed",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column(
            "reason",
            sa.Enum(
                "no-answer",
                "declined",
                "undeliverable",
                "withdrawn",
                "handoff-unconfirmed",
                name="reason",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=True,
        ),
        sa.Column("verified_at", UtcDateTime(), nullable=True),
        sa.Column("closes_at", UtcDateTime(), nullable=True),
        sa.Column("hold_until", UtcDateTime(), nullable=True),
        sa.Column("left_at", UtcDateTime(), nullable=True),
        sa.Column("introduced_at", UtcDateTime(), nullable=True),
        sa.Column("followed_up_at", UtcDateTime(), nullable=True),
        sa.Column("summarised", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "requester_is IS NULL OR requester_is IN ('a', 'b')",
            name=op.f("ck_introductions_requester_is_a_side"),
        ),
        sa.CheckConstraint(
            "state IN ('unverified', 'closed') OR verified_at IS NOT NULL",
            name=op.f("ck_introductions_verified"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_introductions")),
    )
    with op.batch_alter_table("introductions", schema=None) as batch_op:
        batch_op.create_index("ix_introductions_next_due_at", ["next_due_at"], unique=False)
        batch_op.create_index("ix_introductions_requester_address", ["requester_address"], unique=False)

    op.create_table(
        "suppressions",
        sa.Column("address_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("address_hash", name=op.f("pk_suppressions")),
    )
    op.create_table(
        "consents",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("introduction_id", sa.Integer(), nullable=False),
        sa.Column(
            "side",
            sa.Enum("a", "b", "requester", name="role", native_enum=False, create_constraint=True, length=24),
            nullable=False,
        ),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("address", sa.String(length=254), nullable=False),
        sa.Column("blurb", sa.Text(), nullable=False),
        sa.Column("endorsement", sa.Text(), nullable=False),
        sa.Column("words_shown", sa.Text(), nullable=True),
        sa.Column("method", sa.String(length=24), nullable=True),
        sa.Column("phone", sa.String(length=40), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("looking", sa.Boolean(), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "waiting",
                "asked",
                "yes",
                "no",
                "undeliverable",
                name="consentstate",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("asked_at", UtcDateTime(), nullable=True),
        sa.Column("reminded_at", UtcDateTime(), nullable=True),
        sa.Column("answered_at", UtcDateTime(), nullable=True),
        sa.Column("answers", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tells_requester", sa.Boolean(), nullable=False),
        sa.Column("corrected", sa.Boolean(), nullable=False),
        sa.Column(
            "envelope",
            sa.Enum(
                "none",
                "queued",
                "accepted",
                "failed",
                name="envelope",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("in_touch", sa.Boolean(), nullable=True),
        sa.Column(
            "agreed_side",
            sa.String(length=1),
            sa.Computed("CASE WHEN state = 'yes' THEN side END", persisted=True),
            nullable=True,
        ),
        sa.CheckConstraint("side IN ('a', 'b')", name=op.f("ck_consents_a_side")),
        sa.CheckConstraint(
            "state NOT IN ('yes', 'no') OR (answered_at IS NOT NULL AND words_shown IS NOT NULL)",
            name=op.f("ck_consents_answer_has_evidence"),
        ),
        sa.ForeignKeyConstraint(
            ["introduction_id"], ["introductions.id"], name=op.f("fk_consents_introduction_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
        sa.UniqueConstraint(
            "introduction_id", "agreed_side", name=op.f("uq_consents_introduction_id_agreed_side")
        ),
        sa.UniqueConstraint("introduction_id", "side", name=op.f("uq_consents_introduction_id_side")),
    )
    with op.batch_alter_table("consents", schema=None) as batch_op:
        batch_op.create_index("ix_consents_address", ["address"], unique=False)

    op.create_table(
        "events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("introduction_id", sa.Integer(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.String(length=24), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["introduction_id"], ["introductions.id"], name=op.f("fk_events_introduction_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
    )
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.create_index("ix_events_introduction_id", ["introduction_id"], unique=False)

    op.create_table(
        "ledger",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("introduction_id", sa.Integer(), nullable=False),
        sa.Column(
            "outcome",
            sa.Enum("referral", "lead", name="outcome", native_enum=False, create_constraint=True, length=24),
            nullable=False,
        ),
        sa.Column(
            "reason",
            sa.Enum(
                "no-answer",
                "declined",
                "undeliverable",
                "withdrawn",
                "handoff-unconfirmed",
                name="reason",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=True,
        ),
        sa.Column("need_identified", sa.Boolean(), nullable=False),
        sa.Column("actively_sought", sa.Boolean(), nullable=False),
        sa.Column("introduced", sa.Boolean(), nullable=False),
        sa.Column("endorsed", sa.Boolean(), nullable=False),
        sa.Column("both_expect_it", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.Column("superseded_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "(outcome = 'referral') = (reason IS NULL)", name=op.f("ck_ledger_a_lead_has_a_reason")
        ),
        sa.ForeignKeyConstraint(
            ["introduction_id"], ["introductions.id"], name=op.f("fk_ledger_introduction_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger")),
    )
    with op.batch_alter_table("ledger", schema=None) as batch_op:
        batch_op.create_index(
            "uq_ledger_one_current",
            ["introduction_id"],
            unique=True,
            sqlite_where=sa.text("superseded_at IS NULL"),
            postgresql_where=sa.text("superseded_at IS NULL"),
        )

    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("introduction_id", sa.Integer(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "verify",
                "ask",
                "reminder",
                "receipt",
                "declined",
                "undeliverable",
                "introduction",
                "undelivered",
                "follow_up",
                "not_come_about",
                "summary",
                name="mailkind",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column(
            "to",
            sa.Enum("a", "b", "requester", name="role", native_enum=False, create_constraint=True, length=24),
            nullable=False,
        ),
        sa.Column("recipient", sa.String(length=254), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.String(length=200), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("gate_a", sa.String(length=1), nullable=True),
        sa.Column("gate_b", sa.String(length=1), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "leased",
                "handover",
                "sent",
                "retry",
                "failed",
                "skipped",
                "unknown",
                name="mailstate",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("useful_until", UtcDateTime(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("handovers", sa.Integer(), nullable=False),
        sa.Column("lease", sa.String(length=32), nullable=True),
        sa.Column("leased_until", UtcDateTime(), nullable=True),
        sa.Column("sent_at", UtcDateTime(), nullable=True),
        sa.Column("reply", sa.String(length=300), nullable=False),
        sa.CheckConstraint(
            "(state IN ('leased', 'handover')) = (lease IS NOT NULL)", name=op.f("ck_outbox_lease")
        ),
        sa.CheckConstraint(
            "kind <> 'introduction' OR (round = 1 AND body IS NOT NULL)",
            name=op.f("ck_outbox_introduced_once"),
        ),
        sa.CheckConstraint(
            "kind <> 'introduction' OR state IN ('sent', 'failed', 'skipped') OR (gate_a IS NOT NULL AND gate_a = 'a' AND gate_b IS NOT NULL AND gate_b = 'b')",
            name=op.f("ck_outbox_two_yeses"),
        ),
        sa.ForeignKeyConstraint(
            ["introduction_id", "gate_a"],
            ["consents.introduction_id", "consents.agreed_side"],
            name="fk_outbox_gate_a",
        ),
        sa.ForeignKeyConstraint(
            ["introduction_id", "gate_b"],
            ["consents.introduction_id", "consents.agreed_side"],
            name="fk_outbox_gate_b",
        ),
        sa.ForeignKeyConstraint(
            ["introduction_id"], ["introductions.id"], name=op.f("fk_outbox_introduction_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint(
            "introduction_id",
            "kind",
            "recipient",
            "round",
            name=op.f("uq_outbox_introduction_id_kind_recipient_round"),
        ),
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index("ix_outbox_state_due_at", ["state", "due_at"], unique=False)
        batch_op.create_index(
            "uq_outbox_one_introduction_for_each",
            ["introduction_id", "to"],
            unique=True,
            sqlite_where=sa.text("kind = 'introduction'"),
            postgresql_where=sa.text("kind = 'introduction'"),
        )

    # The salt of the suppression list belongs to the installation and outlives every rotation of keys.
    op.bulk_insert(
        installation,
        [{"id": 1, "address_salt": secrets.token_hex(32), "relay_failures": 0, "relay_reply": ""}],
    )


def downgrade() -> None:
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_outbox_one_introduction_for_each",
            sqlite_where=sa.text("kind = 'introduction'"),
            postgresql_where=sa.text("kind = 'introduction'"),
        )
        batch_op.drop_index("ix_outbox_state_due_at")

    op.drop_table("outbox")
    with op.batch_alter_table("ledger", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_ledger_one_current",
            sqlite_where=sa.text("superseded_at IS NULL"),
            postgresql_where=sa.text("superseded_at IS NULL"),
        )

    op.drop_table("ledger")
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.drop_index("ix_events_introduction_id")

    op.drop_table("events")
    with op.batch_alter_table("consents", schema=None) as batch_op:
        batch_op.drop_index("ix_consents_address")

    op.drop_table("consents")
    op.drop_table("suppressions")
    with op.batch_alter_table("introductions", schema=None) as batch_op:
        batch_op.drop_index("ix_introductions_requester_address")
        batch_op.drop_index("ix_introductions_next_due_at")

    op.drop_table("introductions")
    op.drop_table("installation")
