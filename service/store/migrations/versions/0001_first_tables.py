"""the first tables"""

import secrets

import sqlalchemy as sa
from alembic import op

from service.store.models.columns import UtcDateTime

revision = "first_tables"
down_revision = None
branch_labels = None
depends_on = None

ROLES = ("a", "b", "requester")
REASONS = ("no-answer", "declined", "undeliverable", "withdrawn", "handoff-unconfirmed")
KINDS = (
    "verify", "ask", "reminder", "receipt", "recheck", "unclear", "declined", "undeliverable",
    "introduction", "undelivered", "follow_up", "not_come_about", "summary", "sign_in",
)  # fmt: skip
MAIL_STATES = ("queued", "leased", "handover", "sent", "retry", "failed", "skipped", "unknown")


def upgrade() -> None:
    _create_installation()
    _create_introductions()
    _create_consents()
    _create_events()
    _create_ledger()
    _create_suppressions()
    _create_reports()
    _create_desks()
    _create_outbox()
    _create_inbound()


def _one_of(enum: str, *values: str) -> sa.Enum:
    """A column that holds one of some words; the database checks it by ``ck_TABLE_ENUM``."""
    return sa.Enum(*values, name=enum, native_enum=False, create_constraint=True, length=24)


def _create_installation() -> None:
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
    # The salt of the suppression list belongs to the installation and outlives every rotation of keys.
    row = {"id": 1, "address_salt": secrets.token_hex(32), "relay_failures": 0, "relay_reply": ""}
    op.bulk_insert(installation, [row])


