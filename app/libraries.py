"""The heavy libraries, made ready: quiet, so that our own output can be read, and with memory that is kept."""

import os

from core.allocator import keep_freed_memory


def prepare() -> None:
    """Silences progress bars and notices of the Hugging Face libraries, and sets up the allocator."""
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")  # importing `datasets` only to say so takes seconds
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    keep_freed_memory()
