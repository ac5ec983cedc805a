"""Seeded generator of the varied text lines on which tokenizers are compared.

`lines(n, seed)` yields (kind, bytes). Everything is made here from word lists, character ranges and
templates; nothing is copied from a corpus. The same seed gives the same lines on any Python >= 3.9.
"""

import random

WORDS = """the of and to in is that for it as was with be by on not he his but at are this have from
or had an they which one you were her all she there would their we him been has when who will more no
if out so said what up its about into than them can only other new some could time these two may then
do first any my now such like our over man me even most made after also did many before must through
back years where much your way well down should because each just those people how too little state
good very make world still own see men work long get here between both life being under never day same
another know while last might us great old year off come since against go came right used take three
revenue gross margin operating income quarter fiscal net sales segment guidance billion million share
cash flow debt ratio growth decline forecast customer churn pipeline region subsidiary inventory
acquisition competitor pricing strategy wholesale antidisestablishmentarianism photosynthesis
electroencephalography deoxyribonucleic misunderstanding tokenization internationalization""".split()

ALPHABETS = {
    "latin": "àáâãäåæçèéêëìíîïñòóôõöøùúûüýþßÿāăąćčďđēęěğģīįķļłńňőœřśşšţťūůűźżž",
    "greek": "αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώΑΒΓΔΩ",
    "cyrillic": "абвгдежзийклмнопрстуфхцчшщъыьэюяіїєґђљњћџАБВГД",
    "hebrew": "אבגדהוזחטיכלמנסעפצקרשתםןףץ",
    "arabic": "ابتثجحخدذرزسشصضطظعغفقكلمنهويءآأؤإئةى",
    "devanagari": "अआइईउऊएऐओऔकखगघचछजझटठडढतथदधनपफबभमयरलवशषसहािीुूेैोौं्",
    "bengali": "অআইঈউঊএঐওঔকখগঘচছজঝটঠডঢতথদধনপফবভমযরলশষসহািীুূেৈোৌ্",
    "tamil": "அஆஇஈஉஊஎஏஐஒஓகஙசஞடணதநபமயரலவழளறனாிீுூெேைொோ்",
    "thai": "กขคงจฉชซญดตถทธนบปผฝพฟภมยรลวศษสหอฮะาิีึืุูเแโใไ่้๊๋",
    "georgian": "აბგდევზთიკლმნოპჟრსტუფქღყშჩცძწჭხჯჰ",
    "armenian": "աբգդեզէըթժիլխծկհձղճմյնշոչպջռսվտրցւփքօֆ",
    "hangul": "가나다라마바사아자차카타파하한국어테스트회사매출이익분기",
    "kana": "あいうえおかきくけこさしすせそたちつてとアイウエオカキクケコサシスセソー",
    "han": "的一是不了人我在有他这为之大来以个中上们到说国和地也子时道出而要于就下得可你年生公司收入利润季度增长",
    "amharic": "ሀለሐመሠረሰሸቀበተቸኀነኘአከኸወዐዘዠየደጀገጠጨጰጸፀፈፐ",
    "khmer": "កខគឃងចឆជឈញដឋឌឍណតថទធនបផពភមយរលវសហឡអាិីុូេែៃោៅំះ",
    "deseret": "𐐀𐐁𐐂𐐃𐐄𐐨𐐩𐐪𐐫𐐬",
    "math": "𝐀𝐁𝐚𝐛𝒜𝔸𝕏𝟎𝟏𝟐∑∫∞≤≥≠√∂∇∈∉⊂∪∩→←⇒⇔",
}
EMOJI = ["😀", "😂", "🤖", "🚀", "👍🏽", "👩‍💻", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "🇺🇸🇯🇵", "❤️", "☕", "1️⃣", "🧑🏿‍🚒", "⚠️", "✅", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"]
CONTRACTIONS = ["I'm", "you're", "he'd", "she'll", "they've", "it's", "don't", "can't", "I'M", "WE'RE",
                "O'Neil's", "'tis", "rock'n'roll", "y'all'd've", "students'", "’s", "don’t", "it''s", "'s't're",
                "'ve 'm 'll 'd", "'S 'T"]
SPECIALS = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<repo_name>", "<file_sep>", "<reponame>",
            "<filename>", "<gh_stars>", "<jupyter_start>", "<empty_output>", "<issue_start>",
            "<|im_start", "im_end|>", "< |im_end|>", "<|IM_END|>", "<s>", "</s>", "[CLS]", "[SEP]", "[MASK]",
            "[UNK]", "[PAD]", "<unk>"]
