"""Include arrows of src/ only point down the list of folders, and every arrow between targets is declared."""
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
# From the bottom up. An `#include "folder/..."` may name the own folder or one that stands before it.
ORDER = ["base", "contract", "mask", "tensor", "model", "engine", "train", "eval", "store", "memory", "tool",
         "agent", "run", "serve", "cli"]
RANK = {name: i for i, name in enumerate(ORDER)}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([a-z_]+)/[^"]+"', re.M)
# Library headers that only some folders may name, and only in .cc files (yaml-cpp: agent/yaml.h is private).
HEAVY = {
    "sqlite3.h": {"store", "tool", "memory"},
    "curl/": {"cli", "serve", "tool"},
    "CLI/": {"cli"},
    "yaml-cpp/": {"agent"},
}
HEAVY_IN_HEADER_ALLOWED = {("agent/yaml.h", "yaml-cpp/")}


def sources():
    for path in sorted((ROOT / "src").rglob("*")):
        if path.suffix in (".cc", ".h"):
            yield path, path.relative_to(ROOT / "src")


class Layering(unittest.TestCase):
    def test_every_folder_has_its_place_in_the_order(self):
        folders = {p.name for p in (ROOT / "src").iterdir() if p.is_dir()}
        self.assertEqual(folders - set(ORDER), set())
        self.assertGreater(len(folders), 8)

    def test_arrows_only_point_down(self):
        wrong, seen = [], 0
        for path, name in sources():
            folder = name.parts[0]
            for match in INCLUDE.finditer(path.read_text()):
                target = match[1]
                if target not in RANK:
                    wrong.append(f"{name}: includes \"{target}/...\", which is no folder of src")
                    continue
                seen += 1
                if RANK[target] > RANK[folder]:
                    wrong.append(f"{name}: {folder} -> {target}")
        self.assertGreater(seen, 300, "the pattern no longer finds includes")
        self.assertEqual(wrong, [])

    def test_heavy_headers_stay_in_their_folders_and_out_of_headers(self):
        wrong = []
        for path, name in sources():
            for line in re.findall(r"^\s*#\s*include\s+<([^>]+)>", path.read_text(), re.M):
                for library, folders in HEAVY.items():
                    if not line.startswith(library):
                        continue
                    if name.parts[0] not in folders:
                        wrong.append(f"{name}: <{line}> belongs to {sorted(folders)}")
                    if path.suffix == ".h" and (str(name), library) not in HEAVY_IN_HEADER_ALLOWED:
                        wrong.append(f"{name}: <{line}> in a header")
        self.assertEqual(wrong, [])

    def test_no_folder_sees_the_command_line(self):
        for path, name in sources():
            if name.parts[0] != "cli":
                self.assertNotIn('#include "cli/', path.read_text(), str(name))


if __name__ == "__main__":
    unittest.main()
