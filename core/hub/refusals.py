"""What the Hub's refusals and failures mean, and what to do about each."""

import httpx2
from huggingface_hub import HfApi, get_token
from huggingface_hub.errors import (
    DisabledRepoError,
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils._http import parse_ratelimit_headers

from core.errors import ModelNotFound
from core.hub.hub_id import HubId

_LOGIN = "run `hf auth login`, or set HF_TOKEN"
_KEPT = "What has arrived is kept: start again, and it goes on from there."
_ELSEWHERE = "give a local folder, or use the embedded model: bundled."


def refusal(asked: HubId, cause: Exception) -> ModelNotFound:
    """The named error behind whatever the Hub's client has raised."""
    return ModelNotFound(*_words(asked, cause))


def seconds_to_wait(cause: HfHubHTTPError) -> float | None:
    """How long a Hub that is asked too often wants to be left alone, if it says so."""
    limit = parse_ratelimit_headers(cause.response.headers)
    if limit is not None and limit.remaining == 0:
        return limit.reset_in_seconds
    stated = cause.response.headers.get("Retry-After", "")
    return float(stated) if stated.isdigit() else None


def _words(asked: HubId, cause: Exception) -> tuple[str, str]:
    match cause:
        case GatedRepoError():
            return (
                f"{asked.repository} is gated: its owner grants access.",
                f"Ask for it on {asked.page}, then {_LOGIN}.",
            )
        case DisabledRepoError():
            return f"The Hub has closed {asked.repository}.", f"Read {asked.page}, or take another model."
        case RevisionNotFoundError():
            return (
                f"{asked.repository} has no revision {asked.revision}.",
                f"Take a branch, a tag or a whole commit from {asked.page}/commits/main, or none: owner/name.",
            )
        case RepositoryNotFoundError():
            return _no_model(asked)
        case EntryNotFoundError():
            return f"The Hub lists a file of {asked} that it does not have.", f"Start again, or look at {asked.page}."
        case HfHubHTTPError():
            return _status(asked, cause)
        case OfflineModeIsEnabled():
            return offline(asked, [])
        case httpx2.ProxyError():
            return f"The proxy to the Hub refuses: {_short(cause)}.", "Check HTTPS_PROXY and NO_PROXY."
        case httpx2.TimeoutException():
            return f"The Hub does not answer, or has stopped sending, while {asked} is asked for.", (
                f"Check the network. {_KEPT} Or {_ELSEWHERE}"
            )
        case httpx2.RemoteProtocolError() | httpx2.ReadError():
            return (
                f"The Hub ends the connection before {asked} is whole, again and again.",
                f"Check the network. {_KEPT}",
            )
        case httpx2.TransportError():
            return f"The Hub cannot be reached ({_short(cause)}), and {asked} is not on this machine.", (
                f"Check the network and the name, {_ELSEWHERE}"
            )
    return f"The Hub's answer about {asked} makes no sense ({type(cause).__name__}: {_short(cause)}).", (
        "Check HF_ENDPOINT, and whether a proxy or a login page of this network answers in its place."
    )


def offline(asked: HubId, absent: list[str]) -> tuple[str, str]:
    """What is said where the Hub may not be asked."""
    part = f"not whole on this machine ({', '.join(absent[:3])} missing)" if absent else "not on this machine"
    return f"{asked} is {part}, and HF_HUB_OFFLINE keeps it from being downloaded.", (
        "Set HF_HUB_OFFLINE=0 once, or download it elsewhere and give its folder."
    )


def _no_model(asked: HubId) -> tuple[str, str]:
    """Missing and private look alike to whoever may not see either; a data set lies under the same kind of name."""
    try:
        try:
            HfApi().dataset_info(asked.repository, timeout=3)
        except RuntimeError:  # another thread has closed the client that all share; there is a new one now
            HfApi().dataset_info(asked.repository, timeout=3)
    except Exception:  # whatever it is, it says nothing of the model
        sees = "no token is set" if get_token() is None else "your token does not see it"
        return f"There is no model {asked.repository} on the Hub, or it is private and {sees}.", (
            f"Check the name on {asked.page}. If it is private, {_LOGIN}."
        )
    return f"{asked.repository} is a data set, not a model.", f"Name it as the text: --corpus {asked.repository}."


def _status(asked: HubId, cause: HfHubHTTPError) -> tuple[str, str]:
    code = cause.response.status_code
    if code == 429:
        wait = seconds_to_wait(cause)
        after = "" if wait is None else f" for {wait:.0f} s"
        return f"The Hub takes no more requests from here{after}: too many came (429).", (
            f"Wait, then start again; whoever is logged in may ask more often: {_LOGIN}. {_KEPT}"
        )
    if code in (401, 403):
        return f"The Hub refuses the token that it was sent for {asked.repository} ({code}).", (
            f"Make one that may read it on https://huggingface.co/settings/tokens, then {_LOGIN}."
        )
    if code >= 500:
        return f"The Hub has trouble of its own ({code}), while {asked} is asked for.", (
            f"See https://status.huggingface.co and start again later. {_KEPT}"
        )
    return f"The Hub refuses {asked} ({code}).", f"Look at {asked.page}, or {_ELSEWHERE}"


def _short(cause: Exception) -> str:
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0][:200].rstrip(".")
