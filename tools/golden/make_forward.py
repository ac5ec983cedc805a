"""Golden logits, greedy continuations and LoRA effects of SmolLM2.

Logits come from transformers in f32 on the dequantised weights, so they hold no activation
rounding: an engine with int8 activations differs from them by its own quantisation error.
With the adapter they come from PEFT. Continuations come from llama.cpp on the file itself.

Outputs (tests/golden):
  smollm2_logits.json.gz    {"prompts": [{"text", "ids", "top": [per position: {"ids"[64],
                            "logits"[64]}], "hidden": [per layer, 0 = embedding: first 8 values at
                            the last position, before the final norm], "llama_cpp_max_abs_diff"}]}
  smollm2_greedy.json       {"cases": [{"messages", "prompt", "prompt_ids", "ids"[<=32], "margin",
                            "text"}]}; margin[i] = logit of ids[i] minus the runner-up's
  lora/adapter.gguf         random LoRA, r 8, alpha 16, seven projections of layers 0, 14, 29, F16
  lora/peft/                the same adapter as PEFT writes it (safetensors F16 + config)
  lora/wrong_shape.gguf     an adapter for a base with n_embd 512
  lora/no_such_layer.gguf   an adapter for layer 40 of a base that has 30
  smollm2_lora.json.gz      {"prompts": as above, with the adapter, and "max_abs_diff_to_base",
                            "last_max_abs_diff_to_base", "llama_cpp_max_abs_diff"}
"""

import json

import gguf
import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from safetensors.numpy import save_file
from transformers import AutoModelForCausalLM

import common
from llama_oracle import Llama

PROMPTS = ["The quick brown fox jumps over the lazy dog.",
           "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n",
           "def mean(values):\n    return sum(values) / len(values)\n\nprint(mean([1, 2, 3.5]))"]
CHATS = ["What is the capital of France?", "List three primary colours, separated by commas.",
         "Write one sentence about the sea.", "What is 12 plus 30? Answer with the number only.",
         "Summarise: Sales grew 12 percent to 4.5 million euros, driven by new customers in Spain."]
SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
LAYERS, RANK, ALPHA, SEED = [0, 14, 29], 8, 16, 20261123
GGUF_NAMES = {"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output",
              "gate_proj": "ffn_gate", "up_proj": "ffn_up", "down_proj": "ffn_down"}
HEADS = {"q_proj": 9, "k_proj": 3}


def top64(logits):
    order = np.argsort(-logits, axis=-1, kind="stable")[:, :64]
    return [{"ids": o.tolist(), "logits": [round(float(x), 5) for x in row[o]]}
            for o, row in zip(order, logits)]


def forward(model, ids):
    with torch.no_grad():
        out = model(torch.tensor([ids]), output_hidden_states=True)
    return out.logits[0].numpy(), out.hidden_states


def layer_outputs(model, ids):
    """First 8 values at the last position of the embedding and of every layer's output."""
    kept = []
    hooks = [model.model.embed_tokens.register_forward_hook(lambda m, i, o: kept.append(o))]
    hooks += [layer.register_forward_hook(lambda m, i, o: kept.append(o if torch.is_tensor(o) else o[0]))
              for layer in model.model.layers]
    with torch.no_grad():
        model(torch.tensor([ids]))
    for hook in hooks:
        hook.remove()
    return [[round(float(x), 6) for x in k[0, -1, :8]] for k in kept]


def llama_diff(llama, ids, logits):
    llama.clear()
    return float(np.abs(llama.decode(ids) - logits).max())


def greedy_cases(llama):
    cases = []
    for text in CHATS:
        prompt = (f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n{text}<|im_end|>\n"
                  "<|im_start|>assistant\n")
        prompt_ids = llama.tokenize(prompt.encode())
        ids = llama.greedy(prompt_ids, 32)
        llama.clear()
        logits = llama.decode(prompt_ids, 0, last_only=True)
        margin, at = [], len(prompt_ids)
        for i in ids:
            best = np.sort(logits[0])[-2:]
            margin.append(round(float(best[1] - best[0]), 4))
            logits = llama.decode([i], at, last_only=True)
            at += 1
        cases.append({"messages": [{"role": "user", "content": text}], "prompt": prompt,
                      "prompt_ids": prompt_ids, "ids": ids, "margin": margin,
                      "text": llama.detokenize(ids).decode("utf-8", "replace")})
    return cases


