"""llama.cpp as an oracle, by ctypes on the shared object that xllamacpp ships.

The wheel exports the C API of llama.cpp; the two parameter structures are declared here as in the
llama.h of that exact release, so the version is checked at import: another release may lay them
out differently, and reading a wrong field would give plausible nonsense.
"""

import ctypes as c
import importlib.metadata
import importlib.util
import os

import numpy as np

XLLAMACPP_VERSION = "2026.10.11549"
_found = importlib.metadata.version("xllamacpp")
if _found != XLLAMACPP_VERSION:
    raise SystemExit(f"llama_oracle: xllamacpp {_found}, need {XLLAMACPP_VERSION}: "
                     "pip install -r tools/golden/requirements.txt")


class ModelParams(c.Structure):
    _fields_ = [("devices", c.c_void_p), ("tensor_buft_overrides", c.c_void_p),
                ("n_gpu_layers", c.c_int32), ("split_mode", c.c_int), ("load_mode", c.c_int),
                ("lazy_mode", c.c_int), ("main_gpu", c.c_int32), ("tensor_split", c.c_void_p),
                ("progress_callback", c.c_void_p), ("progress_user_data", c.c_void_p),
                ("kv_overrides", c.c_void_p), ("vocab_only", c.c_bool),
                ("check_tensors", c.c_bool), ("use_extra_bufts", c.c_bool),
                ("no_host", c.c_bool), ("no_alloc", c.c_bool), ("load_mtp", c.c_bool)]


class ContextParams(c.Structure):
    _fields_ = [("n_ctx", c.c_uint32), ("n_batch", c.c_uint32), ("n_ubatch", c.c_uint32),
                ("n_seq_max", c.c_uint32), ("n_rs_seq", c.c_uint32),
                ("n_outputs_max", c.c_uint32), ("n_outputs_max_per_seq", c.c_uint32),
                ("n_threads", c.c_int32), ("n_threads_batch", c.c_int32),
                ("ctx_type", c.c_int), ("rope_scaling_type", c.c_int), ("pooling_type", c.c_int),
                ("attention_type", c.c_int), ("flash_attn_type", c.c_int),
                ("rope_freq_base", c.c_float), ("rope_freq_scale", c.c_float),
                ("yarn_ext_factor", c.c_float), ("yarn_attn_factor", c.c_float),
                ("yarn_beta_fast", c.c_float), ("yarn_beta_slow", c.c_float),
                ("yarn_orig_ctx", c.c_uint32), ("defrag_thold", c.c_float),
                ("cb_eval", c.c_void_p), ("cb_eval_user_data", c.c_void_p),
                ("type_k", c.c_int), ("type_v", c.c_int), ("moe_cache_size", c.c_size_t),
                ("abort_callback", c.c_void_p), ("abort_callback_data", c.c_void_p),
                ("embeddings", c.c_bool), ("offload_kqv", c.c_bool), ("no_perf", c.c_bool),
                ("op_offload", c.c_bool), ("swa_full", c.c_bool), ("kv_unified", c.c_bool),
                ("samplers", c.c_void_p), ("n_samplers", c.c_size_t), ("ctx_other", c.c_void_p)]


class Batch(c.Structure):
    _fields_ = [("n_tokens", c.c_int32), ("token", c.POINTER(c.c_int32)),
                ("embd", c.POINTER(c.c_float)), ("pos", c.POINTER(c.c_int32)),
                ("n_seq_id", c.POINTER(c.c_int32)), ("seq_id", c.POINTER(c.POINTER(c.c_int32))),
                ("logits", c.POINTER(c.c_int8))]


_LOG = c.CFUNCTYPE(None, c.c_int, c.c_void_p, c.c_void_p)
_QUIET = _LOG(lambda level, text, data: None)


def _library():
    spec = importlib.util.find_spec("xllamacpp")
    lib = c.CDLL(os.path.join(spec.submodule_search_locations[0], "xllamacpp.abi3.so"))
    p = c.c_void_p
    for name, result, args in [
            ("llama_model_default_params", ModelParams, []),
            ("llama_context_default_params", ContextParams, []),
            ("llama_model_load_from_file", p, [c.c_char_p, ModelParams]),
            ("llama_model_free", None, [p]),
            ("llama_model_get_vocab", p, [p]),
            ("llama_vocab_n_tokens", c.c_int32, [p]),
            ("llama_vocab_eos", c.c_int32, [p]),
            ("llama_tokenize", c.c_int32, [p, c.c_char_p, c.c_int32, c.POINTER(c.c_int32),
                                           c.c_int32, c.c_bool, c.c_bool]),
            ("llama_detokenize", c.c_int32, [p, c.POINTER(c.c_int32), c.c_int32, c.c_char_p,
                                             c.c_int32, c.c_bool, c.c_bool]),
            ("llama_init_from_model", p, [p, ContextParams]),
            ("llama_free", None, [p]),
            ("llama_get_memory", p, [p]),
            ("llama_memory_clear", None, [p, c.c_bool]),
            ("llama_batch_init", Batch, [c.c_int32, c.c_int32, c.c_int32]),
            ("llama_batch_free", None, [Batch]),
            ("llama_decode", c.c_int32, [p, Batch]),
            ("llama_get_logits_ith", c.POINTER(c.c_float), [p, c.c_int32]),
            ("llama_adapter_lora_init", p, [p, c.c_char_p]),
            ("llama_set_adapters_lora", c.c_int32, [p, c.POINTER(p), c.c_size_t,
                                                    c.POINTER(c.c_float)]),
            ("llama_log_set", None, [_LOG, p])]:
        f = getattr(lib, name)
        f.restype, f.argtypes = result, args
    return lib


