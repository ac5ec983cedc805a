"""Documents, weights and adapters that are not as they should be, beside good ones that must not suffer."""
import pathlib
import shutil
import struct
import unittest

from program import ROOT, ProgramTest

DECODER = "smollm2-135m:q4_1"
ENCODER = ROOT / "models/cache/minilm-l6-f32"
LORA = ROOT / "tests/golden/lora"


def pdf(content, resources, objects=(), trailer=""):
    """One page. Objects 1 to 4 are fixed; `objects` follow from 5."""
    stream = f"<< /Length {len(content)} >>\nstream\n".encode() + content + b"\nendstream"
    body = [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 300] /Resources << {resources} >> /Contents 4 0 R >>".encode(),
            stream, *objects]
    out, offsets = b"%PDF-1.4\n", []
    for n, data in enumerate(body, 1):
        offsets.append(len(out))
        out += f"{n} 0 obj\n".encode() + data + b"\nendobj\n"
    table = "".join(f"{at:010} 00000 n \n" for at in offsets)
    return out + (f"xref\n0 {len(body) + 1}\n0000000000 65535 f \n{table}trailer\n<< /Size {len(body) + 1} /Root 1 0 R "
                  f"{trailer} >>\nstartxref\n{len(out)}\n%%EOF\n").encode()


ZEROS = "0" * 64
LOCKED = pdf(b"BT /F1 12 Tf 20 200 Td (secret) Tj ET", "/Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Courier >> >>",
             trailer=f"/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <{ZEROS}> /U <{ZEROS}> >> /ID [<00> <00>]")
SCAN = pdf(b"q 300 0 0 300 0 0 cm /Im0 Do Q", "/XObject << /Im0 5 0 R >>",
           [b"<< /Type /XObject /Subtype /Image /Width 2 /Height 2 /ColorSpace /DeviceGray /BitsPerComponent 8 /Length 4 >>"
            b"\nstream\n\x00\xff\xff\x00\nendstream"])


class Documents(ProgramTest):
    def test_each_bad_document_has_its_error_and_the_good_one_is_found(self):
        bad = {
            "locked.pdf": (LOCKED, 5101), "scan.pdf": (SCAN, 5102), "empty.pdf": (b"", 5103),
            "broken.pdf": (b"%PDF-1.7\nno more than this", 5104), "ragged.csv": (b"a,b\n1,2\n3\n", 5111),
            "open.csv": (b'a,b\n1,"never closed\n', 5112),
            "mixed.csv": ("name,city\nZoë,Köln\n".encode() + "José,Málaga\n".encode("latin-1"), 5113),
        }
        self.write("in/good.md", "# Lighthouses\n\nThe beacon on the cliff is lit at dusk.\n")
        self.ok("ingest", "m", self.tmp / "in")
        for name, (data, _) in bad.items():
            self.write(f"in/{name}", data)
        report = self.ok("ingest", "m", self.tmp / "in", "--json").json()
        self.assertEqual((report["added"], report["unchanged"]), (0, 1))
        issues = {pathlib.Path(i["path"]).name: i["error"] for i in report["issues"]}
        self.assertEqual({n: e["number"] for n, e in issues.items()}, {n: number for n, (_, number) in bad.items()})
        for name, error in issues.items():
            self.assertIn(name, error["place"])
            self.assertTrue(error["fix"], error)
        self.assertRegex(issues["ragged.csv"]["place"], r"ragged\.csv:(line )?3")
        self.assertEqual(self.ok("search", "m", "beacon", "-k", "3", "--json").lines()[0]["doc"], "good")

    def test_a_byte_order_mark_is_no_part_of_the_first_column(self):
        self.write("in/marked.csv", b"\xef\xbb\xbfcity,height\nOslo,12\nBergen,31\n")
        self.assertEqual(self.ok("ingest", "m", self.tmp / "in", "--json").json()["issues"], [])
        text = self.ok("search", "m", "Bergen height", "-k", "1", "--json").lines()[0]["text"]
        self.assertIn("Bergen", text)
        self.assertNotIn("\ufeff", self.ok("search", "m", "city", "-k", "5", "--json").out)


