"""Loss curves of 60 AdamW steps of torch on the tiny encoders of tests/golden/encoders (make_encoders.py), with LoRA written
out here: InfoNCE with a mined negative (cls/: the first token's vector), classes with texts that belong nowhere (pair/: the
mean), and the three rank losses over pairs (pair/: the mean). f32; linear weights of the layers rounded to bfloat16, as they
are served.

    python tools/golden/make_encoder_training.py > tests/golden/encoder_training.json
"""
import json
import sys

import numpy as np
import torch
import torch.nn.functional as F
import transformers

import common

RANK, SCALE, STEPS, LABELS = 8, 2.0, 60, 5
NAMES = {"attention.self.query": 0, "attention.self.key": 1, "attention.self.value": 2, "attention.output.dense": 3,
         "intermediate.dense": 5, "output.dense": 6}


def hashed(n, seed, first=0):
    i = np.arange(first, first + n, dtype=np.uint64)
    h = ((i * 2654435761 + seed * 40503 + 1) & 0xFFFFFFFF).astype(np.uint32)
    h = (h ^ (h >> np.uint32(16))) * np.uint32(0x7FEB352D)
    h = (h ^ (h >> np.uint32(15))) * np.uint32(0x846CA68B)
    h ^= h >> np.uint32(16)
    return h.astype(np.float64) / 2147483648.0 - 1.0


def values(shape, seed, scale):
    return torch.tensor((scale * hashed(int(np.prod(shape)), seed)).astype(np.float32)).reshape(shape)


class Lora(torch.nn.Module):
    def __init__(self, base, seed):
        super().__init__()
        base.weight.data = base.weight.data.bfloat16().float()
        self.base = base
        n_out, n_in = base.weight.shape
        self.a = torch.nn.Parameter(values((RANK, n_in), seed, 0.125))
        self.b = torch.nn.Parameter(torch.zeros(n_out, RANK))

    def forward(self, x):
        return self.base(x) + SCALE * (x @ self.a.T) @ self.b.T


def encoder(folder):
    kind = transformers.BertModel if folder == "cls" else transformers.BertForSequenceClassification
    net = kind.from_pretrained(common.OUT / "encoders" / folder, dtype=torch.float32, attn_implementation="eager").eval()
    net = net if folder == "cls" else net.bert
    for p in net.parameters():
        p.requires_grad = False
    for l, layer in enumerate(net.encoder.layer):
        for name, p in NAMES.items():
            parent, _, last = name.rpartition(".")
            owner = layer.get_submodule(parent) if parent else layer
            setattr(owner, last, Lora(getattr(owner, last), 200 + l * 7 + p))
    return net


def ids(which, n, n_vocab):
    return [int(t) for t in ((hashed(n, 99, which * 32) + 1) / 2 * n_vocab).astype(np.int64)]


def vector(net, folder, tokens, n_first):
    types = [0] * n_first + [1] * (len(tokens) - n_first)
    x = net(input_ids=torch.tensor([tokens]), token_type_ids=torch.tensor([types])).last_hidden_state[0]
    v = x[0] if folder == "cls" else x.mean(0)
    return v / v.norm()


def texts(net, folder, first, lengths, n_first=None):
    n_vocab = net.config.vocab_size
    return torch.stack([vector(net, folder, ids(first + i, n, n_vocab), n if n_first is None else n_first)
                        for i, n in enumerate(lengths)])


def info_nce(net, step):
    v = texts(net, "cls", step % 4 * 16, [5, 7, 4, 11, 9, 14, 8, 6])  # 3 queries, their positives, 2 negatives.
    scores = v[:3] @ v[3:].T / 0.1
    scores[2, 0] = -torch.inf  # The first's positive answers the third as well.
    return F.cross_entropy(scores, torch.arange(3))


def classes(net, step, head):
    v = texts(net, "pair", step % 4 * 16, [5, 7, 4, 11, 9, 14])
    logits = 8.0 * v @ head[:LABELS * 64].reshape(LABELS, 64).T + head[LABELS * 64:]
    inside = F.cross_entropy(logits[:4], torch.tensor([0, 3, 1, 4]), reduction="sum")
    outside = -F.log_softmax(logits[4:], -1).mean(-1).sum()
    return (inside + 0.5 * outside) / 6


def rank(net, step, head, kind):
    scores = 8.0 * texts(net, "pair", step % 4 * 16, [9, 12, 7, 15], n_first=4) @ head[:64] + head[64]
    relevance = torch.tensor([0.0, 1.0, 0.0, 0.5])
    if kind == "binary":
        return F.binary_cross_entropy_with_logits(scores, relevance, reduction="sum")
    if kind == "listwise":
        return -(relevance / relevance.sum() * F.log_softmax(scores, -1)).sum()
    return torch.stack([F.softplus(scores[j] - scores[i]) for i in range(4) for j in range(4)
                        if relevance[i] > relevance[j]]).mean()


def curve(folder, n_labels, loss_of):
    torch.manual_seed(0)
    net = encoder(folder)
    trained = [p for p in net.parameters() if p.requires_grad]
    head = torch.nn.Parameter(values((n_labels * 65,), 300, 0.1))
    if n_labels:
        trained.append(head)
    adam = torch.optim.AdamW(trained, lr=5e-4, weight_decay=0.01)
    losses = []
    for step in range(STEPS):
        loss = loss_of(net, step, head)
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        adam.step()
        losses.append(round(loss.item(), 7))
    return losses


def main():
    torch.set_num_threads(1)
    out = {"made_with": {"torch": torch.__version__, "transformers": transformers.__version__},
           "info_nce": curve("cls", 0, lambda net, step, head: info_nce(net, step)),
           "classes": curve("pair", LABELS, classes)}
    for kind in ("binary", "pairwise", "listwise"):
        out[kind] = curve("pair", 1, lambda net, step, head, kind=kind: rank(net, step, head, kind))
    json.dump(out, sys.stdout)
    print()


if __name__ == "__main__":
    main()
