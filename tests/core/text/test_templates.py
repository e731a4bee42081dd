"""Chat templates are programs of whoever made the model: what loops, swells or raises ends in an error with a name."""

import multiprocessing
import time
from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from core.errors import CorpusError
from core.text import chat_templates
from core.text.corpora import Corpus
from core.text.tokens import token_pieces

CHAT = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "A tale."}]
PLAIN = "{% for message in messages %}<{{ message.role }}>{{ message.content }}{% endfor %}"
FOR_EVER = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
SWELLS = (
    "{% set ns = namespace(x='aaaaaaaa') %}{% for a in range(40) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}"
)
TIMES = "{{ 'a' * 10**11 }}"


def corpus(chats: list[object]) -> Corpus:
    return Corpus(name="chats.jsonl", text="", split="whole", halved=False, chats=tuple(chats))


@pytest.fixture
def tokenizer(tiny: Path) -> PreTrainedTokenizerBase:
    found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(tiny)
    return found


def test_chats_are_as_the_template_writes_them(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.chat_template = PLAIN
    chats = [CHAT, [{"role": "user", "content": "\u20ac \U0001f600" * 400}]] * 30
    text = corpus([]).between.join(str(tokenizer.apply_chat_template(chat, tokenize=False)) for chat in chats)
    [ids] = token_pieces(corpus(list(chats)), tokenizer)
    assert ids.tolist() == tokenizer(text, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("template", [FOR_EVER, SWELLS, TIMES])
def test_a_template_without_an_end_is_refused(
    tokenizer: PreTrainedTokenizerBase, template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_templates, "_SECONDS", 2)
    tokenizer.chat_template = PLAIN + "{% if messages | length > 2 %}" + template + "{% endif %}"
    begun = time.monotonic()
    with pytest.raises(CorpusError, match=r"chat template (takes over|refuses) .*2 of chats.jsonl") as refused:
        list(token_pieces(corpus([CHAT, [*CHAT, CHAT[0]], CHAT]), tokenizer))
    assert "plain text" in refused.value.hint and time.monotonic() - begun < 60
    assert not multiprocessing.active_children(), "nothing goes on behind it"


def test_a_template_s_own_words_are_handed_on(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.chat_template = "{{ raise_exception('roles must alternate.') }}"
    with pytest.raises(CorpusError, match=r"refuses chat 1 of chats.jsonl: roles must alternate\.\nGive"):
        list(token_pieces(corpus([CHAT]), tokenizer))
