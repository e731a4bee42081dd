"""Who looks at the dashboard, where a login is configured: Streamlit's own OpenID Connect (docs/deploying.md).

`[auth]` in secrets.toml switches it on. Without it, whoever reaches the dashboard is the person whose machine it is.
"""

from collections.abc import Mapping
from pathlib import Path

import streamlit as st
from streamlit.errors import StreamlitAPIException

from app.dashboard import parts
from app.foreign import plain
from core.errors import NotAllowed
from core.paths import home, user_path
from core.records.spec import RunSpec

_MEND = "Mend [auth] in secrets.toml as docs/deploying.md describes it, and start the dashboard again."


def visitor() -> str | None:
    """Who has logged in: the e-mail address that the provider has verified, or its own name for them.

    None where nobody needs to log in.
    """
    if not st.user.get("is_logged_in"):
        return None
    known = st.user.get("email") if st.user.get("email_verified", True) else None
    return str(known or f"{st.user['sub']} of {st.user.get('iss', 'the provider')}")


def ask() -> None:
    """Draws the way to log in, and ends the page there, where somebody needs to and has not; else the way out."""
    _check_secrets()
    if (who := visitor()) is not None:
        with st.sidebar:
            st.text(who)
            st.button("Log out", icon=":material/logout:", on_click=st.logout)
    elif st.user.get("is_logged_in") is False:
        st.title("Quorum")
        st.markdown("Which layers does a language model need? Log in to see the runs and to start some.")
        for provider in _providers():
            if st.button(f"Log in with {plain(provider)}" if provider else "Log in", type="primary"):
                _log_in(provider)
        st.stop()


def may_end(owner: str | None) -> bool:
    """Whether whoever is looking may cancel or delete what `owner` has started."""
    return visitor() in (None, owner)


def check_model(spec: RunSpec) -> None:
    """A visitor names models by Hub id, or those that were put below the folder of models.

    Raises:
        NotAllowed: another path of this machine.
    """
    if visitor() is None or "/" not in spec.model or not user_path(spec.model).exists():
        return
    if not user_path(spec.model).resolve().is_relative_to(home() / "models"):
        raise NotAllowed(
            "Where people log in, models come from the Hub or from the folder of models.",
            "Give a Hub id such as owner/name, or ask whoever runs this dashboard to put the model there.",
        )


def _check_secrets() -> None:
    """A file of secrets that cannot be read would switch the login off; nothing is shown then."""
    files = [file for file in st.get_option("secrets.files") if Path(file).is_file()]
    if files and not st.secrets.load_if_toml_exists():
        parts.show_failure("The dashboard's secrets.toml cannot be read, and may ask for a login.", _MEND)
        st.stop()


def _providers() -> list[str | None]:
    """The providers that [auth] names, each in a section of its own; None for the one without a name."""
    sections = st.secrets["auth"]
    named: list[str | None] = [name for name, value in sections.items() if isinstance(value, Mapping)]
    return [None, *named] if "client_id" in sections else named


def _log_in(provider: str | None) -> None:
    try:
        st.login(provider)
    except StreamlitAPIException as cause:
        parts.show_failure(f"Nobody can log in: {cause}", _MEND)
