"""ask me later: the moment at which somebody who was asked wants their reminder"""

import sqlalchemy as sa
from alembic import op

from service.store.models.columns import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("consents", sa.Column("remind_at", UtcDateTime(), nullable=True))