class Llama:
    """One model and, unless vocab_only, one context on one thread with llama.cpp's defaults
    (f16 KV cache). `f32_kv` keeps the cache in f32, for comparisons with transformers."""

    def __init__(self, path, vocab_only=False, n_ctx=2048, f32_kv=False, n_threads=1):
        self.lib = _library()
        if not os.environ.get("LLAMA_ORACLE_LOG"):
            self.lib.llama_log_set(_QUIET, None)
        params = self.lib.llama_model_default_params()
        params.vocab_only, params.n_gpu_layers = vocab_only, 0
        self.model = self.lib.llama_model_load_from_file(os.fsencode(path), params)
        if not self.model:
            raise SystemExit(f"llama_oracle: llama.cpp refuses {path}")
        self.vocab = self.lib.llama_model_get_vocab(self.model)
        self.n_vocab = self.lib.llama_vocab_n_tokens(self.vocab)
        self.ctx, self.n_ctx = None, n_ctx
        if vocab_only:
            return
        cp = self.lib.llama_context_default_params()
        if not (0 < cp.n_batch <= 1 << 16 and cp.n_seq_max == 1 and cp.type_k == 1
                and cp.type_v == 1 and cp.offload_kqv and not cp.embeddings):
            raise SystemExit("llama_oracle: the parameter structure does not fit this xllamacpp")
        cp.n_ctx = cp.n_batch = n_ctx
        cp.n_threads = cp.n_threads_batch = n_threads
        if f32_kv:
            cp.type_k = cp.type_v = 0
            cp.flash_attn_type = 0
        self.ctx = self.lib.llama_init_from_model(self.model, cp)
        self.batch = self.lib.llama_batch_init(n_ctx, 0, 1)

    def tokenize(self, data, parse_special=True):
        """Ids of `data` (bytes), without an added begin or end token."""
        room = len(data) * 2 + 8
        out = (c.c_int32 * room)()
        n = self.lib.llama_tokenize(self.vocab, data, len(data), out, room, False, parse_special)
        if n < 0:
            raise ValueError(f"needs {-n} tokens for {data!r}")
        return list(out[:n])

    def detokenize(self, ids):
        """Bytes of `ids`, special tokens rendered as their text."""
        room = 64 * len(ids) + 64
        out = c.create_string_buffer(room)
        n = self.lib.llama_detokenize(self.vocab, (c.c_int32 * len(ids))(*ids), len(ids), out,
                                      room, False, True)
        return out.raw[:n]

    def clear(self):
        self.lib.llama_memory_clear(self.lib.llama_get_memory(self.ctx), True)

    def decode(self, ids, start=0, last_only=False):
        """Logits [n, n_vocab] f32 of `ids` at positions start.. (or [1, n_vocab], the last)."""
        n = len(ids)
        b = self.batch
        b.n_tokens = n
        for i, t in enumerate(ids):
            b.token[i], b.pos[i], b.n_seq_id[i], b.seq_id[i][0] = t, start + i, 1, 0
            b.logits[i] = 1 if not last_only or i == n - 1 else 0
        if self.lib.llama_decode(self.ctx, b) != 0:
            raise SystemExit("llama_oracle: llama_decode failed")
        wanted = [n - 1] if last_only else range(n)
        return np.stack([np.ctypeslib.as_array(self.lib.llama_get_logits_ith(self.ctx, i),
                                               (self.n_vocab,)).copy() for i in wanted])

    def greedy(self, ids, n_new):
        """At most n_new greedy ids after the prompt `ids`; stops after the end token."""
        self.clear()
        out, step, at = [], list(ids), 0
        eos = self.lib.llama_vocab_eos(self.vocab)
        while len(out) < n_new:
            logits = self.decode(step, at, last_only=True)[0]
            at += len(step)
            out.append(int(logits.argmax()))
            if out[-1] == eos:
                break
            step = [out[-1]]
        return out

    def use_adapter(self, path, scale=1.0):
        """Applies a LoRA GGUF to the context (None: no adapter)."""
        if path is None:
            self.lib.llama_set_adapters_lora(self.ctx, None, 0, None)
            return
        adapter = self.lib.llama_adapter_lora_init(self.model, os.fsencode(path))
        if not adapter:
            raise ValueError(f"llama.cpp refuses the adapter {path}")
        one = (c.c_void_p * 1)(adapter)
        if self.lib.llama_set_adapters_lora(self.ctx, one, 1, (c.c_float * 1)(scale)) != 0:
            raise ValueError(f"llama.cpp could not apply the adapter {path}")


def log_softmax(logits):
    """f64 log-softmax over the last axis."""
    x = logits.astype(np.float64)
    x -= x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))
