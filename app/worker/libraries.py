"""The heavy libraries, made quiet, so that our own output can be read."""

import os


def quiet() -> None:
    """Silences the progress bars and notices of the Hugging Face libraries."""
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")  # importing `datasets` only to say so takes seconds
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
