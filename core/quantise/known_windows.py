"""Windows of a text for a model that is not loaded: cut, and checked against what it embeds and how long it reads."""

from core.checkpoint.checkpoint import Checkpoint
from core.records.spec import TextSpec
from core.text.corpora import check_length, read
from core.text.tokens import check_known
from core.text.windows import Windows, cut


def known_windows(checkpoint: Checkpoint, text: TextSpec) -> Windows:
    """Windows of a text, which the model must know and have the length for.

    Raises:
        CorpusError, EvaluationError.
    """
    windows = cut(read(text.corpus, text.split, text.field, text.preset), checkpoint.tokenizer, text)
    embedded = getattr(checkpoint.config.get_text_config(), "vocab_size", None)
    check_known(windows.ids, checkpoint.tokenizer, embedded, checkpoint.source)
    check_length(windows.ids.shape[1], checkpoint.positions, checkpoint.source)
    return windows