SPACES = [" ", "  ", "   ", "    ", "\t", "\t\t", " \t ", "\n", "\n\n", "\r\n", "\r", "\u00a0", "\u2003",
          "\u200b", "\u3000", "\u2028", "\x0b", "\x0c", "\u0085", "\ufeff", "\u180e", "\u202f"]
NUMBER_SIGNS = ["½", "²", "³", "Ⅷ", "①", "٣", "४", "๗", "〇", "六", "𝟗", "㊿", "¼", "₂"]
PUNCTUATION = list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") + ["…", "—", "–", "«", "»", "“", "”", "€", "£", "¥",
                                                              "§", "™", "°", "·", "、", "。", "¿", "¡"]
CODE = [
    "def {a}({b}, {c}=None):", "    return {a}[{n}:{n}] + '{b}'", "for (int {a} = 0; {a} < {n}; ++{a}) {{",
    "std::vector<std::pair<int, {a}_t>> {b}{{}};", "SELECT {a}, SUM({b}) FROM {c} WHERE {a} >= {n} GROUP BY 1;",
    "if ({a} != nullptr && {b}->{c}() == 0x{n:x}) return;", "const {a} = async ({b}) => await {c}({b}, {n});",
    "\t\t<div class=\"{a}-{b}\" id='{c}'>{n}</div>", "{a}_{b}__{c} = lambda x: x ** {n} // {n}",
    "{{\"{a}\": [{n}, null, true], \"{b}\": {{\"{c}\": -{n}.5e-3}}}}", "#include <{a}/{b}.h>  // {c}",
    "git commit -m \"{a}: {b} {c}\" && ./run.sh --{a}={n} | grep -v '{b}'", "fn {a}<'a, T: {b}>(x: &'a mut T) -> Option<u{n}> {{",
    "\\frac{{{a}}}{{{b}}} \\leq \\sum_{{i={n}}}^{{\\infty}} x_i^{{2}}", "https://www.{a}.com/{b}?q={c}&p={n}#x%20y",
    "{a}.{b}@{c}.co.uk", "C:\\{a}\\{b}.{c}", "/usr/lib/{a}/{b}.so.{n}", "@{a} #{b} $${c}$$ ~~{n}~~", "!!!{a}??? ...{b}---{c}___",
]


def word(r):
    w = r.choice(WORDS)
    return r.choice([w, w, w, w, w.capitalize(), w.upper(), w[: r.randint(1, len(w))], w + r.choice(WORDS).title()])


def number(r):
    n = r.randint(0, 10 ** r.randint(1, 12))
    return r.choice([str(n), f"{n:,}", f"${n / 100:,.2f}", f"{n % 1000}.{n % 97}%", f"-{n}", f"({n:,})", f"{n:e}",
                     f"{n % 28 + 1:02d}/{n % 12 + 1:02d}/{1990 + n % 40}", f"{n % 24:02d}:{n % 60:02d}",
                     f"{1990 + n % 40}-{n % 12 + 1:02d}-{n % 28 + 1:02d}", f"Q{n % 4 + 1} FY{n % 30:02d}", f"0x{n:X}",
                     f"{n}th", f"v{n % 9}.{n % 11}.{n % 13}", "0" * r.randint(1, 9), f"{n}".replace("0", " ")])


def script_word(r):
    alphabet = r.choice(list(ALPHABETS.values()))
    return "".join(r.choice(alphabet) for _ in range(r.randint(1, 8)))


def english(r):
    return " ".join(word(r) for _ in range(r.randint(2, 9))) + r.choice(["", ".", "?", "!", ",", ":", ";"])


def scripts(r):
    return r.choice([" ", "", ", ", "、"]).join(script_word(r) for _ in range(r.randint(1, 4)))


def code(r):
    a, b, c = (word(r) for _ in range(3))
    return r.choice(CODE).format(a=a, b=b, c=c, n=r.randint(0, 99999))


