"""Expected values of src/eval/{paired,text_scores}_test.cc, from programs that share nothing with them.

    python tools/golden/make_gate.py > tests/golden/gate/gate.json

McNemar, Holm: scipy and statsmodels. Tango's interval: the constrained trinomial likelihood is maximised
numerically, without the closed form of the paper. chrF: sacrebleu; ROUGE-L: rouge-score. Calibration error: numpy.
"""
import importlib.metadata
import json
import math

import numpy
from rouge_score import rouge_scorer
from sacrebleu.metrics import CHRF
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import binomtest, norm
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

TABLES = [(43, 0, 1, 0), (36, 2, 12, 0), (20, 9, 5, 16), (53, 2, 9, 16), (700, 30, 22, 48), (0, 5, 0, 5), (212, 144, 256, 388), (90, 1, 0, 9)]
TEXTS = [
    ("The cat sat on the mat.", "The cat is on the mat."),
    ("Revenue rose 8% to $611.3 billion in fiscal 2023.", "In fiscal 2023 revenue was $611.3 billion, up 8%."),
    ("net income", "net income"),
    ("a", "b"),
    ("Der Umsatz stieg auf 12 Mrd. €.", "Umsatz: 12 Mrd. € über Vorjahr"),
    ("short", "a much longer answer that shares nothing with it"),
    ("Costco opened 23 new warehouses", "Costco opened 23 new warehouses, including 9 abroad"),
]


def tango_z(both, loss, gain, neither, delta):
    """Score statistic with the share of losses that maximises the likelihood under gains - losses = delta."""
    n = both + loss + gain + neither

    def minus_log_likelihood(q):
        p, rest = q + delta, 1 - 2 * q - delta
        out = 0.0
        for count, share in ((loss, q), (gain, p), (both + neither, rest)):
            if count:
                out -= count * math.log(max(share, 1e-300))
        return out
    low, high = max(0.0, -delta), (1 - delta) / 2
    q = minimize_scalar(minus_log_likelihood, bounds=(low, high), method="bounded", options={"xatol": 1e-14}).x
    q = min((low, q, high), key=minus_log_likelihood)
    variance = n * (2 * q + delta - delta * delta)
    return (gain - loss - n * delta) / math.sqrt(variance) if variance > 0 else 0.0


def tango(table, alpha):
    both, loss, gain, neither = table
    z, middle = norm.ppf(1 - alpha / 2), (gain - loss) / sum(table)
    low = brentq(lambda d: tango_z(*table, d) - z, -1 + 1e-9, middle - 1e-9, xtol=1e-12)
    high = brentq(lambda d: tango_z(*table, d) + z, middle + 1e-9, 1 - 1e-9, xtol=1e-12)
    return low, high


def calibration(confidence, right, bins=10):
    confidence, right = numpy.array(confidence), numpy.array(right, float)
    edges = numpy.linspace(0, 1, bins + 1)
    total = 0.0
    for i in range(bins):
        inside = (confidence > edges[i]) & (confidence <= edges[i + 1])
        if i == 0:
            inside |= confidence == 0
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return total


def main():
    pairs = []
    for table in TABLES:
        both, loss, gain, neither = table
        low, high = tango(table, 0.05)
        low90, _ = tango(table, 0.10)
        pairs.append({"both": both, "champion_only": loss, "candidate_only": gain, "neither": neither,
                      "mcnemar": mcnemar([[both, loss], [gain, neither]], exact=True).pvalue,
                      "better": binomtest(gain, loss + gain, 0.5, alternative="greater").pvalue if loss + gain else 1.0,
                      "low": low, "high": high, "low90": low90})
    chrf, rouge = CHRF(), rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
    texts = [{"expected": a, "answer": b, "chrf": chrf.sentence_score(b, [a]).score / 100,
              "rouge_l": rouge.score(a, b)["rougeL"].fmeasure} for a, b in TEXTS]
    p_values = [0.01, 0.04, 0.03, 0.005, 0.5, 0.03]
    rng = numpy.random.default_rng(5)
    confidence = [round(float(c), 3) for c in rng.uniform(0, 1, 60)]
    right = [bool(u < c * c) for u, c in zip(rng.uniform(0, 1, 60), confidence)]
    print(json.dumps({
        "made_by": {p: importlib.metadata.version(p) for p in ("scipy", "statsmodels", "sacrebleu", "rouge-score", "numpy")},
        "pairs": pairs, "texts": texts,
        "holm": {"p": p_values, "adjusted": [float(x) for x in multipletests(p_values, method="holm")[1]]},
        "quantiles": [[p, float(norm.ppf(p))] for p in (0.001, 0.05, 0.5, 0.8, 0.975)],
        "calibration": {"confidence": confidence, "right": right, "error": calibration(confidence, right)},
    }, indent=1))


if __name__ == "__main__":
    main()
