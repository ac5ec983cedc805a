"""Loss curve of 200 AdamW steps of torch + PEFT on the tiny llama of src/train/test_model.h, in f32 and
under torch's own bfloat16 autocast ("losses_bf16": how far rounding alone moves the curve).

    python tools/golden/make_training.py > tests/golden/training_curve.json
"""
import json
import sys

import numpy as np
import peft
import torch
import transformers

VOCAB = 160


def hashed(n, seed, first=0):
    i = np.arange(first, first + n, dtype=np.uint64)
    h = ((i * 2654435761 + seed * 40503 + 1) & 0xFFFFFFFF).astype(np.uint32)
    h = (h ^ (h >> np.uint32(16))) * np.uint32(0x7FEB352D)
    h = (h ^ (h >> np.uint32(15))) * np.uint32(0x846CA68B)
    h ^= h >> np.uint32(16)
    return h.astype(np.float64) / 2147483648.0 - 1.0


def values(shape, seed, scale, shift=0.0):
    return torch.tensor((shift + scale * hashed(int(np.prod(shape)), seed)).astype(np.float32)).reshape(shape)


def halves(weight, n_head):
    """GGUF keeps the rows that one rotation couples side by side; transformers keeps them half a head apart."""
    n_out, n_in = weight.shape
    return weight.reshape(n_head, n_out // n_head // 2, 2, n_in).transpose(1, 2).reshape(n_out, n_in)


def model():
    config = transformers.LlamaConfig(
        vocab_size=VOCAB, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=256, rms_norm_eps=1e-5, rope_theta=10000.0,
        tie_word_embeddings=True, attn_implementation="eager")
    net = transformers.LlamaForCausalLM(config).float()
    seed = iter(range(1, 100))
    with torch.no_grad():
        net.model.embed_tokens.weight.copy_(values((VOCAB, 64), next(seed), 0.5))
        net.model.norm.weight.copy_(values((64,), next(seed), 0.2, 1.0))
        for layer in net.model.layers:
            a, m = layer.self_attn, layer.mlp
            layer.input_layernorm.weight.copy_(values((64,), next(seed), 0.2, 1.0))
            layer.post_attention_layernorm.weight.copy_(values((64,), next(seed), 0.2, 1.0))
            a.q_proj.weight.copy_(halves(values((64, 64), next(seed), 0.3), 4))
            a.k_proj.weight.copy_(halves(values((32, 64), next(seed), 0.3), 2))
            a.v_proj.weight.copy_(values((32, 64), next(seed), 0.2))
            a.o_proj.weight.copy_(values((64, 64), next(seed), 0.2))
            m.gate_proj.weight.copy_(values((96, 64), next(seed), 0.2))
            m.up_proj.weight.copy_(values((96, 64), next(seed), 0.2))
            m.down_proj.weight.copy_(values((64, 96), next(seed), 0.2))
    names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    net = peft.get_peft_model(net, peft.LoraConfig(r=8, lora_alpha=16, target_modules=names))
    with torch.no_grad():
        for name, p in net.named_parameters():
            if "lora_A" in name:
                layer = int(name.split("layers.")[1].split(".")[0])
                which = next(i for i, n in enumerate(names) if n in name)
                p.copy_(values(tuple(p.shape), 200 + layer * 7 + which, 0.125))
    return net


def sequences(which):
    for s, n in ((0, 24), (1, 17)):
        tokens = ((hashed(n + 1, 99, which * 64 + s * 32) + 1) / 2 * VOCAB).astype(np.int64)
        yield torch.tensor(tokens[:-1])[None], torch.tensor([t if j + 1 >= 6 else -100 for j, t in enumerate(tokens[1:])])


def curve(bf16):
    torch.manual_seed(0)
    net = model()
    trained = [p for p in net.parameters() if p.requires_grad]
    adam = torch.optim.AdamW(trained, lr=2e-3, weight_decay=0.01)
    losses = []
    for step in range(200):
        total, count = 0.0, 0
        for tokens, labels in sequences(step % 8):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
                logits = net(input_ids=tokens).logits[0]
            total = total + torch.nn.functional.cross_entropy(logits.float(), labels, reduction="sum",
                                                              ignore_index=-100)
            count += int((labels >= 0).sum())
        loss = total / count
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        adam.step()
        losses.append(round(loss.item(), 7))
    return losses


def main():
    json.dump({"made_with": {"torch": torch.__version__, "peft": peft.__version__,
                             "transformers": transformers.__version__},
               "losses": curve(False), "losses_bf16": curve(True)}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