def interleave(b, heads):
    """Rows of a q or k matrix from transformers' rotary order into the GGUF's."""
    return b.reshape(heads, 2, b.shape[0] // heads // 2, b.shape[1]).swapaxes(1, 2).reshape(b.shape)


def write_lora(path, tensors):
    """tensors: GGUF weight name -> (a [rank, in], b [out, rank]) f16."""
    path.parent.mkdir(parents=True, exist_ok=True)
    w = gguf.GGUFWriter(path, "llama")
    w.add_type("adapter")
    w.add_string("adapter.type", "lora")
    w.add_float32("adapter.lora.alpha", float(ALPHA))
    for name, (a, b) in tensors.items():
        w.add_tensor(name + ".lora_a", np.ascontiguousarray(a))
        w.add_tensor(name + ".lora_b", np.ascontiguousarray(b))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    print(f"{path.relative_to(common.ROOT)}: {path.stat().st_size:,} bytes")


def make_adapter(base):
    """A PEFT model with seeded random F16-representable weights, and both files of the adapter."""
    model = get_peft_model(base, LoraConfig(
        r=RANK, lora_alpha=ALPHA, target_modules=sorted(GGUF_NAMES), layers_to_transform=LAYERS,
        lora_dropout=0.0, bias="none", task_type="CAUSAL_LM")).eval()
    rng = np.random.default_rng(SEED)
    tensors, peft_tensors = {}, {}
    state = dict(model.named_parameters())
    for name in sorted(n for n in state if ".lora_A." in n):
        a, b = state[name], state[name.replace(".lora_A.", ".lora_B.")]
        a16 = (rng.standard_normal(a.shape) / np.sqrt(a.shape[1])).astype(np.float16)
        b16 = (rng.standard_normal(b.shape) * 0.05).astype(np.float16)
        with torch.no_grad():
            a.copy_(torch.from_numpy(a16.astype(np.float32)))
            b.copy_(torch.from_numpy(b16.astype(np.float32)))
        parts = name.split(".")
        projection, layer = parts[parts.index("lora_A") - 1], parts[parts.index("layers") + 1]
        key = name.replace(".default.", ".")
        peft_tensors[key] = a16
        peft_tensors[key.replace(".lora_A.", ".lora_B.")] = b16
        if projection in HEADS:
            b16 = interleave(b16, HEADS[projection])
        tensors[f"blk.{layer}.{GGUF_NAMES[projection]}.weight"] = (a16, b16)
    folder = common.OUT / "lora"
    write_lora(folder / "adapter.gguf", tensors)
    (folder / "peft").mkdir(exist_ok=True)
    save_file(peft_tensors, folder / "peft" / "adapter_model.safetensors", metadata={"format": "pt"})
    config = model.peft_config["default"].to_dict()
    config = {k: (sorted(v) if isinstance(v, set) else v) for k, v in config.items()}
    config["base_model_name_or_path"] = "SmolLM2-135M-Instruct"
    config["inference_mode"] = True
    (folder / "peft" / "adapter_config.json").write_text(
        json.dumps(config, indent=1, sort_keys=True, default=str) + "\n")
    small = rng.standard_normal((4, 512)).astype(np.float16)
    write_lora(folder / "wrong_shape.gguf",
               {"blk.0.attn_q.weight": (small, small.T.copy())})
    small = rng.standard_normal((4, 576)).astype(np.float16)
    write_lora(folder / "no_such_layer.gguf",
               {"blk.40.attn_q.weight": (small, small.T.copy())})
    return model


def main():
    torch.set_num_threads(1)
    versions = common.versions("torch", "transformers", "peft", "gguf", "xllamacpp", "numpy")
    llama = Llama(common.SMOL, n_ctx=512, f32_kv=True)
    common.save_json("smollm2_greedy.json",
                     {"about": "greedy continuations by llama.cpp", "versions": versions,
                      "cases": greedy_cases(Llama(common.SMOL, n_ctx=512))})
    model = AutoModelForCausalLM.from_pretrained(
        str(common.SMOL.parent), gguf_file=common.SMOL.name, dtype=torch.float32).eval()
    plain, rows = [], []
    for text in PROMPTS:
        ids = llama.tokenize(text.encode())
        logits, _ = forward(model, ids)
        plain.append(logits)
        rows.append({"text": text, "ids": ids, "top": top64(logits),
                     "hidden": layer_outputs(model, ids),
                     "llama_cpp_max_abs_diff": llama_diff(llama, ids, logits)})
    common.save_bytes("smollm2_logits.json.gz", json.dumps(
        {"about": "transformers f32 logits on dequantised weights", "versions": versions,
         "prompts": rows}).encode())
    print("llama.cpp to transformers, max abs logit difference:",
          [r["llama_cpp_max_abs_diff"] for r in rows])
    tuned = make_adapter(model)
    llama.use_adapter(str(common.OUT / "lora" / "adapter.gguf"))
    rows = []
    for text, base in zip(PROMPTS, plain):
        ids = llama.tokenize(text.encode())
        logits, _ = forward(tuned, ids)
        rows.append({"text": text, "ids": ids, "top": top64(logits),
                     "max_abs_diff_to_base": float(np.abs(logits - base).max()),
                     "last_max_abs_diff_to_base": float(np.abs(logits[-1] - base[-1]).max()),
                     "llama_cpp_max_abs_diff": llama_diff(llama, ids, logits)})
    common.save_bytes("smollm2_lora.json.gz", json.dumps(
        {"about": "PEFT f32 logits with tests/golden/lora on dequantised weights",
         "rank": RANK, "alpha": ALPHA, "layers": LAYERS, "versions": versions,
         "prompts": rows}).encode())
    print("adapter: to base", [r["max_abs_diff_to_base"] for r in rows],
          "llama.cpp to PEFT", [r["llama_cpp_max_abs_diff"] for r in rows])
    for name in ("wrong_shape.gguf", "no_such_layer.gguf"):
        try:
            llama.use_adapter(str(common.OUT / "lora" / name))
            print(f"llama.cpp accepts {name}")
        except ValueError as e:
            print(f"llama.cpp refuses {name}")


if __name__ == "__main__":
    main()
