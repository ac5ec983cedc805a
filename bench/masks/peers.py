"""llguidance and xgrammar behind one call: run(schema, [[token, ...], ...]) -> an answer as mask_bench gives."""
import json
import subprocess
import time


def load(program, model):
    line = subprocess.run([program, model, "vocabulary"], stdout=subprocess.PIPE, check=True).stdout
    record = json.loads(line)
    pieces = [bytes.fromhex(p) for p in record["pieces"]]
    found = []
    for kind in (Llguidance, Xgrammar):
        try:
            found.append(kind(pieces, record["end"]))
        except ImportError as error:
            print(f"left out: {error}")
    return found


def microseconds(start):
    return (time.thread_time_ns() - start) / 1000


class Peer:
    def run(self, schema, tests):
        start = time.thread_time_ns()
        try:
            compiled = self.compile(json.dumps(schema))
        except Exception as error:  # A peer's own error types; each is a refusal.
            return {"compiled": False, "reason": str(error).splitlines()[0][:110] if str(error) else "?"}
        answer = {"compiled": True, "compile_us": microseconds(start), "tests": []}
        for tokens in tests:
            us = []
            matcher = self.matcher(compiled)
            accepted = True
            for token in tokens + [self.end]:
                start = time.thread_time_ns()
                accepted = self.step(matcher, token)
                us.append(microseconds(start))
                if not accepted:
                    break
            answer["tests"].append({"accepted": accepted, "us": us})
        return answer


class Llguidance(Peer):
    def __init__(self, pieces, end):
        import llguidance
        import llguidance.numpy
        self.module, self.end = llguidance, end
        self.name = "llguidance " + __import__("importlib.metadata").metadata.version("llguidance")

        class Tokens:
            eos_token_id = end
            bos_token_id = None
            tokens = [p if p else b"\xff<special>" for p in pieces]

            def __call__(self, text):
                data = text if isinstance(text, bytes) else text.encode()
                single = {p: i for i, p in enumerate(pieces) if len(p) == 1}
                return [single[bytes([b])] for b in data]

        self.tokenizer = llguidance.LLTokenizer(llguidance.TokenizerWrapper(Tokens()))
        self.bits = llguidance.numpy.allocate_token_bitmask(1, self.tokenizer.vocab_size)

    def compile(self, schema):
        grammar = self.module.LLMatcher.grammar_from_json_schema(schema)
        matcher = self.module.LLMatcher(self.tokenizer, grammar)
        if matcher.get_error():
            raise ValueError(matcher.get_error())
        return matcher

    def matcher(self, compiled):
        return compiled.deep_copy()

    def step(self, matcher, token):
        self.module.numpy.fill_next_token_bitmask(matcher, self.bits, 0)
        if not self.bits[0, token // 32] >> (token % 32) & 1:
            return False
        return matcher.consume_token(token)


class Xgrammar(Peer):
    def __init__(self, pieces, end):
        import xgrammar
        self.module, self.end = xgrammar, end
        self.name = "xgrammar " + __import__("importlib.metadata").metadata.version("xgrammar")
        info = xgrammar.TokenizerInfo([p if p else b"" for p in pieces], xgrammar.VocabType.RAW,
                                      vocab_size=len(pieces), stop_token_ids=[end])
        self.compiler = xgrammar.GrammarCompiler(info, max_threads=1, cache_enabled=False)
        self.bits = xgrammar.allocate_token_bitmask(1, len(pieces))

    def compile(self, schema):
        return self.compiler.compile_json_schema(schema, any_whitespace=True, strict_mode=False)

    def matcher(self, compiled):
        return self.module.GrammarMatcher(compiled)

    def step(self, matcher, token):
        matcher.fill_next_token_bitmask(self.bits, 0)
        if not int(self.bits[0, token // 32]) >> (token % 32) & 1:
            return False
        return matcher.accept_token(token)
