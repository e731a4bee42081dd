"""How a model on the Hugging Face Hub is named: owner/name, with a revision, or one GGUF file of it."""

import re
from dataclasses import dataclass

from core.errors import ModelNotFound

MAIN = "main"
COMMIT = re.compile(r"[0-9a-f]{40}")
_PART = re.compile(r"[A-Za-z0-9_](?:[\w.-]{0,94}[A-Za-z0-9_])?", re.ASCII)
_REVISION = re.compile(r"[\w.+-]+(?:/[\w.+-]+)*", re.ASCII)
_GGUF = re.compile(r"[\w.+-]+\.gguf", re.ASCII | re.IGNORECASE)
_FORMS = "owner/name, owner/name@revision, or owner/name/file.gguf"


@dataclass(frozen=True)
class HubId:
    """A model on the Hub, as it was asked for."""

    repository: str  # owner/name
    revision: str = MAIN  # branch, tag or commit
    file: str = ""  # a GGUF file at the top of the repository

    @classmethod
    def of(cls, text: str) -> "HubId":
        """Reads owner/name, owner/name@revision and owner/name/file.gguf@revision.

        Raises:
            ModelNotFound: the Hub has no such names; it need not be asked.
        """
        name, at, revision = text.partition("@")
        owner, _, rest = name.partition("/")
        title, slash, file = rest.partition("/")
        if text[:1] in (".", "/", "~") or "/" not in text:
            raise ModelNotFound(
                f"There is no model {text[:200]} here.",
                "Use bundled, an existing folder or .gguf file, or a model of the Hugging Face Hub: owner/name.",
            )
        wrong = next(
            (part for part in (owner, title) if not _PART.fullmatch(part) or re.search(r"--|\.\.", part)), None
        )
        if wrong is not None or title.endswith(".git"):
            reason = f"{(title if wrong is None else wrong)[:100]!r} is no name that the Hub gives"
        elif slash and not _GGUF.fullmatch(file):
            reason = f"{file[:100]!r} is no GGUF file at the top of a repository"
        elif at and (not _REVISION.fullmatch(revision) or len(revision) > 200 or ".." in revision):
            reason = f"{revision[:100]!r} is no revision"
        else:
            return cls(f"{owner}/{title}", revision or MAIN, file)
        raise ModelNotFound(
            f"There is no model {text[:200]}: there is no such folder, and on the Hub {reason}.", f"Use {_FORMS}."
        )

    def __str__(self) -> str:
        file = f"/{self.file}" if self.file else ""
        return self.repository + file + (f"@{self.revision}" if self.revision != MAIN else "")

    @property
    def page(self) -> str:
        """Where people read about it."""
        return f"https://huggingface.co/{self.repository}"
