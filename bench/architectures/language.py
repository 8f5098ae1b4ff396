"""BERT and GPT-2 as Hugging Face's transformers builds them, with random weights, on the manual of Python."""

import re
from collections import Counter
from functools import cache
from pydoc_data.topics import topics

import torch
from torch import nn
from transformers import BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel

from .workload import Batch, Workload

IGNORED = -100  # a target that counts for nothing


@cache
def _tokens() -> torch.Tensor:
    """The manual as words, punctuation and white space, each numbered by how often it occurs."""
    words = re.findall(r"\w+|[^\w\s]|\s+", "\n".join(topics[name] for name in sorted(topics)))
    numbers = {word: number for number, (word, _) in enumerate(Counter(words).most_common())}
    return torch.tensor([numbers[word] for word in words])


def text_batches(count: int, size: int, length: int, vocabulary: int) -> list[torch.Tensor]:
    """Batches (size, length) of consecutive tokens from random places, the rarest ones cut to the vocabulary."""
    tokens = _tokens().clamp(max=vocabulary - 1)
    random = torch.Generator().manual_seed(0)
    starts = torch.randint(len(tokens) - length, (count, size, 1), generator=random)
    return list(tokens[starts + torch.arange(length)])


class _Language(Workload):
    batch_size = 4

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.AdamW(model.parameters(), lr=1e-4)

    def length(self, tiny: bool) -> int:
        return 16 if tiny else 128

    def loss(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        return model(input_ids=batch[0], labels=batch[1]).loss


class Bert(_Language):
    """BERT-base: 12 layers of 768, guessing masked words."""

    name = "BERT-base"

    def config(self, tiny: bool) -> BertConfig:
        if not tiny:
            return BertConfig()
        sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
        return BertConfig(vocab_size=512, **sizes)

    def build(self, tiny: bool = False, dropout: bool = True) -> nn.Module:
        config = self.config(tiny)
        if not dropout:
            config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
        return BertForMaskedLM(config)

    def batches(self, count: int, size: int, tiny: bool = False) -> list[Batch]:
        vocabulary = self.config(tiny).vocab_size
        random = torch.Generator().manual_seed(1)
        result = []
        for words in text_batches(count, size, self.length(tiny), vocabulary - 1):
            hidden = torch.rand(words.shape, generator=random) < 0.15
            result.append((words.masked_fill(hidden, vocabulary - 1), words.masked_fill(~hidden, IGNORED)))
        return result


class Gpt(_Language):
    """GPT-2 small: 12 layers of 768, guessing the next word."""

    name = "GPT-2"

    def config(self, tiny: bool) -> GPT2Config:
        if not tiny:
            return GPT2Config()
        return GPT2Config(vocab_size=512, n_positions=64, n_embd=32, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0)

    def build(self, tiny: bool = False, dropout: bool = True) -> nn.Module:
        config = self.config(tiny)
        if not dropout:
            config.resid_pdrop = config.embd_pdrop = config.attn_pdrop = 0.0
        return GPT2LMHeadModel(config)

    def batches(self, count: int, size: int, tiny: bool = False) -> list[Batch]:
        return [(words, words) for words in text_batches(count, size, self.length(tiny), self.config(tiny).vocab_size)]


def generate(model: GPT2LMHeadModel, prompt: torch.Tensor, count: int) -> torch.Tensor:
    """`count` more tokens after each row of `prompt`, the likeliest each time, with a cache of keys and values."""
    return model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=count,
        min_new_tokens=count,
        do_sample=False,
        use_cache=True,
        pad_token_id=model.config.eos_token_id,
    )