def _create_introductions() -> None:
    states = ("unverified", "asking", "agreed", "introducing", "introduced", "confirmed", "closed")
    op.create_table(
        "introductions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("requester_name", sa.String(length=200), nullable=False),
        sa.Column("requester_email", sa.String(length=254), nullable=False),
        sa.Column("requester_address", sa.String(length=254), nullable=False),
        sa.Column("need", sa.Text(), nullable=False),
        sa.Column("need_of", _one_of("need", "a", "b", "both"), nullable=False),
        sa.Column("sought", _one_of("sought", "yes", "no", "unsure"), nullable=False),
        sa.Column("first_writer", _one_of("firstwriter", "a", "b", "either"), nullable=False),
        sa.Column("requester_language", sa.String(length=8), nullable=False, server_default="en"),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("next_due_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("requester_is", _one_of("role", *ROLES), nullable=True),
        sa.Column("order", _one_of("order", "together", "a_first", "b_first"), nullable=False),
        sa.Column("reminders", sa.Boolean(), nullable=False),
        sa.Column("cc_requester", sa.Boolean(), nullable=False),
        sa.Column("state", _one_of("state", *states), nullable=False),
        sa.Column("reason", _one_of("reason", *REASONS), nullable=True),
        sa.Column("mailed_at", UtcDateTime(), nullable=True),
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
    op.create_index("ix_introductions_next_due_at", "introductions", ["next_due_at"])
    op.create_index("ix_introductions_requester_address", "introductions", ["requester_address"])


def _create_consents() -> None:
    states = ("waiting", "asked", "yes", "no", "undeliverable")
    op.create_table(
        "consents",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("introduction_id", sa.Integer(), nullable=False),
        sa.Column("side", _one_of("role", *ROLES), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("address", sa.String(length=254), nullable=False),
        sa.Column("blurb", sa.Text(), nullable=False),
        sa.Column("endorsement", sa.Text(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False, server_default="en"),
        sa.Column("words_shown", sa.Text(), nullable=True),
        sa.Column("method", sa.String(length=24), nullable=True),
        sa.Column("phone", sa.String(length=40), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("looking", sa.Boolean(), nullable=True),
        sa.Column("state", _one_of("consentstate", *states), nullable=False),
        sa.Column("asked_at", UtcDateTime(), nullable=True),
        sa.Column("reminded_at", UtcDateTime(), nullable=True),
        sa.Column("remind_at", UtcDateTime(), nullable=True),
        sa.Column("answered_at", UtcDateTime(), nullable=True),
        sa.Column("answers", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tells_requester", sa.Boolean(), nullable=False),
        sa.Column("corrected", sa.Boolean(), nullable=False),
        sa.Column("envelope", _one_of("envelope", "none", "queued", "accepted", "failed"), nullable=False),
        sa.Column("in_touch", sa.Boolean(), nullable=True),
        sa.Column("mailed_at", UtcDateTime(), nullable=True),
        sa.Column("touched_at", UtcDateTime(), nullable=True),
        sa.Column("suspects", sa.Integer(), nullable=False, server_default="0"),
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
    op.create_index("ix_consents_address", "consents", ["address"])


def _create_events() -> None:
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
    op.create_index("ix_events_introduction_id", "events", ["introduction_id"])


def _create_ledger() -> None:
    op.create_table(
        "ledger",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("introduction_id", sa.Integer(), nullable=False),
        sa.Column("outcome", _one_of("outcome", "referral", "lead"), nullable=False),
        sa.Column("reason", _one_of("reason", *REASONS), nullable=True),
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
    current = sa.text("superseded_at IS NULL")
    op.create_index(
        "uq_ledger_one_current",
        "ledger",
        ["introduction_id"],
        unique=True,
        sqlite_where=current,
        postgresql_where=current,
    )


def _create_suppressions() -> None:
    op.create_table(
        "suppressions",
        sa.Column("address_hash", sa.String(length=64), nullable=False),
        sa.Column("requester_hash", sa.String(length=64), nullable=False, server_default=""),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("address_hash", "requester_hash", name=op.f("pk_suppressions")),
    )


def _create_reports() -> None:
    op.create_table(
        "reports",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("introduction_id", sa.Integer(), nullable=False),
        sa.Column("side", _one_of("role", *ROLES), nullable=False),
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


def _create_desks() -> None:
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


def _create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("introduction_id", sa.Integer(), nullable=True),
        sa.Column("sign_in_id", sa.Integer(), nullable=True),
        sa.Column("kind", _one_of("mailkind", *KINDS), nullable=False),
        sa.Column("to", _one_of("role", *ROLES), nullable=False),
        sa.Column("recipient", sa.String(length=254), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.String(length=200), nullable=False),
        sa.Column("tag", sa.String(length=16), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("gate_a", sa.String(length=1), nullable=True),
        sa.Column("gate_b", sa.String(length=1), nullable=True),
        sa.Column("state", _one_of("mailstate", *MAIL_STATES), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("useful_until", UtcDateTime(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("handovers", sa.Integer(), nullable=False),
        sa.Column("lease", sa.String(length=32), nullable=True),
        sa.Column("leased_until", UtcDateTime(), nullable=True),
        sa.Column("sent_at", UtcDateTime(), nullable=True),
        sa.Column("reply", sa.String(length=300), nullable=False),
        sa.Column("bounces", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("bounced_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "(state IN ('leased', 'handover')) = (lease IS NOT NULL)", name=op.f("ck_outbox_lease")
        ),
        sa.CheckConstraint(
            "kind <> 'introduction' OR (round = 1 AND body IS NOT NULL)",
            name=op.f("ck_outbox_introduced_once"),
        ),
        sa.CheckConstraint(
            "kind <> 'introduction' OR state IN ('sent', 'failed', 'skipped') OR "
            "(gate_a IS NOT NULL AND gate_a = 'a' AND gate_b IS NOT NULL AND gate_b = 'b')",
            name=op.f("ck_outbox_two_yeses"),
        ),
        sa.CheckConstraint(
            "(introduction_id IS NULL) = (kind = 'sign_in') AND "
            "(sign_in_id IS NOT NULL) = (kind = 'sign_in')",
            name=op.f("ck_outbox_belongs_to_one"),
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
        sa.ForeignKeyConstraint(["sign_in_id"], ["sign_ins.id"], name=op.f("fk_outbox_sign_in_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("sign_in_id", name=op.f("uq_outbox_sign_in_id")),
        sa.UniqueConstraint("tag", name=op.f("uq_outbox_tag")),
        sa.UniqueConstraint(
            "introduction_id",
            "kind",
            "recipient",
            "round",
            name=op.f("uq_outbox_introduction_id_kind_recipient_round"),
        ),
    )
    introduction = sa.text("kind = 'introduction'")
    op.create_index(
        "uq_outbox_one_introduction_for_each",
        "outbox",
        ["introduction_id", "to"],
        unique=True,
        sqlite_where=introduction,
        postgresql_where=introduction,
    )
    op.create_index("ix_outbox_state_due_at", "outbox", ["state", "due_at"])
    op.create_index("ix_outbox_recipient_sent_at", "outbox", [sa.text("lower(recipient)"), "sent_at"])


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