def numbers(r):
    return r.choice([" ", ", ", "", " to ", "\t"]).join(
        r.choice(NUMBER_SIGNS) if r.random() < .15 else number(r) for _ in range(r.randint(1, 4)))


def emoji(r):
    return "".join(r.choice([r.choice(EMOJI), word(r), " ", r.choice(EMOJI)]) for _ in range(r.randint(1, 6)))


def spaces(r):
    return "".join(r.choice([r.choice(SPACES) * r.randint(1, 4), word(r), number(r), r.choice(PUNCTUATION)])
                   for _ in range(r.randint(2, 8)))


def contractions(r):
    return " ".join(r.choice([r.choice(CONTRACTIONS), word(r)]) for _ in range(r.randint(1, 5)))


def specials(r):
    return "".join(r.choice([r.choice(SPECIALS), word(r), " ", "\n", r.choice(PUNCTUATION)])
                   for _ in range(r.randint(1, 6)))


def punctuation(r):
    return "".join(r.choice([r.choice(PUNCTUATION) * r.randint(1, 3), " ", word(r)]) for _ in range(r.randint(1, 9)))


def combining(r):
    """Letters with stacked marks, and rare code points of the whole range."""
    out = ""
    for _ in range(r.randint(1, 8)):
        point = r.choice([r.randint(0x300, 0x36f), r.randint(0x20, 0x2ff), r.randint(0x1100, 0x11ff),
                          r.randint(0x2000, 0x2bff), r.randint(0xa000, 0xd7ff), r.randint(0xe000, 0xffff),
                          r.randint(0x10000, 0x1ffff), r.randint(0xe0000, 0x10ffff), r.randint(1, 31)])
        out += r.choice([chr(point), chr(point), word(r)[:1]])
    return out


def mixed(r):
    makers = [english, scripts, numbers, emoji, punctuation, contractions, spaces]
    return r.choice(["", " ", "\n", "\r\n"]).join(r.choice(makers)(r)[:24] for _ in range(r.randint(2, 3)))


def edges(r):
    return r.choice(["", " ", "\n", "\r\n", "\t", "a", "A", "0", " a", "a ", "  a", "\x00", "a\x00b", "é", "e\u0301",
                     "'", "''", "aaaaaaaa" * r.randint(1, 9), "Zq" * r.randint(1, 20), " " * r.randint(1, 40),
                     "\n" * r.randint(1, 12), "0" * r.randint(1, 30), "=" * r.randint(1, 60), "\ufffd"])


def invalid(r):
    """Bytes that are not UTF-8: stray continuations, cut sequences, bytes that never occur."""
    out = b""
    for _ in range(r.randint(1, 4)):
        cut = r.choice(["é", "中", "😀", "ß", "한"]).encode()
        bad = r.choice([b"\xff", b"\xfe", b"\x80", b"\xbf\xbf", cut[:-1], cut[1:], b"\xe9 ", b"\xa3", cut[:1] + b"a",
                        bytes([r.randint(0x80, 0xbf)])])
        out += r.choice([english(r)[:12].encode(), b"", b" ", script_word(r)[:3].encode()]) + bad
    return out + r.choice([b"", b"x", b" end"])


def lenient(r):
    """Overlong forms and surrogates: not UTF-8 either, yet llama.cpp decodes them."""
    bad = r.choice([b"\xc0\x80", b"\xc1\xa1", b"\xe0\x80\xaf", b"\xed\xa0\x80", b"\xed\xb0\x80", b"\xf0\x80\x80\x80"])
    return word(r).encode() + bad + r.choice([b"", b" x"])


KINDS = [(english, 18), (scripts, 16), (code, 14), (numbers, 12), (emoji, 6), (spaces, 9), (contractions, 5),
         (specials, 6), (punctuation, 5), (combining, 5), (mixed, 6), (edges, 1)]


def lines(n, seed, with_invalid=True):
    """n (kind, bytes) pairs; with_invalid adds about 3 % that are not UTF-8."""
    r = random.Random(seed)
    kinds = KINDS + ([(invalid, 3), (lenient, 0.3)] if with_invalid else [])
    makers, weights = zip(*kinds)
    for _ in range(n):
        maker = r.choices(makers, weights)[0]
        text = maker(r)
        yield maker.__name__, text if isinstance(text, bytes) else text.encode("utf-8")
