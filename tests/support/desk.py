"""Signing in to the desk, as a person does: the form, the mail, the button."""

from __future__ import annotations

from flask.testing import FlaskClient

from .story import Story


def ask_for_link(client: FlaskClient, story: Story, email: str) -> str:
    """The path of the link that comes by mail."""
    assert client.post("/desk/sign-in", data={"email": email}).status_code == 303
    story.sweep()
    return story.link(email, "/desk/in/")


def sign_in_for_tests(client: FlaskClient, story: Story, email: str) -> None:
    """Sign a client in. The address must have made a verified request, or be in OPERATORS.

    An address gets three links in an hour of the story's clock.
    """
    assert client.post(ask_for_link(client, story, email)).status_code == 303