class Weights(ProgramTest):
    def damaged(self, change):
        folder = self.tmp / "encoder"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for file in ENCODER.iterdir():
            if file.is_file():
                shutil.copy(file, folder)
        weights = folder / "model.safetensors"
        weights.write_bytes(change(weights.read_bytes()))
        return folder

    def test_damaged_safetensors_are_refused_with_the_place(self):
        flip = lambda at: lambda b: b[:at] + bytes([b[at] ^ 0x80]) + b[at + 1:]
        for what, change in {"zero length": lambda b: b"", "cut in the header": lambda b: b[:100],
                             "cut in the data": lambda b: b[:1_000_000], "claims 4 GiB": lambda b: struct.pack("<Q", 4 << 30) + b[8:],
                             "a flipped size": flip(3), "a flipped header": flip(60)}.items():
            answer = self.run_program("embed", self.damaged(change), "x", "--json")
            self.assertIn(answer.code, (1, 4), f"{what}: {answer.err}")
            error = answer.error()
            self.assertTrue(3200 <= error["number"] < 3300 or error["number"] == 2001, f"{what}: {error}")
            self.assertTrue(error["place"] and error["fix"], f"{what}: {error}")


def text(s):
    return struct.pack("<Q", len(s)) + s.encode()


def adapter(base, rank=2, layer=0, n_embd=576):
    """A LoRA of attn_output, ones everywhere, that names its base."""
    keys = [("general.architecture", "llama"), ("general.type", "adapter"), ("adapter.type", "lora"), ("consort.base.sha256", base)]
    out = b"GGUF" + struct.pack("<IQQ", 3, 2, len(keys) + 1)
    for key, value in keys:
        out += text(key) + struct.pack("<I", 8) + text(value)
    out += text("adapter.lora.alpha") + struct.pack("<If", 6, 2.0)
    size = rank * n_embd * 4
    for n, (suffix, dims) in enumerate([("lora_a", (n_embd, rank)), ("lora_b", (rank, n_embd))]):
        out += text(f"blk.{layer}.attn_output.weight.{suffix}") + struct.pack("<IQQIQ", 2, *dims, 0, n * size)
    out += b"\0" * (-len(out) % 32)
    return out + struct.pack("<f", 0.05) * (2 * rank * n_embd)


