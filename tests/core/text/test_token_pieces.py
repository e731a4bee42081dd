"""Long texts go through the tokenizer in pieces, and the tokens are those of the tokenizer on the whole text."""

import random
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from benchmarks.byte_tokenizer import save_tokenizer
from core.errors import CorpusError
from core.records.spec import TextSpec
from core.text import tokens
from core.text.corpora import EMBEDDED, Corpus, read
from core.text.tokens import check_known, token_pieces
from core.text.windows import cut

EMBEDDED_TEXT = read(EMBEDDED, "whole").text[:60_000]
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def byte_level(pattern: str) -> Tokenizer:
    """As GPT-2 and Llama 3 split text, which looks at the spaces that follow."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        EMBEDDED_TEXT.split("\n\n"),
        trainers.BpeTrainer(vocab_size=600, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False),
    )
    return tokenizer


def sentencepiece() -> Tokenizer:
    """As Llama 2 does: a space in front of the text, spaces as letters, and merges over the whole of it."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=["<unk>"], show_progress=False)
    tokenizer.train_from_iterator(EMBEDDED_TEXT.split(" "), trainer)
    return tokenizer


TOKENIZERS = {"gpt2": lambda: byte_level(GPT2), "llama3": lambda: byte_level(LLAMA3), "llama2": sentencepiece}


def texts() -> dict[str, str]:
    draw = random.Random(0)
    words = EMBEDDED_TEXT.split()
    return {
        "documentation": EMBEDDED_TEXT[:20_000],
        "one line": " ".join(words[:3000]),
        "paragraphs": "\n\n".join(" ".join(draw.sample(words, 12)) for _ in range(150)),
        "indented": "\n".join(" " * draw.randrange(9) + draw.choice(words) for _ in range(1500)),
        "spaces": "".join(
            draw.choice(words) + draw.choice([" ", "  ", "\n", "\n\n\n", "\t", " \n "]) for _ in range(1500)
        ),
        "other letters": "".join(draw.choice("täéß 中文字\n।ไทย 😀") for _ in range(9000)),
    }


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_pieces_have_the_tokens_of_the_whole(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=TOKENIZERS[kind]())
    monkeypatch.setattr(tokens, "_WHOLE", 1500)
    monkeypatch.setattr(tokens, "_PIECE", 1000)
    monkeypatch.setattr(tokens, "_BACK", 900)
    for name, text in texts().items():
        pieces = list(token_pieces(Corpus("t", "whole", text, False), tokenizer))
        assert len(pieces) > len(text) / 1001
        whole = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        assert np.concatenate(pieces).tolist() == whole, name


@pytest.fixture
def plain(tmp_path: Path) -> PreTrainedTokenizerBase:
    save_tokenizer(tmp_path)
    return PreTrainedTokenizerFast.from_pretrained(tmp_path)


def test_a_normal_text_is_never_cut(plain: PreTrainedTokenizerBase) -> None:
    text = read(EMBEDDED, "whole").text
    [ids] = token_pieces(Corpus("t", "whole", text, False), plain)
    assert ids.tolist() == plain(text, add_special_tokens=False)["input_ids"]


def test_a_line_without_an_end_is_cut_at_the_same_places(plain: PreTrainedTokenizerBase) -> None:
    corpus = Corpus("t", "whole", "a" * 3_500_000, False)
    sizes = [len(piece) for piece in token_pieces(corpus, plain)]
    assert sizes == [2**20] * 3 + [3_500_000 - 3 * 2**20]


def test_only_as_much_goes_through_the_tokenizer_as_windows_need(
    plain: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_WHOLE", 1500)
    monkeypatch.setattr(tokens, "_PIECE", 1000)
    long, seen = Corpus("t", "whole", "tale " * 4000, False), []
    monkeypatch.setattr(tokens, "_ids", lambda *given, take=tokens._ids: (seen.append(len(given[1])), take(*given))[1])
    spec = TextSpec("t", "whole", 10, 30)
    found = cut(long, plain, spec)
    assert sum(size for size in seen if size > 200) <= 1002
    assert plain.decode(found.ids.flatten()) == ("tale " * 4000)[:300]


def test_more_than_is_read_is_not_called_the_whole(plain: PreTrainedTokenizerBase) -> None:
    longer = Corpus("t", "whole", "tale " * 40, False, ended=False)
    with pytest.raises(CorpusError, match="too long to be measured whole") as error:
        cut(longer, plain, TextSpec("t", "whole", 10))
    assert "--windows" in error.value.hint
    assert cut(longer, plain, TextSpec("t", "whole", 10, 3)).ids.shape == (3, 10)


def test_chats_are_written_by_the_models_template(plain: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        '{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "A tale."}]}\n'
        '{"messages": [{"from": "human", "value": "More"}, {"from": "gpt", "value": "No."}]}\n'
    )
    corpus = read(str(tmp_path / "a.jsonl"), "whole", "messages")
    with pytest.raises(CorpusError, match="no template"):
        list(token_pieces(corpus, plain))
    plain.chat_template = "{% for m in messages %}[{{ m.role }}] {{ m.content }};{% endfor %}"
    [ids] = token_pieces(corpus, plain)
    assert plain.decode(ids) == "[user] Hi;[assistant] A tale.;\n\n[user] More;[assistant] No.;"
    plain.chat_template = "{{ raise_exception('Roles must alternate') }}"
    with pytest.raises(CorpusError, match=r"refuses chat 1 of a\.jsonl: Roles must alternate"):
        list(token_pieces(corpus, plain))


def test_a_token_beyond_the_embedding_is_named(plain: PreTrainedTokenizerBase) -> None:
    plain.add_special_tokens({"additional_special_tokens": ["<|user|>"]})
    windows = cut(Corpus("t", "whole", "tale <|user|> tale" * 9, False), plain, TextSpec("t", "whole", 10))
    check_known(windows.ids, plain, 259, "model")
    check_known(windows.ids, plain, None, "model")
    with pytest.raises(CorpusError, match=r"the token '<\|user\|>', number 258 of the tokenizer's; model embeds 258"):
        check_known(windows.ids, plain, 258, "model")