class Adapters(ProgramTest):
    def generate(self, *more):
        return self.run_program("generate", DECODER, "--prompt", "Hi", "--max-tokens", "8", "--json", *more)

    def test_an_adapter_for_another_base_is_refused_before_it_writes(self):
        for name, data in (("other.gguf", adapter("1" * 64)), ("layer.gguf", (LORA / "no_such_layer.gguf").read_bytes()),
                           ("shape.gguf", (LORA / "wrong_shape.gguf").read_bytes())):
            answer = self.generate("--adapter", self.write(name, data))
            self.assertIn(answer.code, (1, 4), name)
            self.assertEqual(answer.out, "", name)
            error = answer.error()
            self.assertEqual(error["number"], 4106, error)
            self.assertTrue(error["fix"], error)

    def test_versions_are_imported_promoted_resolved_and_rolled_back(self):
        base = next(m["sha256"] for m in self.ok("ls", "models", "--json").lines() if m["model"] == DECODER)
        first, second = self.write("a.gguf", (LORA / "adapter.gguf").read_bytes()), self.write("b.gguf", adapter(base))
        self.assertEqual(self.ok("import", first, "--name", "writer", "--json").json()["version"], "1")
        self.assertEqual(self.ok("import", second, "--name", "writer", "--json").json()["version"], "2")
        self.assertEqual(self.ok("import", second, "--name", "writer", "--json").json()["version"], "2")   # The same bytes.
        refused = self.fails(2, 8206, "promote", "writer@1")
        self.assertIn("gate", refused["message"])
        self.assertIn("--ungated", refused["fix"])
        self.fails(2, 1222, "promote", "writer@7", "--ungated", "x")
        for version in ("1", "2"):
            self.ok("promote", f"writer@{version}", "--ungated", "measured by hand")
        aliases = lambda: {a["version"]: a["aliases"] for a in self.ok("ls", "adapters", "--json").lines()}
        self.assertEqual(aliases(), {"1": [], "2": ["champion"]})
        text_of = lambda *a: self.generate(*a).json()["text"]
        self.assertEqual(text_of("--adapter", "writer@champion"), text_of("--adapter", second))
        self.assertEqual(self.ok("rollback", "writer", "--json").json()["to"], "1")
        self.assertEqual(aliases(), {"1": ["champion"], "2": []})
        self.assertEqual(text_of("--adapter", "writer@champion"), text_of("--adapter", first))
        self.fails(1, 1223, "rollback", "writer")

    def test_an_agent_names_its_adapter_by_alias_and_a_missing_one_is_an_error_with_its_place(self):
        self.write("contracts.yaml", "In:\n  type: object\n  properties: {topic: {type: string}}\n  required: [topic]\n"
                   "Out:\n  type: object\n  properties: {word: {type: string, maxLength: 12}}\n  required: [word]\n  additionalProperties: false\n")
        self.write("p.j2", "--- user\nOne word about {{ topic }}.\n")
        agent = self.write("agent.yaml", "consort: 1\nagent: {name: one, version: 0.1.0, in: In, out: Out}\ncontracts: [contracts.yaml]\n"
                           f"models: {{small: {{ref: \"{DECODER}\"}}}}\ncomponents:\n"
                           "  w: {kind: generate, model: small, adapter: writer@champion, prompt: p.j2, in: In, out: Out, max_tokens: 24}\n"
                           "flow:\n  a: w(input)\n  return: a\n")
        missing = self.run_program("run", agent, "--set", "topic=sea", "--json")
        self.assertEqual(missing.error()["number"], 6312, missing.err)
        self.assertRegex(missing.error()["place"], r"agent\.yaml:\d+")
        self.assertIn("consort import", missing.error()["fix"])
        self.ok("import", LORA / "adapter.gguf", "--name", "writer")
        missing = self.run_program("run", agent, "--set", "topic=sea", "--json")
        self.assertEqual(missing.error()["number"], 6312, missing.err)   # A version without an alias.
        self.ok("promote", "writer@1", "--ungated", "the only one")
        run = self.ok("run", agent, "--set", "topic=sea", "--json").json()
        self.assertEqual(run["state"], "completed")
        self.assertTrue(self.ok("replay", run["run"], "--json").json()["replay"]["bit_equal"])

    def test_an_adapter_that_came_with_the_agent_is_taken_as_champion_where_the_home_has_none(self):
        self.write("models/adapters/writer/adapter.gguf", (LORA / "adapter.gguf").read_bytes())
        self.write("agents/c.yaml", "In:\n  type: object\n  properties: {topic: {type: string}}\n  required: [topic]\n"
                   "Out:\n  type: object\n  properties: {word: {type: string, maxLength: 12}}\n  required: [word]\n  additionalProperties: false\n")
        self.write("agents/p.j2", "--- user\nOne word about {{ topic }}.\n")
        agent = self.write("agents/agent.yaml", "consort: 1\nagent: {name: one, version: 0.1.0, in: In, out: Out}\ncontracts: [c.yaml]\n"
                           f"models: {{small: {{ref: \"{DECODER}\"}}}}\ncomponents:\n"
                           "  w: {kind: generate, model: small, adapter: writer@champion, prompt: p.j2, in: In, out: Out, max_tokens: 24}\n"
                           "flow:\n  a: w(input)\n  return: a\n")
        aliases = lambda: {a["version"]: a["aliases"] for a in self.ok("ls", "adapters", "--json").lines()}
        for _ in range(2):
            self.assertEqual(self.ok("run", agent, "--set", "topic=sea", "--json").json()["state"], "completed")
            self.assertEqual(aliases(), {"1": ["champion"]})
        # One's own champion stays.
        base = next(m["sha256"] for m in self.ok("ls", "models", "--json").lines() if m["model"] == DECODER)
        self.ok("import", self.write("own.gguf", adapter(base)), "--name", "writer")
        self.ok("promote", "writer@2", "--ungated", "better here")
        self.ok("run", agent, "--set", "topic=sea")
        self.assertEqual(aliases(), {"1": [], "2": ["champion"]})


if __name__ == "__main__":
    unittest.main()
